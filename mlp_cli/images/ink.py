"""From the pixels of a page to its ink: one channel, the polarity, the paper and its shadows, the strokes."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE, POLARITY_SIDE = 48, 60  # of the thumbnails that light and colour, and polarity, are looked at on
FINE = 6  # times as long as its thumbnail, at least, is a page that has been halved, which takes hardly any time
WINDOWS = (1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3)  # of the page; no stroke is wider than the last
PLATEAU, FOUND = 1.1, 0.33  # of the ink that a narrower window finds, at most, and that the widest does, at least
BORDER = 0.6  # of a drawing's border has the level of its paper
STRONG = 0.4  # of the strongest contrast: more than a shadow makes
LEAST_CONTRAST = 24 / 255  # between paper and ink; the noise of a blank photo has less
FULL = 0.9  # of the ink has at most the contrast that counts as full
DARK = 32  # grey levels of paper; if it is darker, contrast is not measured by its light, which is little but noise
NOISE = 4.0  # standard deviations of the paper that ink must stand out by
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue, Rec. 601
LUMINOUS = 0.4  # of the variance along the best direction of colour: with that much, luminance is good enough
BINS, SAMPLED = 1024, 200  # of a histogram of contrast, and how many rows and columns it is made of at least


@dataclass(frozen=True)
class Ink:
    """The ink of a page: `levels` (h, w) float32, 0 paper, 1 full ink; `mask` (h, w) bool, where it is ink rather than
    paper; `inverted` if it is darker than the paper; `contrast` of full ink, 0 to 1."""

    levels: NDArray[np.float32]
    mask: NDArray[np.bool_]
    inverted: bool
    contrast: float

    def beside(self, printed: NDArray[np.bool_]) -> "Ink | None":
        """The Ink of the same page, measured where there is none of the `printed` (h, w), nor of its soft edges. None
        if there is no other."""
        others = cv2.dilate(printed.view(np.uint8), np.ones((7, 7), np.uint8)) == 0
        return _measured(self.levels.copy(), self.inverted, self.contrast, others)


def find_ink(levels: NDArray[np.uint8], inverted: bool | None = None) -> Ink | None:
    """The Ink on a page (h, w) of grey levels, or None if it is blank.

    `inverted` says whether the ink is darker than the paper; None means to detect it.
    """
    plain = _plain_paper(levels)
    is_dark = is_dark_ink(levels, plain)
    inverted = is_dark if inverted is None else inverted
    light = ~levels if inverted else levels
    if plain is None:
        paper = _paper(light)  # (h, w)
    else:  # with a given polarity that is not visible, everything else counts as paper
        paper = np.array([[light.min() if inverted != is_dark else ~plain if is_dark else plain]], np.float32)
    # Ink absorbs the same share of the light in a shadow as beside it, so contrast is relative to the paper's light.
    contrast = np.subtract(light, paper, dtype=np.float32)
    room = np.subtract(255, paper, out=paper)  # in place, since a new array costs more time than its values
    contrast /= np.clip(room, DARK, 255, out=room)  # with both bounds numpy is faster than with one
    np.clip(contrast, 0, 1, out=contrast)
    return _measured(contrast, inverted)


def _measured(
    contrast: NDArray[np.float32], inverted: bool, full: float = 1.0, where: NDArray[np.bool_] | None = None
) -> Ink | None:
    """The Ink on a page of this contrast (h, w), in units of `full`, which becomes its levels. Its threshold and its
    full level are those of the pixels `where` (h, w). None if it is blank there."""
    sample = np.s_[:: 1 + len(contrast) // SAMPLED, :: 1 + contrast.shape[1] // SAMPLED]
    some = contrast[sample].ravel() if where is None else contrast[sample][where[sample]]
    counts = np.bincount((some * (BINS - 0.001)).astype(int), minlength=BINS)
    threshold = _threshold(counts)
    above = counts.copy()
    above[: int(threshold * BINS) + 1] = 0
    peak = _quantile(above, FULL) if above.any() else 0
    if peak * full < LEAST_CONTRAST:
        return None
    mask = contrast > threshold
    contrast /= peak
    return Ink(np.clip(contrast, 0, 1, out=contrast), mask, inverted, peak * full)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel (h, w) of pixels (h, w) or (h, w, 3) in which ink and paper differ.

    That is luminance, unless they differ far more along another direction of colour: then the first principal component
    of what stands out from its surroundings.
    """
    if pixels.ndim == 2:
        return pixels
    small = thumbnail(pixels, SIDE).astype(np.float32)
    window = _window(small.shape, WINDOWS[-1])
    difference = (small - cv2.blur(small, (window, window))).reshape(-1, 3)
    variances, directions = np.linalg.eigh(difference.T @ difference / len(difference))
    weights = LUMINANCE / np.linalg.norm(LUMINANCE)
    if np.mean((difference @ weights) ** 2) >= LUMINOUS * variances[-1]:
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    best = directions[:, -1] * np.sign(directions[:, -1].sum() or 1)
    centre = small.reshape(-1, 3).mean(axis=0) @ best
    return cv2.transform(pixels, np.array([[*best, 127.5 - centre]]))  # as steep as any channel, so noise stays small


def _plain_paper(levels: NDArray[np.uint8]) -> np.uint8 | None:
    """The level of the paper of a drawing, which has no shadows: the most common, if half of the page or more of its
    border has it; else None."""
    counts = cv2.calcHist([levels], [0], None, [256], [0, 256])
    level = np.uint8(counts.argmax())
    border = np.concatenate([levels[[0, -1]].ravel(), levels[:, [0, -1]].ravel()])
    return level if counts.max() >= levels.size / 2 or np.mean(border == level) >= BORDER else None


def is_dark_ink(levels: NDArray[np.uint8], plain: np.uint8 | None = None) -> bool:
    """Whether the ink is darker than the paper: ink is the smaller part of a page, so that grey levels are skewed
    towards it; and so is, where the light is uneven, their difference from the median around."""
    small = thumbnail(levels, POLARITY_SIDE)
    if plain is not None:
        return bool(((small.astype(np.float64) - plain) ** 3).sum() < 0)
    around = cv2.medianBlur(small, _window(small.shape, WINDOWS[-1])).astype(np.float64)
    return bool(_skewness(small.astype(np.float64)) + _skewness(small - around) < 0)


def _skewness(values: NDArray[np.float64]) -> float:
    difference = values - values.mean()
    return float((difference**3).mean() / max((difference**2).mean() ** 1.5, 1e-9))


def _threshold(counts: NDArray[np.int_]) -> float:
    """The contrast above which there is ink, from the histogram of contrast: Otsu's, raised above the noise of the
    paper.

    Otsu 1979, "A threshold selection method from gray-level histograms".
    """
    otsu = otsu_threshold(counts)
    paper = counts.copy()
    paper[int(otsu * BINS) + 1 :] = 0
    median = _quantile(paper, 0.5)
    levels = np.arange(BINS) / BINS
    order = np.argsort(np.abs(levels - median), kind="stable")
    nearest = np.searchsorted(np.cumsum(paper[order]), paper.sum() / 2)
    noise = 1.4826 * abs(levels[order[nearest]] - median)  # the standard deviation, if it is normal
    return float(max(otsu, median + NOISE * noise))


def otsu_threshold(counts: NDArray[Any]) -> float:
    """The value, 0 to 1, of the bin that ends the lower of two groups with the largest variance between them."""
    below = np.cumsum(counts, dtype=np.float64)
    mass = np.cumsum(counts * np.arange(len(counts)), dtype=np.float64)
    above = below[-1] - below
    difference = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)
    return float((below * above * difference**2).argmax() / len(counts))


def _quantile(counts: NDArray[np.int_], share: float) -> float:
    """The value, 0 to 1, below which this share of a histogram lies."""
    total = np.cumsum(counts, dtype=np.float64)
    return float(np.searchsorted(total, share * total[-1]) / len(counts))


def _paper(light: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The paper without its ink, light on dark, with its shadows: an opening of the page, seen from afar.

    A stroke disappears in a window wider than it, and yet wider ones find little more. Of these the smallest follows
    the edges of shadows best."""
    levels = thumbnail(light, SIDE).astype(np.float32)
    windows = sorted({_window(levels.shape, share) for share in WINDOWS})
    # Beyond the border the light is extrapolated, but ink must not become a hole in the paper.
    room = min(windows[-1], min(levels.shape) - 1)
    wide = np.maximum(np.pad(levels, room, mode="reflect", reflect_type="odd"), levels.min())
    inner = np.s_[room : room + levels.shape[0], room : room + levels.shape[1]]
    papers = [cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((window, window), np.uint8))[inner] for window in windows]
    strong = (levels - papers[-1]).max() * STRONG
    ink = [np.sum(levels - paper, where=levels - paper > strong) for paper in papers]
    found = (i for i in range(1, len(ink)) if ink[i] <= PLATEAU * ink[i - 1] and ink[i] >= FOUND * ink[-1])
    return cv2.resize(papers[next(found, -1)], light.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _window(shape: tuple[int, ...], share: float) -> int:
    """An odd number of pixels, about that share of the longer side."""
    return max(1, round(max(shape[:2]) * share / 2)) * 2 + 1


def thumbnail(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """An image whose longer side has at most `side` pixels, each the mean over its area."""
    while (shrink := max(pixels.shape[:2]) / side) > 1:
        step = 2 if shrink >= 2 * FINE else shrink
        size = [max(1, round(length / step)) for length in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return pixels
