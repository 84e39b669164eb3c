import csv
import json
import os
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from samples import blobs, write_data

from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint, to_bytes


@pytest.fixture
def trained(train):
    train("run", "--epochs", "10")


def test_eval_measures_what_the_network_answers_on_the_test_files(trained, mlp, data):
    result = mlp("eval", "run", "--data", data, "--json")
    assert result.code == 0
    values = json.loads(result.out)

    # the same in plain arithmetic
    test = load_dataset("test", data)
    checkpoint = load_checkpoint("run/best.safetensors")
    temperature = checkpoint.metadata.temperature
    z = checkpoint.network.forward(test.images.astype(np.float32) / 255)[-1].astype(float) / temperature
    y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    answers = z.argmax(axis=1)
    assert temperature != 1
    assert values["temperature"] == temperature
    assert values["accuracy"] == (answers == test.labels).mean()
    assert values["loss"] == pytest.approx(-np.log(y[np.arange(100), test.labels]).mean(), rel=1e-5)
    assert values["brier"] == pytest.approx(((y - np.eye(4)[test.labels]) ** 2).sum(axis=1).mean(), rel=1e-5)
    assert values["images"] == 100
    for true in range(4):
        assert values["confusion"][true] == [int(((test.labels == true) & (answers == k)).sum()) for k in range(4)]
    assert [row["images"] for row in values["per_class"]] == np.bincount(test.labels).tolist()
    assert values["accuracy_interval"][0] < values["accuracy"] < values["accuracy_interval"][1]
    assert list(values) == [
        "model", "data", "split", "images", "temperature", "accuracy", "accuracy_interval",
        "threshold", "refused", "accuracy_answered", "loss", "brier",
        "calibration_error", "calibration", "per_class", "confusion", "confused", "mistakes", "worst",
    ]  # fmt: skip

    wrong = sorted(np.flatnonzero(answers != test.labels), key=lambda i: -y[i].max())
    assert values["mistakes"] == len(wrong) > 0
    assert [(row["index"], row["truth"], row["answer"]) for row in values["worst"]] == [
        (i, str(test.labels[i]), str(answers[i])) for i in wrong[:10]
    ]
    assert [row["confidence"] for row in values["worst"]] == pytest.approx(y[wrong[:10]].max(axis=1), rel=1e-5)
    counts = [row["images"] for row in values["confused"]]
    assert (sum(counts), counts) == (len(wrong), sorted(counts, reverse=True))
    for row in values["confused"]:
        assert values["confusion"][int(row["truth"])][int(row["answer"])] == row["images"]

    confidence = y.max(axis=1)
    for row in values["calibration"]:
        inside = (confidence > row["above"]) & (confidence <= row["to"])
        assert (row["images"], row["accuracy"]) == (inside.sum(), (answers == test.labels)[inside].mean())
    gaps = [row["images"] * abs(row["accuracy"] - row["confidence"]) for row in values["calibration"]]
    assert values["calibration_error"] == pytest.approx(sum(gaps) / 100)
    assert sum(row["images"] for row in values["calibration"]) == 100


def test_what_eval_says_is_what_scikit_learn_says_of_the_predictions_file(trained, mlp, data):
    from sklearn import metrics  # here, since it takes a second

    values = json.loads(mlp("eval", "run", "--data", data, "--predictions", "answers.csv", "--json").out)
    with open("answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["index", "label", "prediction", "confidence", "p_0", "p_1", "p_2", "p_3"]
    assert [int(row["index"]) for row in rows] == list(range(100))
    labels, answers = [row["label"] for row in rows], [row["prediction"] for row in rows]
    y = np.array([[float(row[f"p_{name}"]) for name in "0123"] for row in rows])
    assert labels == [str(label) for label in load_dataset("test", data).labels]
    assert [float(row["confidence"]) for row in rows] == y.max(axis=1).tolist()

    close = {"abs": 1e-9, "rel": 0}
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(labels, answers), **close)
    assert values["loss"] == pytest.approx(metrics.log_loss(labels, y), **close)
    assert values["brier"] == pytest.approx(metrics.brier_score_loss(labels, y), **close)
    assert values["confusion"] == metrics.confusion_matrix(labels, answers).tolist()
    expected = metrics.precision_recall_fscore_support(labels, answers)
    for key, column in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        assert [row[key] for row in values["per_class"]] == pytest.approx(column, **close)


def test_eval_prints_a_table_that_a_person_can_read(trained, mlp, data):
    result = mlp("eval", "run", "--data", data)
    assert "accuracy" in result.out
    assert "95% interval" in result.out
    assert "confusion: rows are the truth" in result.out
    model, part = result.err.splitlines()
    assert model.startswith("model: run/best.safetensors (validation accuracy ")
    assert part == f"data: {data.name}, test"


def test_validation_is_the_split_of_the_run(trained, mlp, data):
    values = json.loads(mlp("eval", "run", "--data", data, "--split", "validation", "--json").out)
    assert values["images"] == 100
    metadata = load_checkpoint("run/best.safetensors").metadata
    assert values["accuracy"] == metadata.val_accuracy
    assert values["loss"] < metadata.val_loss  # because the temperature was fitted here
    assert json.loads(mlp("eval", "run", "--data", data, "--split", "train", "--json").out)["images"] == 400


def test_fail_under_exits_with_3_after_printing_the_result(trained, mlp, data):
    result = mlp("eval", "run", "--data", data, "--fail-under", "100", "--json")
    assert result.code == 3
    assert json.loads(result.out)["accuracy"] < 1
    assert "is below 100%" in result.err
    assert mlp("eval", "run", "--data", data, "--fail-under", "10").code == 0


def test_fail_under_lets_its_own_value_pass(mlp, trained, tmp_path):
    answers = load_checkpoint("run/best.safetensors").network.forward(np.zeros((1, 64), np.float32))[-1].argmax()
    blank = tmp_path / "blank"  # 100 equal images, with the right answer for 29; 29/100 · 100 is 28.99…
    blank.mkdir()
    write_data(blank, np.zeros((100, 8, 8)), np.where(np.arange(100) < 29, answers, (answers + 1) % 4), part="t10k")
    assert mlp("eval", "run", "--data", blank, "--fail-under", "29").code == 0
    assert mlp("eval", "run", "--data", blank, "--fail-under", "29.01").code == 3
    assert mlp("eval", "run", "--data", blank, "--fail-under", "nan").code == 2


def test_a_data_set_of_ones_own_in_a_folder_named_mnist_is_not_mnist(train, mlp, data, tmp_path):
    folder = tmp_path / "MNIST"
    shutil.copytree(data, folder)
    train("run", "--data", folder)
    result = mlp("eval", "run")
    assert (result.code, "name its directory with --data" in result.err) == (2, True)


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
    assert "name its directory with --data" in result.err


def test_data_that_does_not_fit_the_model_is_an_error(trained, mlp, data, tmp_path):
    small, many = tmp_path / "small", tmp_path / "many"
    for folder, options in ((small, {"side": 7}), (many, {"k": 6})):
        folder.mkdir()
        for part in ("train", "t10k"):
            write_data(folder, *blobs(50, seed=3, **options), part=part)
    result = mlp("eval", "run", "--data", small)
    assert (result.code, "7×7 pixels, but run/best.safetensors takes 8×8" in result.err) == (2, True)
    result = mlp("eval", "run", "--data", many)
    assert (result.code, "has the label 5, but run/best.safetensors has only the classes 0 to 3" in result.err) == (
        2,
        True,
    )
    result = mlp("eval", "run", "--data", many, "--split", "validation")
    assert result.code == 2


def test_errors_are_the_images_themselves_with_index_truth_and_answer_in_the_name(trained, mlp, data):
    result = mlp("eval", "run", "--data", data, "--split", "validation", "--errors", "new/wrong", "--json")
    values, train = json.loads(result.out), load_dataset("train", data)
    files = sorted(os.listdir("new/wrong"))
    assert len(files) == values["mistakes"] > 0
    assert f"errors: new/wrong, {len(files)} pictures" in result.err
    assert os.listdir("new") == ["wrong"]
    for row in values["worst"]:
        name = f"{row['index']:05d}-{row['truth']}-read-as-{row['answer']}.png"
        assert name in files
        with Image.open(f"new/wrong/{name}") as picture:
            np.testing.assert_array_equal(np.asarray(picture).ravel(), train.images[row["index"]])
        assert str(train.labels[row["index"]]) == row["truth"] != row["answer"]


NAMES = ["T-shirt/top", "../x", "衬衫, 长袖", '"$<b>']


@pytest.fixture
def named(train, data, tmp_path):
    """A data directory with class names of many kinds, and a run on it."""
    folder = tmp_path / "named"
    shutil.copytree(data, folder)
    (folder / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    train("run", "--data", folder)
    return folder


def test_class_names_of_any_kind_stay_within_the_folder_of_errors_and_the_cells_of_the_file(named, mlp):
    assert mlp("eval", "run", "--data", named, "--errors", "wrong", "--predictions", "answers.csv").code == 0
    with open("answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[4:] == [f"p_{name}" for name in NAMES]
    wrong = [row for row in rows if row["label"] != row["prediction"]]
    assert {row["label"] for row in wrong} <= set(NAMES)
    safe = dict(zip(NAMES, ["T_shirt_top", "___x", "衬衫__长袖", "___b_"], strict=True))
    expected = {f"{int(row['index']):05d}-{safe[row['label']]}-read-as-{safe[row['prediction']]}.png" for row in wrong}
    assert set(os.listdir("wrong")) == expected


def test_columns_line_up_in_any_script(named, mlp):
    lines = mlp("eval", "run", "--data", named).out.splitlines()
    start = lines.index("confusion: rows are the truth, columns the answer")

    def width(line):
        return len(line) + sum("\u4e00" <= letter <= "\u9fff" for letter in line)

    assert len({width(line) for line in lines[start + 1 : start + 6]}) == 1


def test_the_confusion_matrix_of_many_classes_is_printed_in_parts_of_80_columns(train, mlp, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for part, seed in (("train", 1), ("t10k", 2)):
        write_data(many, *blobs(400, seed, k=26, side=26), part=part)
    (many / "classes.txt").write_text("\n".join(f"letter number {n}" for n in range(26)))
    train("run", "--data", many)
    result = mlp("eval", "run", "--data", many)
    assert max(map(len, result.out.splitlines())) <= 80
    values = json.loads(mlp("eval", "run", "--data", many, "--json").out)
    matrix = result.out.partition("confusion:")[2].partition("most often")[0].splitlines()
    cells = [line[16:].split() for line in matrix if line.startswith("letter number")]
    for truth, counts in enumerate(values["confusion"]):
        shown = [cell for part in cells[truth::26] for cell in part]
        assert [int(cell.replace(".", "0")) for cell in shown] == counts


@pytest.mark.parametrize("option", ["--errors", "--predictions"])
def test_nothing_is_overwritten(trained, mlp, data, option):
    os.mkdir("there")
    result = mlp("eval", "run", "--data", data, option, "there")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"mlp: there: already exists; choose another {option}\n"
    assert os.listdir("there") == []


@pytest.mark.parametrize("option", ["--errors", "--predictions"])
def test_an_unwritable_place_is_a_one_line_error(trained, mlp, data, option):
    before = sorted(os.listdir())
    result = mlp("eval", "run", "--data", data, option, "run/config.toml/there")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("mlp: run/config.toml/there: cannot be written: ")
    assert sorted(os.listdir()) == before


def test_a_folder_of_errors_is_complete_or_absent(trained, mlp, data, monkeypatch):
    def save(self, path):
        if len(os.listdir(path.parent)) == 2:
            raise OSError(28, "No space left on device", str(path))
        path.touch()

    monkeypatch.setattr(Image.Image, "save", save)
    before = sorted(os.listdir())
    result = mlp("eval", "run", "--data", data, "--errors", "wrong")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("mlp: wrong: cannot be written: No space left on device")
    assert sorted(os.listdir()) == before


def test_a_folder_of_errors_does_not_replace_what_appeared_meanwhile(trained, mlp, data, monkeypatch):
    save = Image.Image.save

    def save_late(self, path):
        os.makedirs("wrong", exist_ok=True)  # of another process; empty, so that a plain rename would replace it
        save(self, path)

    monkeypatch.setattr(Image.Image, "save", save_late)
    result = mlp("eval", "run", "--data", data, "--errors", "wrong")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("mlp: wrong: already exists")
    assert os.listdir("wrong") == []
    assert not [name for name in os.listdir() if name.endswith("part")]


def test_predictions_do_not_replace_a_file_that_appeared_meanwhile(trained, mlp, data, monkeypatch):
    link = os.link

    def link_late(part, place):
        Path(place).write_text("of another")
        link(part, place)

    monkeypatch.setattr(os, "link", link_late)
    result = mlp("eval", "run", "--data", data, "--predictions", "p.csv")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("mlp: p.csv: already exists")
    assert Path("p.csv").read_text() == "of another"


def test_answers_below_the_threshold_count_as_refused(trained, mlp, data):
    checkpoint = load_checkpoint("run/best.safetensors")
    plain = json.loads(mlp("eval", "run", "--data", data, "--json").out)
    assert (plain["threshold"], plain["refused"], plain["accuracy_answered"]) == (0, 0, plain["accuracy"])
    assert "refused" not in mlp("eval", "run", "--data", data).out

    test = load_dataset("test", data)
    z = checkpoint.network.forward(test.images.astype(np.float32) / 255)[-1].astype(float)
    y = np.exp(z / checkpoint.metadata.temperature)
    confidence = y.max(axis=1) / y.sum(axis=1)
    threshold = float(np.sort(confidence)[20:22].mean())  # between the 21st and the 22nd: 21 lie below
    metadata = msgspec.structs.replace(checkpoint.metadata, threshold=threshold)
    Path("strict.safetensors").write_bytes(to_bytes(checkpoint.network, metadata))
    values = json.loads(mlp("eval", "strict.safetensors", "--data", data, "--json").out)
    right = (z.argmax(axis=1) == test.labels)[confidence > threshold].mean()
    assert (values["threshold"], values["refused"], values["accuracy_answered"]) == (threshold, 21, right)
    assert values["accuracy"] == plain["accuracy"] < right
    line = (
        f"refused            21.00% as no digit, below confidence {threshold:.3f}; {right:.2%} of the others are right"
    )
    assert line in mlp("eval", "strict.safetensors", "--data", data).out.splitlines()


def test_a_model_given_as_an_option_gets_a_hint(mlp):
    result = mlp("eval", "--model", "mnist")
    assert (result.code, result.out) == (2, "")
    assert result.err == "mlp: MODEL is given without an option: mlp eval mnist. See mlp eval --help\n"
