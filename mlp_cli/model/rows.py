"""The best reading of a row: where to cut ink that may be several digits, and what to join into one.

Over-segmentation and a best path, as in LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to
document recognition", section VII: a row is a chain of parts, every stretch of it that may be one digit is read by the
network, and costs −log ŷ of its best class; the cheapest way from the first part to the last is the reading. Parts of a
letter look a little like digits; so ink is cut or joined only where the network, which refuses non-digits, is sure of
every part that results.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from mlp_cli.images.digits import Digit
from mlp_cli.images.rows import Piece, Writing, cut

CLEAR = 0.99  # a mark read with less confidence may be several digits, or a part of one
SURE = 0.97  # parts, and what is joined, need this confidence to count as digits
MOST_CUT = 40  # pieces of a page; if more are doubtful it is print or specks, and would take long
CUT = 0.2  # nats that a cut through one stroke costs
JOIN = 0.3  # and a join
PAIR = 0.85  # two digits that touch are at least so wide, as a share of their height; an n, cut, may look like 17
# Shares of the height of a typical digit:
WIDEST = 1.2  # wider ink is hardly one digit
BROAD = 0.5  # of digits that touch, one is at least as wide, and no 1
TALL = 0.65  # lower parts are not cut off as digits
APART, NEAR = 0.25, 0.1  # as far apart may the halves of a digit be, and if one of them is clearly a digit for itself
HIGH = 0.35  # within so much of the top there is no point, comma or dash

Read = Callable[[NDArray[np.uint8]], NDArray[np.float64]]  # images (n, 28, 28) -> probabilities (n, k)


@dataclass(frozen=True)
class Stretch:
    """Parts of a row from number `start` up to `stop`, taken as one digit: the probabilities of its classes, and what
    it costs in nats; `sign`, why it can be no more than a sign, or None; its `width` in pixels of the sheet."""

    start: int
    stop: int
    digit: Digit
    probabilities: list[float]
    cost: float
    sign: str | None = None
    width: int = 0


@dataclass(frozen=True)
class _Question:
    """Pieces that may be one digit, from part `start` up to `stop`; `price` of the cuts and joins that takes, None for
    a piece as it was found."""

    start: int
    stop: int
    pieces: Sequence[Piece]
    price: float | None = None


@dataclass(frozen=True)
class RowReader:
    """Reads the rows of a page with a network that can `read` images and knows these `classes`."""

    writing: Writing
    read: Read
    classes: Sequence[str]

    def rows(self) -> list[list[Stretch]]:
        """The best reading of every row."""
        pieces = [piece for row in self.writing.rows for piece in row]
        wholes = self._answered([_Question(0, 1, [piece]) for piece in pieces])
        doubtful = [
            bool(piece.sign) or not _may_be_digit([piece], self.writing.height) or max(whole.probabilities) < CLEAR
            for piece, whole in zip(pieces, wholes, strict=True)
        ]
        rows, first = [], 0
        for row in self.writing.rows:
            of_row = slice(first, first := first + len(row))
            is_read = sum(doubtful) > MOST_CUT or not any(doubtful[of_row])
            rows.append(wholes[of_row] if is_read else self._row(row, wholes[of_row], doubtful[of_row]))
        return rows

    def _row(self, row: Sequence[Piece], wholes: list[Stretch], doubtful: Sequence[bool]) -> list[Stretch]:
        """The best reading of a row of pieces, each of which has been read as a whole."""
        height, questions, starts = self.writing.height, list[_Question](), [0]
        for piece, is_doubtful in zip(row, doubtful, strict=True):
            start, (tall, wide) = starts[-1], piece.levels.shape
            parts = cut(piece) if is_doubtful and not piece.sign and wide >= PAIR * tall else [piece]
            questions.append(_Question(start, start + len(parts), [piece]))
            for i, j in combinations(range(len(parts) + 1), 2):
                if j - i < len(parts) and _may_be_digit(parts[i:j], height):
                    questions.append(_Question(start + i, start + j, parts[i:j], CUT * parts[i].cut))
            starts.append(start + len(parts))
        for first in range(len(row)):
            for last in range(first + 2, min(first + 3, len(row)) + 1):
                if _may_be_broken(row[first:last], doubtful[first:last], height):
                    question = _Question(starts[first], starts[last], row[first:last], JOIN * (last - first - 1))
                    questions.append(question)
        way = _cheapest_way(self._answered(questions))
        for piece, whole, (start, stop) in zip(row, wholes, pairwise(starts), strict=True):
            of_piece = [stretch for stretch in way if start <= stretch.start and stretch.stop <= stop]
            if len(of_piece) > 1 and self._is_letter(piece, of_piece):
                at = way.index(of_piece[0])
                way[at : at + len(of_piece)] = [whole]
        return way

    def _is_letter(self, piece: Piece, parts: Sequence[Stretch]) -> bool:
        """Whether a piece that can be cut into such parts is a letter rather than digits that touch: a U or an M is
        made of strokes like 1s, and the halves of an e are slim."""
        others = [part.width for part in parts if self.classes[int(np.argmax(part.probabilities))] != "1"]
        return bool(max(others, default=0) < BROAD * max(self.writing.height, piece.levels.shape[0]))

    def _answered(self, questions: Sequence[_Question]) -> list[Stretch]:
        digits = [self.writing.digit(question.pieces) for question in questions]
        probabilities = self.read(np.stack([digit.image for digit in digits])).tolist()
        return [self._stretch(*each) for each in zip(questions, digits, probabilities, strict=True)]

    def _stretch(self, question: _Question, digit: Digit, probabilities: list[float]) -> Stretch:
        confidence = max(probabilities)
        sign, width = question.pieces[0].sign, _width(question.pieces)
        if question.price is not None:
            sign = None  # a part of a digit, then
            cost = question.price - math.log(confidence) if confidence >= SURE else math.inf
        elif sign or not _may_be_digit(question.pieces, self.writing.height):
            cost = math.log(len(probabilities))  # the cost of a non-digit
        else:
            cost = -math.log(confidence)
        return Stretch(question.start, question.stop, digit, probabilities, cost, sign, width)


def _may_be_digit(parts: Sequence[Piece], height: float) -> bool:
    top, bottom = min(part.box[1] for part in parts), max(part.box[3] for part in parts)
    return _width(parts) <= WIDEST * height and bool(bottom - top >= TALL * height)


def _may_be_broken(run: Sequence[Piece], doubtful: Sequence[bool], height: float) -> bool:
    """Whether pieces side by side may be one digit that is broken. A point, comma or dash beside a clear digit is not a
    part of it."""
    top, bottom = min(piece.box[1] for piece in run), max(piece.box[3] for piece in run)
    return (
        any(doubtful)
        and _may_be_digit(run, height)
        and (all(doubtful) or all(not piece.sign or piece.box[3] - top <= HIGH * (bottom - top) for piece in run))
        and all(b.box[0] - a.box[2] <= (APART if all(doubtful) else NEAR) * height for a, b in pairwise(run))
    )


def _width(pieces: Sequence[Piece]) -> int:
    return int(max(piece.box[2] for piece in pieces) - min(piece.box[0] for piece in pieces))


def _cheapest_way(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The cheapest way from the first part to the last (Viterbi 1967)."""
    end = max(stretch.stop for stretch in stretches)
    cost, last = [0.0] + [math.inf] * end, [stretches[0]] * (end + 1)
    for stretch in sorted(stretches, key=lambda stretch: stretch.start):
        total = cost[stretch.start] + stretch.cost
        if total < cost[stretch.stop]:
            cost[stretch.stop], last[stretch.stop] = total, stretch
    way: list[Stretch] = []
    while end:
        way.append(last[end])
        end = last[end].start
    return way[::-1]
