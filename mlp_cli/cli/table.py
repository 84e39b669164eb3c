"""Tables of text in columns, for words in any script."""

import unicodedata
from collections.abc import Sequence

import click


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide letters, such as Chinese ones, take two; combining accents and
    colours take none."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in click.unstyle(text)
    )


def cut(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis if it would take more than `width` columns."""
    if columns(text) <= width:
        return text
    kept, used = 0, 0
    for letter in text:
        used += columns(letter)
        if used > width - 1:
            break
        kept += 1
    return text[:kept] + "…"


def pad(text: str, width: int, align: str = "<") -> str:
    """The text with spaces up to `width` columns: to its right, or with align ">" to its left."""
    spaces = " " * (width - columns(text))
    return spaces + text if align == ">" else text + spaces


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Lines of a header and rows of texts, two spaces between columns; `align` has a sign < or > for each."""
    widths = [max(map(columns, cells)) for cells in zip(header, *rows, strict=True)]
    return ["  ".join(pad(*cell) for cell in zip(row, widths, align, strict=True)).rstrip() for row in [header, *rows]]
