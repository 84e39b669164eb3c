"""Training images as other people would have written them with other pens.

MNIST was written with two kinds of pen; people take hairlines, felt pens and brushes. So each image has a second form,
with its strokes re-drawn at another width, which also gives it the clean edges of a drawing instead of the grey ones of
a scan. A few are not redrawn but written in a form that MNIST hardly has.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.forms import FORMS, write
from mlp_cli.images.mnist import SIDE, normalise, tight_box

UNIT = 3  # pixels here to one of the image
FINEST, BROADEST = 1.5, 5.5  # in pixels of an image; half of MNIST's strokes are below 2.5, nine of ten from 1.6 to 4.2


def second_forms(images: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """For each image (n, 784) another of the same digit, drawn by `rng`: redrawn or written from scratch. (n, 784).

    Widths of strokes lie between FINEST and BROADEST, fine ones more often.
    """
    widths = FINEST * (BROADEST / FINEST) ** rng.random(len(images))
    shares = np.array([[form.shares.get(digit, 0) for form in FORMS] for digit in range(10)])
    chosen = (rng.random((len(images), 1)) >= shares.cumsum(axis=1)[labels]).sum(axis=1)  # beyond FORMS: redrawn
    forms = np.empty((len(images), SIDE, SIDE), np.uint8)
    for i, image in enumerate(images.reshape(-1, SIDE, SIDE)):
        if chosen[i] < len(FORMS):
            forms[i] = write(int(labels[i]), FORMS[chosen[i]], rng)
        else:
            forms[i] = redraw(image, float(widths[i]))
    return forms.reshape(images.shape)


def redraw(image: NDArray[np.uint8], width: float) -> NDArray[np.uint8]:
    """An image (28, 28) with strokes that are `width` of its pixels wide in the mean, in MNIST's own form: (28, 28).

    All edges move by the same distance, so an image with strokes of several widths keeps their difference. A stroke
    thinner than what it should lose stays as a fine line.
    """
    room = round(BROADEST)
    fine = cv2.resize(image, (SIDE * UNIT, SIDE * UNIT), interpolation=cv2.INTER_CUBIC)
    ink = np.zeros((len(fine) + 2 * room,) * 2, np.uint8)
    ink[room:-room, room:-room] = fine > 127
    if not ink.any():
        return image
    inside = cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_5)
    # Across a stroke the distance to its edge is a quarter of its width in the mean.
    present = 4 * (float(inside[ink > 0].mean()) - 0.5)
    more = (width * UNIT - present) / 2
    if more > 0:
        outside = cv2.distanceTransform(1 - ink, cv2.DIST_L2, cv2.DIST_MASK_5)
        levels = np.clip(more + 1 - outside, 0, 1)
    else:
        ridge = (ink > 0) & (inside >= cv2.dilate(inside, np.ones((3, 3))))  # the middle of each stroke
        levels = np.clip(inside + more, ridge, 1)
    left, top, right, bottom = tight_box(levels > 0)
    return normalise(levels[top:bottom, left:right])
