import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from samples import BASE, quietly

from mlp_cli.cli.runs import ORDERS
from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint


def set_facts(run, **changes):
    path = Path(run, "run.json")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """A directory with three runs whose orders by name, validation, epochs, seconds and start all differ."""
    folder = tmp_path_factory.mktemp("made") / "runs"
    for name, seconds, started, *options in (
        ("9", 5, "2026-01-02", "--epochs", 2, "--seed", 3),
        ("10", 7, "2026-01-01", "--epochs", 6, "--set", "training.learning_rate=0.1"),
        ("11", 1, "2026-01-03", "--epochs", 4, "--set", "training.learning_rate=1e-9"),
    ):
        small = ["--set", "training.validation=100", "--set", "network.hidden=[8]", "--set", "training.batch_size=32"]
        quietly("train", BASE, "--data", data, *small, *options, "--out", folder / name, "--quiet")
        set_facts(folder / name, started=f"{started}T00:00:00+00:00")
        header, *rows = (folder / name / "metrics.csv").read_text().splitlines()
        rows = [f"{row.rpartition(',')[0]},{seconds}" for row in rows]
        (folder / name / "metrics.csv").write_text("\n".join([header, *rows]))
    return folder


@pytest.fixture
def runs(made):
    """A copy of these runs in runs/."""
    shutil.copytree(made, "runs")


def listed(mlp, *args):
    return [json.loads(line) for line in mlp("runs", "--json", *args).out.splitlines()]


def test_each_run_is_a_line_with_what_was_done_and_how_well(mlp, runs):
    result = mlp("runs")
    assert (result.code, result.err) == (0, "")
    header, *rows = [line.split() for line in result.out.splitlines()]
    assert header == ["run", "state", "epochs", "validation", "seconds", "configuration"]
    assert [row[:3] for row in rows] == [["9", "finished", "2/2"], ["10", "finished", "6/6"], ["11", "finished", "4/4"]]
    assert [row[4] for row in rows] == ["10.0", "42.0", "4.0"]
    for row, run in zip(rows, ("9", "10", "11"), strict=True):
        assert row[3] == f"{load_checkpoint(f'runs/{run}/best.safetensors').metadata.val_accuracy:.2%}"
    assert {"seed=3", "epochs=2", "hidden=[8]", "batch_size=32", "validation=100"} <= set(rows[0])


def test_a_run_is_listed_with_its_preset_and_the_keys_that_differ(mlp, data):
    small = ["--data", data, "--set", "training.validation=100", "--epochs", "0"]
    mlp("train", "quick", *small)
    mlp("train", "plain", *small, "--set", "network.activation=tanh")
    first, second = listed(mlp)
    assert (first["preset"], first["changes"]) == ("quick", {"training.epochs": 0, "training.validation": 100})
    assert second["preset"] == "plain"
    assert second["changes"]["network.activation"] == "tanh"
    assert (first["epochs"], first["val_accuracy"], first["best_epoch"]) == (0, None, None)


@pytest.mark.parametrize("order", ORDERS)
def test_runs_are_sorted_and_those_without_the_value_come_last(mlp, runs, order):
    values = listed(mlp)
    Path("runs/8").mkdir()
    Path("runs/8/run.json").touch()
    key = {
        "name": lambda row: int(Path(row["run"]).name),
        "started": lambda row: -int(row["started"][8:10]),
        "validation": lambda row: -row["val_accuracy"],
        "epochs": lambda row: -row["epochs"],
        "seconds": lambda row: row["seconds"],
    }[order]
    expected = [row["run"] for row in sorted(values, key=key)]
    expected.insert(0 if order == "name" else 3, "runs/8")
    assert [row["run"] for row in listed(mlp, "--sort", order)] == expected


def test_the_test_set_is_opened_only_when_asked_for(mlp, runs, data):
    assert [row["test_accuracy"] for row in listed(mlp)] == [None] * 3
    test = load_dataset("test", data)
    expected = []
    for run in ("9", "10", "11"):
        network = load_checkpoint(f"runs/{run}/best.safetensors").network
        answers = network.forward(test.images.astype(np.float32) / 255)[-1].argmax(axis=1)
        expected.append((answers == test.labels).mean())
    assert [row["test_accuracy"] for row in listed(mlp, "--test")] == expected
    shown = [line.split()[4] for line in mlp("runs", "--test").out.splitlines()]
    assert shown == ["test", *(f"{accuracy:.2%}" for accuracy in expected)]


def test_json_has_the_documented_keys(mlp, runs):
    assert list(listed(mlp)[0]) == [
        "run", "state", "started", "preset", "changes", "epochs", "epochs_asked", "best_epoch", "val_accuracy",
        "test_accuracy", "seconds", "problem",
    ]  # fmt: skip


def test_a_run_in_training_is_listed_as_running_and_a_killed_one_is_not(train, mlp):
    fcntl = pytest.importorskip("fcntl")
    train("runs/1")
    set_facts("runs/1", outcome="running")
    assert listed(mlp)[0]["state"] == "killed"
    other = os.open("runs/1", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert listed(mlp)[0]["state"] == "running"
    os.close(other)
    assert mlp("train", "--resume", "runs/1", "--epochs", "4").code == 0  # looking has locked nobody out
    assert listed(mlp)[0]["state"] == "finished"


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "config.toml"])
@pytest.mark.parametrize("content", [None, b"", b"{]\x00\xff", b"a\n"], ids=["missing", "empty", "nonsense", "text"])
def test_a_damaged_run_is_a_line_that_says_so_among_the_others(mlp, runs, name, content):
    path = Path("runs/10", name)
    path.unlink() if content is None else path.write_bytes(content)
    result = mlp("runs", "--test")
    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 4)
    first, second, third = listed(mlp)
    if (name, content) == ("config.toml", b""):
        return  # a configuration without any key
    assert (first["state"], second["state"], third["state"]) == ("finished", "damaged", "finished")
    assert path.name in second["problem"]
    assert path.name in result.out.splitlines()[2]


def test_a_run_that_cannot_be_tested_says_why_and_the_others_are_tested(mlp, runs, data, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(data, elsewhere)
    set_facts("runs/10", data={"directory": str(elsewhere)})
    shutil.rmtree(elsewhere)
    Path("runs/11/best.safetensors").write_bytes(b"")
    first, second, third = listed(mlp, "--test")
    assert first["test_accuracy"] is not None
    assert (second["state"], second["test_accuracy"], third["test_accuracy"]) == ("finished", None, None)
    assert "no such directory" in second["problem"]
    assert "not a complete safetensors file" in third["problem"]


def test_no_runs_and_no_directory(mlp, tmp_path):
    assert mlp("runs") == (0, "", "no runs in runs; mlp train makes one\n")
    (tmp_path / "runs/no run").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert mlp("runs", "--json") == (0, "", "no runs in runs; mlp train makes one\n")
    for name, problem in (("nowhere", "No such file or directory"), ("file", "Not a directory")):
        result = mlp("runs", name)
        assert (result.code, result.out, result.err) == (2, "", f"mlp: {name}: cannot be listed: {problem}\n")


def test_a_name_with_a_line_break_stays_in_its_line(train, mlp):
    train("runs/a\nb")
    assert mlp("runs").out.splitlines()[1].startswith("a\\nb  finished")
