"""A digit that lies on its side, or is tilted, turned upright if that makes the network surer."""

import cv2
import numpy as np

from mlp_cli.images.digits import Digit
from mlp_cli.images.single import drawn

# Degrees, against the clock. Not by 180°: a 6 would be as good a 9.
TILTS, QUARTERS = (-40, -30, -20, 20, 30, 40), (-90, 90)


def turned(digit: Digit, degrees: float) -> Digit:
    """The Digit turned against the clock about its middle; its box stays the one on the page."""
    assert digit.levels is not None
    height, width = digit.levels.shape
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    levels = cv2.warpAffine(digit.levels, matrix, (side, side))
    image, weighed = drawn(levels)
    actions = [action for action in digit.actions if not action.startswith("strokes")]
    return Digit(image, digit.box, digit.inverted, (*actions, f"turned by {degrees:+.0f}°", *weighed), levels)
