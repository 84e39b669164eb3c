"""What the terminal can show: whether output is one, whether it has colours and a cursor that goes back."""

import os
import sys
from typing import Any, TextIO

import click


def can_redraw(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which a line can be written over, as a progress bar does."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Whether stdout takes colours: a terminal, not a dumb one, and NO_COLOR is unset or empty (no-color.org)."""
    return can_redraw(sys.stdout) and not os.environ.get("NO_COLOR")


def coloured(text: str, **style: Any) -> str:
    """The text in this `click.style`, or as it is where stdout takes no colours."""
    return click.style(text, **style) if has_colour() else text
