"""Which checkpoint MODEL means."""

import os
from pathlib import Path

import pytest

from mlp_cli.errors import ModelError
from mlp_cli.model.find import BEST, BUNDLED, CONFIG, METRICS, find_model
from mlp_cli.runs.folder import make_directory


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _run(name, age, epochs=1):
    directory = make_directory(name)
    (directory / CONFIG).touch()
    (directory / BEST).touch()
    (directory / METRICS).write_text("epoch\n" + "1\n" * epochs)
    os.utime(directory / CONFIG, (1e9 - age, 1e9 - age))
    return directory


def test_latest_and_the_default_mean_the_run_that_started_last():
    _run("runs/009", age=50)
    newest = _run("runs/mine", age=10)
    _run("runs/010", age=30)
    make_directory("runs/011")  # has no checkpoint
    assert find_model("latest") == find_model() == newest / BEST


def test_a_run_that_has_not_finished_an_epoch_is_never_the_latest():
    trained = _run("runs/001", age=50)
    _run("runs/002", age=10, epochs=0)
    assert find_model("latest") == find_model() == trained / BEST


def test_without_runs_the_default_is_mnist_and_latest_is_an_error():
    _run("runs/001", age=10, epochs=0)
    assert find_model() == BUNDLED["mnist"]
    with pytest.raises(ModelError, match="latest: no run in runs/ has finished an epoch; mlp train makes one"):
        find_model("latest")


def test_a_bundled_model_goes_by_its_name_even_if_there_are_runs():
    _run("runs/001", age=10)
    assert find_model("mnist") == BUNDLED["mnist"]


def test_a_run_directory_means_its_best_and_a_file_itself():
    directory = _run("elsewhere", age=0)
    assert find_model(directory) == directory / BEST
    Path("some.safetensors").touch()
    assert str(find_model("some.safetensors")) == "some.safetensors"


def test_a_directory_that_is_not_a_run_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"has no best\.safetensors"):
        find_model(tmp_path)
