"""From a grey page to the digit on it, prepared the way MNIST's own images were."""

from dataclasses import dataclass

import numpy as np

from mlp_cli.errors import ImageError

SIDE = 28  # of an MNIST image
BOX = 20  # of the digit in it
CENTRE = 15  # its centre of mass goes to 15 − ½ of a pixel at most; see `normalise`
SMALLEST_SQUARE = 10
LEAST_CONTRAST = 24  # grey levels between background and ink; the noise of a blank photo has less


@dataclass(frozen=True)
class Digit:
    """A prepared digit: `image` (28, 28) uint8, light ink on 0; `box` (left, top, right, bottom) of its ink in
    the page, in pixels, right and bottom exclusive; `inverted` if the ink was darker than the paper."""

    image: np.ndarray
    box: tuple[int, int, int, int]
    inverted: bool


def prepare(page, name, invert="auto"):
    """The one digit on a page (height, width) of grey levels, uint8.

    `invert` is "yes" for dark ink on light paper, "no" for light on dark, "auto" to see by the border. Raises
    ImageError, with `name`, for a page without ink.
    """
    background = np.median(_border(page))
    brightest, darkest = int(page.max()), int(page.min())
    inverted = invert == "yes" or (invert == "auto" and bool(background - darkest > brightest - background))
    light = 255 - page if inverted else page
    if is_mnist_like(light):
        return Digit(light, _tight_box(light > 0), inverted)
    paper = np.median(_border(light))
    if invert != "auto" and light.max() - paper < LEAST_CONTRAST:  # the border itself is ink
        paper = light.min()
    ink = np.clip(light - np.float32(paper), 0, None)
    if ink.max() < LEAST_CONTRAST:
        raise ImageError(f"{name}: has no digit on it: the page is blank")
    # The threshold finds the box only: within it, the soft edges of the strokes are part of the digit.
    left, top, right, bottom = box = _tight_box(ink > otsu_threshold(ink))
    return Digit(normalise(ink[top:bottom, left:right]), box, inverted)


def normalise(ink):
    """MNIST's own rule, for the tightly cropped ink (height, width) of one digit, light on 0: (28, 28) uint8.

    Grown to a square, area-averaged to 20×20, scaled so that the brightest pixel is 255, and pasted so that the
    centre of mass b (pixel centres at i + ½) moves by floor(15 − b), as far as the 28×28 have room. From the
    reconstruction of the lost pipeline by Yadav & Bottou 2019, "Cold case: the lost MNIST digits", arXiv 1905.10498.
    """
    height, width = ink.shape
    side = max(height, width, SMALLEST_SQUARE)
    small = _area_weights(height, side) @ ink @ _area_weights(width, side).T  # (20, h) @ (h, w) @ (w, 20)
    small = np.rint(small * (255 / small.max()))
    row, column = centre_of_mass(small)
    room = SIDE - BOX
    y = min(max(int(np.floor(CENTRE - row)), 0), room)
    x = min(max(int(np.floor(CENTRE - column)), 0), room)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[y : y + BOX, x : x + BOX] = small
    return image


def _area_weights(size, side):
    """The share that each of `size` pixels, in the middle of a line of `side`, has in each of 20 equal parts of the
    line: (20, size)."""
    pixels = (side - size) // 2 + np.arange(size)
    edges = np.linspace(0, side, BOX + 1)[:, None]
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.clip(overlap, 0, None) * (BOX / side)


def is_mnist_like(page):
    """Whether a page already is what `normalise` makes, as all images of MNIST are: 28×28, light ink on plain 0,
    19 or 20 pixels long, bright, and centred by mass."""
    if page.shape != (SIDE, SIDE) or page.max() < 250 or np.count_nonzero(page) > page.size // 2:
        return False
    left, top, right, bottom = _tight_box(page > 0)
    is_long = BOX - 1 <= max(right - left, bottom - top) <= BOX
    return is_long and all(abs(c - CENTRE + 0.5) <= 0.75 for c in centre_of_mass(page))


def centre_of_mass(image):
    """(row, column) of the centre of mass of an image; the centre of the first pixel is at ½."""
    mass = image.sum(dtype=np.float64)
    row = image.sum(axis=1, dtype=np.float64) @ (np.arange(image.shape[0]) + 0.5) / mass
    column = image.sum(axis=0, dtype=np.float64) @ (np.arange(image.shape[1]) + 0.5) / mass
    return row, column


def otsu_threshold(ink):
    """The level that best parts ink from paper: it has the largest variance between the two sides.

    Otsu 1979, "A threshold selection method from gray-level histograms".
    """
    counts = np.bincount(ink.astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    mass = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = mass / below - (mass[-1] - mass) / above
        between = np.nan_to_num(below * above * difference**2)
    return int(between.argmax())


def _border(page):
    return np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])


def _tight_box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
