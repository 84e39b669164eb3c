"""Data sets: the MNIST in the package, or any directory of four IDX files; found, checked, named and split."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.idx import read_idx
from mlp_cli.errors import DataError

MNIST_DIRECTORY = Path(__file__).parent / "mnist"
FILE_PREFIX = {"train": "train", "test": "t10k"}
CLASS_NAMES_FILE = "classes.txt"

MNIST = "MNIST"
FASHION = "Fashion-MNIST"
DIGITS = tuple("0123456789")
CLASS_NAMES = {
    MNIST: DIGITS,
    FASHION: (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip
# sha256 of the files once decompressed, in the order images, labels.
KNOWN = {
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ): MNIST,
    (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ): MNIST,
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ): FASHION,
    (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ): FASHION,
}


@dataclass(frozen=True)
class Dataset:
    """Images (n, height · width) of uint8, 0 for background and 255 for ink; labels (n,) of int64."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    sha256: dict[str, str]  # of the images and of the labels, decompressed, header included
    directory: str | os.PathLike[str] | None = None  # None is the MNIST in the package

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: NDArray[np.int64]) -> "Dataset":
        """The examples at `indices`, copied."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])


def load_dataset(part: str, directory: str | os.PathLike[str] | None = None) -> Dataset:
    """The "train" or the "test" files of a directory, or of the MNIST in the package.

    The classes are those of a known data set, else the lines of `classes.txt` in the directory, else the
    numbers from 0 to the largest label. Raises DataError, naming the file, for anything missing or inconsistent.
    """
    folder = MNIST_DIRECTORY if directory is None else Path(directory)
    if not folder.is_dir():
        raise DataError(f"{folder}: {'is not a directory' if folder.exists() else 'no such directory'}")
    images_path = _find(folder, f"{FILE_PREFIX[part]}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{FILE_PREFIX[part]}-labels", "idx1-ubyte")
    images, labels = read_idx(images_path, dimensions=3), read_idx(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: has {len(labels):,} labels for the {len(images):,} images of {images_path.name}"
        )
    if images.size == 0:
        raise DataError(f"{images_path}: has no images")

    hashes = {"images": _sha256(images), "labels": _sha256(labels)}
    known = known_name(hashes)
    if directory is None and known != MNIST:
        raise DataError(f"{folder}: the MNIST in the package is damaged (wrong sha256); install mlp-cli again")
    classes = (known and CLASS_NAMES[known]) or _classes_in(folder) or tuple(map(str, range(int(labels.max()) + 1)))
    if labels.max() >= len(classes):
        raise DataError(f"{labels_path}: has the label {labels.max()}, but there are {len(classes)} classes from 0 up")
    n, height, width = images.shape
    return Dataset(
        name=known or folder.resolve().name,
        images=images.reshape(n, height * width),
        labels=labels.astype(np.int64),
        image_shape=(height, width),
        classes=classes,
        sha256=hashes,
        directory=directory,
    )


def known_name(sha256: dict[str, str]) -> str | None:
    """The name of the known data set of these hashes, as in `Dataset.sha256`; None if it is another."""
    return KNOWN.get((sha256.get("images", ""), sha256.get("labels", "")))


def split_indices(n: int, validation: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the n training examples, drawn by `rng`: (those to train on, `validation` others held out).

    Raises DataError when nothing would be left to train on.
    """
    if validation >= n:
        raise DataError(f"training.validation = {validation} leaves none of the {n:,} training images to train on")
    order = rng.permutation(n)
    return order[validation:], order[:validation]


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The one file of this stem and kind, in any of the usual spellings, gzipped or not."""
    names = [f"{stem}{dot}{kind}{ending}" for dot in "-." for ending in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: has no {names[0]} (or {', '.join(names[1:])})")


def _sha256(array: NDArray[np.uint8]) -> str:
    """The sha256 of the IDX file that holds this array of bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    digest = hashlib.sha256(header)
    digest.update(array.data)
    return digest.hexdigest()


def _classes_in(folder: Path) -> tuple[str, ...] | None:
    path = folder / CLASS_NAMES_FILE
    try:
        names = [line.strip() for line in path.read_text("utf-8").rstrip().splitlines()]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text, one class name per line: {error}") from None
    for number, name in enumerate(names, start=1):
        if not name or not name.isprintable() or name in names[: number - 1]:
            problem = "is there already" if name and name.isprintable() else "is empty or cannot be printed"
            raise DataError(f"{path}: the class name in line {number} {problem}; each line names one class")
    return tuple(names)
