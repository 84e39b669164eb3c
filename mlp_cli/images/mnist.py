"""The form of MNIST images, and the rule by which its makers produced it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # of an image
BOX = 20  # of the digit in it
CENTRE = 15  # its centre of mass goes to 15 − ½ of a pixel at most; see `normalise`
SMALLEST_SQUARE = 10


def normalise(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
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


@lru_cache(512)
def _area_weights(size: int, side: int) -> NDArray[np.float64]:
    """The share that each of `size` pixels, in the middle of a line of `side`, has in each of 20 equal parts of the
    line: (20, size)."""
    pixels = (side - size) // 2 + np.arange(size)
    edges = np.linspace(0, side, BOX + 1)[:, None]
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    shares: NDArray[np.float64] = np.clip(overlap, 0, None) * (BOX / side)
    return shares


def is_mnist_like(page: NDArray[np.uint8]) -> bool:
    """Whether a page already is what `normalise` makes, as all images of MNIST are: 28×28, light ink on plain 0,
    19 or 20 pixels long, bright, centred by mass, and no hairlines drawn pixel by pixel."""
    if page.shape != (SIDE, SIDE) or page.max() < 250 or np.count_nonzero(page) > page.size // 2:
        return False
    left, top, right, bottom = tight_box(page > 0)
    is_long = BOX - 1 <= max(right - left, bottom - top) <= BOX
    is_centred = all(abs(c - CENTRE + 0.5) <= 0.75 for c in centre_of_mass(page))
    return is_long and is_centred and not _is_hairline(page)


def _is_hairline(page: NDArray[np.uint8]) -> bool:
    """Whether strokes have no grey edges, and nowhere 3×3 pixels of ink. MNIST's few without grey edges are thick."""
    ink = page > 0
    if np.count_nonzero(ink & (page < 250)) > 0.1 * np.count_nonzero(ink):
        return False
    rows = ink[:-2] & ink[1:-1] & ink[2:]
    return not (rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).any()


def centre_of_mass(image: NDArray[np.generic]) -> tuple[float, float]:
    """(row, column) of the centre of mass of an image; the centre of the first pixel is at ½."""
    mass = image.sum(dtype=np.float64)
    row = image.sum(axis=1, dtype=np.float64) @ (np.arange(image.shape[0]) + 0.5) / mass
    column = image.sum(axis=0, dtype=np.float64) @ (np.arange(image.shape[1]) + 0.5) / mass
    return row, column


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is True in a mask, right and bottom exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
