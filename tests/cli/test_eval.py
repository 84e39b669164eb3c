import json
import shutil

import numpy as np
import pytest

from mlp_cli.data.datasets import load_dataset
from mlp_cli.training.checkpoint import load_checkpoint


@pytest.fixture
def trained(train):
    train("run", "--epochs", "10")


def test_eval_measures_what_the_network_answers_on_the_test_files(trained, mlp, data):
    result = mlp("eval", "run", "--data", data, "--json")
    assert result.code == 0
    values = json.loads(result.out)

    # the same by plain arithmetic
    test = load_dataset("test", data)
    network = load_checkpoint("run/best.safetensors").network
    z = network.forward(test.images.astype(np.float32) / 255)[-1].astype(float)
    log_y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    answers = z.argmax(axis=1)
    assert values["accuracy"] == (answers == test.labels).mean()
    assert values["loss"] == pytest.approx(-log_y[np.arange(100), test.labels].mean(), rel=1e-5)
    assert values["images"] == 100
    for true in range(4):
        assert values["confusion"][true] == [int(((test.labels == true) & (answers == k)).sum()) for k in range(4)]
    assert [row["images"] for row in values["per_class"]] == np.bincount(test.labels).tolist()
    assert values["accuracy_interval"][0] < values["accuracy"] < values["accuracy_interval"][1]
    assert list(values) == [
        "model", "data", "split", "images", "accuracy", "accuracy_interval", "loss", "per_class", "confusion",
    ]  # fmt: skip


def test_eval_prints_a_table_that_a_person_can_read(trained, mlp, data):
    result = mlp("eval", "run", "--data", data)
    assert "accuracy" in result.out
    assert "95 % interval" in result.out
    assert "confusion: rows are the truth" in result.out
    model, part = result.err.splitlines()
    assert model.startswith("model: run/best.safetensors (validation accuracy ")
    assert part == f"data: {data.name}, test"


def test_validation_is_the_split_of_the_run(trained, mlp, data):
    values = json.loads(mlp("eval", "run", "--data", data, "--split", "validation", "--json").out)
    assert values["images"] == 100
    metadata = load_checkpoint("run/best.safetensors").metadata
    assert (values["accuracy"], values["loss"]) == pytest.approx((metadata.val_accuracy, metadata.val_loss), rel=1e-6)
    assert json.loads(mlp("eval", "run", "--data", data, "--split", "train", "--json").out)["images"] == 400


def test_fail_under_exits_with_3_after_printing_the_result(trained, mlp, data):
    result = mlp("eval", "run", "--data", data, "--fail-under", "100", "--json")
    assert result.code == 3
    assert json.loads(result.out)["accuracy"] < 1
    assert "is below 100 %" in result.err
    assert mlp("eval", "run", "--data", data, "--fail-under", "10").code == 0


def test_fail_under_lets_its_own_value_pass(mlp, monkeypatch, trained, data):
    from mlp_cli.training import evaluate

    monkeypatch.setattr(evaluate, "loss_and_accuracy", lambda log_y, labels: (1.0, 29 / 100))  # · 100 is 28.99…
    assert mlp("eval", "run", "--data", data, "--fail-under", "29").code == 0
    assert mlp("eval", "run", "--data", data, "--fail-under", "29.01").code == 3
    assert mlp("eval", "run", "--data", data, "--fail-under", "nan").code == 2


def test_a_data_set_of_ones_own_in_a_folder_named_mnist_is_not_mnist(train, mlp, data, tmp_path):
    folder = tmp_path / "MNIST"
    shutil.copytree(data, folder)
    train("run", "--data", folder)
    result = mlp("eval", "run")
    assert (result.code, "say where that is with --data" in result.err) == (2, True)


def test_class_names_are_shown(train, mlp, data, tmp_path):
    named = tmp_path / "named"
    named.mkdir()
    for path in data.iterdir():
        (named / path.name).write_bytes(path.read_bytes())
    (named / "classes.txt").write_text("first\nsecond\nthird one\nfourth\n")
    train("run", "--data", named)
    out = mlp("eval", "run", "--data", named).out
    assert "third one" in out
    assert "thir…" in out  # a column of the confusion matrix


def test_a_model_of_another_data_set_asks_for_its_data(trained, mlp):
    result = mlp("eval", "run")
    assert result.code == 2
    assert "say where that is with --data" in result.err


def test_data_that_does_not_fit_the_model_is_an_error(trained, mlp, data, tmp_path):
    from samples import blobs, write_data

    small, many = tmp_path / "small", tmp_path / "many"
    for folder, options in ((small, {"side": 7}), (many, {"k": 6})):
        folder.mkdir()
        for part in ("train", "t10k"):
            write_data(folder, *blobs(50, seed=3, **options), part=part)
    result = mlp("eval", "run", "--data", small)
    assert (result.code, "7×7 pixels, and run/best.safetensors takes 8×8" in result.err) == (2, True)
    result = mlp("eval", "run", "--data", many)
    assert (result.code, "has the label 5, and run/best.safetensors knows 4 classes" in result.err) == (2, True)
    result = mlp("eval", "run", "--data", many, "--split", "validation")
    assert result.code == 2
