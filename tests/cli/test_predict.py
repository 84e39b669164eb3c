import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mlp_cli.data.datasets import load_dataset
from mlp_cli.training.checkpoint import load_checkpoint
from mlp_cli.training.evaluate import log_probabilities


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network trained on a part of MNIST: it answers well enough to be worth asking."""
    from mlp_cli.cli import main

    out = tmp_path_factory.mktemp("mnist") / "run"
    settings = ["--set", "training.validation=50000", "--set", "network.hidden=[32]", "--quiet"]
    main(["train", "quick", "--epochs", "4", *settings, "--out", str(out)])
    return out


KEYS = ["path", "digit", "confidence", "probabilities", "box", "inverted", "actions", "reason"]


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test")


@pytest.fixture
def pictures(tmp_path, mnist):
    """The first 200 test images as PNG files, in a folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(mnist.images[:200]):
        Image.fromarray(image.reshape(28, 28)).save(folder / f"{i:03d}.png")
    return folder


def test_png_files_of_test_images_are_answered_as_eval_does(mlp, model, mnist, pictures):
    result = mlp("predict", "--model", model, pictures)
    assert result.code == 0
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [path for path, _, _ in lines] == [str(pictures / f"{i:03d}.png") for i in range(200)]
    checkpoint = load_checkpoint(model / "best.safetensors")
    log_y = log_probabilities(checkpoint.network, mnist.images[:200])
    assert [int(digit) for _, digit, _ in lines] == log_y.argmax(axis=1).tolist()
    confidence = [float(p) for _, _, p in lines]
    y = np.exp(log_y / checkpoint.metadata.temperature)
    np.testing.assert_allclose(confidence, (y / y.sum(axis=1, keepdims=True)).max(axis=1), atol=6e-5)
    assert np.mean([int(digit) for _, digit, _ in lines] == mnist.labels[:200]) > 0.85


def test_top_prints_the_most_likely_digits_in_order(mlp, model, pictures):
    path, *pairs = mlp("predict", "--model", model, "--top", "3", pictures / "008.png").out.rstrip("\n").split("\t")
    assert path.endswith("008.png")
    assert len(pairs) == 6
    confidence = [float(p) for p in pairs[1::2]]
    assert confidence == sorted(confidence, reverse=True)
    assert len(set(pairs[0::2])) == 3


def test_json_is_one_object_a_line_with_the_documented_keys(mlp, model, pictures):
    lines = mlp("predict", "--model", model, "--json", pictures / "000.png", "missing.png").out.splitlines()
    good, bad = map(json.loads, lines)
    assert list(good) == list(bad) == KEYS
    assert len(good["probabilities"]) == 10
    assert sum(good["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert good["confidence"] == max(good["probabilities"])
    assert good["digit"] == np.argmax(good["probabilities"])
    assert (good["inverted"], good["reason"]) == (False, None)
    assert bad["digit"] is None
    assert "no such file" in bad["reason"]


def test_a_bad_file_among_many_is_reported_and_the_others_go_through(mlp, model, pictures):
    (pictures / "001.png").write_text("text")
    result = mlp("predict", "--model", model, pictures / "000.png", pictures / "001.png", pictures / "002.png")
    assert result.code == 1
    assert [line.split("\t")[1] == "-" for line in result.out.splitlines()] == [False, True, False]
    (error,) = [line for line in result.err.splitlines() if not line.startswith("model: ")]
    assert error == f"mlp: {pictures / '001.png'}: is not a picture in a format that Pillow reads"


def test_a_folder_without_pictures_is_reported(mlp, model, tmp_path):
    (tmp_path / "empty").mkdir()
    result = mlp("predict", "--model", model, "empty")
    assert (result.code, result.out) == (1, "empty\t-\t-\n")
    assert "mlp: empty: has no pictures in it" in result.err


def test_dark_ink_on_light_paper_gives_the_same_answers(mlp, model, pictures):
    for path in pictures.iterdir():
        image = np.asarray(Image.open(path))
        Image.fromarray(255 - image).convert("RGB").save(path.with_suffix(".bmp"))
    lines = mlp("predict", "--model", model, pictures).out.splitlines()
    answers = {path: digit for path, digit, _ in map(str.split, lines)}
    assert len(answers) == 400
    assert all(digit == answers[path.replace(".bmp", ".png")] for path, digit in answers.items())


def test_standard_input_is_a_picture_too(model, mnist):
    file = io.BytesIO()
    Image.fromarray(mnist.images[1].reshape(28, 28)).save(file, "PNG")
    command = [sys.executable, "-m", "mlp_cli", "predict", "--model", str(model), "-"]
    result = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True)
    assert result.stdout.startswith(b"-\t2\t")


def test_the_model_that_was_chosen_is_said_on_stderr(mlp, model, pictures):
    result = mlp("predict", "--model", model, pictures / "000.png")
    assert result.err.startswith(f"model: {model / 'best.safetensors'} (validation accuracy ")


def test_a_model_of_other_image_sizes_says_that_it_cannot_read_pictures(train, mlp, pictures):
    train("run")
    result = mlp("predict", "--model", "run", pictures / "000.png")
    assert (result.code, "8×8 pixels" in result.err) == (2, True)


def test_a_name_with_a_tab_or_a_line_break_stays_one_line_of_three_columns(mlp, model, mnist, tmp_path):
    name = "a\tb\nc.png"
    Image.fromarray(mnist.images[0].reshape(28, 28)).save(tmp_path / name, "PNG")
    assert mlp("predict", "--model", model, name).out.startswith("a\\tb\\nc.png\t7\t")
