"""What `mlp predict` has to say of pictures, and how it comes to it."""

import itertools
import math
import os
import sys
from dataclasses import dataclass, field

from mlp_cli.printable import printable

STDIN = "-"
NOTHING = "-"
PER_BATCH = 100
BATCH_PIXELS = 20_000_000  # of the pages that are kept meanwhile: twenty megabytes, a few large photos


@dataclass
class Mark:
    """A digit found in a picture: its row, what the network saw, and the probabilities of the classes."""

    row: int
    digit: object
    probabilities: list[float] = field(default_factory=list)

    @property
    def confidence(self):
        return max(self.probabilities)


@dataclass
class Answer:
    """What there is to say of one picture: the marks on it, or the reason why there is nothing to say, or both where
    the network is not sure."""

    path: str
    classes: tuple[str, ...]
    split: bool
    threshold: float
    page: object = None
    marks: list[Mark] = field(default_factory=list)
    reason: str | None = None

    def judge(self):
        """Refuse what is less sure than the threshold."""
        unsure = [mark for mark in self.marks if mark.confidence < self.threshold]
        if unsure:
            least = min(unsure, key=lambda mark: mark.confidence)
            number = f"{len(unsure)} of {len(self.marks)} digits {'are' if len(unsure) > 1 else 'is'}"
            which = number if self.split else "the answer is"
            self.reason = (
                f"{self.path}: {which} too unsure: {self.ranking(least)[0][0]} with "
                f"{math.floor(1e4 * least.confidence) / 1e4:.4f}, below --threshold {self.threshold:g}"
            )

    def name(self, mark):
        """The class of a mark, - for one that is too unsure."""
        return self.ranking(mark)[0][0] if mark.confidence >= self.threshold else NOTHING

    def ranking(self, mark):
        """(class name, probability) from the most likely class down."""
        return sorted(zip(self.classes, mark.probabilities, strict=True), key=lambda pair: -pair[1])

    def text(self):
        """All that was read, rows joined by |."""
        if not self.marks:
            return NOTHING
        rows = [[self.name(mark) for mark in self.marks if mark.row == row] for row in range(self.marks[-1].row + 1)]
        space = "" if all(len(name) == 1 for name in self.classes) else " "
        return "|".join(space.join(row) for row in rows)

    def confidence(self):
        """That of the least sure digit, or None."""
        return min((mark.confidence for mark in self.marks), default=None)

    def line(self, top=1):
        """The line of the table."""
        # A tab or a line break in a name would look like another column or picture.
        path = printable(self.path)
        if top > 1 and not self.reason:
            return "\t".join([path, *(f"{name}\t{p:.4f}" for name, p in self.ranking(self.marks[0])[:top])])
        is_sure = self.marks and (self.split or not self.reason)
        return f"{path}\t{self.text()}\t{f'{self.confidence():.4f}' if is_sure else NOTHING}"

    def json(self):
        """The object of --json."""
        import json

        first = self.marks[0] if self.marks else None
        answer = {"path": self.path}
        if self.split:
            digits = [
                {"row": mark.row, "digit": self._value(mark), "confidence": mark.confidence, "box": mark.digit.box}
                for mark in self.marks
            ]
            answer |= {"text": self.text() if first else None, "confidence": self.confidence(), "digits": digits}
        else:
            answer |= {
                "digit": self._value(first) if first else None,
                "confidence": first and first.confidence,
                "probabilities": first and first.probabilities,
                "box": first and first.digit.box,
            }
        answer["inverted"] = first and first.digit.inverted
        answer["actions"] = first and _united(mark.digit.actions for mark in self.marks)
        return json.dumps(answer | {"reason": self.reason}, ensure_ascii=False)

    def _value(self, mark):
        name = self.name(mark)
        return None if name == NOTHING else int(name) if name.isdecimal() else name


def _united(actions):
    """Every action once, in order."""
    return list(dict.fromkeys(action for some in actions for action in some))


@dataclass(frozen=True)
class Reader:
    """Reads picture files with the network of a checkpoint."""

    checkpoint: object
    inverted: bool | None
    split: bool
    threshold: float

    def read(self, files):
        """The Answers to some files in their order."""
        waiting, pixels = [], 0
        for file in files:
            for answer in self._prepared(file):
                waiting.append(answer)
                pixels += answer.page.levels.size if answer.page else 0
                if len(waiting) >= PER_BATCH or pixels >= BATCH_PIXELS:
                    yield from self._judged(waiting)
                    waiting, pixels = [], 0
        yield from self._judged(waiting)

    def _prepared(self, file):
        """The Answers to the pages of a file, as yet without probabilities."""
        from mlp_cli.errors import ImageError
        from mlp_cli.images.digits import prepare
        from mlp_cli.images.rows import find_rows

        path = _name(file)
        pages = _pages(file)
        for number in itertools.count(1):
            answer = self._answer(path if number == 1 else f"{path}#{number}")
            try:
                answer.page = next(pages, None)
                if answer.page is None:
                    return
                rows = find_rows(answer.page, self.inverted) if self.split else None
                rows = rows or [[prepare(answer.page, self.inverted)]]
                answer.marks = [Mark(row, digit) for row, digits in enumerate(rows) for digit in digits]
            except ImageError as error:
                answer.reason = f"{'standard input' if path == STDIN else answer.path}: {error}"
            yield answer

    def _answer(self, path):
        return Answer(path, self.checkpoint.metadata.classes, self.split, self.threshold)

    def _judged(self, answers):
        import numpy as np

        from mlp_cli.model.answers import log_probabilities
        from mlp_cli.nn.calibration import calibrated

        marks = [mark for answer in answers for mark in answer.marks]
        if marks:
            log_y = log_probabilities(self.checkpoint.network, np.stack([mark.digit.image.ravel() for mark in marks]))
            probabilities = np.exp(calibrated(log_y, self.checkpoint.metadata.temperature))
            for mark, y in zip(marks, probabilities.tolist(), strict=True):
                mark.probabilities = y
        for answer in answers:
            answer.judge()
        return answers


def _name(file):
    """The path as text that can be printed, whatever bytes are in it."""
    return os.fsencode(file).decode("utf-8", "replace")


def _pages(file):
    import io

    from mlp_cli.errors import ImageError
    from mlp_cli.images.decode import decode_all

    if os.path.isdir(file):
        raise ImageError("has no pictures in it, or none that may be read")
    if file == STDIN:
        file = io.BytesIO(sys.stdin.buffer.read() if sys.stdin else b"")
    yield from decode_all(file)
