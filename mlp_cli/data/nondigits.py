"""Non-digits, from which the network learns what to refuse: letters and signs, scribbles, doodles, pieces
of digits and pairs of them, filled shapes, textures.

They look like MNIST's images, since they are made the same way: drawn on a larger canvas and brought into 28×28 by
`images.mnist.normalise`. Nothing that a person would call a digit is among them: no O, l, I, S, Z, g, q, b, B and the
like, no upright stroke, ring or single bend. Letters and signs are pen strokes from Hershey-Fonts (Allen V. Hershey
1967, "Calligraphy for computers"), written with pens from fine to broad and never twice alike.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.pen import CANVAS, FINEST, UNIT, Picture, Points, Strokes, fit, hershey_glyphs, rotation
from mlp_cli.images.mnist import SIDE, tight_box

INK = 60  # every picture has a pixel at least this light

# The glyphs taken from each of Hershey's fonts that do not look like digits, by the character each is stored under.
LETTERS = "ACEFGHJKLMNPQRTUVWXYacdefhijkmnprtuvwx#%&*+<=?@[^~:;"
CLOSEST = "aaafGGiijjJJJQQrt"  # letters close to digits: repeated, since they are harder to learn
SERIFS = "yy"  # without its serifs it could be a 4
FONTS = {
    **dict.fromkeys(("futural", "futuram", "rowmans"), LETTERS + CLOSEST),
    **dict.fromkeys(("rowmand", "rowmant", "timesr", "timesrb", "timesi"), LETTERS + CLOSEST + SERIFS),
    "scripts": "AFHKMNPRTUVWXYefhkmnptuvwx",
    "cursive": "AFHKMNPRTUVWXYefhkmnptuvwx",
    "gothgbt": "ACEFGHKLMNPRTUVWXYacdefhkmnprtuvwx",
    "gothitt": "ACEFGHKLMNPRTVWXYacdefhkmnprtuvwx",
    "greeks": "ACDEGJKLMNPQRSTVWXacgjklmpqvwx",
    "greekc": "ACDEGJKLMNPQRSTVWXacgjklmpqvwx",
    "cyrilc_1": "ADEFGIJKLMNPQRSVWYZ",
    "japanese": "$%&'()*+,-./01567AEFGIKMNPUVWXZ\\^_acdfnr",
    "mathlow": "!\"#&':;<=?@bdefghijklnovwxz|~",
    "symbolic": "VWXYZ[\\]^_`abcfhjlmnptxz",
    "markers": "CEFGHIJKLMNO",
    "astrology": "!$'",
}


def nondigits(n: int, rng: np.random.Generator, digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """n non-digits (n, 784), drawn by `rng`; pieces and pairs are of `digits`, images (m, 784) of MNIST."""
    painters = [kind.painter(rng, digits.reshape(-1, SIDE, SIDE)) for kind in KINDS]
    shares = np.array([kind.share for kind in KINDS])
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for image, kind in zip(images, rng.choice(len(KINDS), n, p=shares / shares.sum()), strict=True):
        picture = painters[kind]()
        while picture.max() < INK:
            picture = painters[kind]()
        image[...] = picture if picture.shape == image.shape else fit(picture)
    return images.reshape(n, SIDE * SIDE)


def _letters(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Letters and signs, all glyphs equally often."""
    glyphs = _glyphs()

    def paint() -> Picture:
        return glyphs[rng.integers(len(glyphs))].written(rng)

    return paint


@functools.cache
def _glyphs() -> list[Strokes]:
    """The glyphs of all FONTS, which take a third of a second to read."""
    return [glyph for font, characters in FONTS.items() for glyph in hershey_glyphs(font, characters)]


def _is_slim(canvas: Picture, least: float = 0.5) -> bool:
    """Whether a drawing is slim enough (less than `least` of its height) to be a 1."""
    left, top, right, bottom = tight_box(canvas > 0)
    return right - left < least * (bottom - top)


def _fine(rng: np.random.Generator) -> float:
    """A pen fine enough to keep the lines of a crowded drawing apart, since a blot could look like anything."""
    return float(rng.uniform(FINEST, 2.8))


def _scribbles(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Scrawls: long curves that turn again and again, hatchings, tangles of several strokes."""

    def paint() -> Picture:
        kind = rng.integers(3)
        if kind == 0:  # a walk whose heading wanders
            steps = int(rng.integers(100, 220))
            heading = np.cumsum(rng.normal(rng.normal(0, 0.05), rng.uniform(0.35, 0.7), steps))
            strokes = [np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)]
        elif kind == 1:  # to and fro
            turns = int(rng.integers(7, 14))
            x = np.linspace(-40, 40, turns) + rng.normal(0, 3, turns)
            y = np.where(np.arange(turns) % 2, 1, -1) * rng.uniform(12, 40) + rng.normal(0, 5, turns)
            strokes = [np.stack([x, y], 1)]
        else:
            strokes = [np.cumsum(rng.normal(0, 1, (rng.integers(2, 4), 2)), axis=0) for _ in range(rng.integers(4, 8))]
        canvas = Strokes(strokes).written(rng, turn=1.0, pen=_fine(rng))
        return paint() if _is_slim(canvas) else canvas

    return paint


def _marks(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """The small marks of a page: dots, dashes, crosses, ticks, dotted and double lines, corners, arrows, frames."""

    def line(*points: float) -> Points:
        return np.array(points, np.float64).reshape(-1, 2)

    def paint() -> Picture:
        kind = rng.integers(9)
        r = rng.uniform(0.4, 1.0, 6)
        turn, pen = 0.12, None
        if kind == 0:  # a dot, and no long one: that could be a 1
            canvas = np.zeros((CANVAS, CANVAS), np.uint8)
            axes, angle = rng.integers(16, 28, 2).tolist(), float(rng.uniform(0, 180))
            cv2.ellipse(canvas, (CANVAS // 2, CANVAS // 2), axes, angle, 0, 360, 255, -1, cv2.LINE_AA)
            return canvas
        if kind == 1:  # a dash, lying
            dash = Strokes([line(-1, rng.normal(0, 0.1), 1, rng.normal(0, 0.1))])
            return dash.written(rng, pen=float(rng.uniform(2, 9)))
        if kind == 2:  # +
            strokes = [line(-r[0], 0, r[1], 0), line(0, -r[2], 0, r[3])]
        elif kind == 3:  # ×
            strokes = [line(-r[0], -r[1], r[0], r[1]), line(-r[0], r[2], r[0], -r[2])]
        elif kind == 4:  # a tick
            strokes = [line(-r[0] * 0.6, 0, -0.2, r[1] * 0.6, r[2], -r[3])]
        elif kind == 5:  # dots or dashes in a row or in a column, equals signs
            count = int(rng.integers(2, 6))
            is_column = rng.random() < 0.5
            half = rng.uniform(0, (0.3 if is_column else 0.75) / count)  # long ones in a column would be a broken 1
            places = np.linspace(-1, 1, count)
            strokes = [line(x - half, rng.normal(0, 0.05), x + half, rng.normal(0, 0.05)) for x in places]
            strokes = [stroke[:, ::-1] for stroke in strokes] if is_column else strokes
        elif kind == 6:  # a wide corner, V or Λ or <; the other one could be a 7
            x, y = rng.uniform(0.7, 1.0), rng.uniform(0.5, 1.0)
            strokes = [line(-x, -y, 0, y, x, -y) @ rotation(float(rng.choice([0, 2, 3])) * np.pi / 2)]
        elif kind == 7:  # an arrow
            h, turn, pen = rng.uniform(0.35, 0.6), 3.0, _fine(rng)
            strokes = [line(-1, 0, 1, 0), line(1 - h, -h, 1, 0, 1 - h, h)]
        else:  # a frame with something in it, or a part of a grid
            x, y = r[:2]
            strokes = [line(-x, -y, x, -y, x, y, -x, y, -x, -y)]
            strokes += [line(at, -y, at, y) for at in rng.uniform(-0.6, 0.6, rng.integers(1, 3)) * x]
            strokes += [line(-x, at, x, at) for at in rng.uniform(-0.6, 0.6, rng.integers(1, 3)) * y]
            pen = _fine(rng)
        return Strokes(strokes).written(rng, turn, pen)

    return paint


def _doodles(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Drawings of several outlines, as icons, faces and sketches have."""

    def paint() -> Picture:
        strokes = []
        for _ in range(rng.integers(5, 9)):
            corners = int(rng.choice([2, 2, 2, 3, 3, 4, 4, 4, 16]))
            angles = np.linspace(0, 2 * np.pi, corners, endpoint=corners == 2) + rng.uniform(0, 2 * np.pi)
            outline = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(5, 30, 2)
            closed = np.vstack([outline, outline[:1]])
            strokes.append(closed + rng.uniform(-28, 28, 2))
        canvas = Strokes(strokes).written(rng, pen=_fine(rng))
        return paint() if _is_slim(canvas) else canvas

    return paint


def _pieces(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Wrongly cut digits: pairs, a digit with a part of another, halves."""

    def paint() -> Picture:
        first, second = (_ink(digits[rng.integers(len(digits))]) for _ in range(2))
        kind = rng.integers(5)
        if kind == 0:  # cut in two, across or down; slim ones could be a 1, or what is left of them
            height, width = first.shape
            if width < 14:
                return _beside(rng, first, second)
            if rng.random() < 0.5:
                at = int(height * rng.uniform(0.4, 0.6))
                piece = first[:at] if rng.random() < 0.5 else first[at:]
            else:
                at = int(width * rng.uniform(0.35, 0.65))
                piece = first[:, :at] if rng.random() < 0.5 else first[:, at:]
            return piece if _is_rich(piece) else _beside(rng, first, second)
        if kind == 1:  # a part of a neighbour
            width = second.shape[1]
            at = max(4, int(width * rng.uniform(0.35, 0.7)))
            part = second[:, :at] if rng.random() < 0.5 else second[:, -at:]
            if part.sum(dtype=np.int64) < 0.3 * first.sum(dtype=np.int64):
                return _beside(rng, first, second)
            return _beside(rng, first, part) if rng.random() < 0.5 else _beside(rng, part, first)
        return _beside(rng, first, second)

    return paint


def _ink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, top, right, bottom = tight_box(image > 0)
    return image[top:bottom, left:right]


def _is_rich(piece: NDArray[np.uint8]) -> bool:
    """Whether a piece is wide and has no ring and no single stroke, so that it may look like another digit."""
    if piece.max() < 2 * INK:
        return False
    left, top, right, bottom = tight_box(piece > INK)
    if right - left < 1.3 * (bottom - top):
        return False
    contours, tree = cv2.findContours((piece > INK).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return len(contours) > 0 and bool((tree[0, :, 3] < 0).all())


def _beside(rng: np.random.Generator, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One beside the other, a little apart, touching or overlapping."""
    gap = int(rng.integers(-1, 4))
    shift = int(rng.integers(-3, 4))
    height = max(a.shape[0], b.shape[0]) + 6
    width = a.shape[1] + b.shape[1] + gap
    both = np.zeros((height, max(width, a.shape[1], b.shape[1])), np.uint8)
    for part, x, dy in ((a, 0, 0), (b, both.shape[1] - b.shape[1], shift)):
        y = max(0, min((height - part.shape[0]) // 2 + dy, height - part.shape[0]))
        place = both[y : y + part.shape[0], x : x + part.shape[1]]
        np.maximum(place, part, out=place)
    return both


def _solids(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Filled shapes, plain or shaded, like things in photographs: blots, and bodies made of a few parts."""

    def paint() -> Picture:
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        kind = rng.random()
        if kind < 0.15:
            canvas[_smooth_noise(rng, CANVAS, rng.uniform(5, 14)) > rng.uniform(0.1, 0.7)] = 255
        elif kind < 0.6:
            for part in _body(rng):
                cv2.fillPoly(canvas, [np.rint(part * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        else:
            is_even = rng.random() < 0.6  # left and right alike, as clothes, faces and tools are
            for _ in range(rng.integers(1, 5)):
                angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
                outline = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(14, 46, 2)
                middle = np.array([0 if is_even else rng.uniform(-20, 20), rng.uniform(-25, 25)]) + CANVAS / 2
                for sign in (1, -1) if is_even else (1,):
                    shape = np.rint((outline * [sign, 1] + middle) * 16).astype(np.int32)
                    cv2.fillPoly(canvas, [shape], 255, cv2.LINE_AA, 4)
            if not canvas.any():  # the corners lay in a line, or nearly
                return paint()
            left, top, right, bottom = tight_box(canvas > 0)
            is_stroke = np.count_nonzero(canvas) < 0.3 * (right - left) * (bottom - top)
            if is_stroke or _is_slim(canvas, 0.4):
                return paint()
        if rng.random() < 0.7:
            shade = _smooth_noise(rng, CANVAS, rng.uniform(2, 20)) * rng.uniform(0.05, 0.35) + rng.uniform(0.5, 1)
            canvas = (canvas * np.clip(shade, 0.15, 1)).astype(np.uint8)
        return canvas

    return paint


def _icons(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Signs and pictograms: a disc, a shield or an outline with a letter or small parts in it, or large parts.

    One part in the middle could be the hole of a 0, or its slash.
    """
    glyphs = _glyphs()

    def paint() -> Picture:
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        ink, reach, size = 255, 26.0, (12, 24)
        is_badge = rng.random() < 0.6
        if is_badge:
            corners = int(rng.choice([4, 4, 5, 6, 8, 24, 24, 24, 24]))
            angles = np.pi / 2 + (np.arange(corners) + 0.5) / corners * 2 * np.pi
            outline = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(38, 52) * rng.uniform(0.75, 1, 2)
            shape = np.rint((outline + CANVAS / 2) * 16).astype(np.int32)
            if rng.random() < 0.5:
                cv2.fillPoly(canvas, [shape], 255, cv2.LINE_AA, 4)
                ink = 0
            else:
                cv2.polylines(canvas, [shape], True, 255, int(_fine(rng) * UNIT), cv2.LINE_AA, 4)
            reach, size = 18.0, (4, 10)
        if is_badge and rng.random() < 0.35:
            small = cv2.resize(
                glyphs[rng.integers(len(glyphs))].written(rng, pen=_fine(rng) * 1.5), None, fx=0.5, fy=0.5
            )
            part = canvas[CANVAS // 4 : CANVAS // 4 + len(small), CANVAS // 4 : CANVAS // 4 + len(small)]
            part[:] = np.where(small > 127, ink, part)
            return canvas
        is_even = rng.random() < 0.6  # left and right alike
        for _ in range(rng.integers(2 if is_even else 3, 6)):
            corners, radius = int(rng.choice([3, 3, 4, 4, 24])), rng.uniform(*size, 2)
            angles = rng.uniform(0, np.pi) + np.arange(corners) / corners * 2 * np.pi
            outline = np.stack([np.cos(angles), np.sin(angles)], 1) * radius * (1, rng.uniform(0.3, 1))
            middle = reach * rng.uniform(0.4, 1.2) * rotation(rng.uniform(0, 2 * np.pi))[0]
            for sign in (1, -1) if is_even else (1,):
                shape = np.rint(((outline + middle) * [sign, 1] + CANVAS / 2) * 16).astype(np.int32)
                cv2.fillPoly(canvas, [shape], ink, cv2.LINE_AA, 4)
        return paint() if _is_slim(canvas) else canvas

    return paint


def _body(rng: np.random.Generator) -> list[Points]:
    """The outlines of the parts of a body, such as a bottle, a coat, trousers or a boot: a trunk, broader than any
    stroke, which may end in two legs, and may have two sleeves or a toe."""
    levels = np.linspace(-40, 40, int(rng.integers(2, 6)))
    left, right = rng.uniform(15, 34, (2, len(levels)))
    if rng.random() < 0.7:
        left = right
    slit = np.empty((0, 2))
    if rng.random() < 0.5:
        half = rng.uniform(0.5, 0.4 * right[-1])
        slit = np.array([[half, 40], [rng.uniform(0, half), rng.uniform(-25, 20)], [-half, 40]])
    parts = [np.concatenate([np.stack([right, levels], 1), slit, np.stack([-left, levels], 1)[::-1]])]
    kind, reach, droop, breadth = rng.random(), rng.uniform(5, 25), rng.uniform(0, 60), rng.uniform(12, 35)
    if kind < 0.35:
        for at, out in ((-left.max(), -left.max() - reach), (right.max(), right.max() + reach)):
            sleeve = [[0, -40], [at, -40], [out, droop - 40], [out, droop + breadth - 40], [0, 0]]
            parts.append(np.array(sleeve))
    elif kind < 0.55:
        out = right[-1] + reach
        toe = [[0, 40 - breadth], [out, 40 - breadth / 2], [out, 40], [0, 40]]
        parts.append(np.array(toe))
    mirror = [rng.choice([-1, 1]) * rng.uniform(0.9, 1.2), 1]
    angle = rng.normal(0, 0.1) + np.pi / 2 * (rng.integers(1, 4) if rng.random() < 0.25 else 0)
    return [part * mirror @ rotation(angle) + CANVAS / 2 for part in parts]


def _textures(rng: np.random.Generator, digits: NDArray[np.uint8]) -> Callable[[], Picture]:
    """Patches without a shape: noise, fine or coarse, gratings, gradients; some fill the picture to its border."""

    def paint() -> Picture:
        size = SIDE if rng.random() < 0.6 else CANVAS
        kind = rng.integers(4)
        y, x = np.mgrid[:size, :size] / size - 0.5
        angle = rng.uniform(0, np.pi)
        across = x * np.cos(angle) + y * np.sin(angle)
        if kind == 0:
            levels = _smooth_noise(rng, size, size * rng.uniform(0.01, 0.15)) * 0.5 + rng.uniform(-0.3, 0.6)
        elif kind == 1:
            levels = np.sin(across * rng.uniform(25, 80)) * rng.uniform(0.4, 3) + rng.uniform(-0.5, 0.5)
        elif kind == 2:
            levels = across * rng.uniform(0.5, 2) + rng.uniform(0.2, 0.8)
        else:
            levels = (rng.random((size, size)) < rng.uniform(0.05, 0.6)) * rng.uniform(0.3, 1, (size, size))
        picture: Picture = (np.clip(levels, 0, 1) * 255).astype(np.uint8)
        if size == CANVAS and rng.random() < 0.5:  # a patch of it
            patch = np.zeros_like(picture)
            cv2.ellipse(
                patch, (size // 2, size // 2), (int(rng.integers(20, 50)), int(rng.integers(20, 50))), 0, 0, 360, 1, -1
            )
            picture *= patch
        return picture

    return paint


def _smooth_noise(rng: np.random.Generator, size: int, sigma: float) -> NDArray[np.float32]:
    """Noise of variance 1, smoothed by a Gaussian of σ pixels: (size, size)."""
    step = max(1, int(sigma / 2))  # drawn coarsely where it is smooth
    small = cv2.GaussianBlur(rng.standard_normal((size // step + 1,) * 2, np.float32), (0, 0), max(0.3, sigma / step))
    noise: NDArray[np.float32] = np.asarray(cv2.resize(small, (size, size)), np.float32)
    noise -= noise.mean()
    noise /= max(float(noise.std()), 1e-6)
    return noise


class Kind(NamedTuple):
    """A kind of pictures, which `share` of all are of. Its `painter` takes the generator and digits (n, 28, 28), and
    gives the function that paints one."""

    painter: Callable[[np.random.Generator, NDArray[np.uint8]], Callable[[], Picture]]
    share: float


KINDS = (
    Kind(_letters, 0.40),
    Kind(_scribbles, 0.06),
    Kind(_marks, 0.07),
    Kind(_doodles, 0.06),
    Kind(_pieces, 0.10),
    Kind(_solids, 0.18),
    Kind(_icons, 0.12),
    Kind(_textures, 0.03),
)
