"""Files are complete or absent, and nothing in their way is followed or overwritten."""

import os

import pytest

from mlp_cli import files
from mlp_cli.files import (
    HAS_DESCRIPTORS,
    STALE,
    create_file,
    new_folder,
    read_file,
    remove_parts,
    replace_file,
    write_folders,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(write, tmp_path, monkeypatch):
    path = tmp_path / "file"
    if write is replace_file:
        replace_file(path, b"old")
    before = names(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write(path, b"new content")
    assert names(tmp_path) == before
    assert write is create_file or path.read_bytes() == b"old"


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_files_have_the_permissions_that_the_umask_leaves(write, tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_link_in_the_way_of_the_part_is_not_followed(write, tmp_path, monkeypatch):
    (tmp_path / "victim").write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 16)  # a name that somebody guessed
    (tmp_path / ".0000000000000000.mlp-part").symlink_to("victim")
    with pytest.raises(FileExistsError):
        write(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "file").symlink_to("victim")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_new_file_never_replaces_one_that_appeared_meanwhile(tmp_path, monkeypatch):
    path, link = tmp_path / "file", os.link

    def late(part, place):
        path.write_bytes(b"of another")
        link(part, place)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError):
        create_file(path, b"mine")
    assert path.read_bytes() == b"of another"
    assert names(tmp_path) == ["file"]


def test_a_file_system_without_links_gets_new_files_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    create_file(tmp_path / "file", b"content")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "file", b"other")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_goes_into_the_open_directory_wherever_that_has_been_moved(tmp_path):
    (tmp_path / "mine").mkdir()
    descriptor = os.open(tmp_path / "mine", os.O_RDONLY)
    try:
        (tmp_path / "mine").rename(tmp_path / "moved")
        (tmp_path / "mine").mkdir()
        replace_file("file", b"content", descriptor)
    finally:
        os.close(descriptor)
    assert (names(tmp_path / "moved"), names(tmp_path / "mine")) == (["file"], [])


def test_the_longest_name_that_the_file_system_takes_can_be_written(tmp_path):
    replace_file(tmp_path / ("x" * 255), b"content")
    assert names(tmp_path) == ["x" * 255]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    """A report may be written into a run while that is resumed, so the part of another is left until it is old."""
    of_a_run, of_another, old = (f".0123456789abcde{n}.mlp-{kind}" for n, kind in enumerate(("run", "part", "part")))
    kept = [".hidden", ".p.csv.part", "0123456789abcdef.mlp-part", "file.mlp-part", of_another]
    for name in [of_a_run, old, *kept]:
        (tmp_path / name).touch()
    os.utime(tmp_path / old, times=(0, (tmp_path / of_another).stat().st_mtime - STALE - 1))
    remove_parts(tmp_path)
    assert names(tmp_path) == sorted(kept)


@pytest.mark.skipif(not HAS_DESCRIPTORS, reason="directories have no descriptors here")
def test_the_parts_of_a_run_are_known_by_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *args, **options: os._exit(0))  # killed
    process = os.fork()
    if process == 0:
        replace_file("file", b"content", os.open(tmp_path, os.O_RDONLY))
    os.waitpid(process, 0)
    (left,) = names(tmp_path)
    assert left.endswith(".mlp-run")
    remove_parts(tmp_path / "moved", os.open(tmp_path, os.O_RDONLY))  # by its descriptor, wherever it is
    assert names(tmp_path) == []


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "a" / "b") as folder:
        (folder / "file").touch()
        assert not (tmp_path / "a" / "b").exists()
    assert names(tmp_path / "a") == ["b"]
    assert names(tmp_path / "a" / "b") == ["file"]


def make(place, then):
    with new_folder(place) as folder:
        (folder / "file").touch()
        then()


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "folder", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert names(tmp_path) == []


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_a_new_folder_replaces_nothing_not_even_an_empty_folder(tmp_path, what):
    place = tmp_path / "place"
    come = {"folder": place.mkdir, "file": place.touch, "link": lambda: place.symlink_to("nowhere")}
    with pytest.raises(FileExistsError):
        make(place, come[what])
    assert names(tmp_path) == ["place"]
    assert what != "folder" or names(place) == []


def test_a_folder_gets_its_name_only_when_all_of_it_is_on_the_disk(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_bytes(b"old")
    seen = []
    flush = files._flush
    monkeypatch.setattr(files, "_flush", lambda path: seen.append((path.name, names(tmp_path)[-1])) or flush(path))
    write_folders({tmp_path / "a": {"x": b"1", "y": b"2"}, tmp_path / "b": {"x": b"3"}})
    assert seen == [("x", "a"), ("y", "a"), ("x", "a")]  # no b yet
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.glob("*/*")} == {
        "a/x": b"1", "a/y": b"2", "b/x": b"3",
    }  # fmt: skip
    assert names(tmp_path) == ["a", "b"]


def test_folders_on_a_full_disk_leave_what_was_there_and_nothing_half_written(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_folders({tmp_path / "a": {"x": b"1"}, tmp_path / "b": {"x": b"3"}})
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["old"])


def test_a_disk_that_fills_up_where_there_are_no_links_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    fdopen = os.fdopen

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            raise OSError(28, "No space left on device")

    def part_first(descriptor, mode):
        return Full(fdopen(descriptor, mode)) if (tmp_path / "file").exists() else fdopen(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", part_first)
    with pytest.raises(OSError, match="No space left"):
        create_file(tmp_path / "file", b"content")
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "name", "large"])
def test_files_above_their_size_limit_are_not_read(tmp_path, kind):
    path, why = tmp_path / "file", "a pipe or a device"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "folder":
        path, why = tmp_path, "Is a directory"
    elif kind == "name":
        path, why = "a\0b", "null byte"
    else:
        path.write_bytes(b"12345")
        assert read_file(path, most=5) == b"12345"
        path.write_bytes(b"123456")
        why = "more than 5 bytes"
    with pytest.raises(OSError, match=why):
        read_file(path, most=5)
