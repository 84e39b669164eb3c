"""From a page to its marks, and to the single digit among them."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.images.digits import Digit
from mlp_cli.images.ink import Ink, find_ink
from mlp_cli.images.marks import Marks, around, gaps, within, without_frames, without_ruling
from mlp_cli.images.mnist import normalise, tight_box
from mlp_cli.images.sheet import EDGE, SOLID, Sheet, rim, sheets, whole
from mlp_cli.images.strokes import distances, weigh

# Shares of the longer side of a digit's largest piece:
DUST = 0.08  # shorter pieces are not part of it
NEAR, FAR = 0.2, 0.6  # how far away a fragment may be, and how far a large one above or below
ANOTHER = 0.5  # longer pieces beside it are another digit
THICKER = 1.5  # of the thickness of the largest piece: what is thicker is a button or a sticker, and no fragment
FAINTER = 0.85  # of the ink's contrast, at most, has writing that print hides
MOST_PIECES = 12  # of a digit; a broken one has up to eight
LEAST_SIDE = 0.1  # of a sheet's shorter side, of the digit on it


@dataclass(frozen=True)
class Found:
    """What is on a page: the sheet that was looked at, its ink, the marks on it, the boxes (n, 4) of frames that were
    around some of them, and what was done, in words."""

    sheet: Sheet
    ink: Ink
    marks: Marks
    frames: NDArray[np.int_]
    actions: list[str] = field(default_factory=list)

    def cut_out(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
        """The ink (h, w) of the chosen pieces (n,), with the soft edges of their strokes, and the box it comes from."""
        box = around(self.marks.box[chosen])
        own = cv2.dilate(self.marks.pixels(chosen, box).view(np.uint8), np.ones((3, 3), np.uint8))
        return self.ink.levels[within(box)] * own, box

    def digit(self, levels: NDArray[np.float32], box: NDArray[np.int_]) -> Digit:
        """The Digit of ink (h, w) cut from a box."""
        image, weighed = drawn(levels)
        return Digit(image, self.sheet.box_in_picture(box), self.ink.inverted, (*self.actions, *weighed), levels)

    def note(self, number: int, one: str, several: str) -> None:
        """Adds to the actions what was done to a number of things."""
        if number:
            self.actions.append(one if number == 1 else f"{number} {several}")


def find_one(page: Page, inverted: bool | None = None) -> Digit:
    """The one Digit on a Page; see `digits.prepare`."""
    found = find_marks(page, inverted)
    chosen, others = _single(found)
    most = 5 * MOST_PIECES  # as many as people write; more are print or noise
    if MOST_PIECES < (chosen | others).sum() <= most:
        found = _joined(found, chosen | others)
        chosen, others = _single(found)
    if chosen.sum() > MOST_PIECES or others.sum() > most:
        raise ImageError("no single digit found")
    if others.any():
        raise ImageError(f"{others.sum() + 1} possible digits found; use --split to read several")
    found.note((~chosen).sum(), "a speck removed", "specks removed")
    return found.digit(*found.cut_out(chosen))


def _single(found: Found) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which marks (n,) make the one digit, and which others may be digits."""
    marks = found.marks
    place, inside = _field(marks, found.frames)
    chosen = _one(marks, place, inside)
    beside = gaps(around(marks.box[chosen]), marks.box)[:, 1] == 0
    framed = [marks.reaching(frame) for frame in found.frames]
    another = np.any([inside, *framed], axis=0) & ~chosen & ~marks.at_border()
    another &= beside | ~marks.is_flat()  # no line above or below the digit
    return chosen, another & (marks.side >= ANOTHER * marks.side[chosen].max())


def _joined(found: Found, pieces: NDArray[np.bool_]) -> Found:
    """The same page with these pieces (n,) grown until they touch, if they are dots or dashes that make up strokes: the
    gaps between them are shorter than they are, and what they grow to is as thin as each of them."""
    dots = found.marks.only(pieces)
    away = distances(dots.labels == 0)
    thickness = distances(dots.labels > 0).max()
    longest = int(np.sort(dots.side)[len(dots) // 2])
    for grown in range(1, longest // 2 + 1):
        strokes = away <= grown
        marks = Marks.of(strokes)
        if len(marks) == 1:
            if distances(strokes).max() - grown > THICKER * thickness:
                break
            ink = replace(found.ink, levels=np.maximum(found.ink.levels, strokes))
            return replace(found, ink=ink, marks=marks, actions=[*found.actions, f"{len(dots)} dots joined"])
    return found


def find_marks(page: Page, inverted: bool | None = None) -> Found:
    """The marks on a Page, or on the sheet that it shows. Raises ImageError if there are none."""
    cv2.setNumThreads(1)  # on pages of this size a second thread costs more than it saves
    all_of_it = whole(page)
    looked = [(sheet, _look(sheet, inverted)) for sheet in sheets(all_of_it)]
    found = _on_one_sheet(all_of_it, [content for _, content in looked if content and len(content.marks)])
    if not found:
        found = _look(all_of_it, inverted)
        for sheet, content in looked:
            if found and _is_blank(sheet, content):
                found = replace(found, marks=_without_edge(found.marks, sheet))
    if not found:
        forced = "" if inverted is None else f" of {'dark' if inverted else 'light'} ink; see --invert"
        raise ImageError(f"no digit found: the page is blank{forced}")
    if not len(found.marks):
        raise ImageError("no digit found, only lines or the edge of a sheet")
    return found


def _is_blank(sheet: Sheet, content: Found | None) -> bool:
    """Whether nothing on a sheet is as large as a digit, but for what may be left of its edge."""
    side = min(sheet.levels.shape)
    edge = max(1, round(EDGE * side))
    return not content or max(Marks.of(content.ink.mask[edge:-edge, edge:-edge]).side, default=0) < LEAST_SIDE * side


def _without_edge(marks: Marks, sheet: Sheet) -> Marks:
    """The marks on a page without those on a blank sheet there that do not fill it: its edge and its light."""
    place, corners = np.zeros(marks.labels.shape, np.uint8), [np.rint(sheet.outline).astype(np.int32)]
    cv2.polylines(cv2.fillPoly(place, corners, 1), corners, True, 1, 3)  # with the pixels around its edge
    return marks.only((marks.on(place > 0) < 0.5 * marks.area) | (marks.area > 0.7 * np.count_nonzero(place)))


def _on_one_sheet(page: Sheet, contents: list[Found]) -> Found | None:
    """Of the contents of the sheets on a page that of the smallest with the same digit, such as a window on a screen in
    a room; None if there is none, or on a sheet beside it there is as much, as on tiles or in boxes."""
    looked = [(found, box) for found in contents if (box := _digit_on_sheet(page, found)) is not None]
    if not looked:
        return None
    found, place = looked[0]
    for another, box in looked[1:]:
        if not gaps(place, np.tile((box[:2] + box[2:]) // 2, 2)[None]).any():
            found, place = another, box
    side = max(place[2:] - place[:2]) / page.to_picture[0, 0]
    for another in contents:
        marks = another.marks
        no_edge = ~marks.at_border() | (marks.size.min(axis=1) >= 0.1 * side)  # what is left of an edge is thin
        if _are_apart(found.sheet, another.sheet) and (no_edge & (marks.side >= ANOTHER * side)).any():
            return None
    found.actions.append("sheet found")
    return found


def _are_apart(one: Sheet, other: Sheet) -> bool:
    """Whether neither of two sheets on a page is in the middle of the other."""
    pairs = ((one.outline, other.outline), (other.outline, one.outline))
    return all(cv2.pointPolygonTest(a.astype(np.float32), b.mean(axis=0).tolist(), False) < 0 for a, b in pairs)


def _digit_on_sheet(page: Sheet, found: Found) -> NDArray[np.int_] | None:
    """The box in the picture of the digit found on what may be a sheet on a page; None if there is none, or it goes
    over the sheet's edge, or there are more beyond."""
    sheet, marks = found.sheet, found.marks
    chosen = _one(marks, *_field(marks, found.frames))
    side = marks.side[chosen].max()
    if side < LEAST_SIDE * min(sheet.levels.shape):
        return None
    from_end_to_end = marks.size[chosen] >= (1 - EDGE) * np.array(sheet.levels.shape[::-1])
    over_edge = marks.at_border()[chosen] if sheet.inside is None else marks.pixels(chosen)[rim(sheet.inside, 1)]
    if from_end_to_end.any() or over_edge.any():
        return None
    if sheet.is_round and marks.solidity(int(np.where(chosen, marks.side, 0).argmax())) >= SOLID:
        return None  # the counter of a 0
    # What is round may be one of several rings, and the edge of what is cut off by the border a shadow's.
    if sheet.inside is not None and (beyond := _look(page, found.ink.inverted)):
        others = beyond.marks
        middle = ((others.box[:, :2] + others.box[:, 2:]) / 2).astype(np.float32)
        outline = sheet.outline.astype(np.float32)
        distance = np.array([-cv2.pointPolygonTest(outline, point.tolist(), True) for point in middle])
        outside = distance > NEAR * side  # nearer ink is the edge itself
        if (outside & ~others.at_border() & (others.side >= ANOTHER * side)).any():
            return None
    return np.array(sheet.box_in_picture(around(marks.box[chosen])))


def _look(sheet: Sheet, inverted: bool | None) -> Found | None:
    """The content of a sheet, or None if there is none.

    Beside darker print, writing counts as paper; so the ink is measured again without the lines and frames found."""
    ink = find_ink(sheet.levels, inverted)
    if ink is None:
        return None
    found, printed = _content(sheet, ink)
    for _ in range(2):  # thick lines of a grid, thin ones, and pencil
        beside = ink.beside(printed) if printed.any() else None
        if beside is None or beside.contrast > FAINTER * ink.contrast:
            break
        again, printed = _content(sheet, beside)
        if len(again.frames) < len(found.frames):  # they are lost in a shadow that counts as ink now
            break
        found, ink = again, beside
    return found


def _content(sheet: Sheet, ink: Ink) -> tuple[Found, NDArray[np.bool_]]:
    """What is on a sheet with this ink, and the mask of the lines and frames that were found."""
    mask, lines = without_ruling(ink.mask if sheet.inside is None else ink.mask & sheet.inside)
    marks = Marks.of(mask)
    if sheet.inside is not None:  # what is for the most part at the edge is a part of it
        edge = rim(sheet.inside, round(EDGE * min(mask.shape)) + 2)
        marks = marks.only(2 * marks.on(edge) < marks.area)
    tiles = marks.tiles()
    if tiles.any():  # there ink and paper change places
        rest = marks.only(marks.on(tiles) == 0)
        ink = replace(ink, levels=np.where(tiles, 1 - ink.levels, ink.levels), inverted=not ink.inverted)
        marks = Marks.of(np.where(tiles, marks.labels == 0, rest.labels > 0))
    actions = ["inverted"] if ink.inverted else []
    marks, frames, walls = without_frames(marks)
    hollows = marks.hollows()
    if hollows.any():
        ink = replace(ink, levels=np.maximum(ink.levels, hollows))
        marks = Marks.of((marks.labels > 0) | hollows)
        actions.append("an outline filled")
    rings = marks.rings()
    if rings.any():
        frames = np.concatenate([frames, marks.box[rings]])
        marks = marks.only(~rings)
    found = Found(sheet, ink, marks, frames, actions)
    found.note(lines, "a ruled line erased", "ruled lines erased")
    found.note(len(frames), "a frame erased", "frames erased")
    return found, walls | (ink.mask & ~mask)


def _field(marks: Marks, frames: NDArray[np.int_]) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """The box that a single digit is looked for in, the largest frame or the page, and which pieces (n,) are inside."""
    if len(frames):
        place = max(frames, key=lambda box: np.prod(box[2:] - box[:2]))
        inside = marks.reaching(place)
        if inside.any():
            return place, inside
    return np.array([0, 0, *marks.labels.shape[::-1]]), np.ones(len(marks), bool)


def _one(marks: Marks, place: NDArray[np.int_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pieces make the one digit: the largest near the middle of the field, with its fragments."""
    centre = (marks.box[:, :2] + marks.box[:, 2:]) / 2
    offset = (centre - place[:2]) / (place[2:] - place[:2]) - 0.5
    at_border = marks.at_border()
    score = marks.side * np.exp(-3 * (offset**2).sum(axis=1)) * np.where(at_border | marks.is_flat(), 0.5, 1) * inside
    chosen = np.arange(len(marks)) == score.argmax()
    largest = marks.side[chosen][0]
    allowed = inside & (~at_border | at_border[chosen])
    while not chosen.all():
        gap = gaps(around(marks.box[chosen]), marks.box)
        distance = np.hypot(*gap.T)
        fragment = (distance <= NEAR * largest) & (marks.side >= DUST * largest)
        fragment |= (gap[:, 0] == 0) & (distance <= FAR * largest) & (marks.side >= 0.3 * largest)
        more = chosen | (fragment & allowed & ~_underlines(marks, chosen))
        for i in np.flatnonzero(more & ~chosen).tolist():
            more[i] = marks.thickness(i) < THICKER * marks.thickness(int(score.argmax()))
        if (more == chosen).all():
            break
        chosen = more
    return chosen


def _underlines(marks: Marks, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pieces (n,) are flat lines below the chosen ones that begin before these and end behind them."""
    left, _, right, bottom = around(marks.box[chosen])
    below = marks.box[:, 1] >= bottom
    return marks.is_flat() & below & (marks.box[:, 0] <= left) & (marks.box[:, 2] >= right)


def drawn(levels: NDArray[np.float32]) -> tuple[NDArray[np.uint8], list[str]]:
    """The image (28, 28) of the ink (h, w) of a digit, 0 to 1, and what was done to its strokes."""
    levels, weighed = weigh(levels)
    box = tight_box(levels > min(0.1, levels.max() / 2))
    return normalise(levels[within(box)] * 255), [weighed] if weighed else []
