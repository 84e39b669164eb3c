"""Text from files and names, made safe to print on a terminal, on a page or in a line of JSON.

Invisible characters, such as line breaks, control sequences or marks that change the direction of text, are written as
escapes, so that no file can move the cursor, forge a line or hide a part of one.
"""

import json
import math
from typing import Any

LONGEST = 100  # letters of a value that are shown in a message


def printable(text: str, keep: str = "") -> str:
    """The text with invisible characters, except those in `keep`, escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else repr(letter)[1:-1] for letter in text)


def cut(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and end with an ellipsis between if it is longer than `most` letters."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[len(text) - end :]}"


def to_json(value: Any) -> str:
    """One line of JSON: invisible characters are escaped, and numbers that are not finite become null."""
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
