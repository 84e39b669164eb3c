"""A run that was stopped, wherever it was, ends in the bytes of the run that nobody stopped."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import RUN_FILES, blobs, write_data

from mlp_cli.training.run import Run

# Everything that has a state of its own: warps, dropout, the moving average, AdamW, and checkpoints within an epoch
# of 10 steps and at its very end, before it is validated.
EVERYTHING = [
    "training.optimizer=adamw", "training.learning_rate=0.01", "training.weight_average=0.9", "training.dropout=0.2",
    "training.label_smoothing=0.1", "training.weight_decay=0.01", "training.checkpoint_every=5",
    "training.batch_size=40",
    "augmentation.rotation=10", "augmentation.elastic=0.5", "augmentation.groups=3", "augmentation.shrink_to=0.5",
]  # fmt: skip
SETTINGS = [part for assignment in EVERYTHING for part in ("--set", assignment)]


def same_results(one, other):
    """Whether two runs have equal checkpoints, and equal metrics but for the seconds."""
    rows = [
        [line.rsplit(",", 1)[0] for line in Path(run, "metrics.csv").read_text().splitlines()] for run in (one, other)
    ]
    checkpoints = ["last.safetensors", "best.safetensors"]
    return rows[0] == rows[1] and all(
        Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in checkpoints
    )


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
    # 3 epochs of 10 steps: 6 checkpoints within, then 3 × (best or not, metrics, last), then run.json
    assert crash_at > writes_of_start + 6 + 3 * 2 + 1


def test_kill_9_at_any_moment_loses_nothing_and_readers_see_whole_files(tmp_path, data):
    def command(*args):
        return [sys.executable, "-m", "mlp_cli", "train", *args]

    settings = [*SETTINGS, "--set", "training.validation=100", "--epochs", "60"]
    subprocess.run(command("plain", "--data", data, *settings, "--out", "whole", "--quiet"), cwd=tmp_path, check=True)
    start = command("plain", "--data", data, *settings, "--out", "run", "--quiet")
    subprocess.run([*start, "--epochs", "0"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    moments, kills = random.Random(0), 0
    while kills < 4:
        process = subprocess.Popen(command("--resume", "run", "--epochs", "60", "--quiet"), cwd=tmp_path)
        started = time.monotonic()
        while not json.loads((tmp_path / "run/run.json").read_bytes())["resumed"]:
            assert time.monotonic() - started < 20
        time.sleep(moments.uniform(0.2, 0.6))
        process.kill()
        kills += process.wait() == -9
        assert (tmp_path / "run/metrics.csv").read_bytes().endswith(b"\n")
    result = subprocess.run(command("--resume", "run", "--epochs", "60"), cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert same_results(tmp_path / "whole", tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_bytes())["outcome"] == "finished"
    assert sorted(os.listdir(tmp_path / "run")) == RUN_FILES


def test_a_finished_run_can_be_extended_and_says_what_that_does_to_the_schedule(train, mlp):
    train("run")
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert result.code == 0
    note, *epochs = result.err.splitlines()
    assert note.startswith("note: the one-cycle schedule is now that of 5 epochs, not of 3")
    assert len(epochs) == 2
    assert len(Path("run/metrics.csv").read_text().splitlines()) == 6
    assert "epochs = 5" in Path("run/config.toml").read_text()


def test_a_finished_run_says_so_and_stays_as_it_is(train, mlp):
    train("run")
    before = Path("run/last.safetensors").read_bytes()
    result = mlp("train", "--resume", "run")
    assert (result.code, result.err) == (
        0,
        "note: run is finished, with 3 epochs; --epochs with more extends it\n",
    )
    assert Path("run/last.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "training.batch_size=64"], "training.batch_size was 32 and would be 64"),
        (["--seed", "9"], "seed was 0 and would be 9"),
        (["plain"], "training.optimizer was 'nesterov' and would be 'sgd'"),
        (["--epochs", "2"], "has 3 epochs already"),
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


def test_other_data_is_an_error(train, mlp, tmp_path):
    train("run")
    other = tmp_path / "other"
    other.mkdir()
    write_data(other, *blobs(500, seed=3))
    result = mlp("train", "--resume", "run", "--epochs", "5", "--data", other)
    assert (result.code, "was trained on other data" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "last.safetensors", "config.toml"])
@pytest.mark.parametrize("content", [None, b"", b"{]\x00\xff"], ids=["missing", "empty", "nonsense"])
def test_a_damaged_run_is_one_clear_line(train, mlp, name, content):
    train("run")
    path = Path("run", name)
    path.unlink() if content is None else path.write_bytes(content)
    result = mlp("train", "--resume", "run", "--epochs", "5")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith(("mlp: run", f"mlp: {path}"))


def test_resume_of_what_is_no_run(mlp, tmp_path):
    for name in ("nowhere", tmp_path):
        result = mlp("train", "--resume", name)
        assert (result.code, "is not a run directory" in result.err) == (2, True)


def test_patience_ends_a_run_and_the_best_epoch_is_kept(train):
    result = train("run", "--epochs", "500", "--set", "training.patience=3", "--json", "--quiet")
    values = json.loads(result.out)
    assert values["epochs"] == values["best_epoch"] + 3 < 500
