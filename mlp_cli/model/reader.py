"""The reader of pictures: what a trained network reads on a page, and what it refuses."""

import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from mlp_cli.blas import one_thread
from mlp_cli.errors import ImageError, ModelError
from mlp_cli.images.decode import Page, decode_all
from mlp_cli.images.digits import Digit, as_it_is, prepare
from mlp_cli.images.mnist import SIDE
from mlp_cli.model.answers import calibrated_answers
from mlp_cli.model.checkpoint import Checkpoint

if TYPE_CHECKING:
    from PIL import Image

# A file's path, the bytes of a file, a picture of Pillow's, or grey levels (h, w) or colours (h, w, 3) as uint8.
Picture: TypeAlias = Union[str, "os.PathLike[str]", bytes, "Image.Image", NDArray[np.uint8]]


# A page of print or specks is refused as a whole: more marks than these, and than this share of all, are not digits.
MOST_REFUSED, SHARE_REFUSED = 40, 0.25


@dataclass(frozen=True)
class Answer:
    """What the network reads in one mark on a picture.

    `digit` is the class, as a number where its name is one, and None where the answer is refused; then `reason` says
    why. `probabilities` are the calibrated ones of the classes, in the network's order, and `confidence` is the largest
    of them. `box` (left, top, right, bottom) is where the ink is, in pixels of the picture before a page was turned,
    right and bottom exclusive; `inverted`, whether it is darker than the paper; `actions`, what was done to the
    picture, in words; `image` (28, 28) uint8, what the network saw.
    """

    digit: int | str | None
    confidence: float
    probabilities: tuple[float, ...]
    box: tuple[int, int, int, int]
    inverted: bool
    actions: tuple[str, ...]
    reason: str | None
    image: NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass
class Reading:
    """What was read on one page: its answers by rows, and the reason why there are none, or why some are refused."""

    page: Page | None = None
    rows: list[list[Answer]] = field(default_factory=list)
    reason: str | None = None

    @property
    def answers(self) -> list[Answer]:
        """The answers of all rows, in reading order."""
        return [answer for row in self.rows for answer in row]


class Reader:
    """Reads the digits in pictures with a trained network. `mlp_cli.load` makes one.

    Answers whose confidence is below `threshold` are refused; None means the checkpoint's own threshold, 0 answers
    everything. `inverted` says whether ink is darker than paper; None means to detect it.
    """

    def __init__(self, checkpoint: Checkpoint, threshold: float | None = None, inverted: bool | None = None) -> None:
        """Raises ModelError unless the network takes images of 28×28 pixels, the size of prepared pictures."""
        height, width = checkpoint.metadata.image_shape
        if (height, width) != (SIDE, SIDE):
            raise ModelError(
                f"{checkpoint.path}: takes images of {height}×{width} pixels; pictures are prepared for {SIDE}×{SIDE}"
            )
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold}, but must be between 0 and 1")
        self.checkpoint = checkpoint
        self.threshold = checkpoint.metadata.threshold if threshold is None else threshold
        self.inverted = inverted
        self.classes = checkpoint.metadata.classes

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.checkpoint.network.sizes))
        refuses = f"refuses below {self.threshold:.4g}" if self.threshold else "answers everything"
        return f"<Reader of {self.checkpoint}: {sizes}, {refuses}>"

    def read(self, picture: Picture) -> Answer:
        """The Answer to a picture of one digit; for a file with several pages, to the first.

        Raises ImageError, naming the file, for what cannot be read, is blank, or has several digits on it.
        """
        ((answer,),) = self._first(picture, split=False)
        return answer

    def read_rows(self, picture: Picture) -> list[list[Answer]]:
        """The Answers to a picture of several digits: rows from the top, each from the left.

        A mark as large as punctuation that is not a digit is an Answer, too, with the digit None. Errors are those of
        `read`, except that several digits are not an error.
        """
        return self._first(picture, split=True)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The calibrated probabilities of images that look like MNIST's, light ink on 0: (n, 28, 28) or (n, 784) uint8
        -> (n, k)."""
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.shape[1:] not in ((SIDE, SIDE), (SIDE * SIDE,)):
            raise ValueError(
                f"images are {images.dtype} {images.shape}, but must be uint8 (n, {SIDE}, {SIDE}) or (n, {SIDE**2})"
            )
        if not len(images):
            return np.empty((0, len(self.classes)))
        with one_thread():
            log_y = calibrated_answers(self.checkpoint, images.reshape(len(images), -1))
        probabilities: NDArray[np.float64] = np.exp(log_y)
        return probabilities

    def readings(self, picture: Picture, split: bool = False) -> Iterator[Reading]:
        """The Reading of each page of a picture, `split` into several digits or read as one.

        Whatever is wrong with a page becomes its reason; nothing is raised for it. A page's answers do not depend, even
        in their last digit, on what else is read.
        """
        pages = decode_all(_opened(picture))
        while True:
            reading = Reading()
            try:
                reading.page = next(pages, None)
                if reading.page is None:
                    return
                reading.rows = self._rows(reading.page) if split else [[self._answer(reading.page)]]
                reading.reason = _refusals(reading.answers) if split else reading.rows[0][0].reason
            except ImageError as error:
                reading.reason = str(error)
            except MemoryError:
                reading.reason = "does not fit into memory; make the picture smaller"
            except Exception as error:  # an error in one picture must not stop the others
                reading.reason = f"cannot be read because of a bug in mlp: {type(error).__name__}: {error}"
            yield reading

    def _first(self, picture: Picture, split: bool) -> list[list[Answer]]:
        reading = next(self.readings(picture, split), Reading(reason="has no page"))
        if not reading.rows:
            raise ImageError(f"{_name(picture)}: {reading.reason}")
        return reading.rows

    def _answer(self, page: Page) -> Answer:
        digit = prepare(page, self.inverted)
        (answer,) = self._answers([digit])
        if digit.levels is None or answer.confidence < self.checkpoint.metadata.threshold:
            return answer  # turned this way or that, a non-digit would look like a digit sooner or later
        from mlp_cli.images.turns import surer

        best = surer(digit, answer.confidence, self.probabilities)
        return answer if best is digit else self._answers([best])[0]

    def _rows(self, page: Page) -> list[list[Answer]]:
        from mlp_cli.images.rows import find_rows
        from mlp_cli.model.rows import RowReader
        from mlp_cli.model.turns import surest

        whole = as_it_is(page, self.inverted)
        if whole:
            return [self._answers([whole])]
        rows = [
            [self._judged(stretch.digit, stretch.probabilities, stretch.sign) for stretch in row]
            for row in surest(
                page, lambda page: RowReader(find_rows(page, self.inverted), self.probabilities, self.classes).rows()
            )
        ]
        reasons = [answer.reason for row in rows for answer in row]
        refused = len(reasons) - reasons.count(None)
        if refused > MOST_REFUSED and refused > SHARE_REFUSED * len(reasons):
            raise ImageError(f"no rows of digits found: {refused} of {len(reasons)} marks are not digits")
        return rows

    def _answers(self, digits: Sequence[Digit]) -> list[Answer]:
        probabilities = self.probabilities(np.stack([digit.image for digit in digits])).tolist()
        return [self._judged(digit, y) for digit, y in zip(digits, probabilities, strict=True)]

    def _judged(self, digit: Digit, probabilities: list[float], sign: str | None = None) -> Answer:
        confidence = max(probabilities)
        name = self.classes[probabilities.index(confidence)]
        reason = sign
        if not sign and confidence < self.threshold:
            # Confidence is rounded down, so that it never seems to reach the threshold.
            if confidence < self.checkpoint.metadata.threshold:
                guess = f"best guess {name} with confidence {math.floor(1e2 * confidence) / 1e2:.2f}"
                reason = f"does not look like a digit: {guess}"
            else:
                rounded = f"{math.floor(1e4 * confidence) / 1e4:.4f}"
                reason = f"read as {name} with confidence {rounded}, below the threshold {self.threshold:g}"
        value = None if reason else int(name) if name.isdecimal() else name
        return Answer(
            value, confidence, tuple(probabilities), digit.box, digit.inverted, digit.actions, reason, digit.image
        )


def _refusals(answers: Sequence[Answer]) -> str | None:
    """One line about the refused answers of several, each with its box, or None."""
    refused = [f"at {answer.box}: {answer.reason}" for answer in answers if answer.reason]
    if not refused:
        return None
    if len(refused) == 1:
        return f"the mark {refused[0]}"
    return f"{len(refused)} of {len(answers)} marks have no answer, {'; '.join(refused)}"


def _opened(picture: Picture) -> "str | os.PathLike[str] | io.BytesIO | Image.Image":
    """The picture in a form that images.decode opens. Raises TypeError or ValueError for anything else."""
    from PIL import Image

    if isinstance(picture, str | os.PathLike | Image.Image):
        return picture
    if isinstance(picture, bytes):
        return io.BytesIO(picture)
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"a picture is a path, bytes, a PIL image or an array, not {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2 or not picture.size:
        raise ValueError(f"the picture is {picture.dtype} {picture.shape}, but must be uint8 (h, w) or (h, w, 3)")
    return Image.fromarray(picture)


def _name(picture: Picture) -> str:
    """The name of a picture in errors: its path, as printable text."""
    if isinstance(picture, str | os.PathLike):
        return os.fsencode(picture).decode("utf-8", "replace")
    return "the picture"
