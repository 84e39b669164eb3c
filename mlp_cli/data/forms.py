"""Forms of digits that people write and MNIST hardly has, drawn from scratch.

Some come from other habits of writing (a 1 with a long flag or a foot, a crossed 7, a 0 with a slash, a 4 of straight
lines), some from straight lines between corners, as on a display, and some from print: digits of Hershey-Fonts (Allen
V. Hershey 1967, "Calligraphy for computers").
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.pen import FINEST, Points, Strokes, fit, hershey_glyphs

# The lines of a digit between the corners and ends of the middle bar of a display: a b above, c d, e f below.
CORNERS = {"a": (-1, -1), "b": (1, -1), "c": (-1, 0), "d": (1, 0), "e": (-1, 1), "f": (1, 1)}
SQUARE = {
    0: "abfea",
    2: "abdcef",
    3: "abdfe cd",
    4: "acd bf",
    5: "bacdfe",
    6: "bacefdc",
    7: "abf",
    8: "abfea cd",
    9: "dcabdfe",
}
FONTS = "futural", "futuram", "rowmans", "rowmand", "rowmant", "timesr", "timesrb", "timesi", "timesib", "scripts"


def write(digit: int, form: "Form", rng: np.random.Generator) -> NDArray[np.uint8]:
    """A digit in one of FORMS, in which it must have a share, by a pen drawn by `rng`, in MNIST's form: (28, 28)."""
    return fit(form.strokes(digit, rng).written(rng, pen=float(rng.uniform(FINEST, form.broadest))))


def _unusual(digit: int, rng: np.random.Generator) -> Strokes:
    """A 0, 1, 4 or 7 as other people write it. The box of the digit is 2 units high."""
    r = rng.uniform(-0.1, 0.1, 8)
    match digit:
        case 0:  # an oval with a slash
            angles = np.linspace(0, 2 * np.pi, 30)
            oval = np.stack([(0.6 + r[0]) * np.sin(angles), -np.cos(angles)], axis=1)
            reach = rng.uniform(0.5, 1.2)
            lines = [oval, _line(-0.6 * reach, reach + r[1], 0.6 * reach, -reach + r[2])]
        case 1:  # a stem with a flag, a foot or both
            flag = rng.uniform(0.25, 0.85)
            drop = flag * rng.uniform(0.4, 1.5)  # a flag that lies flatter makes a 7
            foot = rng.uniform(0.3, 0.6) if rng.random() < 0.4 else 0
            lines = [_line(-flag, drop - 1, 0, -1, r[0], 1)]
            lines += [_line(-foot + r[1], 1, foot + r[2], 1 + r[3] / 2)] if foot else []
        case 4:  # a corner and a stem: closed above, or open with a stem of any length
            x, bar, closed = rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.5), rng.random() < 0.5
            top, stem = (x, -1 + 3 * abs(r[5])) if closed else (rng.uniform(-0.4, 0.1), rng.uniform(-1, 0))
            lines = [
                _line(top, -1, -0.6 + r[2], bar, 0.8, bar + r[4]),
                _line(x, stem, x + r[6], bar + rng.uniform(0.3, 0.7)),
            ]
        case _:  # a 7: a roof, a stem and a bar across it
            foot, across = rng.uniform(-0.5, 0.1), rng.uniform(-0.2, 0.3)
            middle = 0.6 + (foot - 0.6) * (1 + across) / 2
            lines = [_line(-0.6 + r[0], -1 + r[1], 0.6, -1, foot, 1)]
            lines += [_line(middle - 0.4 + r[2], across + r[3], middle + 0.4 + r[4], across + r[5])]
            lines += [_line(-0.6 + r[0], -1 + r[1], -0.6 + r[6], -0.75)] if rng.random() < 0.3 else []
    return Strokes(lines)


def _line(*coordinates: float) -> Points:
    """A line through points x, y, x, y, …, y downwards."""
    return np.array(coordinates, np.float64).reshape(-1, 2)


def _squarish(digit: int, rng: np.random.Generator) -> Strokes:
    """A digit of straight lines, each corner a little out of its place."""
    width = rng.uniform(0.4, 0.75)
    corners = {name: np.array([width * x, y]) + rng.uniform(-0.12, 0.12, 2) for name, (x, y) in CORNERS.items()}
    return Strokes([corners[name] for name in line] for line in SQUARE[digit].split())


def _printed(digit: int, rng: np.random.Generator) -> Strokes:
    """A digit of one of FONTS."""
    return _digits_of_fonts()[int(rng.integers(len(FONTS)))][digit]


@functools.cache
def _digits_of_fonts() -> list[list[Strokes]]:
    return [hershey_glyphs(font, "0123456789") for font in FONTS]


class Form(NamedTuple):
    strokes: Callable[[int, np.random.Generator], Strokes]
    broadest: float  # pen, in twentieths of the picture; broader ones would fill loops
    shares: dict[int, float]  # of a digit's second forms that are written so


FORMS = (
    Form(_unusual, 4.2, {0: 0.05, 1: 0.3, 4: 0.15, 7: 0.15}),
    Form(_squarish, 3.6, dict.fromkeys(SQUARE, 0.04)),
    Form(_printed, 2.8, dict.fromkeys(range(10), 0.04)),
)
