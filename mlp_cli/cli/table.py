"""Tables of text in columns, whatever the script of the words in them."""

import unicodedata


def columns(text):
    """How many columns of a terminal a text takes: wide letters, as those of Chinese, take two, accents none."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def cut(text, width):
    """The text, or its beginning and an ellipsis where it would take more than `width` columns."""
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[:-1]
    return text + "…"


def pad(text, width, align="<"):
    """The text with spaces up to `width` columns: to its right, or with align ">" to its left."""
    spaces = " " * (width - columns(text))
    return spaces + text if align == ">" else text + spaces


def table(header, rows, align):
    """Lines of a header and rows of texts, two spaces between columns; `align` has a sign < or > for each."""
    widths = [max(map(columns, cells)) for cells in zip(header, *rows, strict=True)]
    return ["  ".join(pad(*cell) for cell in zip(row, widths, align, strict=True)).rstrip() for row in [header, *rows]]
