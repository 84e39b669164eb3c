"""A page that lies on its side or upside down, turned upright if the network is then more confident."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.model.rows import Stretch

Rows: TypeAlias = list[list[Stretch]]

SURE = 0.9  # the mean confidence of a turned page, at least
MARGIN = 0.1  # of mean confidence, by which it must exceed the original page
MANY = 8  # marks; upside down, short words look like digits ("Total" like 10701), but hardly so many letters


def surest(page: Page, read: Callable[[Page], Rows]) -> Rows:
    """The rows that `read` finds on a Page, turned or not; boxes are those of the original. Raises what `read` does."""
    best = read(page)
    least = max(SURE, _sureness(best) + MARGIN)
    if least > 1:
        return best
    quarters_to_try = [1, 3] * _run_along(best, 1) + [2] * (sum(map(len, best)) >= MANY)
    for quarters in quarters_to_try:
        try:
            rows = read(Page(np.ascontiguousarray(np.rot90(page.pixels, quarters)), page.scale))
        except ImageError:
            continue
        may_be = quarters == 2 or _run_along(rows, 0)
        if may_be and _sureness(rows) >= least:
            best, least = [[_turned_back(stretch, page, quarters) for stretch in row] for row in rows], _sureness(rows)
    return best


def _sureness(rows: Rows) -> float:
    """The mean confidence of the marks that may be digits."""
    confidences = [max(stretch.probabilities) for row in rows for stretch in row if not stretch.sign]
    return sum(confidences) / max(1, len(confidences))


def _run_along(rows: Rows, axis: int) -> bool:
    """Whether lines of writing run across (`axis` 0) or down a page (1): there most marks have their nearest
    neighbour. A single mark, such as a letter, makes no line."""
    boxes = np.array([stretch.digit.box for row in rows for stretch in row if not stretch.sign])
    if len(boxes) < 2:
        return False
    centres = boxes[:, :2] + boxes[:, 2:]
    away = np.abs(centres[:, None] - centres)  # (n, n, 2)
    distance = np.hypot(away[..., 0], away[..., 1])
    np.fill_diagonal(distance, np.inf)
    nearest = away[np.arange(len(away)), distance.argmin(axis=1)]  # (n, 2)
    return bool(np.mean(nearest[:, axis] > nearest[:, 1 - axis]) > 0.5)


def _turned_back(stretch: Stretch, page: Page, quarters: int) -> Stretch:
    """A Stretch read on a Page after `quarters` counter-clockwise quarter turns, with its box in the original page."""
    height, width = (round(length * page.scale) for length in page.pixels.shape[:2])
    left, top, right, bottom = stretch.digit.box
    for side in (width, height, width)[:quarters][::-1]:  # the width before each quarter
        left, top, right, bottom = side - bottom, left, side - top, right
    angle = {1: "+90°", 2: "180°", 3: "-90°"}[quarters]
    actions = (f"page turned by {angle}", *stretch.digit.actions)
    return replace(stretch, digit=replace(stretch.digit, box=(left, top, right, bottom), actions=actions))
