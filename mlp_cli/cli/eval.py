"""mlp eval."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.cli.terminal import coloured
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from mlp_cli.model.measure import Measurement

PAIRS, WORST = 5, 10  # how many confused pairs and confident mistakes are printed
SIDE, GAP = 280, 10  # pixels of a picture of --errors, and between the two
MEASURED = ("images", "accuracy")  # by a column of the CSV file
LINE = 80  # columns that the confusion matrix may take
# The background of a cell of the matrix, in the terminal's 256 colours, from this share of its row's images on.
MISTAKE_SHADES = {0.05: 203, 0.02: 209, 0.005: 216, 0.002: 223, 0: 230}  # from red to a pale yellow
HIT_SHADES = {0.99: 117, 0.95: 153, 0.8: 189, 0: 255}  # from blue to nearly white


@click.command("eval")
@click.argument("model", required=False, type=click.Path())
@click.option("--model", "option", hidden=True)
@click.option(
    "--data",
    "places",
    type=click.Path(),
    multiple=True,
    metavar="DIR",
    help="Four IDX files, a folder of pictures per class, or a CSV file (file,label). [default: mnist]",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train", "all"]),
    help="Part of the data to measure. validation: the images that the model's run held out; train: those it trained "
    "on; all: every labelled picture. [default: test; all for pictures without train/ and test/ folders, if the model "
    "was trained only on known data sets such as MNIST]",
)
@click.option("--by", metavar="COLUMN", help="Break accuracy down by this column of the CSV file. [default: by folder]")
@click.option("--errors", type=click.Path(), metavar="DIR", help="Save the misread images in a new directory DIR.")
@click.option("--predictions", type=click.Path(), metavar="FILE", help="Write all answers to a new CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with code 3 if the accuracy is lower."
)
def command(
    model: str | None,
    option: str | None,
    places: tuple[str, ...],
    split: str | None,
    by: str | None,
    errors: str | None,
    predictions: str | None,
    as_json: bool,
    fail_under: float | None,
) -> None:
    """Measure a network on the test set, or on labelled pictures.

    MODEL is a run directory (its best checkpoint), a checkpoint, a bundled model (mnist or large), or latest: the
    newest run under runs/ that has finished an epoch. The default is latest, or mnist if there is no such
    run.

    \b
    mlp eval
    mlp eval runs/001 --json --fail-under 98
    mlp eval mnist --data my-digits --errors misread
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.cli.output import check_absent
    from mlp_cli.cli.progress import picture_bar, tell_left_out
    from mlp_cli.errors import BelowError
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.model.measure import measure

    if option is not None:
        raise click.UsageError(f"MODEL is given without an option: mlp eval {option}.")
    if len(places) > 1:
        raise click.UsageError("Give one --data; measure several places one after the other.")
    if fail_under is not None and fail_under != fail_under:
        raise click.UsageError("--fail-under takes a number from 0 to 100, not nan.")
    for path, option in ((errors, "--errors"), (predictions, "--predictions")):
        if path is not None:
            check_absent(path, option)
    _check_place(predictions, errors)
    checkpoint = load_checkpoint(find_model(model))
    limit_threads()
    measurement = measure(checkpoint, places[0] if places else None, split, bar=picture_bar)
    column = _column(measurement, by)
    tell_left_out(measurement.dataset)
    note(f"model: {checkpoint}", f"data: {measurement.dataset.name}, {measurement.split}")
    if errors is not None:
        _save_errors(measurement, errors)
        note(f"errors: {errors}, {len(measurement.mistakes)} pictures")
    if predictions is not None:
        _save_predictions(measurement, predictions)
        note(f"predictions: {predictions}, {len(measurement)} rows")

    if as_json:
        tell(to_json({"model": str(checkpoint.path), **_summary(measurement, column)}))
    else:
        tell(*_report(measurement, column), styled=True)
    if fail_under is not None and round(measurement.accuracy * 100, 9) < fail_under:  # 0.29 * 100 is 28.999999999999996
        raise BelowError(f"accuracy {measurement.accuracy:.2%} is below {fail_under:g}%")


def _check_place(predictions: str | None, errors: str | None) -> None:
    """Raise OutputError, before anything is written, if the predictions could not be."""
    from pathlib import PurePath

    from mlp_cli.errors import OutputError

    if predictions is None:
        return
    folder = os.path.dirname(os.path.abspath(predictions))
    if not os.path.isdir(folder):
        raise OutputError(f"{predictions}: cannot be written: {folder} is not a directory")
    if errors is not None and PurePath(os.path.abspath(errors)).is_relative_to(os.path.abspath(predictions)):
        raise OutputError(f"{predictions}: cannot be written: --errors names the same place")


def _column(measurement: "Measurement", by: str | None) -> str | None:
    """The column to break accuracy down by: the one of --by, or the folder of pictures that have one."""
    from mlp_cli.data.datasets import FOLDER

    pictures = measurement.dataset.pictures
    columns = list(pictures[0].columns) if pictures else []
    if by in MEASURED:
        raise click.UsageError(f"--by {by}: this is what is measured; give the column another name in the CSV file.")
    if by is not None and by not in columns:
        known = f"the columns are {', '.join(columns)}" if columns else "the data has no columns"
        raise click.UsageError(f"--by {by}: {known}.")
    return by if by is not None else FOLDER if FOLDER in columns else None


def _summary(measurement: "Measurement", column: str | None) -> dict[str, Any]:
    """What --json prints of a measurement."""
    summary = {
        "data": measurement.dataset.name,
        "split": measurement.split,
        "images": len(measurement),
        "temperature": measurement.temperature,
        "accuracy": measurement.accuracy,
        "accuracy_interval": measurement.interval,
        "threshold": measurement.threshold,
        "refused": measurement.refused,
        "accuracy_answered": measurement.accuracy_answered,
        "loss": measurement.loss,
        "brier": measurement.brier,
        "calibration_error": measurement.calibration[0],
        "calibration": measurement.calibration_bins(),
        "per_class": measurement.per_class(),
        "confusion": measurement.confusion.tolist(),
        "confused": measurement.confused(),
        "mistakes": len(measurement.mistakes),
        "worst": measurement.worst(WORST),
    }
    if measurement.dataset.pictures:
        summary["by"] = {column: measurement.by(column)} if column else None
        summary["left_out"] = [left_out._asdict() for left_out in measurement.dataset.left_out]
    return summary


def _report(measurement: "Measurement", column: str | None) -> Iterator[str]:
    """The lines that a person reads."""
    from mlp_cli.cli.table import cut, table
    from mlp_cli.printable import printable

    low, high = measurement.interval
    yield f"accuracy           {measurement.accuracy:.2%}  (95% interval {low:.2%} to {high:.2%})"
    if measurement.threshold:
        answered = measurement.accuracy_answered
        right = "" if answered is None else f"; {answered:.2%} of the others are right"
        refused = f"{measurement.refused / len(measurement):.2%}"
        yield f"refused            {refused} as no digit, below confidence {measurement.threshold:.3f}{right}"
    yield f"cross-entropy      {measurement.loss:.4f}"
    yield f"Brier score        {measurement.brier:.4f}"
    temperature = f"probabilities at temperature {measurement.temperature:.3f}"
    yield f"calibration error  {measurement.calibration[0]:.2%}  ({temperature})"
    yield f"images             {len(measurement):,}, {len(measurement.mistakes):,} of them misread"
    yield ""
    yield from table(
        ["class", "precision", "recall", "F1", "images"],
        [
            [
                cut(row["class"], 24),
                *(f"{row[key]:.2%}" if row["images"] else "–" for key in ("precision", "recall", "f1")),
                str(row["images"]),
            ]
            for row in measurement.per_class()
        ],
        "<>>>>",
    )
    if column and any(group[column] not in measurement.classes for group in measurement.by(column)):
        yield ""  # otherwise these are the recalls of the classes
        rows = [
            [cut(group[column], 40), f"{group['accuracy']:.2%}", str(group["images"])]
            for group in measurement.by(column)
        ]
        yield from table([column, "accuracy", "images"], rows, "<>>")
    yield ""
    yield "confusion: rows are the truth, columns the answer"
    yield from _matrix(measurement.confusion, measurement.classes)
    if not len(measurement.mistakes):
        return
    yield ""
    yield "most often confused"
    yield from table(
        ["truth", "answer", "images"],
        [[cut(row["truth"], 24), cut(row["answer"], 24), str(row["images"])] for row in measurement.confused()[:PAIRS]],
        "<<>",
    )
    yield ""
    yield "most confident mistakes"
    key, align = ("file", "<") if measurement.dataset.pictures else ("index", ">")
    yield from table(
        [key, "truth", "answer", "confidence"],
        [
            [printable(str(row[key])), cut(row["truth"], 24), cut(row["answer"], 24), f"{row['confidence']:.2%}"]
            for row in measurement.worst(WORST)
        ],
        f"{align}<<>",
    )


def _matrix(confusion: "NDArray[np.int64]", classes: tuple[str, ...]) -> Iterator[str]:
    """The confusion matrix as lines, a row per true class; split into parts, one below the other, if it is too wide."""
    from mlp_cli.cli.table import columns, cut, pad

    names = [cut(name, 5) for name in classes]
    left = min(16, max(map(columns, classes)))
    width = 1 + max(len(str(confusion.max())), *map(columns, names))
    per_part = (LINE - left) // width
    for first in range(0, len(classes), per_part):
        if first:
            yield ""
        part = slice(first, first + per_part)
        yield " " * left + "".join(pad(name, width, ">") for name in names[part])
        for truth, (name, row) in enumerate(zip(classes, confusion, strict=True)):
            total = max(1, int(row.sum()))
            cells = [
                _cell(int(count), count / total, answer == truth, width)
                for answer, count in enumerate(row[part], start=first)
            ]
            yield pad(cut(name, left), left) + "".join(cells)


def _cell(count: int, share: float, is_hit: bool, width: int) -> str:
    text = f"{count or '.':>{width}}"
    if not count:
        return text
    shades = HIT_SHADES if is_hit else MISTAKE_SHADES
    return coloured(text, fg=16, bg=next(shade for least, shade in shades.items() if share >= least))


def _save_errors(measurement: "Measurement", path: str) -> None:
    """Save the mistakes as PNG files in a new directory; index, truth and answer are in their names. For a labelled
    picture, the original stands beside what the network saw."""
    from PIL import Image

    from mlp_cli.cli.output import new_folder

    dataset, classes = measurement.dataset, measurement.classes
    with new_folder(path, "--errors") as folder:
        for i in measurement.mistakes:
            truth, answer = _in_a_name(classes[dataset.labels[i]]), _in_a_name(classes[measurement.answers[i]])
            picture = Image.fromarray(dataset.images[i].reshape(dataset.image_shape))
            if dataset.pictures:
                picture = _beside(dataset.pictures[i].file, picture)
            picture.save(folder / f"{measurement.indices[i]:05d}-{truth}-read-as-{answer}.png")


def _beside(file: str, seen: "Image") -> "Image":
    """The picture in a file, in grey and no larger than SIDE pixels, with what the network saw to its right."""
    from PIL import Image

    from mlp_cli.images.decode import decode

    original = Image.fromarray(decode(file).levels)
    factor = SIDE / max(original.size)
    original = original.resize([max(1, round(factor * length)) for length in original.size])
    both = Image.new("L", (2 * SIDE + GAP, SIDE), 128)
    both.paste(original, (0, 0))
    both.paste(seen.resize((SIDE, SIDE), Image.Resampling.NEAREST), (SIDE + GAP, 0))
    return both


def _in_a_name(text: str) -> str:
    """A class name, safe for file names on any system."""
    return "".join(letter if letter.isalnum() else "_" for letter in text[:24])


def _save_predictions(measurement: "Measurement", path: str) -> None:
    """Write a CSV file of every image: index, file if it is a picture, label, answer, its confidence, and the
    probability of each class."""
    import csv
    import io

    from mlp_cli.cli.output import new_file

    classes, text = measurement.classes, io.StringIO()
    files = [[picture.file] for picture in measurement.dataset.pictures] or [[]] * len(measurement)
    writer = csv.writer(text, lineterminator="\n")
    has_files = bool(measurement.dataset.pictures)
    writer.writerow(
        ["index", *["file"] * has_files, "label", "prediction", "confidence", *(f"p_{name}" for name in classes)]
    )
    for index, file, label, answer, confidence, y in zip(
        measurement.indices.tolist(),
        files,
        measurement.dataset.labels,
        measurement.answers,
        measurement.confidence.tolist(),
        measurement.probabilities.tolist(),
        strict=True,
    ):
        writer.writerow([index, *file, classes[label], classes[answer], confidence, *y])
    new_file(path, text.getvalue().encode(errors="backslashreplace"), "--predictions")
