"""Files and folders that a command writes: new and complete, or else an OutputError."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mlp_cli import files
from mlp_cli.errors import OutputError


def check_absent(path: str, option: str) -> None:
    """Raise OutputError, before any work is done, if the path that an option names already exists."""
    if path == "" or os.path.lexists(path):
        raise _exists(path, option)


@contextlib.contextmanager
def new_folder(path: str, option: str) -> Iterator[Path]:
    """A folder to put files into. It appears at `path` when the context ends without an error."""
    check_absent(path, option)
    try:
        with files.new_folder(path) as folder:
            yield folder
    except BrokenPipeError:  # of stdout
        raise
    except FileExistsError:
        raise _exists(path, option) from None
    except OSError as error:
        raise _failed(path, error) from None


def new_file(path: str, content: bytes, option: str) -> None:
    """Write a new file. Raises OutputError, also if it exists."""
    try:
        files.create_file(path, content)
    except FileExistsError:
        raise _exists(path, option) from None
    except OSError as error:
        raise _failed(path, error) from None


def _exists(path: str, option: str) -> OutputError:
    problem = "already exists" if path else "is empty"
    return OutputError(f"{path or option}: {problem}; choose another {option}")


def _failed(path: str, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")
