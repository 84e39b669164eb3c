"""A digit prepared for the network, and the one digit of a page."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.decode import Page
from mlp_cli.images.mnist import is_mnist_like, tight_box


@dataclass(frozen=True)
class Digit:
    """A prepared digit: `image` (28, 28) uint8, light ink on 0; `box` (left, top, right, bottom) of its ink in the
    picture, in pixels, right and bottom exclusive; `inverted` if the ink was darker than the paper; `actions`, what was
    done to the page, in words; `levels` (h, w) float32, its ink as it was cut from the page, None if nothing was."""

    image: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    inverted: bool
    actions: tuple[str, ...] = ()
    levels: NDArray[np.float32] | None = None


def prepare(page: Page, inverted: bool | None = None) -> Digit:
    """The one Digit on a Page.

    `inverted` says whether the ink is darker than the paper; None means to detect it. Raises ImageError for a page
    without ink, or without anything like a single digit.
    """
    whole = as_it_is(page, inverted)
    if whole:
        return whole
    from mlp_cli.images.single import find_one  # imports OpenCV, which an image in MNIST's form does not need

    return find_one(page, inverted)


def as_it_is(page: Page, inverted: bool | None) -> Digit | None:
    """The Digit of a page that is an MNIST image already, or its negative; else None."""
    if page.pixels.shape != (28, 28):
        return None
    for dark in (False, True) if inverted is None else (inverted,):
        light = 255 - page.levels if dark else page.levels
        if is_mnist_like(light):
            return Digit(light, tight_box(light > 0), dark, ("inverted",) if dark else ())
    return None
