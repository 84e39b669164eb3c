"""What `mlp predict --show` draws: a picture, what the network saw of it, and its probabilities."""

import sys
from collections.abc import Sequence

import click
import numpy as np
from numpy.typing import NDArray

from mlp_cli.cli.table import pad
from mlp_cli.cli.terminal import has_colour
from mlp_cli.images.ink import otsu_threshold, thumbnail
from mlp_cli.model.reader import Answer, Reading

RAMP = " .:-=+*#%@"  # of light, where there is nothing but ASCII
BLOCKS = " ▄▀█"  # lower and upper half of a character, as bits
GREYS = 232, 24  # the first of the terminal's greys, and how many
ROOM = 28  # rows of pixels for the picture, and twice as many columns at most
BAR = 30


def drawing(reading: Reading, classes: Sequence[str]) -> list[str]:
    """The lines for a Reading by a network of these classes."""
    if reading.page is None:
        return [""]
    lines = ["", *_small(reading.page.levels)]
    for answer in reading.answers:
        said = [*(answer.actions or ["unchanged"]), *filter(None, [answer.reason])]
        lines += ["", *_beside(_pixels(answer.image), _bars(answer, classes), 28), "; ".join(said)]
    return [*lines, ""]


def _small(levels: NDArray[np.uint8]) -> list[str]:
    shrink = max(1.0, levels.shape[0] / ROOM, levels.shape[1] / (2 * ROOM))
    return _pixels(thumbnail(levels, round(max(levels.shape) / shrink)))


def _pixels(image: NDArray[np.uint8]) -> list[str]:
    """Grey levels (h, w) uint8 as lines of text, two rows of pixels to each line."""
    upper, lower = np.pad(image, ((0, len(image) % 2), (0, 0))).reshape(-1, 2, image.shape[1]).swapaxes(0, 1)
    if not _can_show(BLOCKS):
        mean = (upper.astype(int) + lower) // 2
        return ["".join(RAMP[level * len(RAMP) // 256] for level in row) for row in mean]
    if has_colour():
        first, number = GREYS
        return [
            "".join(
                click.style("▀", fg=first + int(u) * number // 256, bg=first + int(l) * number // 256)
                for u, l in zip(*rows, strict=True)
            )
            for rows in zip(upper, lower, strict=True)
        ]
    middle = 255 * otsu_threshold(np.bincount(image.ravel(), minlength=256))
    light = (2 * (upper > middle) + (lower > middle)).tolist()
    return ["".join(BLOCKS[bits] for bits in row) for row in light]


def _bars(answer: Answer, classes: Sequence[str]) -> list[str]:
    sign = "█" if _can_show("█") else "#"
    width = max(map(len, classes))
    return [
        f"{pad(name, width)} {p:7.2%} {sign * round(BAR * p)}"
        for name, p in zip(classes, answer.probabilities, strict=True)
    ]


def _beside(left: list[str], right: list[str], width: int) -> list[str]:
    rows = max(len(left), len(right))
    left += [" " * width] * (rows - len(left))
    right += [""] * (rows - len(right))
    return [f"{a}  {b}".rstrip() for a, b in zip(left, right, strict=True)]


def _can_show(letters: str) -> bool:
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
