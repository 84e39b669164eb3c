"""Training images as other people would have written them with other pens.

MNIST was written with two kinds of pen; people take hairlines, felt pens and brushes. So each image has a second form,
with its strokes re-drawn at another width, which also gives it the clean edges of a drawing instead of the grey ones of
a scan. Some forms of digits that MNIST hardly has are drawn from scratch: a 1 with a long flag or a foot, a crossed 7,
a 0 with a slash, a 4 of straight lines.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.pen import Points, Strokes, fit
from mlp_cli.images.mnist import SIDE, normalise, tight_box

UNIT = 3  # pixels here to one of the image
FINEST, BROADEST = 1.5, 5.5  # in pixels of an image; half of MNIST's strokes are below 2.5, nine of ten from 1.6 to 4.2
PENS = 1.4, 4.2  # for what is drawn from scratch, in twentieths of the picture; broader ones would fill the loop of a 0
WRITTEN = {0: 0.05, 1: 0.3, 4: 0.05, 7: 0.15}  # share of a digit's second forms that are drawn from scratch


def second_forms(images: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """For each image (n, 784) another of the same digit, drawn by `rng`: redrawn or written from scratch. (n, 784).

    Widths of strokes lie between FINEST and BROADEST, fine ones more often.
    """
    widths = FINEST * (BROADEST / FINEST) ** rng.random(len(images))
    is_written = rng.random(len(images)) < np.array([WRITTEN.get(digit, 0) for digit in range(10)])[labels]
    forms = np.empty((len(images), SIDE, SIDE), np.uint8)
    for i, image in enumerate(images.reshape(-1, SIDE, SIDE)):
        forms[i] = write(int(labels[i]), rng) if is_written[i] else redraw(image, float(widths[i]))
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


def write(digit: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A 0, 1, 4 or 7 in a form that MNIST hardly has: (28, 28). The box of the digit is 2 units high."""
    r = rng.uniform(-0.1, 0.1, 8)
    match digit:
        case 0:  # an oval with a slash
            angles = np.linspace(0, 2 * np.pi, 30)
            oval = np.stack([(0.6 + r[0]) * np.sin(angles), -np.cos(angles)], axis=1)
            reach = rng.uniform(0.5, 1.2)
            lines = [oval, _line(-0.6 * reach, reach + r[1], 0.6 * reach, -reach + r[2])]
        case 1:  # a stem with a flag, a foot or both
            flag, drop = rng.uniform(0.25, 0.85), rng.uniform(0.2, 0.85)
            foot = rng.uniform(0.3, 0.6) if rng.random() < 0.4 else 0
            lines = [_line(-flag, drop - 1, 0, -1, r[0], 1)]
            lines += [_line(-foot + r[1], 1, foot + r[2], 1 + r[3] / 2)] if foot else []
        case 4:  # a corner and a stem, the corner open or closed
            x = rng.uniform(0.1, 0.5)
            top = x if rng.random() < 0.5 else -0.3 + r[1]
            lines = [
                _line(top, -1, -0.6 + r[2], 0.3 + r[3], 0.8, 0.3 + r[4]),
                _line(x, -1 + 3 * abs(r[5]), x + r[6], 1),
            ]
        case 7:  # a roof, a stem and a bar across it
            foot, across = rng.uniform(-0.5, 0.1), rng.uniform(-0.2, 0.3)
            middle = 0.6 + (foot - 0.6) * (1 + across) / 2
            lines = [_line(-0.6 + r[0], -1 + r[1], 0.6, -1, foot, 1)]
            lines += [_line(middle - 0.4 + r[2], across + r[3], middle + 0.4 + r[4], across + r[5])]
            lines += [_line(-0.6 + r[0], -1 + r[1], -0.6 + r[6], -0.75)] if rng.random() < 0.3 else []
        case _:
            raise ValueError(f"there is no variant of {digit}")
    return fit(Strokes(lines).written(rng, pen=float(rng.uniform(*PENS))))


def _line(*coordinates: float) -> Points:
    """A line through points x, y, x, y, …, y downwards."""
    return np.array(coordinates, np.float64).reshape(-1, 2)
