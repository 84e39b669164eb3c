"""A run that was stopped anywhere and resumed ends with the bytes of an uninterrupted run."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from samples import RUN_FILES, blobs, same_results, write_data

from mlp_cli.runs.folder import Run

# Everything that has a state of its own: warps, dropout, the moving average, AdamW, and checkpoints within an epoch
# of at most 10 steps and at its very end, before it is validated.
EVERYTHING = [
    "training.optimizer=adamw", "training.learning_rate=0.01", "training.weight_average=0.9", "training.dropout=0.2",
    "training.label_smoothing=0.1", "training.weight_decay=0.01", "training.checkpoint_every=5",
    "training.batch_size=40", "training.center_inputs=true", "training.skip_easy=0.3",
    "augmentation.rotation=10", "augmentation.elastic=0.5", "augmentation.groups=3", "augmentation.shrink_to=0.5",
]  # fmt: skip
SETTINGS = [part for assignment in EVERYTHING for part in ("--set", assignment)]


class CrashError(Exception):
    pass


def test_a_crash_at_any_write_loses_nothing(train, mlp, monkeypatch):
    train("whole", *SETTINGS)
    write, crash_at, count = Run.write, 0, 0

    def crashing(run, name, content):
        nonlocal count
        count += 1
        if count == crash_at:
            raise CrashError
        write(run, name, content)

    monkeypatch.setattr(Run, "write", crashing)
    writes_of_start = 5
    for crash_at in range(writes_of_start + 1, 1000):
        run, count = f"run-{crash_at}", 0
        try:
            train(run, *SETTINGS)
        except CrashError:
            count = -1000
            assert mlp("train", "--resume", run, "--quiet").code == 0
            assert same_results("whole", run)
        else:
            break
    # 3 epochs, the first of 10 steps: 4 checkpoints within, then 3 × (best or not, metrics, last), then run.json
    assert crash_at > writes_of_start + 4 + 3 * 2 + 1


def test_kill_9_at_any_moment_loses_nothing_and_readers_see_whole_files(mlp, data, tmp_path):
    """With any number of threads: the batches here have two parts."""
    sizes = ["--set", "training.validation=100", "--set", "training.batch_size=150"]
    settings = [*SETTINGS, *sizes, "--set", "training.checkpoint_every=2", "--epochs", "60"]
    assert mlp("train", "plain", "--data", data, *settings, "--out", "whole", "--quiet").code == 0
    assert mlp("train", "plain", "--data", data, *settings, "--out", "run", "--quiet", "--epochs", "0").code == 0
    resume = ["train", "--resume", "run", "--epochs", "60", "--quiet"]
    moments, metrics = random.Random(0), tmp_path / "run/metrics.csv"
    for rows in (5, 20, 35, 50):  # of 60: so far from the end that no process gets there first
        command = [sys.executable, "-m", "mlp_cli", *resume, "--threads", str(moments.choice([1, 2]))]
        process = subprocess.Popen(command, cwd=tmp_path)
        while metrics.read_bytes().count(b"\n") <= rows and process.poll() is None:
            assert metrics.read_bytes().endswith(b"\n")
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.01))  # an epoch takes that long
        process.kill()
        assert process.wait() == -9
    assert mlp(*resume).code == 0
    assert same_results(tmp_path / "whole", tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_bytes())["outcome"] == "finished"
    assert sorted(os.listdir(tmp_path / "run")) == RUN_FILES


def test_the_last_checkpoint_has_the_network_for_use_beside_the_one_in_training(train):
    """It is averaged, and takes plain inputs; at the end of the first epoch it is also the best one."""
    train("run", *SETTINGS, "--epochs", 1)
    last, best = (safetensors.numpy.load_file(f"run/{name}.safetensors") for name in ("last", "best"))
    assert all((last[name] == best[name]).all() for name in best)
    flat = np.concatenate([last[name].ravel() for name in ("W1", "b1", "W2", "b2")])
    assert flat.shape == last["parameters"].shape
    assert np.abs(flat - last["parameters"]).max() > 0.01
    W1 = last["W1"].size
    averaged = slice(0, W1), slice(W1 + last["b1"].size, None)  # all but b1, from which the mean is taken
    assert all((flat[part] == last["average"][part]).all() for part in averaged)


def test_a_finished_run_can_be_extended_and_says_what_that_does_to_the_schedule(train, mlp):
    train("run")
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert result.code == 0
    note, *epochs = result.err.splitlines()
    assert note.startswith("note: the one-cycle schedule now spans 5 epochs instead of 3")
    assert len(epochs) == 2
    assert len(Path("run/metrics.csv").read_text().splitlines()) == 6
    assert "epochs = 5" in Path("run/config.toml").read_text()


def test_a_finished_run_says_so_and_stays_as_it_is(train, mlp):
    train("run")
    before = Path("run/last.safetensors").read_bytes()
    result = mlp("train", "--resume", "run")
    assert (result.code, result.err) == (
        0,
        "note: run has finished its 3 epochs; a larger --epochs extends it\n",
    )
    assert Path("run/last.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "training.batch_size=64"], "training.batch_size was 32 and would be 64"),
        (["--seed", "9"], "seed was 0 and would be 9"),
        (["--set", "training.center_inputs=true"], "training.center_inputs was false and would be true"),
        (["plain"], "training.optimizer was 'nesterov' and would be 'sgd'"),
        (["--epochs", "2"], "run: is past epoch 2 already"),
        (["--threads", "0"], "--threads"),
        (["--out", "other"], "cannot be combined with --out"),
    ],
)
def test_a_changed_configuration_is_an_error_that_names_the_difference(train, mlp, args, message):
    train("run")
    before = {name: Path("run", name).read_bytes() for name in RUN_FILES}
    result = mlp("train", *args, "--resume", "run")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert message in line
    assert {name: Path("run", name).read_bytes() for name in RUN_FILES} == before


def test_an_edited_config_file_is_an_error_too(train, mlp):
    train("run")
    text = Path("run/config.toml").read_text()
    Path("run/config.toml").write_text(text.replace("momentum = 0.9", "momentum = 0.8"))
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, "training.momentum was 0.9 and would be 0.8" in result.err) == (2, True)


def test_the_new_place_of_moved_data_is_asked_for_once(train, mlp, data, tmp_path):
    shutil.copytree(data, tmp_path / "old")
    train("run", "--data", "old", "--quiet")
    os.rename("old", "new")
    result = mlp("train", "--resume", "run", "--epochs", "4")
    assert result.code == 2
    assert result.err.endswith(f"its data is no longer in {tmp_path}/old; name its new place with --data DIR\n")
    assert mlp("train", "--resume", "run", "--epochs", "4", "--data", "new").code == 0
    assert mlp("train", "--resume", "run", "--epochs", "5").code == 0


def test_other_data_is_an_error(train, mlp, tmp_path):
    train("run")
    other = tmp_path / "other"
    other.mkdir()
    write_data(other, *blobs(500, seed=3))
    result = mlp("train", "--resume", "run", "--epochs", "5", "--data", other)
    assert (result.code, "was trained on other data" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "last.safetensors", "config.toml"])
@pytest.mark.parametrize("content", [None, b"", b"{]\x00\xff"], ids=["missing", "empty", "nonsense"])
def test_a_damaged_run_gives_one_clear_line(train, mlp, name, content):
    train("run")
    path = Path("run", name)
    path.unlink() if content is None else path.write_bytes(content)
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith(("mlp: run", f"mlp: {path}"))


def test_resume_of_a_directory_that_is_not_a_run_is_an_error(mlp, tmp_path):
    for name in ("nowhere", tmp_path):
        result = mlp("train", "--resume", name)
        assert (result.code, "not a run directory" in result.err) == (2, True)


def test_patience_ends_a_run_that_has_stopped_improving(train):
    result = train("run", "--epochs", "500", "--set", "training.patience=3", "--json", "--quiet")
    accuracies = [float(row.split(",")[7]) for row in Path("run/metrics.csv").read_text().splitlines()[1:]]
    improved = accuracies.index(max(accuracies)) + 1  # the first, if tied: being as good again is not an improvement
    assert json.loads(result.out)["epochs"] == len(accuracies) == improved + 3 < 500
    assert len(accuracies) > 4


def test_a_run_ended_by_patience_says_so_and_can_be_extended_without_it(train, mlp):
    train("run", "--epochs", "500", "--set", "training.patience=3", "--quiet")
    before = {name: Path("run", name).read_bytes() for name in RUN_FILES}
    result = mlp("train", "--resume", "run", "--epochs", "600")
    assert (result.code, "ended by training.patience" in result.err, "--set training.patience=0" in result.err) == (
        0,
        True,
        True,
    )
    assert {name: Path("run", name).read_bytes() for name in RUN_FILES} == before
    done = len(before["metrics.csv"].splitlines()) - 1
    assert mlp("train", "--resume", "run", "--epochs", done + 2, "--set", "training.patience=0").code == 0
    assert len(Path("run/metrics.csv").read_text().splitlines()) == done + 3


def test_a_run_stopped_within_an_epoch_cannot_be_shortened_to_fewer_epochs(train, mlp, monkeypatch):
    save = Run.save

    def save_and_crash(run, state):
        save(run, state)
        if state.step == 15:
            raise CrashError

    monkeypatch.setattr(Run, "save", save_and_crash)
    with pytest.raises(CrashError):
        train("run", "--set", "training.checkpoint_every=5")
    result = mlp("train", "--resume", "run", "--epochs", "1")
    assert (result.code, "is past epoch 1 already" in result.err) == (2, True)


def test_a_run_is_trained_by_one_process_at_a_time(train, mlp, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr("mlp_cli.runs.folder.LOCK_SECONDS", 0.01)
    train("run")
    other = os.open("run", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, "is being trained by another process" in result.err) == (2, True)
    # before that, nothing is read that the other process may be writing
    last = Path("run/last.safetensors").read_bytes()
    Path("run/last.safetensors").write_bytes(b"")
    result = mlp("train", "--resume", "run", "--epochs", "5")
    Path("run/last.safetensors").write_bytes(last)
    os.close(other)
    assert (result.code, "is being trained by another process" in result.err) == (2, True)
    assert mlp("train", "--resume", "run", "--epochs", "5").code == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors, progress: tensors.pop("optimizer.velocity"), "has no tensor optimizer.velocity"),
        (
            lambda tensors, progress: tensors.update({"optimizer.velocity": np.zeros(1, np.float32)}),
            "velocity is 1 float",
        ),
        (
            lambda tensors, progress: tensors["optimizer.velocity"].fill(np.nan),
            "has entries that are not finite",
        ),
        (lambda tensors, progress: progress.update(batches_rng={}), "random state is damaged"),
        (lambda tensors, progress: progress["batches_rng"].update(bit_generator="MT19937"), "random state is damaged"),
        (lambda tensors, progress: progress.update(best_epoch=99), "progress is damaged"),
        (lambda tensors, progress: progress.update(best_epoch=-1), "metadata is damaged"),
    ],
)
def test_a_damaged_state_gives_one_clear_line(train, mlp, damage, message):
    train("run")
    path = Path("run/last.safetensors")
    with safetensors.safe_open(path, framework="numpy") as file:
        strings = file.metadata()
    tensors, progress = safetensors.numpy.load_file(path), json.loads(strings["progress"])
    damage(tensors, progress)
    safetensors.numpy.save_file(tensors, path, strings | {"progress": json.dumps(progress)})
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    "change", [{"threads": "1"}, {"threads": 0}, {"resumed": None}, {"data": []}, {"data": {"directory": 5}}]
)
def test_a_run_json_with_nonsense_in_it_gives_one_clear_line(train, mlp, change):
    train("run")
    facts = json.loads(Path("run/run.json").read_bytes())
    Path("run/run.json").write_text(json.dumps(facts | change))
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, "not a run.json written by mlp" in result.err) == (2, True)
