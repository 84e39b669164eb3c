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

    from mlp_cli.model.measure import Measurement

PAIRS, WORST = 5, 10  # how many of the most confused pairs and of the worst mistakes are printed
LINE = 80  # columns that the confusion matrix may take
# From the share of a row's images on, a cell of the matrix has this background, of the 256 colours of terminals.
MISTAKE_SHADES = {0.05: 203, 0.02: 209, 0.005: 216, 0.002: 223, 0: 230}  # from red to a pale yellow
HIT_SHADES = {0.99: 117, 0.95: 153, 0.8: 189, 0: 255}  # from blue to nearly white


@click.command("eval")
@click.argument("model", required=False, type=click.Path())
@click.option(
    "--data", type=click.Path(), metavar="DIR", help="Four IDX files to measure on. [default: the MNIST inside]"
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Part of the data; validation and train are those of the model's own run.",
)
@click.option("--errors", type=click.Path(), metavar="DIR", help="Make this folder of the images answered wrongly.")
@click.option("--predictions", type=click.Path(), metavar="FILE", help="Write every answer into this CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with code 3 if the accuracy is lower."
)
def command(
    model: str | None,
    data: str | None,
    split: str,
    errors: str | None,
    predictions: str | None,
    as_json: bool,
    fail_under: float | None,
) -> None:
    """Measure a network on the test set.

    MODEL is a run directory (its best checkpoint counts), a checkpoint, a bundled model (mnist or large) or latest, the
    newest run under runs/ that has finished an epoch. Without MODEL: latest, or mnist if there is none.

    \b
    mlp eval
    mlp eval runs/001 --json --fail-under 98
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.cli.output import check_absent
    from mlp_cli.errors import BelowError
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.model.measure import measure

    if fail_under is not None and fail_under != fail_under:
        raise click.UsageError("--fail-under takes a number from 0 to 100, not nan.")
    for path, option in ((errors, "--errors"), (predictions, "--predictions")):
        if path is not None:
            check_absent(path, option)
    _check_place(predictions, errors)
    checkpoint = load_checkpoint(find_model(model))
    limit_threads()
    measurement = measure(checkpoint, data, split)
    note(f"model: {checkpoint}", f"data: {measurement.dataset.name}, {split}")
    if errors is not None:
        _save_errors(measurement, errors)
        note(f"errors: {errors}, {len(measurement.mistakes)} pictures")
    if predictions is not None:
        _save_predictions(measurement, predictions)
        note(f"predictions: {predictions}, {len(measurement)} rows")

    if as_json:
        tell(to_json({"model": str(checkpoint.path), **_summary(measurement)}))
    else:
        tell(*_report(measurement), styled=True)
    if fail_under is not None and round(measurement.accuracy * 100, 9) < fail_under:  # 0.29 * 100 is 28.999999999999996
        raise BelowError(f"accuracy {measurement.accuracy:.2%} is below {fail_under:g} %")


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
        raise OutputError(f"{predictions}: cannot be written: --errors has the same place")


def _summary(measurement: "Measurement") -> dict[str, Any]:
    """What --json prints of a measurement."""
    return {
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


def _report(measurement: "Measurement") -> Iterator[str]:
    """The lines that a person reads."""
    from mlp_cli.cli.table import cut, table

    low, high = measurement.interval
    yield f"accuracy           {measurement.accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%})"
    if measurement.threshold:
        answered = measurement.accuracy_answered
        right = "" if answered is None else f"; {answered:.2%} of the others are right"
        refused = f"{measurement.refused / len(measurement):.2%}"
        yield f"refused            {refused} as no digit, below confidence {measurement.threshold:.3f}{right}"
    yield f"cross-entropy      {measurement.loss:.4f}"
    yield f"Brier score        {measurement.brier:.4f}"
    temperature = f"probabilities at temperature {measurement.temperature:.3f}"
    yield f"calibration error  {measurement.calibration[0]:.2%}  ({temperature})"
    yield f"images             {len(measurement):,}, {len(measurement.mistakes):,} of them answered wrongly"
    yield ""
    yield from table(
        ["class", "precision", "recall", "F1", "images"],
        [
            [cut(row["class"], 24), *(f"{row[key]:.2%}" for key in ("precision", "recall", "f1")), str(row["images"])]
            for row in measurement.per_class()
        ],
        "<>>>>",
    )
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
    yield from table(
        ["index", "truth", "answer", "confidence"],
        [
            [str(row["index"]), cut(row["truth"], 24), cut(row["answer"], 24), f"{row['confidence']:.2%}"]
            for row in measurement.worst(WORST)
        ],
        "><<>",
    )


def _matrix(confusion: "NDArray[np.int64]", classes: tuple[str, ...]) -> Iterator[str]:
    """The confusion matrix as lines, a row per true class; in parts one below the other where it is too wide."""
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
    """Make a directory of the mistakes as PNG files, or nothing: index, truth and answer are in their names."""
    from PIL import Image

    from mlp_cli.cli.output import new_folder

    dataset, classes = measurement.dataset, measurement.classes
    with new_folder(path, "--errors") as folder:
        for i in measurement.mistakes:
            truth, answer = _in_a_name(classes[dataset.labels[i]]), _in_a_name(classes[measurement.answers[i]])
            picture = Image.fromarray(dataset.images[i].reshape(dataset.image_shape))
            picture.save(folder / f"{measurement.indices[i]:05d}-{truth}-read-as-{answer}.png")


def _in_a_name(text: str) -> str:
    """A class name as it may stand in a file name on any system."""
    return "".join(letter if letter.isalnum() else "_" for letter in text[:24])


def _save_predictions(measurement: "Measurement", path: str) -> None:
    """Write a CSV file of every image: index, label, answer, its confidence, and the probability of each class."""
    import csv
    import io

    from mlp_cli.cli.output import new_file

    classes, text = measurement.classes, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "label", "prediction", "confidence", *(f"p_{name}" for name in classes)])
    for index, label, answer, confidence, y in zip(
        measurement.indices.tolist(),
        measurement.dataset.labels,
        measurement.answers,
        measurement.confidence.tolist(),
        measurement.probabilities.tolist(),
        strict=True,
    ):
        writer.writerow([index, classes[label], classes[answer], confidence, *y])
    new_file(path, text.getvalue().encode(), "--predictions")
