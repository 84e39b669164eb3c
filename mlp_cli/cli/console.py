"""The one way from the program to a terminal: `tell` prints results on stdout, `note` everything else on stderr.

Every line goes through `printable`, since it may contain text from files or names. A result that cannot be printed is
an error; a note that cannot be printed is dropped, since training must not depend on who watches.
"""

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from mlp_cli.errors import OutputError
from mlp_cli.printable import cut, printable

LONGEST_NOTE = 1000  # letters of a line on stderr
STYLE = re.compile(r"(\x1b\[[0-9;]*m)")  # what click.style puts around a word


def tell(*lines: str, styled: bool = False) -> None:
    """Print lines of a result to stdout; tabs are kept, and in `styled` lines the colours of click.style, too.

    Text from files must be made `printable` before it goes into a styled line. Raises OutputError, and BrokenPipeError
    if the reader has left.
    """
    if styled:
        text = "\n".join("".join(_unstyled(part) for part in STYLE.split(line)) for line in lines)
    else:
        text = "\n".join(printable(line, keep="\t") for line in lines)
    if sys.stdout is None:
        raise OutputError("standard output is closed, so the result is lost")
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: closed by this process
        abandon(sys.stdout)
        raise OutputError(f"standard output: {reason(error)}, so the result is lost") from None


def _unstyled(part: str) -> str:
    return part if STYLE.fullmatch(part) else printable(part, keep="\t")


def note(*lines: str) -> None:
    """Print lines to stderr, if it is open."""
    text = "\n".join(cut(printable(line), LONGEST_NOTE) for line in lines)
    if sys.stderr is None:
        return
    try:
        click.echo(text, err=True)
    except (OSError, ValueError):
        abandon(sys.stderr)


def redraw(lines: Sequence[str], over: int) -> None:
    """Print lines to the terminal at stderr, in place of its last `over` lines."""
    up = f"\x1b[{over}A\x1b[J" if over else ""
    try:
        click.echo(up + "".join(printable(line) + "\n" for line in lines), nl=False, err=True)
    except (OSError, ValueError):
        abandon(sys.stderr)


def reason(error: BaseException) -> str:
    """What went wrong in an OSError, in lower case and without its number."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def abandon(stream: TextIO | None) -> None:
    """Discard what is still to be written to a stream; otherwise Python complains again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def occupy_descriptors() -> None:
    """Open the null device in place of closed standard streams. Otherwise the next file to be opened would get their
    number, and what is written to them, by a C library for instance, would end up in it."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


class Watched:
    """Stderr for a progress bar: work goes on if it cannot be shown."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if possible."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
