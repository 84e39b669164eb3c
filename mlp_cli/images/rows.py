"""From a page to the rows of writing on it: which ink belongs together, and where ink that touches may be cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.images.digits import Digit
from mlp_cli.images.marks import Marks, around, gaps, within, without_underlines
from mlp_cli.images.mnist import tight_box
from mlp_cli.images.single import Found, find_marks
from mlp_cli.images.strokes import stroke_width

MOST_DIGITS = 200  # on a page, and at most as many signs
Levels = NDArray[np.float32]
Boxes = NDArray[np.int_]

# Shares of the height of a typical digit:
SMALL = 0.5  # lower ink is a sign or a part of a digit
DUST = 0.04  # shorter ink is ignored
TALL, WIDE, AT_BORDER = 2.5, 10.0, 1.7  # the largest possible digits; the last for those that touch the border
STACKED = 0.25  # how far apart the parts of a digit stand above each other
WHOLE = 1.6  # how tall they may be together
NEAR = 0.2  # the distance of fragments from their digit, at most
OUTSIDE, BESIDE = 0.1, 1.2  # how far above or below its neighbours in a row, and how far from them, a sign may be
# Shares of the width of the pen:
DOT = 0.5  # smaller dots were not made by the pen
BREAK = 0.3  # narrower gaps are breaks in a stroke
FAINT = 0.6  # of the ink's full level; fainter ink was not written


@dataclass(frozen=True)
class Piece:
    """Ink that may be a digit, several that touch, or a part of one: its `levels` (h, w), 0 to 1, and nobody else's;
    `box` (left, top, right, bottom) where it is on the sheet; `sign`, why it can be no more than a sign, or None;
    `cut`, how much ink it was cut from the piece to its left through, in widths of the stroke."""

    levels: Levels
    box: Boxes
    sign: str | None = None
    cut: float = 0.0


TOO_SMALL, SLASH = "is too small for a digit", "leans like a slash"
# A slash is so much taller than the digits, so many times as long as wide, and leans by so much (tangent; 15°).
SLASH_TALL, SLASH_SLIM, SLASH_LEAN = 1.06, 6.0, 0.27

CUTS = 12  # of a piece at most
WORKING_HEIGHT = 112  # pixels of a piece, at most, when cuts are looked for
THROUGH = 2.5  # widths of its strokes that a cut may cost
BEND = 1.0  # what a step aside costs a cut, in pixels of full ink


@dataclass(frozen=True)
class Writing:
    """What is written on a page: `rows` from the top, each of Pieces from the left; `height` of a typical digit, in
    pixels of the sheet; what was `found` there."""

    rows: list[list[Piece]]
    height: float
    found: Found

    def digit(self, pieces: Sequence[Piece]) -> Digit:
        """What Pieces look like if they are one digit."""
        box = around(np.array([piece.box for piece in pieces]))
        levels = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        for piece in pieces:
            place = within(piece.box - np.tile(box[:2], 2))
            levels[place] = np.maximum(levels[place], piece.levels)
        return self.found.digit(levels, box)


def find_rows(page: Page, inverted: bool | None = None) -> Writing:
    """The writing on a Page. Raises ImageError for a page without ink, or without possible digits."""
    found = find_marks(page, inverted)
    allowed = _allowed(found.marks, found.frames)
    if allowed.any():
        marks, lines = without_underlines(found.marks, _usual_height(found.marks, allowed))
        found = replace(found, marks=marks)
        found.note(lines, "an underline erased", "underlines erased")
        allowed = _allowed(marks, found.frames)
    if not allowed.any():
        raise ImageError("no digits found")
    marks, height = found.marks, _usual_height(found.marks, allowed)
    main = allowed & (marks.size[:, 1] >= SMALL * height)
    if main.sum() > MOST_DIGITS:
        raise ImageError("no digits found")
    group = _stacked(marks.box, main, height)  # of each piece its number from 0 on, −1 for none
    signs = _fragments_and_signs(found, group, allowed, height)
    boxes = np.array([around(marks.box[group == g]) for g in range(group.max() + 1)])
    rows = _with_signs(marks, group, boxes, _rows(boxes), signs, height)
    pieces = [Piece(*found.cut_out(group == g), TOO_SMALL if g >= len(boxes) else None) for g in range(group.max() + 1)]
    found.note((group < 0).sum(), "a speck removed", "specks removed")
    return Writing([_with_slashes([pieces[g] for g in row]) for row in rows], height, found)


def _allowed(marks: Marks, frames: Boxes) -> NDArray[np.bool_]:
    """Which pieces (n,) may be writing: those inside the frames, if there are any, and outside, where smaller ones are
    labels, what is as tall as the lowest digit there; and none that is too large."""
    allowed = np.ones(len(marks), bool)
    framed = [marks.reaching(frame) for frame in frames]
    if np.any(framed):
        inside, heights = np.any(framed, axis=0), marks.size[:, 1]
        lowest = heights[inside & (heights >= SMALL * _usual_height(marks, inside))].min()
        allowed = inside | (heights >= lowest)
    free = allowed & ~marks.at_border()
    height = _usual_height(marks, free if free.any() else allowed)
    most = np.where(marks.at_border()[:, None], AT_BORDER, (WIDE, TALL)) * height
    return allowed & (marks.size <= most).all(axis=1)


def _usual_height(marks: Marks, allowed: NDArray[np.bool_]) -> float:
    """The height of a typical digit: half of all that is written is in pieces at least as tall."""
    heights = np.sort(marks.size[allowed, 1])
    return float(heights[np.searchsorted(np.cumsum(heights), heights.sum() / 2)])


def _stacked(box: Boxes, main: NDArray[np.bool_], height: float) -> NDArray[np.int_]:
    """The group of each piece, numbered from 0 on, −1 for those that are not `main`: the parts of one digit stand above
    each other, such as the roof of a 5 and the halves of a broken 8, or one within the other."""
    group = np.where(main, np.cumsum(main) - 1, -1)
    boxes = box[main]
    while True:
        low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        shared = high - low  # (n, n, 2): negative where there is a gap
        size = boxes[:, 2:] - boxes[:, :2]
        least = np.minimum(size[:, None], size)
        together = np.maximum(boxes[:, None, 3], boxes[:, 3]) - np.minimum(boxes[:, None, 1], boxes[:, 1])
        beside = shared[..., 1] > 0.35 * least[..., 1]
        one = shared[..., 0] >= np.where(beside, 0.8, 0.5) * least[..., 0]
        one &= (-shared[..., 1] <= STACKED * height) & (together <= WHOLE * height)
        np.fill_diagonal(one, False)
        if not one.any():
            return group
        a, b = sorted(divmod(int(one.argmax()), len(boxes)))
        group[group == b] = a
        group[group > b] -= 1
        boxes[a] = around(boxes[[a, b]])
        boxes = np.delete(boxes, b, axis=0)


def _fragments_and_signs(found: Found, group: NDArray[np.int_], allowed: NDArray[np.bool_], height: float) -> list[int]:
    """Puts the `allowed` pieces that are fragments of digits into their `group`, and returns those that may be signs.

    A fragment is a break in the stroke away from a digit, or above, below or within it and near. A dot beside the
    foot is not one: it is a decimal point under the arm of a 7.
    """
    marks, ink, signs = found.marks, found.ink.levels, list[int]()
    chosen = allowed & (group < 0) & (marks.side >= DUST * height) & (marks.area >= 2)
    chosen[np.argsort(-marks.area * chosen)[10 * MOST_DIGITS :]] = False
    if not chosen.any():
        return signs
    # Of each pixel the distance to the nearest digit, and a pixel's label to find which one that is.
    is_main = marks.pixels(group >= 0)
    pen = stroke_width(np.pad(is_main, 1))
    distance, nearest = cv2.distanceTransformWithLabels(
        (~is_main).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    digit_of = np.zeros(nearest.max() + 1, int)
    digit_of[nearest[is_main]] = group[marks.labels[is_main] - 1]
    digits = [around(marks.box[group == g]) for g in range(group.max() + 1)]
    for i in np.flatnonzero(chosen).tolist():
        left, top, right, bottom = marks.box[i].tolist()
        place, own, (width, tall) = within(marks.box[i]), marks.piece(i), marks.size[i].tolist()
        at = np.where(own, distance[place], np.inf).argmin()
        gap, digit = distance[place].flat[at] - 1, digit_of[nearest[place].flat[at]]
        its_left, its_top, its_right, its_bottom = digits[digit].tolist()
        is_above_or_below = min(right, its_right) - max(left, its_left) >= 0.2 * width
        foot = its_bottom - 0.35 * (its_bottom - its_top)
        is_dot = foot <= (top + bottom) / 2 and top < its_bottom and width <= min(2.5 * pen, 1.5 * tall)
        if gap <= BREAK * pen or (is_above_or_below and gap <= NEAR * height and not is_dot):
            group[i] = digit
        elif max(width, tall) >= DOT * pen and min(width, tall) >= DOT * pen / 2 and ink[place][own].max() >= FAINT:
            signs.append(i)
    return signs


def _with_signs(
    marks: Marks, group: NDArray[np.int_], boxes: Boxes, rows: list[list[int]], signs: list[int], height: float
) -> list[list[int]]:
    """The rows of groups with the signs that stand in them, which become groups from len(boxes) on. Dots and dashes
    above each other are one sign."""
    every, filled = list(boxes), [list(row) for row in rows]
    for i in sorted(signs, key=lambda i: int(marks.box[i, 0])):
        row = _row_of(marks.box[i], boxes, rows, height)
        if row is None or len(every) == len(boxes) + MOST_DIGITS:
            continue
        for g in filled[row][len(rows[row]) :]:
            shared = min(every[g][2], marks.box[i, 2]) - max(every[g][0], marks.box[i, 0])
            if shared >= 0.5 * min(every[g][2] - every[g][0], marks.size[i, 0]):
                break
        else:
            g = len(every)
            every.append(marks.box[i])
            filled[row].append(g)
        every[g] = around(np.array([every[g], marks.box[i]]))
        group[i] = g
    return [sorted(row, key=lambda g: (every[g][0] + every[g][2], g)) for row in filled]


def _row_of(box: Boxes, boxes: Boxes, rows: list[list[int]], height: float) -> int | None:
    """The row that a sign stands in: beside its neighbours there, and not above or below them."""
    best, row_of = BESIDE * height, None
    for number, row in enumerate(rows):
        beside, outside = gaps(box, boxes[row]).T  # of all in the row: a point after a 3 may be nearer to a low 5
        nearest = np.where(outside <= OUTSIDE * height, beside, np.inf).min()
        if nearest <= best:
            best, row_of = nearest, number
    return row_of


def _rows(boxes: Boxes) -> list[list[int]]:
    """The indices of boxes (n, 4) in reading order: rows from the top, each from the left.

    A row goes on with the nearest box to the right if that box in turn has none nearer to its left, so that rows may
    climb or fall.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    usual = np.sort((boxes[:, 2:] - boxes[:, :2]).max(axis=1))[len(boxes) // 2]
    right = centres[:, 0] - centres[:, :1]  # [i, j]: how far j is to the right of i
    top, bottom = boxes[:, 1], boxes[:, 3]
    shared = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    off = np.maximum(0, np.minimum((bottom - top)[:, None], bottom - top) / 2 - shared)  # a low digit may stand high
    distance = np.where((right > 0) & (off <= usual / 2), right + 3 * off, np.inf)
    row = np.arange(len(boxes))
    for i, j in enumerate(distance.argmin(axis=1)):
        if np.isfinite(distance[i, j]) and distance[:, j].argmin() == i:
            row[row == row[j]] = row[i]
    rows = [np.flatnonzero(row == number) for number in sorted(set(row.tolist()))]
    rows.sort(key=lambda members: float(centres[members, 1].mean()))
    return [members[np.argsort(centres[members, 0])].tolist() for members in rows]


def _with_slashes(row: list[Piece]) -> list[Piece]:
    """A row whose slashes are signs: straight strokes between digits that lean to the right and are taller. Nothing
    else tells them from a 1, and what stands at an end is one."""
    leans = [not piece.sign and _is_leaning_stroke(piece.levels) for piece in row]
    heights = [len(piece.levels) for piece, leaning in zip(row, leans, strict=True) if not (piece.sign or leaning)]
    if len(heights) >= 2:
        for n in range(1, len(row) - 1):
            if leans[n] and len(row[n].levels) >= SLASH_TALL * max(heights):
                row[n] = replace(row[n], sign=SLASH)
    return row


def _is_leaning_stroke(levels: Levels) -> bool:
    """Whether ink is a straight stroke that leans to the right, by its second moments."""
    moments = cv2.moments((levels > 0.5).view(np.uint8), binaryImage=True)  # 0 of nothing but a soft edge
    xx, yy, xy = moments["mu20"], moments["mu02"], moments["mu11"]
    spread = np.hypot((xx - yy) / 2, xy)
    along, across = (xx + yy) / 2 + spread, (xx + yy) / 2 - spread
    return bool(along > SLASH_SLIM**2 * across and -xy >= SLASH_LEAN * yy)


def cut(piece: Piece) -> list[Piece]:
    """The parts of a Piece from left to right, cut wherever two digits may touch; their union is the piece.

    A cut goes from the top to the bottom through as little ink as it can. It is looked for through every point at half
    the height; where the ways to its left and right cost more, there is a cut. So are the candidate cuts of LeCun,
    Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section VII.
    """
    shape = piece.levels.shape
    scale = min(1, WORKING_HEIGHT / shape[0])
    height, width = (max(3, round(length * scale)) for length in shape)
    ink = cv2.resize(piece.levels, (width, height), interpolation=cv2.INTER_AREA)
    middle = height // 2
    above, up = _cheapest(ink[: middle + 1])
    below, down = _cheapest(ink[: middle - 1 : -1])
    price = above[-1] + below[-1] - ink[middle]
    lowest = _lowest(price)
    full = ink.max() / 2
    price /= stroke_width(np.pad(ink > full, 1))
    lowest = lowest[price[lowest] <= THROUGH]
    cuts = np.sort(lowest[np.argsort(price[lowest], kind="stable")[:CUTS]])
    part = np.zeros(ink.shape, np.uint8)  # of each pixel the number of the cuts to its left
    for x in cuts:
        line = np.concatenate([_followed(up, x)[:0:-1], _followed(down, x)])
        part += np.arange(width) > line[:, None]
    part = cv2.resize(part, shape[::-1], interpolation=cv2.INTER_NEAREST)
    pieces = []
    for number in range(len(cuts) + 1):
        own = piece.levels * (part == number)
        inked = own > full
        if inked.any():
            box = np.array(tight_box(inked))
            cut_through = float(price[cuts[number - 1]]) if number else 0.0
            pieces.append(Piece(own[within(box)], box + np.tile(piece.box[:2], 2), cut=cut_through))
    return pieces


def _lowest(price: Levels) -> NDArray[np.int_]:
    """Where a price (w,) is as low as beside it: the middle of each stretch of such places."""
    near = cv2.erode(price[None], np.ones((1, 3), np.uint8))[0]
    edges = np.diff(np.pad((price <= near + 1e-3).astype(np.int8), 1))
    middles: NDArray[np.int_] = (np.flatnonzero(edges == 1) + np.flatnonzero(edges == -1) - 1) // 2
    return middles


def _cheapest(ink: Levels) -> tuple[Levels, NDArray[np.int_]]:
    """The cost of the cheapest way from the first row down to each pixel, and the column it comes from: (h, w) each."""
    cost, came = ink.copy(), np.tile(np.arange(ink.shape[1]), (len(ink), 1))
    for y in range(1, len(ink)):
        before = np.pad(cost[y - 1], 1, constant_values=np.inf)
        ways = np.stack([before[1:-1], before[:-2] + BEND, before[2:] + BEND])
        step = ways.argmin(axis=0)
        cost[y] += ways.min(axis=0)
        came[y] += np.array([0, -1, 1])[step]
    return cost, came


def _followed(came: NDArray[np.int_], x: int) -> NDArray[np.int_]:
    """The columns of the way to column x of the last row, from there back to the first: (h,)."""
    way = [x]
    for row in came[:0:-1]:
        way.append(int(row[way[-1]]))
    return np.array(way)
