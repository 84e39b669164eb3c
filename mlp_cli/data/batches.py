"""Shuffled minibatches, cut into parts: uint8 images in, float32 inputs of the network out.

Most pixels of an image are blank, and many are blank in every image of a batch. Pixels are therefore sorted by how
often they are lit: only a prefix of the columns of a part is made, and all others are 0.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.examples import Examples
from mlp_cli.data.inputs import PIXEL_SCALE, to_inputs
from mlp_cli.data.warps import Map, MapOf, Warp

PART = 1024  # examples of a part, at most: larger ones are no faster, and take more memory
MAPS = 16  # that are drawn at a time
COLUMNS = 16  # prefixes are rounded up to a multiple of it: a row of them then fills whole lines of the cache

Spread = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]  # map, on several threads


def most_lit_first(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The pixels of images (n, pixels) in the order of how often they are lit, most often first: (pixels,)."""
    lit = np.zeros(images.shape[1], np.int64)
    for start in range(0, len(images), 255):  # as many as a byte can count
        lit += np.add.reduce(images[start : start + 255] > 0, axis=0, dtype=np.uint8)
    return np.argsort(-lit, kind="stable")


def parts_of(m: int) -> list[slice]:
    """The parts that a batch of m examples is cut into, nearly equal, of at most PART."""
    n = math.ceil(m / PART)
    return [slice(m * part // n, m * (part + 1) // n) for part in range(n)]


class Part(NamedTuple):
    """A part of a batch, not made yet: its `number` and which of the `batch_size` examples it has; `which` (m,) says
    which of those trained on they are, −1 for others, `rows` where their images stand; their labels; and the random
    maps of the plane of its images, each with its first and last image."""

    number: int
    where: slice
    batch_size: int
    which: NDArray[np.intp]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    maps: list[MapOf]


class Room:
    """Buffers in which the inputs of one part at a time, of up to m examples, are made."""

    def __init__(self, m: int, pixels: int) -> None:
        self.images = np.empty((m, pixels), np.uint8)
        self.inputs = np.empty(m * pixels, np.float32)
        self.warped: dict[int, Any] = {}  # for Warp.apply


class Minibatches:
    """The minibatches of Examples, with their pixels in the order `order`.

    With `warp`, whose own outputs have that order, images are warped.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        order: NDArray[np.intp],
        warp: Warp | None = None,
    ) -> None:
        self.examples, self.batch_size, self.warp = examples, batch_size, warp
        self.images = examples.images if warp else np.take(examples.images, order, axis=1)
        self.at_once = max(1, MAPS // warp.groups) if warp else MAPS  # batches whose parts are laid out

    def room(self) -> Room:
        """Buffers for `inputs`: a set for each part whose inputs are kept at a time."""
        return Room(min(PART, self.batch_size), self.images.shape[1])

    def epoch(
        self,
        rng: np.random.Generator,
        strength: Callable[[int], float] = lambda number: 1.0,
        skip: int = 0,
        chosen: NDArray[np.bool_] | None = None,
        spread: Spread = lambda function, items: list(map(function, items)),
    ) -> Iterator[list[Part]]:
        """One epoch, a list of parts for each batch, in an order drawn by `rng`; the last batch may be smaller.

        Batch `number`, from 0, is warped with strength(number). The first `skip` batches are passed over, as if they
        had been taken. Only the `chosen` (n,) examples are in it. Maps are made by `spread`.
        """
        rows, which = self.examples.order(rng, chosen)
        labels = self.examples.labels[rows]

        def parts(number: int, maps: list[Map]) -> list[Part]:
            start = number * self.batch_size
            m = min(self.batch_size, len(rows) - start)
            batch = []
            for part, where in enumerate(parts_of(m)):
                first, end = start + where.start, start + where.stop
                own = which[first:end], rows[first:end], labels[first:end]
                batch.append(Part(part, where, m, *own, _within(maps, m, where)))
            return batch

        batches = math.ceil(len(rows) / self.batch_size)
        for first in range(0, batches, self.at_once):
            numbers = range(first, min(first + self.at_once, batches))
            maps = self._maps(rng, strength, numbers, skip, spread)
            yield from [parts(number, here) for number, here in zip(numbers, maps, strict=True) if number >= skip]

    def inputs(self, part: Part, room: Room) -> NDArray[np.float32]:
        """The inputs of a part, (m, k): those of the first k pixels of the order. All others are 0."""
        m = len(part.rows)
        # mode="clip": with the default, "raise", take() would use a buffer of its own
        images = np.take(self.images, part.rows, axis=0, out=room.images[:m], mode="clip")
        lit = np.bitwise_or.reduce(images, axis=0) > 0
        if self.warp:
            lit = self.warp.reached(part.maps, lit)
        blank = int(lit[::-1].argmax())  # of the last pixels
        k = min(math.ceil((len(lit) - blank) / COLUMNS) * COLUMNS, len(lit))
        inputs = room.inputs[: m * k]
        if not self.warp:
            return to_inputs(images[:, :k], out=inputs.reshape(m, k))
        # Warps are made transposed. The network accepts a transposed view, so nothing is transposed back.
        warped = self.warp.apply(part.maps, images, inputs.reshape(k, m), room.warped)
        warped *= PIXEL_SCALE
        return warped.T

    def _maps(
        self, rng: np.random.Generator, strength: Callable[[int], float], numbers: range, skip: int, spread: Spread
    ) -> list[list[Map]]:
        """The maps of the batches of these numbers, one for each of its groups; none without warps, or where all of
        them are skipped."""
        none: list[list[Map]] = [[] for _ in numbers]
        if not self.warp:
            return none
        warp, groups = self.warp, self.warp.groups
        draws = warp.draw(rng, len(numbers) * groups)  # draw all, so that skipping changes no later one
        if numbers.stop <= skip:
            return none
        strengths = np.repeat([strength(number) for number in numbers], groups)
        pieces = [slice(start, start + MAPS // 2) for start in range(0, len(strengths), MAPS // 2)]
        maps = [one for piece in spread(functools.partial(warp.maps, draws, strengths), pieces) for one in piece]
        return [maps[start : start + groups] for start in range(0, len(maps), groups)]


def _within(maps: list[Map], m: int, where: slice) -> list[MapOf]:
    """The maps of the groups of a batch of m that have examples at `where`, with the first and last within it."""
    if not maps:
        return []
    groups, first, last = len(maps), where.start, where.stop
    bounds = [m * group // groups for group in range(groups + 1)]
    return [
        (one, max(start, first) - first, min(stop, last) - first)
        for one, start, stop in zip(maps, bounds[:-1], bounds[1:], strict=True)
        if max(start, first) < min(stop, last)
    ]
