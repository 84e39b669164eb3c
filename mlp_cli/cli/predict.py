"""mlp predict."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from mlp_cli.cli.console import Watched, note, tell
from mlp_cli.cli.output import check_absent, new_folder
from mlp_cli.printable import printable, to_json

if TYPE_CHECKING:
    from pathlib import Path

    from mlp_cli.model.reader import Answer, Reader, Reading

STDIN = "-"
NOTHING, UNKNOWN = "-", "?"  # for a picture without an answer, and for a mark among others
BAR_FROM = 100  # pictures; fewer are read before a bar is worth it
T = TypeVar("T")


@click.command("predict")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--model",
    type=click.Path(),
    default="mnist",
    show_default=True,
    metavar="MODEL",
    help="mnist, large, latest (the newest run that has finished an epoch), a run or a checkpoint.",
)
@click.option("--split", is_flag=True, help="Read several digits in rows, such as 1354|6194.")
@click.option("-r", "--recursive", is_flag=True, help="Include folders within folders.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Refuse answers below confidence P, such as 0.9; 0 answers everything. [default: the model's own]",
)
@click.option(
    "--top", type=click.IntRange(1), default=1, metavar="K", help="Print the K most likely digits for each picture."
)
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="yes: dark ink on light paper; no: light on dark; auto: detect.",
)
@click.option("--show", is_flag=True, help="Draw the picture, what the network saw, and its probabilities.")
@click.option(
    "--save-prepared",
    type=click.Path(),
    metavar="DIR",
    help="Save what the network saw, as PNG files in a new directory DIR.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per picture.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header.")
def command(
    images: tuple[str, ...],
    model: str,
    split: bool,
    recursive: bool,
    threshold: float | None,
    top: int,
    invert: str,
    show: bool,
    save_prepared: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Read the digits in pictures: scans, photos, drawings.

    IMAGE is a picture file, a folder of pictures, or - for standard input. Prints one line per picture: path, digit and
    confidence, separated by tabs. If there is no answer, the last two are - and standard error gives the reason. With
    --split, ? stands for a mark that is not a digit. The second page of a TIFF is path#2.

    \b
    mlp predict photo.jpg scans/ --show
    mlp predict form.png --split --json
    """
    from mlp_cli.blas import limit_threads

    limit_threads()  # finds the BLAS library before OpenCV brings fifty more to look through
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.model.reader import Reader

    if as_json + as_csv + show > 1:
        raise click.UsageError("--json, --csv and --show cannot be combined; choose one.")
    if top > 1 and (split or as_json or as_csv or show):
        raise click.UsageError("--top works for plain lines of single digits only; --json prints all probabilities.")
    if threshold is not None and threshold != threshold:
        raise click.UsageError("--threshold takes a number from 0 to 1, not nan.")
    reader = Reader(load_checkpoint(find_model(model)), threshold, {"auto": None, "yes": True, "no": False}[invert])
    note(f"model: {reader.checkpoint}")
    files = [file for image in images for file in _files(image, recursive)]
    if save_prepared is not None:
        check_absent(save_prepared, "--save-prepared")
    if as_csv:
        tell(_csv_row(["path", "text" if split else "digit", "confidence", "reason"]))
    failures = 0
    readings = (item for file in files for item in _readings(reader, file, split))
    with contextlib.nullcontext() if save_prepared is None else new_folder(save_prepared, "--save-prepared") as folder:
        for number, (path, reading) in enumerate(_with_bar(readings, files)):
            if reading.reason:
                failures += 1
                note(f"mlp: {reading.reason}")
            if folder is not None:
                _save(folder, number, path, reading, split)
            if as_json:
                tell(_json(reader, path, reading, split))
            elif as_csv:
                tell(_csv_row([path, _text(reader, reading, split), _confidence(reading), reading.reason]))
            else:
                tell(_line(reader, path, reading, split, top))
                if show:
                    from mlp_cli.cli.show import drawing

                    tell(*drawing(reading, reader.classes), styled=True)
    if failures:
        sys.exit(1)


def _readings(reader: "Reader", file: str, split: bool) -> "Iterator[tuple[str, Reading]]":
    """The path and the Reading of each page of a file. Reasons begin with the name of the page."""
    from mlp_cli.model.reader import Reading

    path = os.fsencode(file).decode("utf-8", "replace")  # names may be any bytes
    if os.path.isdir(file):
        readings = iter([Reading(reason=_why_no_pictures(file))])
    elif file == STDIN:
        readings = reader.readings(sys.stdin.buffer.read() if sys.stdin else b"", split)
    else:
        readings = reader.readings(file, split)
    for number, reading in enumerate(readings, start=1):
        page = path if number == 1 else f"{path}#{number}"
        if reading.reason:
            reading.reason = f"{'standard input' if page == STDIN else page}: {reading.reason}"
        yield page, reading


def _text(reader: "Reader", reading: "Reading", split: bool) -> str:
    """The digits read, rows joined by |."""
    refused = UNKNOWN if split else NOTHING
    space = "" if all(len(name) == 1 for name in reader.classes) else " "
    rows = [[refused if answer.digit is None else str(answer.digit) for answer in row] for row in reading.rows]
    return "|".join(map(space.join, rows)) or NOTHING


def _confidence(reading: "Reading") -> float | None:
    """The lowest confidence of the digits that were read; of those that were refused, if none was; or None."""
    confidences = [answer.confidence for answer in reading.answers if answer.digit is not None]
    return min(confidences or [answer.confidence for answer in reading.answers], default=None)


def _line(reader: "Reader", path: str, reading: "Reading", split: bool, top: int) -> str:
    """The line of the table."""
    path = printable(path)  # a tab or a line break in a name would look like another column or picture
    if top > 1 and not reading.reason:
        return "\t".join([path, *(f"{name}\t{p:.4f}" for name, p in _ranking(reader, reading.answers[0])[:top])])
    has_answer = reading.rows and (split or not reading.reason)
    return f"{path}\t{_text(reader, reading, split)}\t{f'{_confidence(reading):.4f}' if has_answer else NOTHING}"


def _ranking(reader: "Reader", answer: "Answer") -> list[tuple[str, float]]:
    """(class name, probability) from the most likely class down."""
    return sorted(zip(reader.classes, answer.probabilities, strict=True), key=lambda pair: -pair[1])


def _json(reader: "Reader", path: str, reading: "Reading", split: bool) -> str:
    """The object of --json."""
    first = reading.answers[0] if reading.rows else None
    if split:
        keys = ("digit", "confidence", "probabilities", "box", "reason")
        digits = [
            {"row": row} | {key: getattr(answer, key) for key in keys}
            for row, answers in enumerate(reading.rows)
            for answer in answers
        ]
        text = _text(reader, reading, split) if first else None
        values: dict[str, object] = {"text": text, "confidence": _confidence(reading), "digits": digits}
    else:
        values = {key: getattr(first, key, None) for key in ("digit", "confidence", "probabilities", "box")}
    actions = list(dict.fromkeys(action for answer in reading.answers for action in answer.actions))
    values |= {"inverted": first and first.inverted, "actions": actions if first else None, "reason": reading.reason}
    return to_json({"path": path} | values)


def _files(image: str, recursive: bool) -> list[str]:
    """The files that an argument means: itself, or the pictures in a folder, sorted by name."""
    if not os.path.isdir(image):
        return [image]
    # A folder without pictures is passed on, and reported later.
    return _pictures_in(image, recursive, _endings()) or [image]


def _endings() -> tuple[str, ...]:
    """The file name endings of pictures."""
    from mlp_cli.images.decode import ENDINGS

    return ENDINGS


def _why_no_pictures(folder: str) -> str:
    if _pictures_in(folder, True, _endings()):
        return "has pictures only in folders inside it; use -r"
    return "has no readable pictures"


def _pictures_in(folder: str, recursive: bool, endings: tuple[str, ...]) -> list[str]:
    """The paths of the pictures in a folder, without hidden ones, and then of those in its folders."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    files = [entry.path for entry in entries if entry.name.lower().endswith(endings) and not entry.is_dir()]
    for entry in entries:
        if recursive and entry.is_dir(follow_symlinks=False):
            files += _pictures_in(entry.path, recursive, endings)
    return files


def _with_bar(readings: Iterator[T], files: Sequence[str]) -> Iterable[T]:
    """The readings, with a bar on stderr if that is a terminal and the answers go elsewhere."""
    from mlp_cli.cli.terminal import can_redraw

    if len(files) < BAR_FROM or not can_redraw(sys.stderr) or can_redraw(sys.stdout):
        return readings
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(
        readings, total=len(files), unit="picture", leave=False, dynamic_ncols=True, file=Watched(sys.stderr)
    )
    return bar


def _csv_row(cells: Sequence[object]) -> str:
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _save(folder: "Path", number: int, path: str, reading: "Reading", split: bool) -> None:
    """Save what the network saw of each mark; the file name has the picture's number, its name and the answer."""
    from PIL import Image

    stem = os.path.splitext(os.path.basename(path))[0]
    for place, answer in enumerate(reading.answers, start=1):
        digit = "none" if answer.digit is None else str(answer.digit)
        words = [f"{number:05d}", stem, *([str(place)] if split else []), digit]
        # letters of any script, but few enough bytes for any file system
        parts = [_cut("".join(c if c.isalnum() else "_" for c in word), 100) for word in words]
        Image.fromarray(answer.image).save(folder / ("-".join(parts) + ".png"))


def _cut(text: str, size: int) -> str:
    """The beginning of a text that takes at most `size` bytes."""
    return text.encode()[:size].decode(errors="ignore")
