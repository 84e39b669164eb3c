"""What the output can show: whether it is a terminal, with colours and a movable cursor."""

import os
import sys
from typing import Any, TextIO

import click


def can_redraw(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can redraw a line, as a progress bar does."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Whether stdout takes colours: a terminal, not a dumb one, and NO_COLOR is unset or empty (no-color.org)."""
    return can_redraw(sys.stdout) and not os.environ.get("NO_COLOR")


def coloured(text: str, **style: Any) -> str:
    """The text in this `click.style`, or unchanged if stdout takes no colours."""
    return click.style(text, **style) if has_colour() else text
