"""Which checkpoint MODEL means."""

import os

import pytest

from mlp_cli.errors import ModelError
from mlp_cli.model import find
from mlp_cli.model.find import find_model
from mlp_cli.runs.folder import make_directory


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _finished(name, age):
    directory = make_directory(name)
    for file in (find.CONFIG, find.BEST):
        (directory / file).touch()
    os.utime(directory / find.CONFIG, (1e9 - age, 1e9 - age))
    return directory


def test_without_a_name_the_run_that_started_last_is_meant():
    _finished("runs/009", age=50)
    newest = _finished("runs/mine", age=10)
    _finished("runs/010", age=30)
    make_directory("runs/011")  # has no checkpoint
    assert find_model() == newest / find.BEST


def test_a_run_directory_means_its_best_and_a_file_itself():
    directory = _finished("elsewhere", age=0)
    assert find_model(directory) == directory / find.BEST
    assert str(find_model("some.safetensors")) == "some.safetensors"


def test_without_any_run_the_model_in_the_package_is_meant():
    assert find_model() == find.SHIPPED_MODEL


def test_a_directory_that_is_no_run_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"has no best\.safetensors"):
        find_model(tmp_path)
