"""Non-digits: they look like MNIST's images, depend on the seed alone, and none is a digit."""

import cv2
import numpy as np
import pytest
from samples import load_mnist

from mlp_cli.data import nondigits as module
from mlp_cli.data.nondigits import FONTS, KINDS, Kind, nondigits
from mlp_cli.data.pen import BROADEST, CANVAS, UNIT
from mlp_cli.images.mnist import tight_box

LOOK_ALIKES = "OoDlI|SsZzBbgq()$/\\1234567890,'`"


@pytest.fixture(scope="module")
def digits():
    return load_mnist("train").images[:2000]


def test_equal_seeds_give_equal_pictures_and_other_seeds_give_others(digits):
    first, again, other = (nondigits(50, np.random.default_rng(seed), digits) for seed in (1, 1, 2))
    assert first.shape == (50, 784)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert not (first == other).all(axis=1).any()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.painter.__name__.strip("_"))
def test_every_kind_has_ink_and_no_two_pictures_of_it_are_the_same(kind, digits, monkeypatch):
    monkeypatch.setattr(module, "KINDS", (Kind(kind.painter, 1),))
    pictures = nondigits(60, np.random.default_rng(1), digits)
    assert (pictures.max(axis=1) >= 60).all()
    assert len(np.unique(pictures, axis=0)) == 60


def test_a_solid_whose_corners_lie_in_a_line_is_painted_anew(digits):
    assert module._solids(np.random.default_rng(78390), digits)().any()  # the first of them leaves the canvas blank


def test_what_is_drawn_has_the_size_and_the_brightness_of_mnist(digits, monkeypatch):
    monkeypatch.setattr(module, "KINDS", tuple(kind for kind in KINDS if kind.painter.__name__ != "_textures"))
    for picture in nondigits(200, np.random.default_rng(1), digits).reshape(-1, 28, 28):
        left, top, right, bottom = tight_box(picture > 0)
        assert picture.max() == 255
        assert max(right - left, bottom - top) <= 20


def test_no_font_gives_a_glyph_that_looks_like_a_digit():
    for name in ("futural", "futuram", "rowmans", "rowmand", "rowmant", "timesr", "timesrb", "timesi"):
        assert not set(FONTS[name]) & set(LOOK_ALIKES), name
    for name in ("scripts", "cursive", "gothgbt", "gothitt"):
        assert not set(FONTS[name]) & set("OoDlIijSsZzBbgqy1234567890"), name


def test_a_slim_picture_counts_as_similar_to_a_1():
    canvas = np.zeros((40, 40), np.uint8)
    canvas[5:35, 18:22] = 255
    assert module._is_slim(canvas)
    assert not module._is_slim(canvas.T)


def test_pieces_are_of_the_digits_given():
    digits = np.zeros((1, 28, 28), np.uint8)
    digits[0, 4:24, 8:20] = 255  # a block: beside another it is wider than high
    pictures = [module.fit(picture) for picture in _paint(module._pieces, digits, 40)]
    boxes = [tight_box(picture > 0) for picture in pictures]
    assert all((picture > 0).sum() > 80 for picture in pictures)
    assert np.mean([right - left > bottom - top for left, top, right, bottom in boxes]) > 0.25


def _paint(painter, digits, n):
    paint = painter(np.random.default_rng(1), digits)
    return [paint() for _ in range(n)]


def test_a_body_is_broader_than_the_broadest_pen():
    """Otherwise it could be a 1 or another digit."""
    rng = np.random.default_rng(1)
    for _ in range(2000):
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        cv2.fillPoly(canvas, [np.rint(module._body(rng)[0]).astype(np.int32)], 1)
        left, top, right, bottom = tight_box(canvas > 0)
        assert canvas.sum() > BROADEST * UNIT * max(right - left, bottom - top)
