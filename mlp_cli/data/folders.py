"""Labelled pictures as data: a folder per class, or a CSV file with the columns file and label beside the pictures.

Each picture is prepared as `mlp predict` prepares it, to 28×28 pixels like MNIST's. Folders `train` and `test` are the
two parts; without them, about a fifth of the pictures form the test part. The sha256 of each file, not the seed,
decides which: so the test part is the same for every run and every model, copies of a file stay together, and a picture
that was once trained on never gets into the test part, even if pictures are added later.
"""

import csv
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlp_cli.data.datasets import FOLDER, Dataset, LeftOut, Part, Picture, sha256_of
from mlp_cli.errors import DataError, ImageError
from mlp_cli.images.decode import decode
from mlp_cli.images.digits import prepare
from mlp_cli.images.mnist import SIDE
from mlp_cli.printable import printable

Bar = Callable[[Iterable[Any], int], Iterable[Any]]  # shows the progress of a loop over that many items

PARTS = ("train", "test")
CSV_FILE, CSV_LABEL = "file", "label"  # columns that a CSV file must have
PREFERRED = "labels.csv"  # of several CSV files
HELD_OUT = 0.2  # of the pictures, for the test part


def load_pictures(part: Part, where: str, classes: Sequence[str] | None = None, bar: Bar | None = None) -> Dataset:
    """The "train" or the "test" part of the labelled pictures in a directory or CSV file, or "all" of them.

    Labels are numbered as in `classes`, or without these in their own order: 0, 1, …, 10, a, b. Pictures that cannot be
    prepared are in `left_out` of the Dataset. Raises DataError for a label that is not one of the classes, and if
    nothing is left.
    """
    path = Path(where)
    parts = _parts(path)
    everything = [picture for pictures in parts.values() for picture in pictures]
    classes = classes or _classes(everything)
    _check_labels(path, everything, classes)
    if part == "all":
        chosen = everything
    elif None in parts:
        chosen = [picture for picture in everything if is_held_out(picture.file) == (part == "test")]
    elif part in parts:
        chosen = parts[part]
    else:
        raise DataError(f"{path}: has no folder {part}")
    if not chosen:
        advice = "add more, or sort them into folders train and test"
        raise DataError(f"{path}: none of its {len(everything)} pictures falls into the {part} part; {advice}")

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        results = threads.map(_prepared, [picture.file for picture in chosen])
        prepared = list(zip(chosen, bar(results, len(chosen)) if bar else results, strict=True))
    kept = [(picture, image) for picture, image in prepared if not isinstance(image, str)]
    left_out = tuple(LeftOut(picture.file, reason) for picture, reason in prepared if isinstance(reason, str))
    if not kept:
        first = left_out[0]
        raise DataError(f"{path}: none of its pictures can be used; {printable(first.file)}: {printable(first.reason)}")
    images = np.stack([image for _, image in kept])
    labels = np.array([classes.index(picture.label) for picture, _ in kept], np.int64)
    name = printable(path.stem if path.is_file() else path.resolve().name)
    sha256 = {"images": sha256_of(images), "labels": sha256_of(labels.astype(np.uint8))}
    return Dataset(
        name=name,
        images=images.reshape(len(images), -1),
        labels=labels,
        image_shape=(SIDE, SIDE),
        classes=tuple(classes),
        sha256=sha256,
        where=where,
        pictures=tuple(picture for picture, _ in kept),
        left_out=left_out,
    )


def has_parts(where: str) -> bool:
    """Whether there are folders train or test, so that nothing needs to be held out."""
    return None not in _parts(Path(where))


def labels_in(paths: Iterable[Path]) -> tuple[str, ...]:
    """The labels of all pictures at some places, in their order: 0, 1, …, 10, a, b."""
    return _classes(picture for path in paths for pictures in _parts(path).values() for picture in pictures)


def _classes(pictures: Iterable[Picture]) -> tuple[str, ...]:
    return tuple(sorted({picture.label for picture in pictures}, key=_natural))


def is_held_out(file: str) -> bool:
    """Whether a picture belongs to the test part, by the sha256 of its file. One that cannot be read does not."""
    try:
        digest = hashlib.sha256(Path(file).read_bytes()).digest()
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return False
    return int.from_bytes(digest[:8], "big") < HELD_OUT * 2**64


def _prepared(file: str) -> NDArray[np.uint8] | str:
    """The image (28, 28) that the network sees of a picture, or why there is none."""
    if os.path.isdir(file):
        return "has no pictures"
    try:
        image: NDArray[np.uint8] = prepare(decode(file)).image
        return image
    except ImageError as error:
        return str(error)
    except MemoryError:
        return "does not fit into memory; make the picture smaller"
    except Exception as error:  # one picture must not stop the loading of all others
        return f"cannot be read because of a bug in mlp: {type(error).__name__}: {error}"


def _parts(path: Path) -> dict[str | None, list[Picture]]:
    """The pictures of each of PARTS that there is, or all under None."""
    if path.is_dir() and not _csv_files(path):
        parts = [part for part in PARTS if (path / part).is_dir()]
        if parts:
            return {part: _pictures(path / part) for part in parts}
    return {None: _pictures(path)}


def _pictures(path: Path) -> list[Picture]:
    """The labelled pictures of a CSV file, or of a directory with one in it or with a folder per class."""
    if path.is_file():
        return _of_csv(path)
    csv_files = _csv_files(path)
    if len(csv_files) > 1:
        csv_files = [file for file in csv_files if file.name == PREFERRED] or csv_files
    if len(csv_files) > 1:
        names = ", ".join(printable(file.name) for file in csv_files)
        raise DataError(f"{path}: has several CSV files ({names}); choose one with --data {csv_files[0]}")
    return _of_csv(csv_files[0]) if csv_files else _of_folders(path)


def _of_folders(path: Path) -> list[Picture]:
    """The pictures in the folders of a directory, each labelled by the name of its folder, at any depth within it."""
    entries = _entries(path)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        loose = [entry.name for entry in entries if entry.name.lower().endswith(_endings())]
        problem = "has pictures without labels" if loose else "has no pictures"
        raise DataError(f"{path}: {problem}; put them into a folder per class, or list them in a CSV file (file,label)")
    return [
        Picture(file, printable(folder.name), {FOLDER: printable(str(Path(file).relative_to(path).parent))})
        for folder in folders
        for file in _files(Path(folder.path)) or [folder.path]  # one without any stands for itself, and is left out
    ]


def _files(folder: Path) -> list[str]:
    """The pictures in a folder and in the folders within it, by name."""
    files = []
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            files += _files(Path(entry.path))
        elif entry.name.lower().endswith(_endings()):
            files.append(entry.path)
    return files


def _of_csv(path: Path) -> list[Picture]:
    """The pictures of a CSV file whose label is not empty; its other columns are kept."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", restval="", strict=True)
            header = list(reader.fieldnames or [])
            missing = [column for column in (CSV_FILE, CSV_LABEL) if column not in header]
            if missing:
                found = printable(", ".join(header)) or "nothing"
                raise DataError(f"{path}: its first line must name the columns file and label; it has {found}")
            pictures = []
            for row in reader:
                label = printable(row[CSV_LABEL].strip())
                if not row[CSV_FILE]:
                    raise DataError(f"{path}: line {reader.line_num} names no file")
                if label:
                    columns = {key: printable(row[key]) for key in header if key not in (CSV_FILE, CSV_LABEL)}
                    pictures.append(Picture(str(path.parent / row[CSV_FILE]), label, columns))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}: not CSV after line {reader.line_num}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not pictures:
        raise DataError(f"{path}: has no row with a label")
    return pictures


def _check_labels(path: Path, pictures: Sequence[Picture], classes: Sequence[str]) -> None:
    known = set(classes)
    for picture in pictures:
        if picture.label not in known:
            names = ", ".join(classes)
            raise DataError(f"{path}: {printable(picture.file)} is labelled {picture.label}; the classes are {names}")


def _csv_files(path: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(path) if entry.name.lower().endswith(".csv") and entry.is_file()]


def _entries(path: Path) -> list["os.DirEntry[str]"]:
    """What is in a directory, by name, without what is hidden. Raises DataError."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: _natural(entry.name))
    except OSError as error:
        raise DataError(f"{path}: cannot be listed: {error.strerror}") from None
    return [entry for entry in entries if not entry.name.startswith((".", "__"))]


@functools.cache
def _endings() -> tuple[str, ...]:
    """Those of the names of pictures."""
    readable = [ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN]
    return (*readable, ".heic", ".heif")


def _natural(name: str) -> list[tuple[bool, int | str]]:
    """The key of an order in which 9 comes before 10, and numbers before words."""
    parts = filter(None, re.split("([0-9]+)", name))
    return [(not part.isdecimal(), int(part) if part.isdecimal() else part) for part in parts]
