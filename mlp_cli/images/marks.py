"""The marks on a page: connected pieces of ink, without the lines that were ruled or printed before anybody wrote."""

from dataclasses import dataclass

import cv2
import numpy as np

from mlp_cli.images.ink import quantile

# A ruled line is thinner than this share of the page, this straight (height to length), and its ends are this long.
LINE_THICKNESS = 0.02
SLOPE = 0.05
LINE_END = 0.03
# A frame is at least this share of the page; its walls are thinner than that share of it, and straight for most of it.
FRAME_SIDE = 0.2
FRAME_THICKNESS = 0.12
FRAME_COVER = 0.85
MOST_FRAMES = 30  # that are looked for


@dataclass(frozen=True)
class Marks:
    """Connected pieces of ink: `labels` (h, w), 0 for paper and i + 1 for piece i; and of each piece `area` in pixels
    and `box` (left, top, right, bottom), right and bottom exclusive: (n,) and (n, 4)."""

    labels: np.ndarray
    area: np.ndarray
    box: np.ndarray

    @classmethod
    def of(cls, mask):
        """The 8-connected pieces of a mask (h, w)."""
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8), connectivity=8)
        left, top, width, height, area = statistics[1:].astype(int).T
        return cls(labels, area, np.stack([left, top, left + width, top + height], axis=1))

    def __len__(self):
        return len(self.area)

    @property
    def size(self):
        """Width and height of each piece: (n, 2)."""
        return self.box[:, 2:] - self.box[:, :2]

    @property
    def side(self):
        """The longer side of each piece: (n,)."""
        return self.size.max(axis=1, initial=0)

    def at_border(self):
        """Whether a piece touches the border of the page: (n,)."""
        height, width = self.labels.shape
        return (self.box[:, :2] <= 0).any(axis=1) | (self.box[:, 2:] >= (width, height)).any(axis=1)

    def pixels(self, chosen, box=None):
        """The mask of the chosen (n,) pieces, within a box of the page."""
        left, top, right, bottom = (None,) * 4 if box is None else box
        return np.concatenate([[False], chosen])[self.labels[top:bottom, left:right]]


def around(boxes):
    """The box that holds all `boxes` (n, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def gaps(box, boxes):
    """Horizontal and vertical distance of a box from each of `boxes` (n, 4), 0 where they overlap: (n, 2)."""
    return np.maximum(0, np.maximum(box[:2] - boxes[:, 2:], boxes[:, :2] - box[2:]))


def without_ruling(mask):
    """A mask of ink without the ruled lines that cross the page, and how many there were.

    A line goes; where a stroke crosses it, the ink is thicker than the line and stays.
    """
    rest, count = mask, 0
    for axis in (0, 1):
        across = mask if axis == 0 else mask.T
        thickness = _thickness(across[:, :2]), _thickness(across[:, -2:])
        if 0 < max(thickness) <= LINE_THICKNESS * max(mask.shape) and min(thickness) > 0:
            lines, n = _crossing(across, 2 * max(thickness))
            rest, count = rest & ~(lines if axis == 0 else lines.T), count + n
    # A page of nothing but lines may be a drawn 1.
    return (rest, count) if rest.any() else (mask, 0)


def _crossing(mask, thickness):
    """The mask of nearly horizontal lines from the left border to the right one, and how many there are.

    Strokes cut a line into pieces: one at each border, and others on the way between these two.
    """
    pieces = Marks.of(_thin(mask, thickness))
    width = mask.shape[1]
    straight = pieces.size[:, 1] <= np.maximum(2 * thickness, SLOPE * pieces.size[:, 0])
    x, y = ((pieces.box[:, :2] + pieces.box[:, 2:]) / 2).T
    chosen = np.zeros(len(pieces), bool)
    lines = 0
    long = straight & (pieces.size[:, 0] >= LINE_END * width)
    for left in np.flatnonzero(long & (pieces.box[:, 0] <= 0.02 * width)):
        for right in np.flatnonzero(long & (pieces.box[:, 2] >= 0.98 * width)):
            run = max(x[right] - x[left], 1)
            if abs(y[right] - y[left]) <= SLOPE * run + thickness * (right != left):
                between = y[left] + (y[right] - y[left]) * (x - x[left]) / run
                chosen |= straight & (np.abs(y - between) <= thickness) | (np.arange(len(pieces)) == left)
                lines += 1
    return pieces.pixels(chosen), lines


def _thickness(columns):
    """The usual thickness of what crosses some columns of a mask; 0 for nothing."""
    edges = np.diff(np.pad(columns, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    starts, ends = (np.nonzero(sign == edges.T)[1] for sign in (1, -1))
    return quantile(ends - starts, 0.5) if len(starts) else 0


def without_frames(mask):
    """A mask of ink without box frames, such as forms have, and the boxes of these, (n, 4).

    A digit may touch its frame; of a row of cells the walls between them go as well. A frame holds something: one that
    does not may be a 0.
    """
    marks = Marks.of(mask)
    frames = []
    for i in np.flatnonzero((marks.size >= FRAME_SIDE * min(mask.shape)).all(axis=1))[:MOST_FRAMES]:
        left, top, right, bottom = marks.box[i]
        frame = marks.labels[top:bottom, left:right] == i + 1
        walls = _walls(frame)
        if walls is None:
            continue
        rest = mask.copy()
        rest[top:bottom, left:right] &= ~walls
        rest[top:bottom, left:right] = _without_crumbs(rest[top:bottom, left:right])
        inside = Marks.of(rest[top:bottom, left:right])
        if (inside.side >= 0.25 * min(frame.shape)).any():
            mask = rest
            frames.append(marks.box[i])
    return mask, np.reshape(frames, (-1, 4))


def _walls(mask):
    """The walls of a frame that fills its mask, and between its cells, as a mask; None if it is no frame.

    A frame's outer edge is straight on at least three sides.
    """
    if mask.mean() > 0.5:
        return None
    walls = np.zeros(mask.shape, bool)
    sides, thicknesses = 0, []
    for turn in range(4):
        turned = np.rot90(mask, turn)
        outer, thickness = _outer_run(turned)
        edge = outer.argmax(axis=0)
        third = -(-len(edge) // 3)
        ends = quantile(edge[:third], 0.5), quantile(edge[-third:], 0.5)
        slope = (ends[1] - ends[0]) / max(len(edge) - third, 1)
        line = ends[0] + slope * (np.arange(len(edge)) - (third - 1) / 2)
        on_line = np.abs(edge - line) <= max(2, thickness)
        if abs(slope) <= SLOPE * 2 and on_line.mean() >= FRAME_COVER and thickness <= FRAME_THICKNESS * min(mask.shape):
            sides += 1
            thicknesses.append(thickness)
            walls |= np.rot90(outer & on_line & (outer.sum(axis=0) <= 2 * thickness), -turn)
        elif turn > sides:  # the second that is not
            return None
    for axis, between in enumerate((mask & ~walls, (mask & ~walls).T)):
        pieces = Marks.of(_thin(between, 2 * max(thicknesses)))
        across = pieces.size[:, 0] >= 0.75 * between.shape[1]
        straight = pieces.size[:, 1] <= np.maximum(3 * max(thicknesses), SLOPE * pieces.size[:, 0])
        found = pieces.pixels(across & straight)
        walls |= found if axis == 0 else found.T
    return walls


def _outer_run(mask):
    """Of each column the first run of ink from the top, as a mask, and the median of their lengths."""
    ink = np.maximum.accumulate(mask, axis=0)
    gap = np.maximum.accumulate(ink & ~mask, axis=0)
    run = ink & ~gap
    return run, quantile(run.sum(axis=0), 0.5)


def _without_crumbs(mask):
    """What is inside a frame, without what is left of its walls."""
    height, width = mask.shape
    marks = Marks.of(mask)
    rim = max(2, 0.1 * min(mask.shape))
    near = (marks.box[:, 2:] <= rim).any(axis=1) | (marks.box[:, :2] >= (width - rim, height - rim)).any(axis=1)
    return marks.pixels(~near & (marks.side > 0.1 * min(mask.shape)))


def _thin(mask, thickness):
    """The pixels of a mask that lie in a vertical run of at most `thickness` pixels."""
    index = np.arange(len(mask))[:, None]
    before = np.maximum.accumulate(np.where(mask, -1, index), axis=0)
    behind = np.minimum.accumulate(np.where(mask, len(mask), index)[::-1], axis=0)[::-1]
    return mask & (behind - before - 1 <= thickness)
