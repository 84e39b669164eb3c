"""Strokes brought to the weight that MNIST's have."""

import numpy as np
from PIL import Image

from mlp_cli.images.ink import quantile, resized

UNIT = 4  # pixels here to one of MNIST's 20
# Widths in units of a twentieth of the digit's longer side. Nine of ten of MNIST's digits lie between 1.6 and 4.2,
# half of them below 2.5.
THIN = 2.5  # thinner strokes become that
THICK, THINNED = 5.0, 4.0


def weigh(levels, box=20):
    """The tightly cropped ink of a digit (h, w), 0 to 1, with strokes of MNIST's weight, and what was done: a phrase,
    or None. Ink of the right weight comes back as it is."""
    side = max(*levels.shape, 10)
    fine = resized(levels, [length * box * UNIT / side for length in levels.shape], _resample(side, box))
    covered = fine[fine > 0.02]
    if not covered.size:
        return levels, None
    # A hairline fills only a part of the pixels it crosses.
    strokes = np.pad(fine > min(1, quantile(covered, 0.8)) / 2, 1)
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


def _resample(side, box):
    return Image.Resampling.BOX if side > box * UNIT else Image.Resampling.BICUBIC


def stroke_width(mask):
    """The mean width of strokes in pixels: across a stroke the distance to its edge is a quarter of its width in the
    mean."""
    return 4 * (distances(mask)[mask].mean() - 0.5)


def distances(mask):
    """The Euclidean distance of each pixel to the nearest that is False, in pixels: (h, w) -> (h, w) float32.

    First along each row, then by way of the rows above and below, as far away as any pixel can still gain by it.
    """
    height, width = mask.shape
    far = height + width
    columns = np.arange(width)
    before = np.maximum.accumulate(np.where(mask, -far, columns), axis=1)
    behind = np.minimum.accumulate(np.where(mask, width + far, columns)[:, ::-1], axis=1)[:, ::-1]
    along = np.minimum(columns - before, behind - columns).astype(np.float32) ** 2
    squared = along.copy()
    for dy in range(1, height):
        if dy**2 >= squared.max():
            break
        np.minimum(squared[dy:], along[:-dy] + dy**2, out=squared[dy:])
        np.minimum(squared[:-dy], along[dy:] + dy**2, out=squared[:-dy])
    return np.sqrt(squared)
