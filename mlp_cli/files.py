"""Files that are whole or not there: written beside their place under a name that nobody can guess, then put into it.

The new file is opened with O_EXCL and O_NOFOLLOW, so nothing that lies in its way, a symbolic link least of all, is
written through; its content and its directory are on the disk before the old one is gone. A kill at any moment, or a
full disk, leaves the old file or the new one.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

PART = re.compile(r"\.[0-9a-f]{16}\.mlp-part")
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
HAS_DESCRIPTORS = os.open in os.supports_dir_fd  # of directories: not on Windows


def replace_file(path: str | Path, content: bytes, directory: int | None = None) -> None:
    """Write `content` to `path`, in place of what is there. Raises OSError, and the old file stays.

    With a descriptor `directory`, the path counts from that open directory, wherever it has been moved meanwhile.
    """
    part = _write_part(path, content, directory)
    with _removed_on_error(part, directory):
        os.replace(part, path, src_dir_fd=directory, dst_dir_fd=directory)
    _flush_directory(path, directory)


def create_file(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`. Raises FileExistsError if there is anything, even if it came in the last moment."""
    part = _write_part(path, content, None)
    with _removed_on_error(part, None):
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links; there a reader may see the file half-written
            with os.fdopen(os.open(path, NEW, 0o666), "wb") as file:
                file.write(content)
        os.unlink(part)
    _flush_directory(path, None)


def remove_parts(directory: Path) -> None:
    """Remove what a writer that was killed has left in a directory in which nobody else writes."""
    for name in os.listdir(directory):
        if PART.fullmatch(name):
            with contextlib.suppress(OSError):
                os.unlink(directory / name)


def _write_part(path: str | Path, content: bytes, directory: int | None) -> str:
    """The path of a new file beside `path` with this content, on the disk."""
    part = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}.mlp-part")
    descriptor = os.open(part, NEW, 0o666, dir_fd=directory)
    with _removed_on_error(part, directory), os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return part


@contextlib.contextmanager
def _removed_on_error(part: str, directory: int | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=directory)
        raise


def _flush_directory(path: str | Path, directory: int | None) -> None:
    """Put the entry of a file onto the disk, where directories can be opened for it."""
    if not HAS_DESCRIPTORS:
        return
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY, dir_fd=directory)
    try:
        with contextlib.suppress(OSError):  # file systems that cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
