"""Files are whole or not there, and nothing in their way is written through or over."""

import os

import pytest

from mlp_cli.files import PART, create_file, remove_parts, replace_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(write, tmp_path, monkeypatch):
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
def test_a_link_that_lies_in_the_way_of_the_part_is_not_followed(write, tmp_path, monkeypatch):
    (tmp_path / "victim").write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 16)  # a name that somebody has guessed
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


def test_a_new_file_never_takes_the_place_of_one_that_came_meanwhile(tmp_path, monkeypatch):
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


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    left = ".0123456789abcdef.mlp-part"
    kept = [".hidden", ".p.csv.part", "0123456789abcdef.mlp-part", "file.mlp-part"]
    for name in [left, *kept]:
        (tmp_path / name).touch()
    assert PART.fullmatch(left)
    remove_parts(tmp_path)
    assert names(tmp_path) == sorted(kept)
