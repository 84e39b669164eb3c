"""What the output can show: whether it is a terminal, with colours and a movable cursor."""

import contextlib
import os
import sys
from typing import Any, TextIO

import click


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal at all."""
    return stream is not None and stream.isatty()


def can_redraw(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can redraw a line, as a progress bar does."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def size(stream: TextIO) -> os.terminal_size:
    """The columns and lines of the terminal behind a stream; 80 and 24 if it does not say."""
    with contextlib.suppress(OSError, ValueError):
        found = os.get_terminal_size(stream.fileno())
        if found.columns and found.lines:
            return found
    return os.terminal_size((80, 24))


def has_colour() -> bool:
    """Whether stdout takes colours: a terminal, not a dumb one, and NO_COLOR is unset or empty (no-color.org)."""
    return can_redraw(sys.stdout) and not os.environ.get("NO_COLOR")


def coloured(text: str, **style: Any) -> str:
    """The text in this `click.style`, or unchanged if stdout takes no colours."""
    return click.style(text, **style) if has_colour() else text
