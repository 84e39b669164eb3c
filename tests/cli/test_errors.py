"""Every kind of bad input: one clear line on stderr, the documented exit code, no traceback, nothing half-written."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import blobs, idx_bytes, png_header, write_data


def assert_one_line(result, code, *parts):
    assert result.code == code
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("mlp: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["train", "qick"], ["qick", "did you mean quick?"]),
        (["train", ""], ["the name of the configuration is empty"]),
        (["train", "--out", "", "--epochs", "0"], ["already exists"]),
        (["train", "missing.toml"], ["missing.toml", "no such file"]),
        (["train", "--set", "training.lerning_rate=1"], ["did you mean training.learning_rate?"]),
        (["train", "--set", "training.epochs=1.5"], ["training.epochs = 1.5", "whole number"]),
        (["train", "--set", "training.batch_size=0"], ["training.batch_size = 0", "at least 1"]),
        (["train", "--epochs", "-1"], ["training.epochs = -1"]),
        (["train", "--set", "training.learning_rate=0,05"], ["'0,05' is not a TOML value: "]),
        (["train", "--init", "mnist", "--set", "network={hidden=[3]}"], ["--init keeps the layers"]),
        (["train", "--init", "mnist", "--set", " network.hidden=[3]"], ["--init keeps the layers"]),
        (["train", "--epochs", "many"], ["--epochs", "many"]),
        (["train", "--sed", "1"], ["--sed", "--seed"]),
        (["train", "--set", "training.validation=60000"], ["training.validation = 60000"]),
        (["train", "--data", "nowhere"], ["nowhere", "no such directory"]),
        (["trian"], ["trian", "train"]),
        (["predict"], ["IMAGE"]),
        (["train", "--set", "training.teacher=nowhere"], ["training.teacher: nowhere: no such file"]),
        (["eval", "nowhere"], ["nowhere: no such file, and no bundled model of that name (mnist, large)"]),
        (["eval", "one", "two"], ["extra argument (two). See mlp eval --help"]),
        (["predict", "--model", "nowhere", "x.png"], ["nowhere", "no such file"]),
        (["eval", "--fail-under", "101"], ["101"]),
        (["eval", "--split", "tset"], ["tset", "test"]),
        (["gradcheck", "qick"], ["qick", "did you mean quick?"]),
        (["gradcheck", ""], ["the name of the configuration is empty"]),
        (["gradcheck", "--set", "training.dropout=1"], ["training.dropout = 1", "below 1"]),
        (["gradcheck", "--set", "network.activation=gelu"], ["network.activation = 'gelu'", "'relu'"]),
        (["gradcheck", "--set", "hidden"], ["--set hidden", "KEY=VALUE"]),
        (["trace"], ["Give one of: an IMAGE", "--index"]),
        (["trace", "x.png", "--index", "1"], ["Give one of: an IMAGE", "--index"]),
        (["trace", "x.png"], ["--label"]),
        (["trace", "--index", "1", "--label", "3"], ["--label is for an IMAGE"]),
        (["trace", "x.png", "--label", "3", "--data", "data"], ["--data is for --index and --batch"]),
        (["trace", "x.png", "--label", "10"], ["--label 10", "not a class", "0, 1, 2"]),
        (["trace", "x.png", "--label", "-1"], ["--label -1", "not a class"]),
        (["trace", "x.png", "--label", "seven"], ["--label seven", "not a class"]),
        (["trace", "--index", "10000"], ["--index 10000", "MNIST", "0 to 9999"]),
        (["trace", "--index", "-1"], ["--index", "-1"]),
        (["trace", "--index", "one"], ["--index", "one"]),
        (["trace", "--index", "1", "--model", "nowhere"], ["nowhere", "no such file"]),
        (["trace", "--index", "1", "--data", "nowhere"], ["nowhere", "no such directory"]),
        (["eval", "--data", "mnist", "--data", "data"], ["Give one --data; measure several places"]),
        (["eval", "--by", "accuracy"], ["--by accuracy: this is what is measured"]),
        (["eval", "--errors", ""], ["--errors", "is empty"]),
        (["eval", "--predictions", "."], [".", "already exists"]),
        (["eval", "--predictions", "nowhere/p.csv", "--errors", "e"], ["nowhere/p.csv", "not a directory"]),
        (["eval", "--predictions", "same", "--errors", "same"], ["same", "--errors names the same place"]),
        (["runs", "nowhere"], ["nowhere", "No such file or directory"]),
        (["runs", "--sort", "test"], ["test", "validation"]),
        (["report"], ["RUN"]),
        (["report", "nowhere"], ["nowhere", "not a run directory"]),
    ],
)
def test_wrong_usage(mlp, args, parts):
    assert_one_line(mlp(*args), 2, *parts)
    assert os.listdir() == []


def _damage(folder, what):
    """Spoil a good data directory; returns what the error should say."""
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    if what == "short by a byte":
        images.write_bytes(content[:-1])
        return "train-images-idx3-ubyte"
    if what == "gzip short by a byte":
        images.write_bytes(gzip.compress(content)[:-1])
        return "gzip data is damaged"
    if what == "wrong magic":
        images.write_bytes(b"\x89PNG" + content[4:])
        return "not an IDX file"
    if what == "different counts":
        labels.write_bytes(idx_bytes(np.zeros(499)))
        return "499 labels, but "
    if what == "labels beyond the classes":
        (folder / "classes.txt").write_text("a\nb\n")
        return "label 3, but there are only the classes 0 to 1"
    labels.unlink()
    return "has no train-labels-idx1-ubyte"


DATA_DAMAGE = [
    "short by a byte", "gzip short by a byte", "wrong magic", "different counts", "labels beyond the classes",
    "missing",
]  # fmt: skip


@pytest.mark.parametrize("what", DATA_DAMAGE)
def test_bad_data(mlp, tmp_path, what):
    folder = tmp_path / "data"
    folder.mkdir()
    write_data(folder, *blobs(500, seed=1))
    message = _damage(folder, what)
    assert_one_line(mlp("train", "--data", folder), 2, message)
    assert os.listdir() == ["data"]


def test_a_run_directory_that_exists(mlp, data):
    Path("run").mkdir()
    assert_one_line(
        mlp("train", "--data", data, "--set", "training.validation=9", "--out", "run"), 2, "run: already exists"
    )
    assert os.listdir("run") == []


def test_a_read_only_place(mlp, data, tmp_path):
    place = tmp_path / "read-only"
    place.mkdir(mode=0o555)
    if os.access(place, os.W_OK):  # root may write even there, but not into the kernel's tables
        place = Path("/sys")
        if not place.is_dir():
            pytest.skip("this system has no place that root cannot write to")
    result = mlp("train", "--data", data, "--set", "training.validation=9", "--out", place / "run")
    assert_one_line(result, 2, str(place / "run"), "cannot be made")


CHECKPOINT_DAMAGE = {
    "missing": (None, "no such file"),
    "empty": (lambda content: b"", "not a complete safetensors file"),
    "truncated": (lambda content: content[:-100], "not a complete safetensors file"),
    "random bytes": (lambda content: np.random.default_rng(0).bytes(500), "not a complete safetensors file"),
    "a newer format": (lambda content: content.replace(b'"format":"1"', b'"format":"2"'), "format 2"),
    "a wrong shape": (lambda content: content.replace(b'"shape":[64,8]', b'"shape":[8,64]'), "W1 is 8×64"),
    "not a number": (lambda content: content[:-4] + b"\xff\xff\xff\x7f", "not finite"),
}


@pytest.mark.parametrize("what", CHECKPOINT_DAMAGE)
def test_bad_checkpoints(train, mlp, what):
    damage, message = CHECKPOINT_DAMAGE[what]
    train("run", "--epochs", "0")
    good = Path("run/best.safetensors").read_bytes()
    Path("run/best.safetensors").unlink()
    if damage:
        assert damage(good) != good
        Path("bad.safetensors").write_bytes(damage(good))
    assert_one_line(mlp("eval", "bad.safetensors"), 2, "bad.safetensors", message)
    assert_one_line(mlp("predict", "--model", "bad.safetensors", "x.png"), 2, "bad.safetensors", message)
    assert_one_line(mlp("trace", "--model", "bad.safetensors", "--index", "1"), 2, "bad.safetensors", message)
    assert_one_line(mlp("eval", "run"), 2, "run: no epoch of this run has ended yet: it has no best.safetensors")


def _picture(path, what):
    """Make a file that is not a picture of a digit; returns what the error should say."""
    if what == "missing":
        return "no such file"
    if what == "empty":
        path.touch()
        return "not a picture"
    if what == "text":
        path.write_text("I am text, renamed.")
        return "not a picture"
    if what == "truncated":
        Image.effect_noise((90, 90), 80).save(path)
        path.write_bytes(path.read_bytes()[:-2000])
        return "cannot be read"
    if what == "20000×20000":
        path.write_bytes(png_header(20_000, 20_000, bits=1))
        return "pixels"
    Image.new("1", {"blank": (100, 80), "1×1": (1, 1)}[what], 1).save(path)
    return "blank"


@pytest.mark.parametrize("what", ["missing", "empty", "text", "truncated", "blank", "1×1", "20000×20000"])
def test_bad_pictures(mlp, tmp_path, what):
    write_data(tmp_path, *blobs(50, seed=1, k=10, side=28))
    small = ["--set", "training.validation=9", "--epochs", "0", "--quiet"]
    mlp("train", "quick", "--data", tmp_path, *small, "--out", "run")
    message = _picture(tmp_path / "picture.png", what)
    result = mlp("predict", "--model", "run", "picture.png")
    assert (result.code, result.out) == (1, "picture.png\t-\t-\n")
    model, error = result.err.splitlines()
    assert model == "model: run/best.safetensors (not trained)"
    assert error.startswith("mlp: picture.png: ")
    assert message in error
    assert_one_line(mlp("trace", "--model", "run", "picture.png", "--label", "1"), 1, "picture.png: ", message)


def test_a_reader_that_closes_the_pipe_early_is_not_an_error(data, tmp_path):
    command = f"{sys.executable} -m mlp_cli --help | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in result.stderr
