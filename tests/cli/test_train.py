import json
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from samples import RUN_FILES, blobs, write_data

from mlp_cli.data import examples, strokes
from mlp_cli.model.checkpoint import load_checkpoint


def names(directory):
    return sorted(path.name for path in Path(directory).iterdir())


def test_a_run_leaves_its_five_files_and_says_what_to_type_next(train, mlp):
    result = train("run")
    assert result.code == 0
    assert names("run") == RUN_FILES
    _, evaluate, predict = result.out.splitlines()
    assert "mlp predict --model run" in predict
    assert mlp(*shlex.split(evaluate.partition("mlp ")[2])).code == 0


def test_off_a_terminal_each_epoch_is_one_plain_line_on_stderr(train):
    lines = train("run").err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("validation" in line and "\r" not in line and "\x1b" not in line for line in lines)


def test_quiet_shows_no_progress(train):
    assert train("run", "--quiet").err == ""


def test_metrics_have_a_header_and_a_row_per_epoch(train):
    train("run")
    header, *rows = Path("run/metrics.csv").read_text().splitlines()
    assert header == "epoch,step,images,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
    assert [row.split(",")[:2] for row in rows] == [["1", "13"], ["2", "26"], ["3", "39"]]
    assert " " not in "".join(rows)


def test_best_is_the_epoch_with_the_best_validation_accuracy_and_last_the_last(train):
    train("run", "--epochs", "6")
    rows = [row.split(",") for row in Path("run/metrics.csv").read_text().splitlines()[1:]]
    best = max(rows, key=lambda row: (float(row[7]), int(row[0])))  # the latest, if tied
    metadata = load_checkpoint("run/best.safetensors").metadata
    assert (metadata.epoch, metadata.val_accuracy, metadata.val_loss) == (int(best[0]), float(best[7]), float(best[6]))
    last = load_checkpoint("run/last.safetensors")
    assert last.metadata.epoch == 6
    assert last.tensors.keys() == {"W1", "b1", "W2", "b2", "optimizer.velocity", "parameters"}
    assert last.metadata.val_accuracy == float(rows[-1][7])


def test_the_resolved_configuration_is_written_and_can_be_fed_back(train, mlp, data):
    train("run", "--seed", "7")
    written = tomllib.loads(Path("run/config.toml").read_text())
    assert (written["seed"], written["training"]["epochs"], written["network"]["hidden"]) == (7, 3, [8])
    assert mlp("train", "run/config.toml", "--data", data, "--out", "again").code == 0
    assert Path("run/last.safetensors").read_bytes() == Path("again/last.safetensors").read_bytes()


def test_run_json_records_everything_the_result_depends_on(train, data):
    train("run", "--threads", "1")
    facts = json.loads(Path("run/run.json").read_text())
    assert facts["outcome"] == "finished"
    assert facts["started"] <= facts["ended"]
    assert facts["threads"] == 1
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["blas"][0]["num_threads"] == 1
    assert set(facts["data"]["sha256"]) == {"images", "labels"}


def test_equal_seeds_give_equal_bytes_and_others_do_not(train):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(out, "--seed", str(seed))
    same = [Path(out, "last.safetensors").read_bytes() for out in "abc"]
    assert same[0] == same[1] != same[2]
    assert Path("a/best.safetensors").read_bytes() == Path("b/best.safetensors").read_bytes()


def test_training_for_no_epochs_writes_the_initial_network(train):
    assert train("run", "--epochs", "0").code == 0
    checkpoint = load_checkpoint("run/best.safetensors")
    assert (checkpoint.metadata.epoch, checkpoint.metadata.val_accuracy) == (0, None)
    assert checkpoint.network.parameters.W[0].std() == pytest.approx((2 / 64) ** 0.5, rel=0.1)


def test_json_is_one_object_with_the_documented_keys(train):
    result = train("run", "--json", "--quiet")
    values = json.loads(result.out)
    assert list(values) == ["run", "epochs", "steps", "seconds", "best_epoch", "val_accuracy", "val_loss"]
    assert (values["run"], values["epochs"], values["steps"]) == ("run", 3, 39)


def test_runs_are_numbered(mlp, data):
    for _ in range(2):
        mlp("train", "plain", "--data", data, "--epochs", "0", "--set", "training.validation=100")
    assert names("runs") == ["001", "002"]


def test_divergence_stops_with_code_1_and_keeps_the_last_good_state(train):
    result = train("run", "--set", "training.learning_rate=1e9")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert "diverged" in result.err
    assert "run keeps the last good state, of epoch 0" in result.err
    assert np.isfinite(load_checkpoint("run/last.safetensors").network.parameters.flat).all()
    assert json.loads(Path("run/run.json").read_text())["outcome"] == "diverged"
    assert names("run") == [name for name in RUN_FILES if name != "best.safetensors"]  # no epoch has ended


def test_the_test_files_are_not_opened_by_training(train, data, tmp_path):
    lonely = tmp_path / "data"
    lonely.mkdir()
    for path in data.glob("train*"):
        (lonely / path.name).write_bytes(path.read_bytes())
    assert train("run", "--data", lonely).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_the_next_step_and_saves(tmp_path, data, number, code):
    command = [sys.executable, "-m", "mlp_cli", "train", "plain", "--data", data, "--out", "run", "--epochs", "1000000"]
    settings = ["--set", "training.validation=100"]
    with subprocess.Popen([*command, *settings], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        process.stderr.readline()  # the first epoch has ended
        process.send_signal(number)
        remaining = process.stderr.read()
    assert process.returncode == code
    *_, last_line = remaining.splitlines()
    assert last_line.startswith("mlp: stopped and saved after step ")
    step = int(last_line.split()[6].rstrip(";"))
    assert load_checkpoint(tmp_path / "run/last.safetensors").metadata.step == step
    assert json.loads((tmp_path / "run/run.json").read_text())["outcome"] == "stopped"


def test_slow_preparation_is_announced(mlp, monkeypatch, tmp_path):
    write_data(tmp_path, *blobs(100, seed=1, k=10, side=28))
    monkeypatch.setattr(examples, "POOL", 10)
    monkeypatch.setattr(strokes, "second_forms", lambda images, labels, rng: images)
    small = ["--data", tmp_path, "--set", "training.validation=9", "--epochs", "0"]
    settings = [*small, "--set", "training.nondigits=0.1", "--set", "augmentation.strokes=0.5"]
    result = mlp("train", "plain", *settings, "--out", "run")
    assert (result.code, result.err) == (0, "drawing redrawn digits and non-digits for training\n")
    assert "drawing" in mlp("train", "--resume", "run", "--epochs", "0").err
    assert "drawing" not in mlp("train", "plain", *settings, "--out", "quiet", "--quiet").err
    assert "drawing" not in mlp("train", "plain", *small, "--out", "plain").err


def test_data_other_than_digits_get_neither_strokes_nor_nondigits(mlp, data):
    small = ["--set", "training.validation=100", "--epochs", "0", "--data", data]
    result = mlp("train", "plain", "--set", "augmentation.strokes=0.5", *small)
    assert result.code == 0
    assert result.err == f"note: redrawn digits left out: {data.name} is not made of 28×28 digits\n"
