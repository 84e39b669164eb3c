import numpy as np
import pytest

from mlp_cli.images.decode import Page
from mlp_cli.images.digits import prepare
from mlp_cli.images.mnist import centre_of_mass, is_mnist_like, normalise


def test_normalise_keeps_the_aspect_and_centres_by_mass():
    """A bar of 40×8: the square is 40, so the bar becomes 20×4; its mass is even, so 4 px of margin above and below
    and, from the square's column 8 on (centre of mass 10), columns 8 + 5 − 1 … that is the middle."""
    image = normalise(np.full((40, 8), 100, np.float32))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (5, 24, 13, 16)
    assert image.max() == 255


def test_the_centre_of_mass_lands_where_mnist_has_it():
    heavy_below = np.ones((20, 20), np.float32)
    heavy_below[15:] = 50
    row, column = centre_of_mass(normalise(heavy_below))
    # floor(15 − b) moves b to within (14, 15], but here the 4 + 4 rows of room end first
    assert column == 15.0
    assert row == pytest.approx(centre_of_mass(heavy_below)[0], abs=0.5)


def test_centre_of_mass_by_hand():
    # masses 1 at row ½ and 3 at row 2½: (½ + 7½)/4 = 2
    assert centre_of_mass(np.array([[1], [0], [3]])) == (2.0, 0.5)


def test_a_28x28_drawing_that_is_not_centred_is_not_taken_for_mnist():
    page = np.zeros((28, 28), np.uint8)
    page[2:22, 2:8] = 255
    assert not is_mnist_like(page)
    assert is_mnist_like(prepare(Page(page)).image)


def test_a_hairline_drawn_pixel_by_pixel_is_not_taken_for_mnist():
    page = np.zeros((28, 28), np.uint8)
    page[4:24, 14] = 255
    assert not is_mnist_like(page)
    page[4:24, 13:16] = 255
    assert is_mnist_like(page)
