"""A digit that lies on its side, or is tilted, turned upright if the network is then more confident."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.digits import Digit
from mlp_cli.images.single import drawn

# Degrees, anticlockwise. Not 180: a 6 would be as good a 9.
DEGREES = (-40, -30, -20, 20, 30, 40, -90, 90)
MARGIN = 0.2  # of confidence, by which a turned digit must exceed the original


def surer(digit: Digit, confidence: float, probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float64]]) -> Digit:
    """The Digit, read with this confidence, or turned, if `probabilities` (of images (n, 28, 28) -> (n, k)) say so.

    All positions in which the network is surer must say the same. For answers, not for refusals: of nine positions of a
    letter one or another nearly always looks like a digit.
    """
    if digit.levels is None or confidence + MARGIN > 1:
        return digit
    others = [turned(digit, degrees) for degrees in DEGREES]
    found = probabilities(np.stack([other.image for other in others]))
    is_surer = found.max(axis=1) >= confidence + MARGIN
    is_one = len({*found[is_surer].argmax(axis=1)}) == 1
    return others[int(found.max(axis=1).argmax())] if is_one else digit


def turned(digit: Digit, degrees: float) -> Digit:
    """The Digit turned anticlockwise about its middle; its box stays the one on the page."""
    assert digit.levels is not None
    height, width = digit.levels.shape
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    levels = cv2.warpAffine(digit.levels, matrix, (side, side))
    image, weighed = drawn(levels)
    actions = [action for action in digit.actions if not action.startswith("strokes")]
    return Digit(image, digit.box, digit.inverted, (*actions, f"turned by {degrees:+.0f}°", *weighed), levels)
