"""The trained models in the package, which people use who never train."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import load_mnist

from mlp_cli.config import load_config
from mlp_cli.data import nondigits as painting
from mlp_cli.data.forms import FORMS, write
from mlp_cli.data.nondigits import KINDS, Kind, nondigits
from mlp_cli.data.strokes import redraw
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED
from mlp_cli.model.reader import Reader

# What each must do: test accuracy, its bytes, the preset that makes it
MODELS = {"mnist": (0.993, 450_000, "best"), "large": (0.995, 5_000_000, "large")}


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def reader(name):
    return Reader(load_checkpoint(BUNDLED[name]))


@pytest.fixture(scope="module")
def test_set():
    return load_mnist("test")


def test_eval_uses_mnist_when_there_is_no_run(mlp):
    result = mlp("eval", "--json")
    assert f"model: {BUNDLED['mnist']}" in result.err
    assert json.loads(result.out)["accuracy"] >= MODELS["mnist"][0]


def test_predict_uses_mnist_and_large_if_named(mlp):
    image = load_mnist("test").images[0].reshape(28, 28)
    Image.fromarray(np.pad(255 - image, 40, constant_values=255)).save("seven.png")
    for options, name in ((), "mnist"), (("--model", "large"), "large"):
        result = mlp("predict", *options, "seven.png")
        assert result.out.startswith("seven.png\t7\t")
        assert f"model: {BUNDLED[name]}" in result.err


def test_a_bundled_model_reads_the_test_set_and_refuses_at_most_half_a_percent(name, mlp):
    values = json.loads(mlp("eval", name, "--json").out)
    assert values["accuracy"] >= MODELS[name][0]
    assert 0 < values["refused"] <= 50
    assert values["accuracy_answered"] > values["accuracy"]


def test_a_bundled_model_has_its_documented_size_and_preset(name):
    _, size, preset = MODELS[name]
    assert BUNDLED[name].stat().st_size <= size
    facts = json.loads(BUNDLED[name].with_suffix(".json").read_text("utf-8"))
    assert facts["outcome"] == "finished"
    assert facts["command"][1:3] == ["train", preset]
    config = load_checkpoint(BUNDLED[name]).metadata.config
    assert config == load_config(preset, seed=config.seed)
    assert config.network.hidden == ((128, 64) if name == "mnist" else (1000, 500))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.painter.__name__.strip("_"))
def test_a_bundled_model_refuses_every_kind_of_nondigit(kind, reader, monkeypatch):
    """Other pictures than those of its training, since the seed differs."""
    monkeypatch.setattr(painting, "KINDS", (Kind(kind.painter, 1),))
    pictures = nondigits(300, np.random.default_rng(12345), load_mnist("test").images)
    assert (reader.probabilities(pictures).max(axis=1) < reader.threshold).mean() >= 0.8


@pytest.mark.parametrize("width", [1.6, 2.5, 4, 5.5])
def test_a_bundled_model_reads_strokes_of_any_width(width, reader, test_set):
    images = np.array([redraw(image.reshape(28, 28), width) for image in test_set.images[:500]])
    assert (reader.probabilities(images).argmax(axis=1) == test_set.labels[:500]).mean() >= 0.96


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.strokes.__name__.strip("_"))
def test_a_bundled_model_reads_forms_of_digits_that_mnist_hardly_has(form, reader):
    """Others than those of its training, since the seed differs."""
    rng = np.random.default_rng(12345)
    for digit in form.shares:
        images = np.array([write(digit, form, rng) for _ in range(200)])
        assert (reader.probabilities(images).argmax(axis=1) == digit).mean() >= 0.93, digit
