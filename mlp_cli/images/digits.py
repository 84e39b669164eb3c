"""From a grey page to the digits on it, prepared the way MNIST's own images were."""

from dataclasses import dataclass

import numpy as np

from mlp_cli.errors import ImageError
from mlp_cli.images.ink import find_ink
from mlp_cli.images.marks import Marks, around, gaps, without_frames, without_ruling
from mlp_cli.images.mnist import is_mnist_like, normalise, tight_box
from mlp_cli.images.strokes import weigh

# Shares of the longer side of a digit's largest piece:
DUST = 0.08  # what is shorter is no part of it
NEAR, FAR = 0.2, 0.6  # how far away a fragment may be, and how far a large one above or below
ANOTHER = 0.5  # what is longer, and beside it, is another digit
MOST_PIECES = 12  # of a digit; a broken one has up to eight


@dataclass(frozen=True)
class Digit:
    """A prepared digit: `image` (28, 28) uint8, light ink on 0; `box` (left, top, right, bottom) of its ink in the
    page, in pixels, right and bottom exclusive; `inverted` if the ink was darker than the paper; `actions`, what was
    done to the page, in words."""

    image: np.ndarray
    box: tuple[int, int, int, int]
    inverted: bool
    actions: tuple[str, ...] = ()


def prepare(page, inverted=None):
    """The one Digit on a Page.

    `inverted` says whether the ink is darker than the paper; None is to see. Raises ImageError for a page without ink,
    or without anything like a single digit.
    """
    whole = as_it_is(page, inverted)
    if whole:
        return whole
    ink, marks, frames, actions = find_marks(page, inverted)
    field, inside = _field(marks, frames)
    chosen = _one(marks, field, inside)
    largest = marks.side[chosen].max()
    others = int((inside & ~chosen & ~marks.at_border() & (marks.side >= ANOTHER * largest)).sum())
    if chosen.sum() > MOST_PIECES or others > 5 * MOST_PIECES:
        raise ImageError("has nothing like a single digit on it")
    if others:
        raise ImageError(f"has {others + 1} things like a digit on it; --split reads several")
    return cut(page, ink, marks, chosen, actions + dropped(~chosen))


def as_it_is(page, inverted):
    """The Digit of a page that is an MNIST image already, or its negative; else None."""
    for dark in (False, True) if inverted is None else (inverted,):
        light = 255 - page.levels if dark else page.levels
        if is_mnist_like(light):
            return Digit(light, tight_box(light > 0), dark, ("inverted",) if dark else ())
    return None


def find_marks(page, inverted):
    ink = find_ink(page.levels, inverted)
    if ink is None:
        forced = {True: " of dark ink; see --invert", False: " of light ink; see --invert"}.get(inverted, "")
        raise ImageError(f"has no digit on it: the page is blank{forced}")
    actions = ["inverted"] if ink.inverted else []
    mask, lines = without_ruling(ink.mask)
    mask, frames = without_frames(mask)
    if lines:
        actions.append(f"{lines} ruled lines erased" if lines > 1 else "a ruled line erased")
    if len(frames):
        actions.append(f"{len(frames)} frames erased" if len(frames) > 1 else "a frame erased")
    marks = Marks.of(mask)
    if not len(marks):
        raise ImageError("has no digit on it: nothing but lines")
    return ink, marks, frames, actions


def _field(marks, frames):
    """The box that a single digit is looked for in, the largest frame or the page, and which pieces (n,) are inside."""
    if len(frames):
        field = max(frames, key=lambda box: np.prod(box[2:] - box[:2]))
        inside = (gaps(field, marks.box) == 0).all(axis=1)
        if inside.any():
            return field, inside
    return np.array([0, 0, *marks.labels.shape[::-1]]), np.ones(len(marks), bool)


def _one(marks, field, inside):
    """Which pieces make the one digit: the largest near the middle of the field, with its fragments."""
    centre = (marks.box[:, :2] + marks.box[:, 2:]) / 2
    offset = (centre - field[:2]) / (field[2:] - field[:2]) - 0.5
    at_border = marks.at_border()
    score = marks.side * np.exp(-3 * (offset**2).sum(axis=1)) * np.where(at_border, 0.5, 1) * inside
    chosen = np.arange(len(marks)) == score.argmax()
    largest = marks.side[chosen][0]
    allowed = inside & (~at_border | at_border[chosen])
    while True:
        gap = gaps(around(marks.box[chosen]), marks.box)
        distance = np.hypot(*gap.T)
        fragment = (distance <= NEAR * largest) & (marks.side >= DUST * largest)
        fragment |= (gap[:, 0] == 0) & (distance <= FAR * largest) & (marks.side >= 0.3 * largest)
        more = chosen | (fragment & allowed)
        if (more == chosen).all():
            return chosen
        chosen = more


def cut(page, ink, marks, chosen, actions):
    """The Digit of the chosen pieces."""
    box = around(marks.box[chosen])
    left, top, right, bottom = box
    own = _grown(marks.pixels(chosen, box), max(1, round(0.02 * max(right - left, bottom - top))))
    levels, weighed = weigh(ink.levels[top:bottom, left:right] * own)
    left, top, right, bottom = tight_box(levels > min(0.1, levels.max() / 2))
    image = normalise(levels[top:bottom, left:right] * 255)
    place = np.rint(box * (ink.scale * page.scale)).astype(int).tolist()
    return Digit(image, tuple(place), ink.inverted, (*actions, weighed) if weighed else tuple(actions))


def dropped(pieces):
    """What is said of pieces (n,) that are part of no digit."""
    number = int(pieces.sum())
    if not number:
        return []
    return [f"{number} specks dropped" if number > 1 else "a speck dropped"]


def _grown(mask, by):
    """A mask with a rim of so many pixels: what is left of a stroke's soft edges."""
    for _ in range(by):
        padded = np.pad(mask, 1)
        mask = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask
