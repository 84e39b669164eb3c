"""Lines of writing as people write them, made from MNIST's training digits: digits that touch, and signs and words
among them, drawn with the same pen."""

import cv2
import numpy as np
from numpy.typing import NDArray
from pages import INK, PAPER, UNIT, strokes
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 20 * UNIT  # of a digit
Ink = NDArray[np.float64]


def line(
    parts: list[Ink], rng: np.random.Generator, *, gap: tuple[float, float] = (2, 5), noise: float = 3.0
) -> NDArray[np.uint8]:
    """A grey page (h, w) with one line of writing.

    `parts` are of `digit`, `sign` and `word`; between them are `gap` (least, most) of MNIST's pixels, drawn anew each
    time, from the nearest ink of the one to the nearest of the other: −1 is a touch.
    """
    ink = parts[0]
    for part in parts[1:]:
        ink = beside(ink, part, rng.uniform(*gap) * UNIT)
    ink = np.pad(ink, ((60, 60), (70, 70)))
    grey = PAPER - (PAPER - INK) * ink
    return np.uint8(np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255))


def digit(image: NDArray[np.uint8]) -> Ink:
    """An MNIST image as ink, 28 of its pixels high and as wide as its ink."""
    ink = strokes(image)
    columns = np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[:, columns[0] : columns[-1] + 1]


def sign(which: str, rng: np.random.Generator) -> Ink:
    """One of . , - / : + = drawn with a pen, on the line that digits stand on."""
    pen = int(rng.uniform(1.8, 3.2) * UNIT)
    top, bottom = 4 * UNIT, 24 * UNIT  # of digits
    middle = (top + bottom) / 2 + rng.uniform(-1.5, 1.5) * UNIT
    canvas = np.zeros((28 * UNIT, 28 * UNIT), np.uint8)
    x = 14 * UNIT

    def stroke(*points: tuple[float, float], width: float = pen) -> None:
        cv2.polylines(canvas, [np.rint(points).astype(np.int32)], False, 255, round(width), cv2.LINE_AA)

    def dot(y: float) -> None:
        stroke((x, y), (x + rng.uniform(0, 4), y + rng.uniform(-2, 2)), width=pen * rng.uniform(1.0, 1.5))

    if which == ".":
        dot(bottom - pen / 2 + rng.uniform(-1, 1) * UNIT)
    elif which == ",":
        stroke((x, bottom - pen / 2), (x - rng.uniform(1, 3) * UNIT, bottom + rng.uniform(1.5, 3) * UNIT))
    elif which == "-":
        half, tilt = rng.uniform(3.5, 6.5) * UNIT, rng.uniform(-1, 1) * UNIT
        stroke((x - half, middle + tilt), (x + half, middle - tilt))
    elif which == "/":
        half, more = rng.uniform(4.0, 7.0) * UNIT, rng.uniform(0, 2.5) * UNIT
        stroke((x - half, bottom + more), (x + half, top - more))
    elif which == ":":
        dot(bottom - rng.uniform(2, 4) * UNIT)
        dot(top + rng.uniform(5, 7) * UNIT)
    elif which == "+":
        half = rng.uniform(4, 6) * UNIT
        stroke((x - half, middle), (x + half, middle))
        stroke((x, middle - half), (x, middle + half))
    elif which == "=":
        half, apart = rng.uniform(4, 6) * UNIT, rng.uniform(2.5, 3.5) * UNIT
        stroke((x - half, middle - apart), (x + half, middle - apart))
        stroke((x - half, middle + apart), (x + half, middle + apart))
    else:
        raise ValueError(which)
    ink = canvas / 255
    columns = np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[:, columns[0] : columns[-1] + 1]


def word(text: str) -> Ink:
    """Letters in print, on the line that digits stand on."""
    font = ImageFont.load_default(size=26 * UNIT)
    wide = Image.new("L", (int(font.getlength(text)) + 40, 28 * UNIT + 80))
    ImageDraw.Draw(wide).text((20, 24 * UNIT + 1), text, font=font, fill=255, anchor="ls")
    ink = np.asarray(wide, float) / 255
    columns = np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[:, columns[0] : columns[-1] + 1]


def beside(left: Ink, right: Ink, gap: float) -> Ink:
    """Two inks in one, `gap` pixels apart where they come nearest."""
    height = max(len(left), len(right))
    left, right = (np.pad(ink, ((0, height - len(ink)), (0, 0))) for ink in (left, right))
    near = np.ones((41, 1), np.uint8)  # what is a little higher or lower is near, too
    ends, starts = (cv2.dilate(np.uint8(ink > 0.5), near) > 0 for ink in (left, right))
    rows = ends.any(axis=1) & starts.any(axis=1)
    free = left.shape[1]  # without a row in common, the boxes are beside each other
    if rows.any():
        end = left.shape[1] - ends[rows, ::-1].argmax(axis=1)
        free = int((end - starts[rows].argmax(axis=1)).max())
    at = max(free + round(gap), 0)
    both = np.zeros((height, max(left.shape[1], at + right.shape[1])))
    both[:, : left.shape[1]] = left
    np.maximum(both[:, at : at + right.shape[1]], right, out=both[:, at : at + right.shape[1]])
    return both
