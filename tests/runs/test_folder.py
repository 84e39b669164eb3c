import fcntl
import os
import threading
import time

import pytest

from mlp_cli.errors import RunError
from mlp_cli.runs import folder
from mlp_cli.runs.folder import Lock, is_locked, make_directory


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_runs_are_numbered_on_from_the_largest():
    assert str(make_directory()) == os.path.join("runs", "001")
    os.mkdir("runs/041")
    os.mkdir("runs/by-name")
    assert make_directory().name == "042"


def test_runs_that_start_together_get_a_directory_each():
    made, barrier = [], threading.Barrier(8)

    def start():
        barrier.wait()
        made.append(make_directory())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8


def test_a_directory_that_exists_is_never_used(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="mine: already exists"):
        make_directory("mine")


def test_a_directory_that_cannot_be_made_is_an_error_with_its_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be made: Not a directory"):
        make_directory("file/run")


@pytest.fixture
def looked_at(tmp_path):
    """A directory that another `mlp runs` is looking at: it holds a shared lock."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    yield tmp_path, descriptor
    os.close(descriptor)


def test_looking_at_a_directory_does_not_make_it_seem_in_training(looked_at):
    assert is_locked(looked_at[0]) is False


def test_a_directory_in_training_is_locked_until_it_is_released(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LOCK_SECONDS", 0.01)
    lock = Lock(tmp_path)
    assert is_locked(tmp_path) is True
    with pytest.raises(RunError, match="is being trained by another process"):
        Lock(tmp_path)
    lock.release()
    assert is_locked(tmp_path) is False


def test_looking_at_a_directory_does_not_make_resuming_fail(looked_at, monkeypatch):
    directory, descriptor = looked_at
    monkeypatch.setattr(folder, "LOCK_SECONDS", 5.0)
    threading.Thread(target=lambda: (time.sleep(0.05), fcntl.flock(descriptor, fcntl.LOCK_UN))).start()
    Lock(directory).release()
