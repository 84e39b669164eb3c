"""A pen: strokes of it drawn onto a canvas as a hand would write them, and brought into MNIST's own form."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlp_cli.images.mnist import BOX, normalise, tight_box

Picture = NDArray[np.uint8]  # (height, width), light ink on 0
Points = NDArray[np.float64]  # (points, 2), x and y

CANVAS = 112  # pixels, of a side
UNIT = 4  # pixels of the canvas to one of MNIST's 20, at which pens are measured
FINEST, BROADEST = 1.4, 5.6  # pens, in twentieths of the picture; MNIST's lie between 1.6 and 4.2
FAINT = 30  # darker pixels are cropped away


class Strokes:
    """Lines through points, in any unit: scaled to a picture of 20 · UNIT around (0, 0), with points every few pixels,
    so that they can be bent."""

    def __init__(self, lines: Iterable[ArrayLike]) -> None:
        arrays = [np.array(line, np.float64) for line in lines]
        points = np.concatenate(arrays)
        low, high = points.min(axis=0), points.max(axis=0)
        scale = BOX * UNIT / max(*(high - low), 1e-9)
        fine = [_finer((line - (low + high) / 2) * scale) for line in arrays]
        self.points = np.concatenate(fine)
        self.starts = np.cumsum([len(line) for line in fine])[:-1]  # of the lines but the first, among the points

    def written(self, rng: np.random.Generator, turn: float = 0.12, pen: float | None = None) -> Picture:
        """A canvas with these strokes, written by hand: turned by an angle of σ = `turn`, slanted, stretched and bent a
        little, with a `pen` of that many twentieths of the picture, or any."""
        angle, shear, stretch_x, stretch_y = rng.normal(0, (turn, 0.15, 0.15, 0.15))
        matrix = rotation(angle) @ np.array([[np.exp(stretch_x), shear], [0, np.exp(stretch_y)]])
        phase, wavelength = rng.uniform(0, 2 * np.pi, 2), rng.uniform(9, 20, 2)
        points = self.points @ matrix.T
        points += rng.uniform(0, 4) * np.sin(points[:, ::-1] / wavelength + phase)
        if pen is None:
            pen = FINEST * (BROADEST / FINEST) ** float(rng.random())
        # Scale down what would leave the canvas.
        room = CANVAS / 2 - pen * UNIT / 2 - 2
        points *= min(1.0, room / max(float(np.abs(points).max()), 1.0))
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        sixteenths = np.rint((points + CANVAS / 2) * 16).astype(np.int32)  # of a pixel, as OpenCV wants it
        lines = np.split(sixteenths, self.starts)
        cv2.polylines(canvas, lines, False, 255, max(1, round(pen * UNIT)), cv2.LINE_AA, 4)
        return canvas


def _finer(line: Points) -> Points:
    lengths = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    at = np.linspace(0, along[-1], int(along[-1] / 6) + 2)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1)


def rotation(angle: float) -> Points:
    """The matrix that turns points by an angle, in radians: (2, 2)."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def fit(picture: Picture) -> NDArray[np.uint8]:
    """The ink of a picture, cropped and brought into MNIST's form: (28, 28)."""
    left, top, right, bottom = tight_box(picture > FAINT)
    return normalise(picture[top:bottom, left:right].astype(np.float64))


def hershey_glyphs(font: str, characters: str) -> list[Strokes]:
    """The glyphs of one of Hershey's fonts that are stored under `characters`."""
    from HersheyFonts import HersheyFonts  # type: ignore[import-untyped]  # for training only

    hershey = HersheyFonts()
    hershey.load_default_font(font)
    return [Strokes(hershey.all_glyphs[character].strokes) for character in characters]
