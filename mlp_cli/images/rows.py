"""From a grey page to the rows of digits on it."""

import itertools

import numpy as np

from mlp_cli.errors import ImageError
from mlp_cli.images.digits import as_it_is
from mlp_cli.images.marks import around, gaps
from mlp_cli.images.single import DUST, NEAR, cut, dropped, find_marks

MOST_DIGITS = 200  # of a page


def find_rows(page, inverted=None):
    """The digits on a Page in reading order: a list of rows, each a list of Digits from left to right.

    Digits must not touch each other. Arguments and errors are those of `prepare`.
    """
    whole = as_it_is(page, inverted)
    if whole:
        return [[whole]]
    found = find_marks(page, inverted)
    groups = _each(found.marks, found.frames)
    boxes = np.array([around(found.marks.box[group]) for group in groups])
    actions = found.actions + dropped(~np.any(groups, axis=0))
    return [[cut(found, groups[i], actions) for i in row] for row in _rows(boxes)]


def _each(marks, frames):
    """Which pieces make each of the digits: a list of masks (n,)."""
    allowed = np.ones(len(marks), bool)
    if len(frames):
        inside = np.any([(gaps(frame, marks.box) == 0).all(axis=1) for frame in frames], axis=0)
        allowed = inside if inside.any() else allowed
    usual = _usual_side(marks, allowed & ~marks.at_border() if (allowed & ~marks.at_border()).any() else allowed)
    allowed &= marks.side <= np.where(marks.at_border(), 1.7, 3) * usual
    main = allowed & (marks.size[:, 1] >= 0.4 * usual)
    if not 0 < main.sum() <= MOST_DIGITS:
        raise ImageError("has nothing like digits on it")
    groups = [np.arange(len(marks)) == i for i in np.flatnonzero(main)]
    # The parts of one digit stand above each other: the roof of a 5, the two halves of a broken 8.
    merged = True
    while merged:
        merged = False
        for a, b in itertools.combinations(range(len(groups)), 2):
            one, other = (around(marks.box[groups[i]]) for i in (a, b))
            both = around(np.array([one, other]))
            shared = min(one[2], other[2]) - max(one[0], other[0])
            narrower = min(one[2] - one[0], other[2] - other[0])
            gap = gaps(one, other[None])[0, 1]
            if shared >= 0.5 * narrower and gap <= 0.25 * usual and both[3] - both[1] <= 1.6 * usual:
                groups[a] = groups[a] | groups.pop(b)
                merged = True
                break
    boxes = np.array([around(marks.box[group]) for group in groups])
    for i in np.flatnonzero(allowed & ~main & (marks.side >= DUST * usual)):
        distances = np.hypot(*gaps(marks.box[i], boxes).T)
        if distances.min() <= NEAR * usual:
            groups[distances.argmin()][i] = True
    return groups


def _usual_side(marks, allowed):
    """The longer side of a typical digit: half of all that is written is in pieces at least as long."""
    sides = np.sort(marks.side[allowed])
    return sides[np.searchsorted(np.cumsum(sides), sides.sum() / 2)]


def _rows(boxes):
    """The indices of boxes (n, 4) in reading order: rows from the top, each from the left.

    A row goes on with the nearest box to the right if that box in turn has none nearer to its left, so that rows may
    climb or fall.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    usual = np.sort((boxes[:, 2:] - boxes[:, :2]).max(axis=1))[len(boxes) // 2]
    right = centres[:, 0] - centres[:, :1]  # [i, j]: how far j is to the right of i
    off = np.abs(centres[:, 1] - centres[:, 1:])
    distance = np.where((right > 0) & (off <= usual), right + 3 * off, np.inf)
    row = np.arange(len(boxes))
    for i, j in enumerate(distance.argmin(axis=1)):
        if np.isfinite(distance[i, j]) and distance[:, j].argmin() == i:
            row[row == row[j]] = row[i]
    rows = [np.flatnonzero(row == number) for number in sorted(set(row.tolist()))]
    rows.sort(key=lambda members: centres[members, 1].mean())
    return [members[np.argsort(centres[members, 0])].tolist() for members in rows]
