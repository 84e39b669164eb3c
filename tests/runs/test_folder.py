import os
import threading

import pytest

from mlp_cli.errors import RunError
from mlp_cli.runs.folder import make_directory


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
    with pytest.raises(RunError, match="mine: exists already"):
        make_directory("mine")


def test_a_directory_that_cannot_be_made_is_an_error_with_its_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be made: Not a directory"):
        make_directory("file/run")
