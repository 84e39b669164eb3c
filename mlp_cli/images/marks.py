"""The marks on a page: connected pieces of ink, without ruled or printed lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.sheet import EDGE, without_rim
from mlp_cli.images.strokes import distances

# A ruled line is thinner than this share of the page, and ink where else there is none for so much of itself; so steep
# may it and a wall be.
LINE_THICKNESS, LINE_COVER = 0.02, 0.7
SLOPE = 0.1
END = 0.01  # of the page's width, in which a line reaches the border
SAMPLED = 128  # columns of a page that lines are looked for in
# A frame is at least this share of the page; its walls are thinner than that share of it, and straight for most of it.
FRAME_SIDE = 0.2
FRAME_THICKNESS = 0.12
FRAME_COVER = 0.85
# A ring is at least this share of the page, holds at least this share of its own side, in marks of at least this share,
# and is seen in at least this share of the directions from there.
RING_SIDE, RING_HOLDS, RING_PART, RING_COVER = 0.1, 0.4, 0.2, 0.85
# An underline is at least so many digits high long, and the lowest ink along so much of itself.
UNDERLINE, UNDERLINE_COVER = 2.0, 0.7
TICK = 0.75  # height of the ticks on a printed line, in digits, at most
TILE = 0.95  # of the rectangle around it is a tile, with what is left blank there
WRITTEN = 0.25  # of the side of a tile or a cell is written, at least
FLAT = 0.25  # height to width of an underline or a dash, at most
HOLLOW, NO_BAYS = 0.87, 0.88  # of an outline is its inside long, and at most so much of its hull is it
MOST_FRAMES = 30  # and underlines that are looked for


@dataclass(frozen=True)
class Marks:
    """Connected pieces of ink: `labels` (h, w), 0 for paper and i + 1 for piece i; and of each piece `area` in pixels
    and `box` (left, top, right, bottom), right and bottom exclusive: (n,) and (n, 4)."""

    labels: NDArray[np.int32]
    area: NDArray[np.int_]
    box: NDArray[np.int_]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> "Marks":
        """The 8-connected pieces of a mask (h, w)."""
        number, labels = cv2.connectedComponentsWithAlgorithm(mask.view(np.uint8), 8, cv2.CV_32S, cv2.CCL_GRANA)
        y, x, end = _runs(mask)  # far fewer than pixels
        piece, box = labels[y, x] - 1, np.full((number - 1, 4), -max(mask.shape))
        for side, places in zip(box.T, (-x, -y, end, y + 1), strict=True):
            np.maximum.at(side, piece, places)
        return cls(labels, np.bincount(piece, end - x, number - 1).astype(int), np.abs(box))

    def __len__(self) -> int:
        return len(self.area)

    @cached_property
    def size(self) -> NDArray[np.int_]:
        """Width and height of each piece: (n, 2)."""
        return self.box[:, 2:] - self.box[:, :2]

    @cached_property
    def side(self) -> NDArray[np.int_]:
        """The longer side of each piece: (n,)."""
        return self.size.max(axis=1, initial=0)

    def only(self, chosen: NDArray[np.bool_]) -> "Marks":
        """The chosen (n,) of these pieces."""
        number = np.concatenate([[0], np.cumsum(chosen) * chosen]).astype(np.int32)
        return Marks(number.take(self.labels), self.area[chosen], self.box[chosen])

    def piece(self, i: int) -> NDArray[np.bool_]:
        """The mask of piece i, within its box."""
        return self.labels[within(self.box[i])] == i + 1

    def on(self, mask: NDArray[np.bool_]) -> NDArray[np.int_]:
        """The pixels of each piece that lie on a mask (h, w): (n,)."""
        return np.bincount(self.labels[mask], minlength=len(self) + 1)[1:]

    def reaching(self, box: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Which pieces lie in a box, or reach into it: (n,)."""
        return np.asarray((gaps(box, self.box) == 0).all(axis=1))

    def at_border(self) -> NDArray[np.bool_]:
        """Whether a piece touches the border of the page: (n,)."""
        height, width = self.labels.shape
        outermost = np.concatenate([self.box[:, :2] <= 0, self.box[:, 2:] >= (width, height)], axis=1)
        return np.asarray(outermost.any(axis=1))

    def thickness(self, i: int) -> float:
        """The thickness of piece i at its thickest place, and two pixels: hairlines of one and of three differ by no
        more than that."""
        return 2 * float(distances(np.pad(self.piece(i), 1)).max() + 1)

    def solidity(self, i: int) -> float:
        """The share of its hull that piece i and its holes fill: 1 if it has no bays."""
        return _share_of_hull(self._outline(i))

    def _outline(self, i: int) -> NDArray[np.int32]:
        piece, offset = self.piece(i).view(np.uint8), self.box[i, :2].tolist()
        return max(cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset)[0], key=len)

    def tiles(self) -> NDArray[np.bool_]:
        """The mask of the solid rectangles, without their rims, in which something is left blank."""
        tiles = np.zeros(self.labels.shape, bool)
        large = (self.size >= FRAME_SIDE * min(tiles.shape)).all(axis=1)
        for i in np.flatnonzero(large & (2 * self.area > self.size.prod(axis=1)))[:MOST_FRAMES]:
            outline = self._outline(i)
            _, sides, _ = cv2.minAreaRect(outline)
            if cv2.contourArea(outline) >= TILE * sides[0] * sides[1]:
                tile = cv2.drawContours(np.zeros(tiles.shape, np.uint8), [outline], 0, 1, -1)
                inside = without_rim(tile.view(bool), round(EDGE * min(sides)) + 1)
                blank = Marks.of(inside & (self.labels == 0))
                if blank.side.max(initial=0) >= WRITTEN * min(sides):
                    tiles |= inside
        return tiles

    def is_flat(self) -> NDArray[np.bool_]:
        """Which pieces are much wider than they are high, as an underline or a dash: (n,)."""
        return np.asarray(self.size[:, 1] <= FLAT * self.size[:, 0])

    def _largest(self) -> NDArray[np.int_]:
        """The pieces that may be a ring or an outline, from the largest."""
        large = self.side >= RING_SIDE * min(self.labels.shape)
        return np.argsort(-self.side)[: min(MOST_FRAMES, int(large.sum()))]

    def hollows(self) -> NDArray[np.bool_]:
        """The insides (h, w) of pieces that are outlines of strokes: such a piece has a hole nearly as long as itself,
        and with bays, as no digit has."""
        insides = np.zeros(self.labels.shape, bool)
        for i in self._largest():
            place = within(self.box[i])
            contours, tree = cv2.findContours(self.piece(i).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            holes = [contour for contour, (*_, outer) in zip(contours, tree[0], strict=True) if outer >= 0]
            for hole in holes:
                if max(cv2.boundingRect(hole)[2:]) > HOLLOW * self.side[i] and _share_of_hull(hole) < NO_BAYS:
                    filled = cv2.drawContours(np.zeros(self.size[i, ::-1], np.uint8), [hole], 0, 1, cv2.FILLED)
                    paper = Marks.of(filled.view(bool) & (self.labels[place] == 0))  # no counters of hollow digits
                    insides[place] |= paper.labels == paper.side.argmax() + 1
        return insides

    def rings(self) -> NDArray[np.bool_]:
        """Which pieces surround others: seen from the middle of these, such a piece is in every direction."""
        rings = np.zeros(len(self), bool)
        for least, i in product((RING_HOLDS, RING_PART), self._largest()):
            corner, end = self.box[i, :2], self.box[i, 2:]
            inner = (self.box[:, :2] > corner).all(axis=1) & (self.box[:, 2:] < end).all(axis=1)
            inner &= (self.side >= RING_PART * self.side[i]) & ~rings
            if not inner.any() or (least == RING_PART and not rings.any()):
                continue
            content = around(self.box[inner])
            if max(content[2:] - content[:2]) >= least * self.side[i]:
                y, x = np.nonzero(self.piece(i))
                centre = (content[:2] + content[2:]) / 2 - corner
                angle = np.arctan2(y - centre[1], x - centre[0])
                seen = np.bincount(np.int_((angle + np.pi) / (2 * np.pi) * 35.999), minlength=36) > 0
                rings[i] |= seen.mean() >= RING_COVER
        return rings

    def pixels(self, chosen: NDArray[np.bool_], box: NDArray[np.int_] | None = None) -> NDArray[np.bool_]:
        """The mask of the chosen (n,) pieces, within a box of the page."""
        return np.append(False, chosen).take(self.labels if box is None else self.labels[within(box)])


def around(boxes: NDArray[np.int_]) -> NDArray[np.int_]:
    """The box that holds all `boxes` (n, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def within(box: Iterable[int]) -> tuple[slice, slice]:
    """The part of a page (h, w) that is a box, as an index."""
    left, top, right, bottom = box
    return np.s_[top:bottom, left:right]


def _share_of_hull(contour: NDArray[np.int32]) -> float:
    return cv2.contourArea(contour) / max(cv2.contourArea(cv2.convexHull(contour)), 1)


def gaps(box: NDArray[np.int_], boxes: NDArray[np.int_]) -> NDArray[np.int_]:
    """Horizontal and vertical distance of a box from each of `boxes` (n, 4), 0 where they overlap: (n, 2)."""
    return np.maximum(0, np.maximum(box[:2] - boxes[:, 2:], boxes[:, :2] - box[2:]))


def without_ruling(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """A mask of ink without the ruled lines that cross the page, and how many there were.

    A line goes; where a stroke crosses it, the ink is thicker than the line and stays.
    """
    rest, count = mask, 0
    for axis in (0, 1):
        across = rest if axis == 0 else rest.T  # the rest, so that where two lines cross no speck stays
        end = max(2, round(END * across.shape[1]))
        if across[:, :end].any() and across[:, -end:].any():
            lines, n = _crossing(np.ascontiguousarray(across))
            rest, count = rest & ~(lines if axis == 0 else lines.T), count + n
    # A page with only lines may be a drawn 1.
    return (rest, count) if rest.any() else (mask, 0)


def _crossing(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """The mask of nearly horizontal lines from border to border, and how many there are.

    A Hough transform: every straight line is given by its heights at the left border and the right one, and scores by
    how much of it is ink. On tilted paper it may leave the page around a corner. Lines of one ruling do not cross, so
    each that is found rules out all that cross it.
    """
    height, width = mask.shape
    lines, count, thickest = np.zeros(mask.shape, np.uint8), 0, 0
    x = np.linspace(0, width - 1, min(width, SAMPLED)).astype(int)
    end = max(2, round(END * len(x)))
    _, start, stop = _runs(mask[:, x].T)
    ink = np.zeros((height, len(x)), np.float32)  # in each pixel the length of its vertical run
    ink.T[mask[:, x].T] = np.repeat(stop - start, stop - start)
    ink = cv2.dilate(ink, np.ones((3, 1), np.uint8))  # as exact as the lines that are tried
    rows, columns = np.nonzero(ink)
    least = LINE_COVER + (1 - LINE_COVER) * np.mean(ink > 0)  # a line stands out of noise and dense writing
    room = int(SLOPE * width / 2) + 1
    middle = np.arange(-room, height + room)
    tried = []
    for drift in range(-room, room + 1, 2):
        shift = np.rint(drift * (2 * x / width - 1)).astype(int)
        inside = np.searchsorted(np.sort(shift), [height - middle, -middle])
        length = inside[0] - inside[1]
        on = np.bincount(rows - shift[columns] + room, minlength=len(middle))
        is_line = (length > 0) & (on >= least * length)
        tried.append(np.stack([middle - drift, middle + drift, 2 * on - length], axis=1)[is_line])
    likely = np.concatenate(tried)
    while len(likely):
        best = likely[:, 2].argmax()
        apart = likely[:, :2] - likely[best, :2]
        left, right = likely[best, :2]
        y = (left + right) // 2 + np.rint((right - left) // 2 * (2 * x / width - 1)).astype(int)
        is_inside = (y >= 0) & (y < height)
        through = np.where(is_inside, ink[y.clip(0, height - 1), np.arange(len(x))], 0)
        thickness = int(np.sort(through[through > 0])[(through > 0).sum() // 4])
        same = (apart.prod(axis=1) <= 0) | (np.abs(apart).min(axis=1) <= thickness + 2)
        ends = np.rint(likely[same & (likely[:, 2] == likely[best, 2]), :2].mean(axis=0)).astype(int).tolist()
        reached = (through > 0) | (y < thickness) | (y >= height - thickness)  # beyond a corner anything may be
        if thickness <= LINE_THICKNESS * max(mask.shape) and reached[:end].any() and reached[-end:].any():
            cv2.line(lines, (0, ends[0]), (width, ends[1]), 1, 2 * thickness + 1)
            count, thickest = count + 1, max(thickest, thickness)
        likely = likely[~same]
    return (lines > 0) & _thin(mask, 2 * thickest), count


def without_frames(marks: Marks) -> tuple[Marks, NDArray[np.int_], NDArray[np.bool_]]:
    """The marks on a page without box frames, such as forms have; the boxes of these, (n, 4); and the mask of all
    walls, those of empty frames as well.

    A digit may touch its frame; of a row of cells the walls between them go as well. A frame holds something: one that
    does not may be a 0, and stays.
    """
    mask, frames, printed = marks.labels > 0, [], np.zeros(marks.labels.shape, bool)
    for i in np.flatnonzero((marks.size >= FRAME_SIDE * min(mask.shape)).all(axis=1))[:MOST_FRAMES]:
        place = within(marks.box[i])
        found = _walls_and_content(marks.piece(i), mask[place])
        if found:
            walls, content = found
            printed[place] |= walls
            if content is not None:
                mask[place] = content
                frames.append(marks.box[i])
    return Marks.of(mask) if frames else marks, np.reshape(frames, (-1, 4)).astype(int), printed


def _walls_and_content(
    mask: NDArray[np.bool_], ink: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None] | None:
    """Of a frame that fills its mask, the walls, outer ones and those between its cells; and what of the `ink` in and
    around it is written there: all but these and their remains, or None if that is nothing. None if it is no frame.

    A frame's outer edge is straight on at least three sides.
    """
    walls = np.zeros(mask.shape, bool)
    thicknesses, slopes = [], list[list[float]]([[], []])
    for turn in range(4):
        if found := _upper_wall(np.rot90(mask, turn), FRAME_COVER, FRAME_THICKNESS * min(mask.shape)):
            wall, thickness, slope = found
            thicknesses.append(thickness)
            slopes[turn % 2].append(slope * (-1) ** turn)
            walls |= np.rot90(wall, -turn)
        elif turn > len(thicknesses):  # the second that is not
            return None
    between, cells, thickness = ink & ~walls, [], max(thicknesses)
    for across, of_page, its_slopes in zip((between, between.T), (walls, walls.T), slopes, strict=True):
        lines, number = _inner_walls(across, sum(its_slopes) / len(its_slopes), thickness)
        of_page |= lines
        cells.append(number + 1)
    marks, (height, width), cell = Marks.of(ink & ~walls), mask.shape, min(np.array(mask.shape) / cells)
    rim = max(2 * thickness, 0.1 * cell)
    near = (marks.box[:, 2:] <= rim).any(axis=1) | (marks.box[:, :2] >= (width - rim, height - rim)).any(axis=1)
    written = ~near & (marks.side > 0.1 * cell)
    return walls & ink, marks.pixels(written) if marks.side[written].sum() >= WRITTEN * cell else None


def _inner_walls(mask: NDArray[np.bool_], slope: float, thickness: int) -> tuple[NDArray[np.bool_], int]:
    """The walls within a frame that run across it as its outer ones do, with this slope and as thin, as a mask, and
    their number. Strokes cross a wall, and a hairline comes and goes."""
    y, x = np.nonzero(_thin(mask, 2 * thickness))
    row = np.clip(np.rint(y - slope * (x - mask.shape[1] / 2)).astype(int), 0, len(mask) - 1)
    level = np.zeros(mask.shape, np.uint8)
    level[row, x] = 1
    near = np.ones((max(3, thickness | 1), 1), np.uint8)
    level = cv2.morphologyEx(cv2.dilate(level, near), cv2.MORPH_CLOSE, np.ones((1, 3 * thickness), np.uint8))
    length = mask.shape[1] - abs(slope) * len(mask)  # from wall to wall
    is_wall = level.sum(axis=1, keepdims=True) >= FRAME_COVER * length
    walls = np.zeros(mask.shape, bool)
    walls[y, x] = cv2.dilate(is_wall.astype(np.uint8), near)[row, 0]
    return walls, int((np.diff(is_wall.astype(np.int8), axis=0, prepend=0) == 1).sum())


def _upper_wall(mask: NDArray[np.bool_], least: float, most: float) -> tuple[NDArray[np.bool_], int, float] | None:
    """The nearly horizontal line that a piece begins with from above, as a mask, its thickness and its slope; None if
    it is the first ink in less than a share `least` of the columns, or thicker than `most`. A stroke that crosses it is
    thicker, and no part of it."""
    column, start, end = _runs(mask.T)
    first = np.searchsorted(column, np.arange(mask.shape[1]))
    edge, run = start[first], (end - start)[first]
    thickness, third = _median(run), -(-len(edge) // 3)
    ends = _median(edge[:third]), _median(edge[-third:])
    slope = (ends[1] - ends[0]) / max(len(edge) - third, 1)
    line = ends[0] + slope * (np.arange(len(edge)) - (third - 1) / 2)
    on_line = np.abs(edge - line) <= max(2, thickness / 2)
    if on_line.mean() < least or thickness > most or abs(slope) > SLOPE:
        return None
    row = np.arange(len(mask))[:, None]
    wall = (row >= edge) & (row < edge + run) & on_line & (run <= 2 * thickness)
    return wall, thickness, slope


def without_underlines(marks: Marks, height: float) -> tuple[Marks, int]:
    """The marks on a page with rows of digits of this height, without the lines that are drawn under several of them,
    and how many there were. The digits may stand on their line, or go down through it. A printed line may
    have ticks at its ends and between the digits: they are as thin as the line, lower than a 1, and go with it."""
    mask, count = marks.labels > 0, 0
    widest = np.argsort(-marks.size[:, 0], kind="stable")[:MOST_FRAMES]
    for i in widest[marks.size[widest, 0] >= UNDERLINE * height]:
        left, top, right, bottom = marks.box[i]
        piece = marks.piece(i)
        above = (marks.box[:, 0] < right) & (marks.box[:, 2] > left) & (marks.box[:, 1] < bottom - height / 2)
        above &= marks.box[:, 3] > bottom - 2 * height
        if above.any() and (found := _upper_wall(piece[::-1], UNDERLINE_COVER, height / 4)):
            line, thickness, _ = found
            mask[top:bottom, left:right] &= ~line[::-1]
            rest = Marks.of(piece & ~line[::-1])
            (width, tall), thin = rest.size.T, 2 * thickness
            ticks = (width <= thin) & (thin < tall) & (tall <= TICK * height)
            if (rest.box[ticks, 0] <= thin).any() and (rest.box[ticks, 2] >= right - left - thin).any():
                mask[top:bottom, left:right] &= ~rest.pixels(ticks)
            count += 1
    return Marks.of(mask) if count else marks, count


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]]:
    """Of each horizontal run of ink, from the top left on, the row, the first column and the one behind the last."""
    height, width = mask.shape
    ink = np.zeros(height * (width + 1) + 1, bool)  # with a pixel of paper before the first row, and after each
    ink[1:].reshape(height, width + 1)[:, :width] = mask
    row, column = np.divmod(np.flatnonzero(ink[1:] != ink[:-1]), width + 1)
    return row[::2], column[::2], column[1::2]


def _thin(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    """The pixels of a mask that lie in a vertical run of at most `thickness` pixels."""
    longer = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((thickness + 1, 1), np.uint8))
    return mask & (longer == 0)


def _median(values: NDArray[np.int_]) -> int:
    """The upper median; np.median would import numpy.ma, a tenth of the start of `mlp predict`."""
    return int(np.sort(values)[len(values) // 2])
