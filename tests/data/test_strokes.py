"""Second forms of training images: the same digits, with strokes of another width or in another form."""

import cv2
import numpy as np
import pytest

from mlp_cli.data import strokes
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.forms import Form
from mlp_cli.data.strokes import redraw, second_forms
from mlp_cli.images.mnist import is_mnist_like
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("test")


def read(images):
    """What the shipped network reads, (n,)."""
    return log_probabilities(load_checkpoint(BUNDLED["mnist"]).network, np.array(images).reshape(-1, 784)).argmax(
        axis=1
    )


def bar(width):
    """An upright bar, 20 pixels long."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 14 - width // 2 : 14 - width // 2 + width] = 255
    return image


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_a_bar_gets_the_width_that_is_asked_for(width):
    for before in (2, 3, 4):
        image = redraw(bar(before), width)
        # The bar has grown as much longer as wider, and was then scaled back to 20 pixels.
        scale = 20 / (20 + width - before)
        assert image[10:18].sum() / 255 / 8 == pytest.approx(width * scale, abs=0.5), before


def test_fine_strokes_do_not_vanish():
    image = redraw(bar(2), 0.5)
    assert image.max() == 255
    assert (image[6:22].max(axis=1) > 100).all()


def test_a_loop_is_filled_by_a_pen_that_is_broad_enough():
    ring = cv2.circle(np.zeros((28, 28), np.uint8), (14, 14), 6, 255, 2)
    middle = [redraw(ring, width)[13:15, 13:15].max() for width in (1.5, 4, 14)]
    assert middle[:2] == [0, 0]
    assert middle[2] == 255


def test_a_blank_image_stays_blank():
    assert not redraw(np.zeros((28, 28), np.uint8), 3).any()


def test_redrawn_images_are_like_mnist_and_of_the_same_digit(dataset):
    images, labels = dataset.images[:500], dataset.labels[:500]
    for width in (1.6, 2.5, 4):
        redrawn = [redraw(image.reshape(28, 28), width) for image in images]
        assert np.mean([is_mnist_like(image) for image in redrawn]) > 0.95, width
        assert (read(redrawn) == labels).mean() > 0.96, width


def test_as_many_are_written_as_their_shares_say(monkeypatch):
    first, second = Form(None, 0, {3: 0.5, 4: 0.2}), Form(None, 0, {4: 0.6})
    monkeypatch.setattr(strokes, "FORMS", (first, second))
    monkeypatch.setattr(strokes, "redraw", lambda image, width: image)
    monkeypatch.setattr(strokes, "write", lambda digit, form, rng: 10 * digit + (1 if form is first else 2))
    labels = np.repeat([3, 4, 5], 2_000)
    forms = second_forms(np.zeros((len(labels), 784), np.uint8), labels, np.random.default_rng(0))[:, 0]
    shares = {int(value): count / 2_000 for value, count in zip(*np.unique(forms, return_counts=True), strict=True)}
    assert shares == pytest.approx({0: 0.5 + 0.2 + 1, 31: 0.5, 41: 0.2, 42: 0.6}, abs=0.05)


def test_second_forms_follow_the_seed_and_keep_the_order(dataset):
    images, labels = dataset.images[:200], dataset.labels[:200]
    first, again, other = (second_forms(images, labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == images.shape
    assert (first == again).all()
    assert not (first == other).all(axis=1).any()
    assert (read(first) == labels).mean() > 0.95
