"""The examples of an epoch: images of a data set, some in a second form, and non-digits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.datasets import DIGITS, Dataset
from mlp_cli.images.mnist import SIDE

POOL = 30_000  # non-digits made at the start; each epoch takes some of them


@dataclass(frozen=True)
class Examples:
    """Images (n, pixels) with labels (n,); those at `indices` are trained on.

    After the images of the data set there may follow a second form of each image at `indices`, in the same order; an
    epoch takes the share `strokes` of these instead of the originals. Last may come the POOL of non-digits, labelled
    with the number of classes; an epoch takes `nondigits` of them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    strokes: float = 0.0
    nondigits: int = 0

    @classmethod
    def made(
        cls, dataset: Dataset, indices: NDArray[np.int64], strokes: float, nondigits: float, rng: np.random.Generator
    ) -> "Examples":
        """The examples at `indices` of a data set, with second forms and non-digits drawn by `rng`; an
        epoch has `nondigits` times as many of the latter as of the others. This takes some seconds.

        For data other than digits in MNIST's form there are neither: other things have no pen strokes, and may look
        like non-digits.
        """
        images, labels = [dataset.images], [dataset.labels]
        if strokes and has_digits(dataset):
            from mlp_cli.data.strokes import second_forms  # loads OpenCV only when needed

            images.append(second_forms(dataset.images[indices], dataset.labels[indices], rng))
            labels.append(dataset.labels[indices])
        if nondigits and has_digits(dataset):
            from mlp_cli.data.nondigits import nondigits as draw

            images.append(draw(POOL, rng, dataset.images[indices]))
            labels.append(np.full(POOL, len(dataset.classes)))
        if len(images) == 1:
            return cls(dataset.images, dataset.labels, indices)
        added = round(nondigits * len(indices))
        return cls(np.concatenate(images), np.concatenate(labels), indices, strokes, added)

    def __len__(self) -> int:
        """The number of examples in an epoch."""
        return len(self.indices) + self.nondigits

    def order(
        self, rng: np.random.Generator, chosen: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """The examples of an epoch in an order drawn by `rng`: their positions in `images`, and which of `indices` they
        are, −1 for non-digits. With `chosen`, only those of the examples at `indices` are taken."""
        n, end = len(self.indices), len(self.images)
        which = np.arange(n) if chosen is None else np.flatnonzero(chosen)
        rows = self.indices[which]
        if self.strokes:
            second = which + (end - n - (POOL if self.nondigits else 0))
            rows = np.where(rng.random(len(which)) < self.strokes, second, rows)
        if self.nondigits:
            rows = np.concatenate([rows, rng.integers(end - POOL, end, self.nondigits)])
            which = np.concatenate([which, np.full(self.nondigits, -1)])
        order = rng.permutation(len(rows))
        return rows[order], which[order]


def has_digits(dataset: Dataset) -> bool:
    """Whether the images are digits in MNIST's form: only then are there redrawn strokes and non-digits."""
    return dataset.classes == DIGITS and dataset.image_shape == (SIDE, SIDE)
