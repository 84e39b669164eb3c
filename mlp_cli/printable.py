"""Text from a file or a name, made safe to print: the one way for it to a terminal, a page or a line of JSON.

What would not show, such as a line break, a control sequence or a sign that turns the direction of the text, is written
as an escape, so nobody's file can move the cursor, forge a line or hide a part of one.
"""

import json
import math
from typing import Any

LONGEST = 100  # letters of a value that are shown in a message


def printable(text: str, keep: str = "") -> str:
    """The text with what would not show, but for the letters in `keep`, written as in Python."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else repr(letter)[1:-1] for letter in text)


def cut(text: str, most: int = LONGEST) -> str:
    """The text, or where it is longer than `most` letters its beginning and its end, with an ellipsis between."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[len(text) - end :]}"


def to_json(value: Any) -> str:
    """One line of JSON: what would not show is escaped, and a number that is not finite, which JSON lacks, is null."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
