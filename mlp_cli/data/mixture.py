"""Several data sets as one, each with a share: your own pictures beside MNIST, for instance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlp_cli.data.datasets import BUNDLED, Dataset, Part, Where, is_of_pictures, load_dataset, sha256_of
from mlp_cli.errors import DataError

if TYPE_CHECKING:
    from mlp_cli.data.folders import Bar


def load_mixture(
    part: Part, where: Sequence[str], classes: Sequence[str] | None = None, bar: "Bar | None" = None
) -> Dataset:
    """The data sets at several places one after the other, as one whose `sources` have these shares in training.

    A place may end in its share, such as "digits=0.3"; places without one share what is left equally. Pictures are
    labelled by the `classes`, or by those of the other sources. Raises DataError, also for sources that do not fit
    together.
    """
    from mlp_cli.data.folders import labels_in

    places, shares = _places_and_shares(where)
    loaded = {place: load_dataset(part, place) for place in places if not is_of_pictures(place)}
    if classes is None:
        classes = next((dataset.classes for dataset in loaded.values()), None) or labels_in(map(Path, places))
    datasets = [loaded.get(place) or load_dataset(part, place, classes, bar) for place in places]
    return mixed(datasets, shares, tuple(where))


def mixed(datasets: Sequence[Dataset], shares: Sequence[float], where: Where = None) -> Dataset:
    """Data sets one after the other, as one whose `sources` have these shares in training. Raises DataError."""
    first, *others = datasets
    for dataset in others:
        if dataset.classes != first.classes:
            theirs = f"{first.place} has {', '.join(first.classes)}"
            raise DataError(f"{dataset.place}: has the classes {', '.join(dataset.classes)}, but {theirs}")
        if dataset.image_shape != first.image_shape:
            (h, w), (first_h, first_w) = dataset.image_shape, first.image_shape
            raise DataError(f"{dataset.place}: has images of {h}×{w} pixels, but {first.place} of {first_h}×{first_w}")
    images, labels = np.concatenate([d.images for d in datasets]), np.concatenate([d.labels for d in datasets])
    return Dataset(
        name=" + ".join(dataset.name for dataset in datasets),
        images=images,
        labels=labels,
        image_shape=first.image_shape,
        classes=first.classes,
        sha256={
            "images": sha256_of(images.reshape(-1, *first.image_shape)),
            "labels": sha256_of(labels.astype(np.uint8)),
        },
        where=where,
        mixture=tuple(d.sources[0]._replace(share=share) for d, share in zip(datasets, shares, strict=True)),
        left_out=tuple(left_out for dataset in datasets for left_out in dataset.left_out),
    )


def places_in(where: Sequence[str]) -> list[str]:
    """The places without their shares."""
    return _places_and_shares(where)[0]


def shares_in(where: Sequence[str]) -> list[float]:
    """The shares, which sum to 1."""
    return _places_and_shares(where)[1]


def absolute(where: Sequence[str]) -> list[str]:
    """The same places and shares, independent of the working directory."""
    places, shares = _places_and_shares(where)
    found = [place if place == BUNDLED else str(Path(place).resolve()) for place in places]
    return [f"{place}={share!r}" for place, share in zip(found, shares, strict=True)]


def _places_and_shares(where: Sequence[str]) -> tuple[list[str], list[float]]:
    """The place and the share of each source; the shares sum to 1."""
    pairs = [_place_and_share(each) for each in where]
    given = [share for _, share in pairs if share is not None]
    free = len(pairs) - len(given)
    rest = 1 - sum(given)
    if free and rest <= 0:
        raise DataError(f"--data {' '.join(where)}: the shares leave nothing for the others; they must be below 1")
    shares = [rest / free if share is None else share for _, share in pairs]
    return [place for place, _ in pairs], [share / sum(shares) for share in shares]


def _place_and_share(text: str) -> tuple[str, float | None]:
    place, equals, number = text.rpartition("=")
    if not equals or Path(text).exists():
        return text, None
    try:
        share = float(number)
        if not 0 < share < float("inf"):
            raise ValueError
    except ValueError:
        raise DataError(f"--data {text}: the share {number} must be a number above 0, such as {place}=0.3") from None
    return place, share
