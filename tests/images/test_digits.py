import numpy as np
import pytest
from PIL import Image

from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import ImageError
from mlp_cli.images.digits import centre_of_mass, is_mnist_like, normalise, otsu_threshold, prepare


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test").images.reshape(-1, 28, 28)


def test_every_mnist_image_passes_through_bit_for_bit(mnist):
    for image in mnist:
        np.testing.assert_array_equal(prepare(image, "it").image, image)


def test_black_on_white_mnist_comes_out_as_mnist(mnist):
    for image in mnist[:200]:
        digit = prepare(255 - image, "it")
        np.testing.assert_array_equal(digit.image, image)
        assert digit.inverted


def test_a_page_with_a_digit_somewhere_becomes_that_digit(mnist):
    """The rule undoes what a scan does: a digit enlarged four times, off-centre on a large grey-white page."""
    for image in mnist[:50]:
        large = np.asarray(Image.fromarray(image).resize((112, 112), Image.Resampling.BICUBIC)).astype(int)
        page = np.full((300, 400), 230)
        page[150:262, 20:132] -= large * 200 // 255
        digit = prepare(page.astype(np.uint8), "it")
        assert digit.inverted
        # the two resamplings blur it a little, and can move its centre of mass over the edge of a pixel
        shifted = (np.roll(digit.image.astype(int), (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1))
        assert min(np.abs(candidate - image).mean() for candidate in shifted) < 8
        assert 20 <= digit.box[0] < digit.box[2] <= 132
        assert 150 <= digit.box[1] < digit.box[3] <= 262


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


def test_otsu_threshold_parts_two_groups():
    ink = np.array([10, 12, 11, 200, 210, 205, 10, 11], np.float32)
    assert 12 <= otsu_threshold(ink) < 200


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (300, 200)])
def test_a_blank_page_is_an_error(level, shape):
    with pytest.raises(ImageError, match=r"photo\.png: .*blank"):
        prepare(np.full(shape, level, np.uint8), "photo.png")


def test_a_page_of_faint_noise_is_blank():
    page = np.random.default_rng(0).normal(220, 4, (200, 200)).clip(0, 255).astype(np.uint8)
    with pytest.raises(ImageError, match="blank"):
        prepare(page, "it")


def test_polarity_can_be_forced():
    page = np.zeros((40, 40), np.uint8)
    page[:, 10:30] = 255  # a white bar that touches the border: as light ink 20 wide, else two dark ones
    assert not prepare(page, "it", invert="no").inverted
    forced = prepare(page, "it", invert="yes")
    assert forced.inverted


def test_a_28x28_drawing_that_is_not_centred_is_not_taken_for_mnist():
    page = np.zeros((28, 28), np.uint8)
    page[2:22, 2:8] = 255
    assert not is_mnist_like(page)
    assert is_mnist_like(prepare(page, "it").image)


def test_a_long_thin_line_takes_no_more_memory_than_its_page():
    page = np.full((60_000, 6), 255, np.uint8)
    page[10:-10, 3] = 0
    image = prepare(page, "it").image  # its square would have 3.6 billion pixels
    assert image.any(axis=1).sum() == 20
