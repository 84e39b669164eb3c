"""Files that are complete or absent: written beside their place under a name that nobody can guess, then renamed.
Only regular files are read, up to a size limit.

The new file is opened with O_EXCL and O_NOFOLLOW, so nothing that lies in its way, a symbolic link least of all, is
written through; its content and its directory are on the disk before the old one is gone. A kill at any moment, or a
full disk, leaves the old file or the new one.
"""

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path

PART = re.compile(r"\.[0-9a-f]{16}\.mlp-(part|run)")  # "run": of the process that trains in the directory
STALE = 3600.0  # seconds after which no writer can still be at work on a part
OLD = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
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
            descriptor = os.open(path, NEW, 0o666)
            with _removed_on_error(str(path), None), os.fdopen(descriptor, "wb") as file:
                file.write(content)
        os.unlink(part)
    _flush_directory(path, None)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A folder to put files into, under another name, which stands at `path` once the context is left without an error;
    after an error there is none. Raises FileExistsError if there is anything, even if it came in the last moment."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None
    part = path.with_name(_part_name())
    part.mkdir()
    try:
        yield part
        path.mkdir()  # fails if there is anything; rename itself would replace an empty folder of somebody else
        try:
            if os.name == "nt":
                path.rmdir()
            part.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                path.rmdir()
            raise
    except BaseException:
        _remove(part)
        raise
    _flush_directory(path, None)


def write_folders(folders: Mapping[Path, Mapping[str, bytes]]) -> None:
    """Write folders of files, each in place of one of the same name. Raises OSError.

    A kill at any moment leaves each of them complete or absent. They are put onto the disk together, which takes less
    than half the time of doing it one by one.
    """
    parts = {path: path.with_name(_part_name()) for path in folders}
    with contextlib.ExitStack() as stack:
        for path, part in parts.items():
            part.mkdir()
            stack.callback(_remove, part)
            for name, content in folders[path].items():
                (part / name).write_bytes(content)
        for path, part in parts.items():
            for name in folders[path]:
                _flush(part / name)
            _flush_directory(part / "any", None)
        for path, part in parts.items():
            _remove(path)
            part.rename(path)
        for parent in {path.parent for path in parts}:
            _flush_directory(parent / "any", None)


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """A file to be read. Raises OSError, also for a pipe or a device, which may make the reader wait for ever."""
    try:
        descriptor = os.open(path, OLD)
    except ValueError as error:  # a zero byte in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """The content of a file. Raises OSError, also for pipes and devices, and for more than `most` bytes."""
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def remove_parts(directory: Path, descriptor: int | None = None) -> None:
    """Remove what killed writers have left in a run directory, for the process that has its lock: parts of
    runs, and others if they are so old that nobody is at work on them. With a `descriptor`, of the open directory."""
    for name in os.listdir(directory if descriptor is None else descriptor):
        part = PART.fullmatch(name)
        if not part:
            continue
        path = directory / name if descriptor is None else name
        with contextlib.suppress(OSError):
            changed = os.stat(path, dir_fd=descriptor, follow_symlinks=False).st_mtime
            if part[1] == "run" or time.time() - changed > STALE:
                os.unlink(path, dir_fd=descriptor)


def _part_name(kind: str = "part") -> str:
    import secrets  # here, like shutil: reading a picture needs neither

    return f".{secrets.token_hex(8)}.mlp-{kind}"


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _write_part(path: str | Path, content: bytes, directory: int | None) -> str:
    """The path of a new file beside `path` with this content, on the disk."""
    part = os.path.join(os.path.dirname(path), _part_name("part" if directory is None else "run"))
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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_directory(path: str | Path, directory: int | None) -> None:
    """Put the entry of a file onto the disk, where directories can be opened for it."""
    if not HAS_DESCRIPTORS:
        return
    with contextlib.suppress(OSError):  # directories that may not be opened, and file systems that cannot
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
