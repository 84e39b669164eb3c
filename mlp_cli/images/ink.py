"""From a grey page to its ink: the polarity found, the paper and its shadows taken off, the strokes marked."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter

WORKING_SIDE = 1200  # pixels; on larger pages digits have more detail than is of use
POLARITY_SIDE, PAPER_SIDE = 28, 48
WINDOWS = (1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3)  # of the page; no stroke is wider than the last
PLATEAU = 1.1
STRONG = 0.4  # of the strongest contrast: more than a shadow makes
LEAST_CONTRAST = 24 / 255  # between paper and ink; the noise of a blank photo has less
NOISE = 4.0  # standard deviations of the paper that ink must stand out by


@dataclass(frozen=True)
class Ink:
    """The ink of a page: `levels` (h, w) float32, 0 paper, 1 full ink; `mask` (h, w) bool, where it is ink rather than
    paper; `inverted` if it is darker than the paper; `scale`, the pixels of the page to one of these."""

    levels: np.ndarray
    mask: np.ndarray
    inverted: bool
    scale: float


def find_ink(page, inverted=None):
    """The Ink on a page (height, width) of grey levels, uint8, or None if it is blank.

    `inverted` says whether the ink is darker than the paper; None is to see.
    """
    inverted = is_dark_ink(page) if inverted is None else inverted
    scale = max(1.0, max(page.shape) / WORKING_SIDE)
    small = resized(page, [side / scale for side in page.shape])
    light = 255 - small if inverted else small
    paper = _paper(light)
    # Ink takes the same share of the light in a shadow as beside it, so contrast counts against what there was to take.
    contrast = np.clip(light - paper, 0, None) / np.maximum(255 - paper, 32)
    threshold = _threshold(contrast)
    mask = contrast > threshold
    if not mask.any():
        return None
    peak = quantile(contrast[mask], 0.9)
    if peak < LEAST_CONTRAST:
        return None
    return Ink(np.clip(contrast / peak, 0, 1), mask, inverted, scale)


def is_dark_ink(page):
    """Whether the ink is darker than the paper: ink is the smaller part of a page, so that grey levels are skewed
    towards it; and so is, where the light is uneven, their difference from the median around."""
    levels = _thumbnail(page, POLARITY_SIDE)
    around = np.asarray(Image.fromarray(levels).filter(ImageFilter.MedianFilter(_window(levels, 1 / 3))))
    return bool(_skewness(levels) + _skewness(levels - around) < 0)


def _skewness(values):
    difference = values - values.mean()
    return (difference**3).mean() / max((difference**2).mean() ** 1.5, 1e-9)


def resized(image, shape, resample=Image.Resampling.BOX):
    """An image in another shape, float32; with BOX, the mean over the area of each pixel."""
    height, width = (max(1, round(side)) for side in shape)
    if image.shape == (height, width):
        return np.asarray(image, np.float32)
    return np.asarray(Image.fromarray(np.asarray(image, np.float32)).resize((width, height), resample))


def quantile(values, share):
    """np.quantile of all values, which when first called imports numpy.ma: a tenth of the start of `mlp predict`."""
    # Sorted, since partition is up to a hundred times slower where most values are equal, as those of blank paper are.
    ordered = np.sort(values, axis=None)
    place = share * (len(ordered) - 1)
    below, above = int(place), int(np.ceil(place))
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def otsu_threshold(levels):
    """The level, from 0 to 1, that best parts ink from paper: it has the largest variance between the two sides.

    Otsu 1979, "A threshold selection method from gray-level histograms".
    """
    counts = np.bincount(np.uint8(levels.ravel() * 255), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    mass = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = mass / below - (mass[-1] - mass) / above
        between = np.nan_to_num(below * above * difference**2)
    return between.argmax() / 255


def _threshold(contrast):
    """Otsu's, lowered where a few strong strokes hide faint ones, raised above the noise of the paper."""
    peak = quantile(np.sort(contrast, axis=None)[-max(8, contrast.size // 2000) :], 0.5)
    otsu = otsu_threshold(np.minimum(contrast, 1))
    paper = contrast[contrast <= otsu]
    median = quantile(paper, 0.5)
    noise = 1.4826 * quantile(np.abs(paper - median), 0.5)  # the standard deviation, if it is normal
    return max(min(otsu, peak / 2), median + NOISE * noise)


def _paper(light):
    """The paper without its ink, light on dark, with its shadows: an opening of the page, seen from afar.

    A stroke disappears in a window wider than it, and yet wider ones find little more. Of these the smallest follows
    the edges of shadows best. A drawing has no shadows: its paper is of one level.
    """
    values, counts = np.unique(light, return_counts=True)
    if counts.max() >= light.size / 2:
        return np.full(light.shape, values[counts.argmax()])
    levels = _thumbnail(light, PAPER_SIDE)
    papers = [_opened(levels, window) for window in sorted({_window(levels, share) for share in WINDOWS})]
    strong = (levels - papers[-1]).max() * STRONG
    ink = [np.sum(levels - paper, where=levels - paper > strong) for paper in papers]
    found = (i for i in range(1, len(ink)) if ink[i] <= PLATEAU * ink[i - 1] and ink[i] >= ink[-1] / 3)
    return resized(papers[next(found, -1)], light.shape, Image.Resampling.BILINEAR)


def _opened(levels, window):
    """The maximum around each pixel of the minima around: what is narrower than the window is gone."""
    # Beyond the border the light goes on to fall or rise as before; but ink does not become a hole in the paper.
    room = min(window, min(levels.shape) - 1)
    wide = np.maximum(np.pad(levels, room, mode="reflect", reflect_type="odd"), levels.min())
    opened = _extremes(_extremes(wide, np.minimum, window), np.maximum, window)
    return opened[room:-room, room:-room] if room else opened


def _extremes(levels, extreme, window):
    """np.minimum or np.maximum over the square window around each pixel: along the columns, then along the rows."""
    levels = np.pad(levels, window // 2, mode="edge")
    for axis in (0, 1):
        levels = extreme.reduce(sliding_window_view(levels, window, axis=axis), axis=-1)
    return levels


def _window(levels, share):
    """An odd number of pixels, about that share of the longer side."""
    return max(1, round(max(levels.shape) * share / 2)) * 2 + 1


def _thumbnail(page, side):
    shrink = max(1.0, max(page.shape) / side)
    return resized(page, [length / shrink for length in page.shape])
