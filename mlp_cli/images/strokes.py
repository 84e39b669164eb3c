"""Brings strokes to the width of MNIST's."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.mnist import BOX, SMALLEST_SQUARE

UNIT = 4  # pixels here to one of MNIST's 20
# Widths in units of a twentieth of the digit's longer side. Nine of ten of MNIST's digits lie between 1.6 and 4.2,
# half of them below 2.5.
THIN = 2.5  # thinner strokes are thickened to this
THICK, THINNED = 5.0, 4.0


def weigh(levels: NDArray[np.float32]) -> tuple[NDArray[np.float32], str | None]:
    """The tightly cropped ink of a digit (h, w), 0 to 1, with strokes of MNIST's weight, and what was done: a phrase,
    or None. Ink of the right weight comes back as it is."""
    side = max(*levels.shape, SMALLEST_SQUARE)
    size = [max(1, round(length * BOX * UNIT / side)) for length in levels.shape[::-1]]
    fine = cv2.resize(levels, size, interpolation=cv2.INTER_AREA if side > BOX * UNIT else cv2.INTER_CUBIC)
    covered = fine[fine > 0.02]
    if not covered.size:
        return levels, None
    # A hairline fills only a part of the pixels it crosses.
    strokes = np.pad(fine > min(1, np.partition(covered, at := int(0.8 * (covered.size - 1)))[at]) / 2, 1)
    width = stroke_width(strokes) / UNIT
    if width < THIN:
        more = (THIN - width) / 2 * UNIT
        room = int(np.ceil(more))
        return np.clip(more + 1 - distances(~np.pad(strokes, room)), 0, 1), "strokes thickened"
    if width > THICK:
        thinner = np.clip(distances(strokes) - (width - THINNED) / 2 * UNIT, 0, 1)
        if thinner.any():
            return thinner, "strokes thinned"
    return levels, None


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """The mean width of strokes in pixels: across a stroke the distance to its edge is a quarter of its width in the
    mean."""
    return float(4 * (distances(mask)[mask].mean() - 0.5))


def distances(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The Euclidean distance of each pixel to the nearest that is False, in pixels: (h, w) -> (h, w)."""
    return cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
