import numpy as np
import pytest
from samples import load_mnist

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


@pytest.mark.parametrize(("grey", "is_drawn"), [(3, True), (6, False)])
def test_a_hairline_has_hardly_any_grey_edges(grey, is_drawn):
    """8 and 15% of 40 pixels, of level 200."""
    page = np.zeros((28, 28), np.uint8)
    page[4:24, 13:15] = 255
    page[4 : 4 + grey, 13] = 200
    assert is_mnist_like(page) != is_drawn


def test_an_mnist_image_moved_by_a_pixel_or_less_bright_is_not_taken_for_mnist():
    for image in load_mnist("test").images[:100].reshape(-1, 28, 28):
        assert is_mnist_like(image)
        assert not is_mnist_like(np.uint8(0.9 * image))
        if np.abs(np.subtract(centre_of_mass(image), 14.5)).max() < 0.2:  # of the ½ that MNIST allows
            assert not any(is_mnist_like(np.roll(image, by, axis)) for by in (-1, 1) for axis in (0, 1))


def test_what_is_smaller_than_ten_pixels_is_enlarged_as_if_it_were_ten():
    assert np.count_nonzero(normalise(np.ones((4, 4))).any(axis=0)) == 8
