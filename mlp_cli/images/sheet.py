"""Finds the sheet, card or screen that a picture shows, and straightens it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.decode import Page
from mlp_cli.images.ink import grey, thumbnail

WORKING_SIDE = 1200  # pixels; larger pages have no more useful detail
SIDE = 240  # of the thumbnail that sheets are looked for on
LEAST_SIDE = 64  # pixels of a picture that sheets are looked for in
MOST_SHEETS = 4  # that are looked at
LEVELS = 16  # thresholds that part a sheet from what it lies on
SMALLEST, LARGEST = 0.06, 0.97  # a sheet's share of the picture; what is larger is the picture itself
STRAIGHT = 0.02  # how far from its outline the corners' polygon may be, as a share of its length
SOLID = 0.88  # of its hull is a sheet, and as near to the hull comes the polygon of its corners
ROUND = 0.99  # of its hull is a round sheet: a button is made more evenly than a 0 is drawn
LEAST_STEP, AWAY = 8, 5  # grey levels between the sheet and what it lies on, so many pixels from its edge
SHARP = 2.0  # times as large as the steps on either side of it
ALL_AROUND = 0.85  # of the outline has that step
TOUCH = 0.04  # of the outline, along the border, is that of a corner that touches it
SQUARE = 0.9  # 1 if an outline's own sides are parallel or at right angles, 0 at any angle
EDGE = 0.03  # of its sides that is cut off, with the shadow of its edge


@dataclass(frozen=True)
class Sheet:
    """`pixels` (h, w) or (h, w, 3) uint8; `to_picture`, the matrix (3, 3) of the homography that takes (x, y, 1) here
    to pixels of the picture. Of a sheet on a page, `outline` (n, 2) are the corners there; of one that `is_round`, or
    only partly on it, `inside` (h, w) is where it is."""

    pixels: NDArray[np.uint8]
    to_picture: NDArray[np.float64]
    inside: NDArray[np.bool_] | None = None
    outline: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    is_round: bool = False

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """The channel of the pixels that is looked at: (h, w)."""
        return grey(self.pixels)

    def box_in_picture(self, box: NDArray[np.int_]) -> tuple[int, int, int, int]:
        """The box in the picture around what is a box (left, top, right, bottom) here."""
        left, top, right, bottom = box
        corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float64)
        x, y = cv2.perspectiveTransform(corners, self.to_picture)[0].T
        found = np.rint([x.min(), y.min(), x.max(), y.max()]).astype(int).tolist()
        return found[0], found[1], found[2], found[3]


def whole(page: Page) -> Sheet:
    """All of a page, reduced to the size that is worked on."""
    pixels = thumbnail(page.pixels, WORKING_SIDE)
    scale = page.scale * max(page.pixels.shape[:2]) / max(pixels.shape[:2])
    return Sheet(pixels, np.diag([scale, scale, 1.0]))


def sheets(page: Sheet) -> Iterator[Sheet]:
    """What may be a sheet that lies on the page, the largest first: a polygon of four corners, or of more if
    the border cuts it, or a round thing, that is lighter or darker than what is around it."""
    height, width = page.levels.shape
    if min(height, width) < LEAST_SIDE:
        return
    small = cv2.medianBlur(thumbnail(page.levels, SIDE), 5)
    scale = max(height, width) / max(small.shape)
    below = np.cumsum(cv2.calcHist([small], [0], None, [256], [0, 256]))
    ordered = np.searchsorted(below, np.arange(0, small.size, max(1, small.size // LEVELS)), side="right").tolist()
    found = []
    least = 2.8 * np.sqrt(SMALLEST * small.size)  # pixels around the smallest sheet, if it stands on a corner
    for low, high in pairwise(ordered):
        if high - low < LEAST_STEP / 2:
            continue  # one group of levels, whose noise would make thousands of pieces
        light = cv2.compare(small, (low + high) / 2, cv2.CMP_GT)
        for region in (light, ~light):
            for contour in cv2.findContours(region, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
                corners = _corners(contour, small.shape) if len(contour) >= least else None
                if corners is not None:
                    found.append((_step(small, corners), corners))
    found.sort(key=lambda pair: -pair[0])
    sharpest: list[NDArray[np.float64]] = []
    for step, corners in found:
        if step and not any(_is_same(corners, other) for other in sharpest):
            sharpest.append(corners)
    for corners in sorted(sharpest[:MOST_SHEETS], key=_area, reverse=True):
        yield _straightened(page, corners * scale, _is_open(corners, small.shape))


def _corners(contour: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """The four corners (4, 2) of an outline that is a sheet's; all of its hull's if it is round or the border cuts it;
    else None."""
    hull = cv2.convexHull(contour)  # clockwise
    own, area, total = cv2.contourArea(contour), cv2.contourArea(hull), shape[0] * shape[1]
    if area < SMALLEST * total or not SOLID * area <= own <= LARGEST * total:
        return None
    corners = _polygon(hull)
    is_open = _is_open(corners, shape)
    lost = 1 - _area(corners) / area
    if not is_open and len(corners) == 4 and lost <= 1 - SOLID:
        return _sharp(corners, contour[:, 0])
    # An ellipse at the border has as many corners as a sheet that is cut off there, but loses more.
    is_cut_off = is_open and len(corners) >= 4 and lost <= (1 - SOLID) / (1 if len(corners) == 4 else 4)
    if not is_cut_off and (is_open or own < ROUND * area):
        return None
    return hull[:, 0].astype(np.float64)


def _polygon(hull: NDArray[Any]) -> NDArray[np.float64]:
    """The few corners (n, 2) that suffice for the outline of a hull."""
    return cv2.approxPolyDP(hull, STRAIGHT * cv2.arcLength(hull, True), True)[:, 0].astype(np.float64)


def _sides(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sides of a polygon as vectors, from each of its corners (n, 2) to the next: (n, 2)."""
    return np.roll(corners, -1, axis=0) - corners


def _sharp(corners: NDArray[np.float64], contour: NDArray[np.int32]) -> NDArray[np.float64]:
    """The corners (n, 2) where the straight lines meet that fit best to the contour (m, 2) between any two of them."""
    lines = []
    for start, side in zip(corners, _sides(corners), strict=True):
        length = np.hypot(*side)
        along = side / length
        place, away = (contour - start) @ along / length, np.abs((contour - start) @ (-along[1], along[0]))
        near = contour[(place > 0.1) & (place < 0.9) & (away <= 2 * STRAIGHT * length + 2)]
        points = np.asarray(near if len(near) > 1 else [start, start + side], np.float32)
        lines.append(cv2.fitLine(points, cv2.DIST_HUBER, 0, 0.01, 0.01)[:, 0])
    meet = []
    for one, other in zip(np.roll(lines, 1, axis=0), lines, strict=True):
        (a, b), (p, q) = (one[:2], other[:2]), (one[2:], other[2:])
        if abs(a[0] * b[1] - a[1] * b[0]) < 0.1:  # nearly parallel
            return corners
        meet.append(p + a * np.linalg.solve(np.array([a, -b]).T, q - p)[0])
    return np.array(meet)


def _is_open(corners: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a side lies on the border of the picture; a corner that only touches it makes a sheet no less whole."""
    lengths, last = np.hypot(*_sides(corners).T), np.array(shape[::-1]) - 1
    at_border = np.concatenate([corners <= 2, corners >= last - 2], axis=1)  # (n, 4), one for each border
    on_border = (at_border & np.roll(at_border, -1, axis=0)).any(axis=1)
    return bool((on_border & (lengths > TOUCH * lengths.sum())).any())


def _is_same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two outlines are those of one sheet."""
    (x, y), radius = cv2.minEnclosingCircle(one.astype(np.float32))
    (u, v), other_radius = cv2.minEnclosingCircle(other.astype(np.float32))
    return bool(max(np.hypot(x - u, y - v), abs(radius - other_radius)) <= 0.08 * max(radius, other_radius))


def _area(corners: NDArray[np.float64]) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))


def _step(small: NDArray[np.uint8], corners: NDArray[np.float64]) -> float:
    """The median difference of the levels inside and outside an outline, some pixels away from it, so that a line makes
    none; 0 if it is that of no sheet: small, or not there nearly all along the outline."""
    sides = _sides(corners)
    lengths = np.hypot(*sides.T)
    counts = np.maximum(1, lengths.astype(int))
    side = np.repeat(np.arange(len(corners)), counts)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in counts])[:, None]
    points = corners[side] + place * sides[side]
    along = (sides / np.maximum(lengths, 1e-9)[:, None])[side]
    out = np.stack([along[:, 1], -along[:, 0]], axis=1) * AWAY  # to the left, since the corners go clockwise
    last = np.array(small.shape[::-1]) - 1
    seen = np.asarray(((points >= 2) & (points <= last - 2)).all(axis=1))  # the rest of the outline is the border's
    if seen.sum() < 0.2 * len(seen):
        return 0.0
    places = [np.clip(np.rint(points + far * out)[seen], 0, last).astype(int).T for far in (-3, -1, 1, 3)]
    difference = -np.diff([small[y, x].astype(float) for x, y in places], axis=0)
    inner, step, outer = np.sort(difference, axis=1)[:, difference.shape[1] // 2].tolist()
    if abs(step) < SHARP * max(inner * np.sign(step), outer * np.sign(step)):
        return 0.0  # the light fades, as it does towards the corners of many photos
    around = np.mean(difference[1] * np.sign(step) >= max(LEAST_STEP, abs(step) / 3))
    return abs(step) if around >= ALL_AROUND else 0.0


def _straightened(page: Sheet, corners: NDArray[np.float64], is_open: bool) -> Sheet:
    """The sheet with these corners: seen from above; or, if it is round or a part of it is not on the picture, as it
    is, and paper put where the surroundings are."""
    as_it_is = is_open or len(corners) != 4
    if as_it_is:
        turn = _turn(corners, page.levels.shape)
        left, top, *size = cv2.boundingRect((corners @ turn).astype(np.float32))
        matrix = np.eye(3)
        matrix[:2, :2] = turn  # rows times turn is there, and its transpose is its inverse
        matrix[:2, 2] = turn @ (left, top)
    else:
        corners = np.roll(corners, -corners.sum(axis=1).argmin(), axis=0)  # from the upper left one, clockwise
        sides = np.hypot(*_sides(corners).T)
        width, height = max(sides[0], sides[2]), max(sides[1], sides[3])
        x, y = width * EDGE, height * EDGE
        plan = np.array([(-x, -y), (width + x, -y), (width + x, height + y), (-x, height + y)], np.float32)
        size = [round(width), round(height)]
        matrix = cv2.getPerspectiveTransform(plan, corners.astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpPerspective(page.pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if not as_it_is:
        return Sheet(pixels, page.to_picture @ matrix, outline=corners)
    polygon = np.rint(corners @ turn - (left, top)).astype(np.int32)
    filled = cv2.fillPoly(np.zeros(size[::-1], np.uint8), [polygon], 1)
    inside = without_rim(filled.view(bool), round(EDGE * min(size)))  # but where the edge is the border
    return Sheet(_with_paper_around(pixels, inside), page.to_picture @ matrix, inside, corners, not is_open)


def _turn(corners: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The rotation (2, 2) that makes the sides of an open outline level and upright, if two of them say the same."""
    own = _own_sides(_polygon(corners.astype(np.float32)), shape)
    lengths = np.hypot(*own.T)
    total = np.sum(lengths * np.exp(4j * np.arctan2(own[:, 1], own[:, 0])))  # a quarter of a turn makes no difference
    angle = np.angle(total) / 4 if len(own) > 1 and abs(total) >= SQUARE * lengths.sum() else 0.0
    return np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])


def _own_sides(corners: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The sides (n, 2) of an outline that are not the border's."""
    sides, room = _sides(corners), 0.02 * max(shape)
    middle = corners + sides / 2
    return sides[((middle > room) & (middle < np.array(shape[::-1]) - 1 - room)).all(axis=1)]


def rim(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Of a mask the pixels (h, w) that are at most so far from its edge, if that is not the border."""
    return inside & ~without_rim(inside, width)


def without_rim(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A mask (h, w) without its rim of that width."""
    around = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return cv2.erode(mask.view(np.uint8), around).view(bool)


def _with_paper_around(pixels: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The pixels (h, w) or (h, w, 3) of a sheet, and those outside as the mean of the nearest inside."""
    window = (max(inside.shape) // 4 | 1,) * 2
    mean = pixels[inside].mean(axis=0)  # of what has no inside near it
    share = np.maximum(cv2.blur(inside.astype(np.float32), window), 0.01)
    if pixels.ndim == 3:
        inside, share = inside[..., None], share[..., None]
    light = cv2.blur(np.where(inside, pixels - mean, 0).astype(np.float32), window) / share
    return np.where(inside, pixels, np.clip(mean + light, 0, 255).astype(np.uint8))
