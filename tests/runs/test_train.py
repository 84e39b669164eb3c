"""A run that is trained from Python is the run of `mlp train`."""

import signal
import threading
from pathlib import Path

import pytest
from conftest import SMALL
from samples import BASE, RUN_FILES

import mlp_cli
from mlp_cli.config import Config, TrainingConfig, load_config
from mlp_cli.errors import ConfigError, RunError, StoppedError
from mlp_cli.runs.folder import read_facts
from mlp_cli.runs.start import begin
from mlp_cli.runs.train import run_to_end


def small_config(**options):
    return load_config(BASE, [SMALL[i + 1] for i, part in enumerate(SMALL) if part == "--set"], epochs=3, **options)


def test_training_from_python_gives_the_bytes_of_the_program(train, data):
    train("by-program")
    epochs = []
    run = mlp_cli.train(small_config(), data=data, out="from-python", after_epoch=epochs.append)
    assert sorted(path.name for path in run.directory.iterdir()) == RUN_FILES
    for name in ("best.safetensors", "last.safetensors", "config.toml"):
        assert (run.directory / name).read_bytes() == Path("by-program", name).read_bytes()
    assert epochs == run.records
    assert [record.epoch for record in epochs] == [1, 2, 3]
    assert read_facts(run.directory)["outcome"] == "finished"


def test_python_errors_have_the_messages_of_the_commands(mlp, data):
    with pytest.raises(ConfigError, match="no preset of that name; did you mean quick"):
        mlp_cli.train("quik")
    Path("taken").mkdir()
    with pytest.raises(RunError, match="taken: already exists"):
        mlp_cli.train(small_config(), data=data, out="taken")
    unchecked = Config(training=TrainingConfig(optimizer="adam"))
    with pytest.raises(ConfigError, match=r"training.optimizer = 'adam': must be one of .*; did you mean adamw?"):
        mlp_cli.train(unchecked, data=data)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_after_the_step_it_came_in_and_saves_it(name, mlp, data):
    session = begin(small_config(), str(data), "run")

    def interrupt(state, loss):
        if state.step == 5:
            signal.raise_signal(getattr(signal, name))

    with pytest.raises(StoppedError, match="stopped and saved after step 5") as caught:
        run_to_end(session, interrupt)
    assert caught.value.exit_code == 128 + getattr(signal, name)
    assert read_facts("run")["outcome"] == "stopped"
    assert mlp("train", "--resume", "run", "--quiet").code == 0


def test_a_thread_other_than_the_main_one_can_train(mlp, data):
    """Such a thread is not allowed to handle signals."""
    result = []
    thread = threading.Thread(target=lambda: result.append(mlp_cli.train(small_config(), data=data, out="run")))
    thread.start()
    thread.join()
    assert len(result[0].records) == 3


def test_a_run_whose_directory_is_moved_keeps_writing_there(mlp, data):
    session = begin(small_config(), str(data), "mine")

    def move(record):
        if record.epoch == 1:
            Path("mine").rename("moved")
            Path("mine").mkdir()

    run_to_end(session, after_epoch=move)
    assert list(Path("mine").iterdir()) == []
    assert sorted(path.name for path in Path("moved").iterdir()) == RUN_FILES
    assert mlp("eval", "moved", "--data", data).code == 0
