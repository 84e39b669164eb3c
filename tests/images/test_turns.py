import numpy as np
import pytest
from pages import page
from pages import turned as tilted
from samples import load_mnist

from mlp_cli.images.decode import Page
from mlp_cli.images.digits import prepare
from mlp_cli.images.turns import DEGREES, surer, turned


@pytest.fixture(scope="module")
def seven():
    return page(load_mnist("test").images[0].reshape(28, 28), np.random.default_rng(0))


def likes(*confident):
    """A network that reads a class with that confidence when turned by so many degrees, and else 0 with 0.1."""
    y = np.full((len(DEGREES), 10), 0.0)
    y[:, 0] = 0.1
    for degrees, confidence, k in confident:
        y[DEGREES.index(degrees), k] = confidence
    return lambda images: y


@pytest.mark.parametrize("quarters", [1, -1])
def test_turned_by_a_quarter_is_the_digit_of_the_page_turned_back(seven, quarters):
    upright = prepare(Page(seven)).image.astype(int)
    lying = prepare(Page(np.rot90(seven, quarters)))
    back = turned(lying, -90 * quarters)
    assert np.abs(back.image - upright).mean() < 9  # the centre of mass may fall into another pixel
    assert np.abs(turned(lying, 90 * quarters).image - upright).mean() > 25
    assert back.box == lying.box


def test_a_digit_is_turned_if_the_network_is_more_confident_by_a_margin(seven):
    digit = prepare(Page(seven))
    best = surer(digit, 0.6, likes((-90, 0.95, 7), (20, 0.85, 7), (30, 0.75, 4)))
    assert "turned by -90°" in best.actions
    np.testing.assert_array_equal(best.image, turned(digit, -90).image)


@pytest.mark.parametrize(("upright", "other"), [(0.6, 0.79), (0.75, 0.94), (0.9, 1.0), (0.99, 1.0)])
def test_upright_is_preferred(seven, upright, other):
    digit = prepare(Page(seven))
    assert surer(digit, upright, likes((90, other, 7))) is digit


def test_an_mnist_image_is_never_turned():
    digit = prepare(Page(load_mnist("test").images[0].reshape(28, 28)))
    assert surer(digit, 0.3, likes((90, 1.0, 7))) is digit


def test_positions_that_contradict_each_other_turn_nothing(seven):
    digit = prepare(Page(seven))
    assert surer(digit, 0.6, likes((-20, 0.85, 4), (20, 0.95, 7))) is digit


def test_a_digit_that_is_tilted_or_lies_on_its_side_is_turned_back():
    """By a network that is as confident as an image is like that of the upright digit."""
    sheet = page(load_mnist("test").images[0].reshape(28, 28), np.random.default_rng(0), noise=0)
    upright = prepare(Page(sheet)).image.ravel().astype(float)

    def likeness(images):
        flat = images.reshape(len(images), -1).astype(float)
        return (flat @ upright / np.linalg.norm(flat, axis=1) / np.linalg.norm(upright))[:, None]

    for degrees in (20, -30, 40, 90, -90):
        best = surer(prepare(Page(tilted(sheet, degrees))), 0.3, likeness)
        assert f"turned by {-degrees:+}°" in best.actions
