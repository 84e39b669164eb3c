"""Labelled pictures as data to train on, measure and resume with; and runs that start from a trained network."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import BASE, quietly, write_data

from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED

SMALL = ("--set", "network.hidden=[16]", "--set", "training.batch_size=32", "--quiet")


def saved(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture(scope="module")
def digits():
    dataset = load_dataset("test")
    return dataset.images.reshape(-1, 28, 28), dataset.labels


@pytest.fixture(scope="module")
def mine(digits, tmp_path_factory):
    """A folder of 200 labelled pictures, one of them broken and one blank."""
    path = tmp_path_factory.mktemp("pictures") / "mine"
    for number, (image, label) in enumerate(zip(*digits, strict=True)):
        if number < 198:
            saved(image, path / str(label) / f"{number}.png")
    (path / "3/broken.jpg").write_bytes(b"no picture")
    saved(np.full((40, 40), 255, np.uint8), path / "8/blank.png")
    return path


@pytest.fixture(scope="module")
def scans(digits, tmp_path_factory):
    """A data set of IDX files: 600 digits to train on and 100 for the test."""
    folder = tmp_path_factory.mktemp("data") / "scans"
    folder.mkdir()
    images, labels = digits
    write_data(folder, images[1000:1600], labels[1000:1600])
    write_data(folder, images[1600:1700], labels[1600:1700], part="t10k")
    return folder


@pytest.fixture(scope="module")
def trained(mine, tmp_path_factory):
    """A run of three epochs on the training part of these pictures."""
    run = tmp_path_factory.mktemp("trained") / "run"
    quietly("train", BASE, "--data", mine, "--epochs", 3, *SMALL, "--out", run)
    return run


def test_a_folder_of_pictures_is_trained_on_and_what_cannot_be_used_is_named(mlp, mine):
    result = mlp("train", BASE, "--data", mine, *SMALL, "--out", "run", "--json")
    assert result.code == 0
    assert result.err.splitlines() == [
        f"left out: {mine}/3/broken.jpg: not a picture in a format that mlp reads",
        f"left out: {mine}/8/blank.png: no digit found: the page is blank",
    ]
    assert json.loads(result.out)["epochs"] > 0
    facts = json.loads(Path("run/run.json").read_text("utf-8"))
    assert (facts["data"]["name"], facts["data"]["directory"]) == ("mine", str(mine))


def test_a_model_that_was_trained_on_pictures_is_measured_on_those_that_were_held_out(mlp, mine, trained):
    result = mlp("eval", trained, "--data", mine, "--json")
    values = json.loads(result.out)
    held_out = {picture.file for picture in load_dataset("test", str(mine)).pictures}
    assert (values["split"], values["images"]) == ("test", len(held_out))
    mlp("eval", trained, "--data", mine, "--predictions", "test.csv")
    mlp("eval", trained, "--data", mine, "--split", "train", "--predictions", "train.csv")
    mlp("eval", trained, "--data", mine, "--split", "validation", "--predictions", "validation.csv")
    files = {}
    for part in ("test", "train", "validation"):
        with open(f"{part}.csv", newline="") as stream:
            files[part] = {row["file"] for row in csv.DictReader(stream)}
    assert files["test"] == held_out
    assert len(files["test"]) + len(files["train"]) + len(files["validation"]) == 198
    assert len(set().union(*files.values())) == 198


def test_a_model_not_trained_on_the_pictures_is_measured_on_all_of_them(mlp, mine):
    result = mlp("eval", "mnist", "--data", mine, "--json")
    values = json.loads(result.out)
    assert (values["split"], values["images"], values["data"]) == ("all", 198, "mine")
    assert [Path(each["file"]).name for each in values["left_out"]] == ["broken.jpg", "blank.png"]
    assert values["accuracy"] > 0.97
    assert sum(group["images"] for group in values["by"]["folder"]) == 198
    assert json.loads(mlp("eval", "mnist", "--data", mine, "--split", "test", "--json").out)["images"] < 60


def test_the_errors_show_the_picture_beside_what_the_network_saw(mlp, digits, tmp_path):
    pictures = tmp_path / "wrong"
    page = np.full((140, 70), 250, np.uint8)
    page[20:120, 30:42] = 30  # a one, filed under 7
    saved(page, pictures / "7/one.png")
    saved(digits[0][0], pictures / "7/seven.png")
    result = mlp("eval", "mnist", "--data", "wrong", "--errors", "errors")
    assert result.code == 0
    assert "wrong/7/one.png  7      1" in result.out
    (name,) = (path.name for path in Path("errors").iterdir())
    assert name == "00000-7-read-as-1.png"
    with Image.open(Path("errors", name)) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (280, 570)
    assert pixels[10, 10] == 250  # the paper of the original …
    assert pixels[140, 72] < 60  # … and its stroke, at 36/70 of half the width
    seen = load_dataset("all", "wrong").images[0].reshape(28, 28)
    np.testing.assert_array_equal(pixels[5::10, 295::10], seen)


def test_file_names_that_are_not_utf_8_are_escaped_in_the_predictions(mlp, digits, tmp_path):
    saved(digits[0][0], tmp_path / "mine/7" / os.fsdecode(b"caf\xe9.png"))
    assert mlp("eval", "mnist", "--data", "mine", "--predictions", "answers.csv").code == 0
    with open("answers.csv", newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [r"mine/7/caf\udce9.png"]


def test_accuracy_is_shown_by_folder_or_by_a_column_of_the_csv_file(mlp, digits, tmp_path):
    rows = [["file", "label", "hand"]]
    for number, (label, hand, folder) in enumerate([(7, "anna", "7/x"), (2, "ben", "2/x"), (1, "ben", "9/y")]):
        saved(digits[0][number], tmp_path / "pictures" / folder / f"{number}.png")
        rows.append([f"pictures/{folder}/{number}.png", label if number < 2 else 9, hand])
    (tmp_path / "list.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    result = mlp("eval", "mnist", "--data", "pictures")
    assert [line.split() for line in result.out.splitlines() if line[1:3] in ("/x", "/y")] == [
        ["2/x", "100.00%", "1"], ["7/x", "100.00%", "1"], ["9/y", "0.00%", "1"],
    ]  # fmt: skip
    result = mlp("eval", "mnist", "--data", "list.csv", "--by", "hand", "--json")
    assert json.loads(result.out)["by"] == {
        "hand": [{"hand": "anna", "images": 1, "accuracy": 1.0}, {"hand": "ben", "images": 2, "accuracy": 0.5}]
    }
    assert json.loads(mlp("eval", "mnist", "--data", "list.csv", "--json").out)["by"] is None
    result = mlp("eval", "mnist", "--data", "list.csv", "--by", "foot")
    assert (result.code, result.err) == (2, "mlp: --by foot: the columns are hand. See mlp eval --help\n")
    result = mlp("eval", "mnist", "--by", "foot")
    assert (result.code, result.err.splitlines()[-1][:42]) == (2, "mlp: --by foot: the data has no columns. S")


def test_a_resumed_run_on_pictures_ends_in_the_same_bytes(mlp, mine, trained):
    mlp("train", BASE, "--data", mine, "--epochs", 2, *SMALL, "--set", "training.schedule='constant'", "--out", "short")
    mlp("train", BASE, "--data", mine, "--epochs", 3, *SMALL, "--set", "training.schedule='constant'", "--out", "long")
    assert mlp("train", "--resume", "short", "--epochs", 3, "--quiet").code == 0
    assert Path("short/last.safetensors").read_bytes() == Path("long/last.safetensors").read_bytes()


def test_a_run_cannot_be_resumed_with_other_pictures(mlp, mine, trained, digits, tmp_path):
    shutil.copytree(mine, tmp_path / "more")
    shutil.copytree(trained, "run")
    for number in range(200, 220):
        saved(digits[0][number], tmp_path / "more" / str(digits[1][number]) / f"{number}.png")
    result = mlp("train", "--resume", "run", "--epochs", 4, "--data", "more", "--quiet")
    assert result.code == 2
    assert result.err == "mlp: run: was trained on other data (mine) than more\n"


def test_a_report_measures_a_run_on_pictures(mlp, mine, trained):
    result = mlp("report", trained, "--out", "report.html")
    assert (result.code, result.out) == (0, "report.html\n")


def test_labels_unknown_to_the_model_are_a_one_line_error(mlp, digits, tmp_path):
    saved(digits[0][0], tmp_path / "animals/cat/x.png")
    result = mlp("eval", "mnist", "--data", "animals")
    problem = "animals/cat/x.png is labelled cat; the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert (result.code, result.out, result.err) == (2, "", f"mlp: animals: {problem}\n")


# A run that starts from a trained network.


def parameters(path):
    return load_checkpoint(path).network.parameters.flat


@pytest.mark.parametrize("centered", ["false", "true"])
def test_init_begins_with_the_network_of_a_model(mlp, mine, centered):
    """No step at all, so the network is that of the model, with inputs centred or not."""
    options = ("--epochs", 0, "--set", f"training.center_inputs={centered}", "--quiet", "--out", "run")
    result = mlp("train", "quick", "--init", "mnist", "--data", mine, *options)
    assert result.code == 0
    np.testing.assert_allclose(parameters("run/best.safetensors"), parameters(BUNDLED["mnist"]), atol=2e-5)
    assert f"init: {BUNDLED['mnist']}" in result.err
    assert json.loads(Path("run/run.json").read_text("utf-8"))["init"] == str(BUNDLED["mnist"])


def test_init_brings_its_sizes_its_activation_and_the_images_it_was_validated_on(mlp, mine, trained):
    mlp("train", "quick", "--init", trained, "--data", mine, "--epochs", 1, "--seed", 7, "--quiet", "--out", "run")
    metadata = load_checkpoint("run/best.safetensors").metadata
    before = load_checkpoint(trained / "best.safetensors").metadata
    assert metadata.config.network == before.config.network
    assert metadata.config.network.hidden == (16,)
    assert (metadata.config.seed, metadata.config.training.batch_size) == (7, 256)
    files = []
    for model in ("run", trained):
        mlp("eval", model, "--data", mine, "--split", "validation", "--predictions", f"{len(files)}.csv")
        with open(f"{len(files)}.csv", newline="") as stream:
            files.append([row["file"] for row in csv.DictReader(stream)])
    assert files[0] == files[1]


def test_what_a_network_was_ever_trained_on_is_remembered(mlp, mine, trained, scans):
    small = ("--set", "training.validation=60", "--epochs", 1, "--quiet")
    mlp("train", "quick", "--init", trained, "--data", scans, *small, "--out", "run")
    first, second = load_checkpoint("run/best.safetensors").metadata.trained_on
    assert first == load_checkpoint(trained / "best.safetensors").metadata.data_sha256
    assert second == load_dataset("train", scans).sha256
    assert json.loads(mlp("eval", "run", "--data", mine, "--json").out)["split"] == "test"


def test_two_sources_are_mixed_and_a_resumed_run_uses_both(mlp, mine, trained, scans):
    sources = ("--data", scans, "--data", f"{mine}=0.25")
    settings = ("--set", "training.learning_rate=0.01", "--set", "training.validation=90")
    args = ("--init", "mnist", *sources, *settings)
    result = mlp("train", "quick", *args, "--epochs", 1, "--quiet", "--out", "run")
    for place in (scans, mine):
        assert f"mlp eval run --data {place}\n" in result.out
    facts = json.loads(Path("run/run.json").read_text("utf-8"))
    assert facts["data"]["directory"] == [f"{scans}=0.75", f"{mine}=0.25"]
    result = mlp("train", "--resume", "run", "--epochs", 2, "--data", scans, "--data", f"{mine}=0.5")
    assert (result.code, "was trained with other shares" in result.err) == (2, True)
    assert mlp("train", "--resume", "run", "--epochs", 2, "--data", f"{scans}=6", "--data", f"{mine}=2").code == 0
    assert mlp("train", "--resume", "run", "--epochs", 3, "--quiet").code == 0
    assert json.loads(mlp("eval", "run", "--data", scans, "--json").out)["accuracy"] > 0.97
    assert json.loads(mlp("eval", "run", "--data", mine, "--json").out)["split"] == "test"
    assert mlp("report", "run").code == 0
    result = mlp("eval", "run")
    assert result.err.splitlines()[-1].endswith("was trained on scans + mine; name its directory with --data DIR")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--init", "nothing"], "nothing: no such file"),
        (["--init", "mnist", "--set", "network.hidden=[3]"], "--init keeps the layers of the model"),
        (["--init", "mnist", "--resume", "run"], "--resume continues with the run's own network"),
        (["--init", "mnist", "--data", "small"], "small: has images of 8×8 pixels, but .* takes 28×28"),
        (["--init", "four", "--data", "mnist"], "the bundled MNIST: has images of 28×28 pixels, but .* takes 8×8"),
    ],
)
def test_init_with_an_unsuitable_model_is_a_one_line_error(mlp, data, train, args, problem, tmp_path):
    shutil.copytree(data, tmp_path / "small")
    train("four", "--epochs", "1")
    result = mlp("train", "quick", *args)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert re.search(problem, line)
