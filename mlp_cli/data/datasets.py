"""Data sets: the bundled MNIST, directories of four IDX files, and labelled pictures; found, checked, named, split."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.idx import read_idx
from mlp_cli.data.inputs import LONGEST_NAME, LONGEST_SIDE, MOST_CLASSES
from mlp_cli.data.streams import Streams
from mlp_cli.errors import DataError
from mlp_cli.files import read_file
from mlp_cli.printable import printable

if TYPE_CHECKING:
    from mlp_cli.data.folders import Bar

MNIST_DIRECTORY = Path(__file__).parent / "mnist"
FILE_PREFIX = {"train": "train", "test": "t10k"}
CLASS_NAMES_FILE = "classes.txt"
MOST_VALIDATION = 5  # at most one of this many pictures is held out for validation

FOLDER = "folder"  # the column of pictures that come from folders
BUNDLED = "mnist"  # the name of the bundled MNIST on the command line
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


class Picture(NamedTuple):
    """The file behind an image: its path, its label, and its other columns, by name."""

    file: str
    label: str
    columns: dict[str, str]


class LeftOut(NamedTuple):
    """A labelled picture that cannot be used, and why."""

    file: str
    reason: str


class Source(NamedTuple):
    """Images of a data set, in a row, that came from one place, and the `share` that they have in training."""

    name: str
    sha256: dict[str, str]
    images: int
    of_pictures: bool = False
    share: float = 1.0


# The sha256 of the bundled files as stored, and of their content: a fifth as many bytes to hash.
PACKED = {
    "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971":
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203":
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be":
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b":
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """Images (n, height · width) of uint8, 0 for background and 255 for ink; labels (n,) of int64.

    `sha256` is that of the IDX files of the images and of the labels, decompressed, header included. `where` is what
    `load_dataset` found it by; None is the bundled MNIST. Labelled pictures have the file of each image in `pictures`.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    sha256: dict[str, str]
    where: "Where" = None
    mixture: tuple[Source, ...] = ()  # what it was put together from, if from more than one
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: NDArray[np.int64]) -> "Dataset":
        """The examples at `indices`, copied."""
        pictures = tuple(self.pictures[i] for i in indices) if self.pictures else ()
        return replace(self, images=self.images[indices], labels=self.labels[indices], pictures=pictures)

    @property
    def place(self) -> str:
        """The place of the data set, for messages."""
        if self.where is None or self.where == BUNDLED:
            return "the bundled MNIST"
        return str(self.where) if isinstance(self.where, str | os.PathLike) else " + ".join(self.where)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the images came from, in their order."""
        return self.mixture or (Source(self.name, self.sha256, len(self), of_pictures=bool(self.pictures)),)

    def split(self, validation: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of the examples to train on, and of `validation` others held out, drawn by the seed of a run.

        Each of several sources gives its own, the same as alone, and comes in repeatedly, in both, to have its share
        there. Pictures tend to be few, so at most a fifth of them is held out. Raises DataError when nothing would be
        left to train on.
        """
        training, held_out, first = [], [], 0
        for source in self.sources:
            most = max(1, source.images // MOST_VALIDATION) if source.of_pictures else validation
            indices = split_indices(source.images, min(validation, most), Streams.from_seed(seed).split)
            training.append(first + indices[0])
            held_out.append(first + indices[1])
            first += source.images
        return self._by_shares(training), self._by_shares(held_out)

    def _by_shares(self, indices: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """The indices of each source, one after the other, repeated so that each has its share, and at least once."""
        shares = [source.share for source in self.sources]
        total = max(len(some) / share for some, share in zip(indices, shares, strict=True))
        repeated = [np.resize(some, round(share * total)) for some, share in zip(indices, shares, strict=True)]
        return np.concatenate(repeated)


# The place of a data set: a directory, a CSV file, or several of them that are mixed; None is the bundled MNIST.
Where = str | os.PathLike[str] | Sequence[str] | None
Part = Literal["train", "test", "all"]


def load_dataset(
    part: Part, where: Where = None, classes: Sequence[str] | None = None, bar: "Bar | None" = None
) -> Dataset:
    """The "train" or the "test" part of a data set.

    Four IDX files: their classes are those of a known data set, else the lines of `classes.txt` beside them, else the
    numbers from 0 to the largest label. Pictures: see data/folders.py, with `classes` if these are given; "all" is both
    parts of them, and `bar` shows how far their preparation is. Raises DataError, naming the file, for anything
    missing or inconsistent.
    """
    where = os.fspath(where) if isinstance(where, os.PathLike) else where
    if where is not None and not isinstance(where, str):
        from mlp_cli.data.mixture import load_mixture

        return load_mixture(part, where, classes, bar)
    if where is not None and is_of_pictures(where):
        from mlp_cli.data.folders import load_pictures  # only pictures need Pillow and OpenCV

        return load_pictures(part, where, classes, bar)
    if part == "all":
        raise DataError("--split all is for labelled pictures; other data has a test part")
    directory = None if where == BUNDLED else where
    folder = MNIST_DIRECTORY if directory is None else Path(directory)
    if not folder.is_dir():
        problem = "neither a directory nor a .csv file" if folder.exists() else "no such directory"
        raise DataError(f"{folder}: {problem}")
    images_path = _find(folder, f"{FILE_PREFIX[part]}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{FILE_PREFIX[part]}-labels", "idx1-ubyte")
    images, labels = read_idx(images_path, dimensions=3), read_idx(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: has {len(labels):,} labels, but {images_path.name} has {len(images):,} images")
    if images.size == 0:
        raise DataError(f"{images_path}: has no images")

    hashes = {"images": _sha256_in(images_path, images), "labels": _sha256_in(labels_path, labels)}
    known = known_name(hashes)
    if directory is None and known != MNIST:
        raise DataError(f"{folder}: the bundled MNIST is damaged (wrong sha256); reinstall mlp-cli")
    names = CLASS_NAMES.get(known or "")
    classes = names or _classes_in(folder) or tuple(map(str, range(int(labels.max()) + 1)))
    if labels.max() >= len(classes):
        raise DataError(
            f"{labels_path}: has the label {labels.max()}, but there are only the classes 0 to {len(classes) - 1}"
        )
    n, height, width = images.shape
    if max(height, width) > LONGEST_SIDE:
        raise DataError(f"{images_path}: has images of {height}×{width} pixels; a side has at most {LONGEST_SIDE}")
    return Dataset(
        name=known or printable(folder.resolve().name),
        images=images.reshape(n, height * width),
        labels=labels.astype(np.int64),
        image_shape=(height, width),
        classes=classes,
        sha256=hashes,
        where=directory,
    )


def is_of_pictures(where: str) -> bool:
    """Whether a place holds labelled pictures: a CSV file, or a non-empty directory without IDX files."""
    path = Path(where)
    if where == BUNDLED or not path.exists():
        return False
    return path.suffix.lower() == ".csv" if path.is_file() else not _has_idx_files(path) and any(path.iterdir())


def places_of(where: Where) -> list[str]:
    """The directories and CSV files of a data set, without their shares; none for the bundled MNIST alone."""
    if where is None or isinstance(where, str | os.PathLike):
        return [] if where is None else [os.fspath(where)]
    from mlp_cli.data.mixture import places_in

    return places_in(where)


def missing_place(where: Where) -> str | None:
    """The first place of a data set that does not exist."""
    return next((place for place in places_of(where) if place != BUNDLED and not Path(place).exists()), None)


def absolute(where: Where) -> str | list[str] | None:
    """The same place, independent of the working directory."""
    if where is None or where == BUNDLED:
        return None
    if isinstance(where, str | os.PathLike):
        return str(Path(where).resolve())
    from mlp_cli.data import mixture

    return mixture.absolute(where)


def known_name(sha256: dict[str, str]) -> str | None:
    """The name of the known data set with these hashes, as in `Dataset.sha256`; None if unknown."""
    return KNOWN.get((sha256.get("images", ""), sha256.get("labels", "")))


def split_indices(n: int, validation: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the n training examples, drawn by `rng`: (those to train on, `validation` others held out).

    Raises DataError when nothing would be left to train on.
    """
    if validation >= n:
        raise DataError(f"training.validation = {validation} leaves none of the {n:,} training images to train on")
    order = rng.permutation(n)
    return order[validation:], order[:validation]


def _has_idx_files(folder: Path) -> bool:
    """Whether a directory has any of the four files."""
    return any(any(folder.glob(f"{prefix}-*ubyte*")) for prefix in FILE_PREFIX.values())


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The one file of this stem and kind, in any of the usual spellings, gzipped or not."""
    names = [f"{stem}{dot}{kind}{ending}" for dot in "-." for ending in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: has no {names[0]} (or {', '.join(names[1:])})")


def sha256_of(array: NDArray[Any]) -> str:
    """The sha256 of the IDX file that holds this array of bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _sha256_in(path: Path, array: NDArray[Any]) -> str:
    """The sha256 of a file that holds this array, decompressed."""
    with open(path, "rb") as file:
        packed = hashlib.file_digest(file, "sha256").hexdigest() if path.suffix == ".gz" else ""
    return PACKED.get(packed) or sha256_of(array)


def _classes_in(folder: Path) -> tuple[str, ...] | None:
    path = folder / CLASS_NAMES_FILE
    try:
        text = read_file(path, MOST_CLASSES * 4 * (LONGEST_NAME + 2)).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read as text, one class name per line: {reason}") from None
    names: dict[str, None] = {}  # in order
    for number, name in enumerate(map(str.strip, text.rstrip().splitlines()), start=1):
        problem = (
            "is empty or cannot be printed" if not name or not name.isprintable()
            else "is used twice" if name in names
            else f"is longer than {LONGEST_NAME} letters" if len(name) > LONGEST_NAME
            else f"is one too many: labels are bytes, so there are at most {MOST_CLASSES}" if number > MOST_CLASSES
            else None
        )  # fmt: skip
        if problem:
            raise DataError(f"{path}: the class name in line {number} {problem}; each line names one class")
        names[name] = None
    return tuple(names)
