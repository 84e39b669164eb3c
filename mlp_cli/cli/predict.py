"""mlp predict."""

import os
import sys

import click

from mlp_cli.model.reader import PER_BATCH, Reader
from mlp_cli.printable import printable


@click.command("predict")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--model", type=click.Path(), help="Run directory or checkpoint. [default: the newest run, else the model inside]"
)
@click.option("--split", is_flag=True, help="Read several digits in rows, as 1354|6194.")
@click.option("-r", "--recursive", is_flag=True, help="Go into folders within folders.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0,
    metavar="P",
    help="Give no answer that is less sure, as 0.9.",
)
@click.option("--top", type=click.IntRange(1), default=1, metavar="K", help="Print the K most likely digits of each.")
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="yes: dark ink on light paper; no: light on dark; auto: see.",
)
@click.option("--show", is_flag=True, help="Draw the picture, what the network saw, and its probabilities.")
@click.option(
    "--save-prepared", type=click.Path(), metavar="DIR", help="Save what the network saw as PNG, in a new DIR."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per picture.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header.")
def command(images, model, split, recursive, threshold, top, invert, show, save_prepared, as_json, as_csv):
    """Read the digits in pictures: scans, photos, drawings.

    IMAGE is a picture file, a folder of them, or - for standard input. Prints a line per picture: path, digit and
    confidence with tabs between, and - for both where there is nothing to read, or nothing to be sure of. A page of a
    TIFF with several is path#2.

    \b
    mlp predict photo.jpg scans/ --show
    mlp predict form.png --split --json
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.errors import ModelError
    from mlp_cli.images.mnist import SIDE
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model

    if as_json + as_csv + show > 1:
        raise click.UsageError("--json, --csv and --show are three ways to print: choose one.")
    if top > 1 and (split or as_json or as_csv or show):
        raise click.UsageError("--top is for the lines of single digits; --json has all probabilities.")
    if threshold != threshold:
        raise click.UsageError("--threshold takes a number from 0 to 1, not nan.")
    checkpoint = load_checkpoint(find_model(model))
    height, width = checkpoint.metadata.image_shape
    if (height, width) != (SIDE, SIDE):
        raise ModelError(
            f"{checkpoint.path}: takes images of {height}×{width} pixels; pictures are prepared for {SIDE}×{SIDE} only"
        )
    if save_prepared is not None:
        _make_new(save_prepared)
    click.echo(f"model: {checkpoint}", err=True)
    limit_threads()
    reader = Reader(checkpoint, {"yes": True, "no": False}.get(invert), split, threshold)
    files = [file for image in images for file in _files(image, recursive)]
    if as_csv:
        click.echo(_csv_row(["path", "text" if split else "digit", "confidence", "reason"]))
    failures = 0
    for number, answer in enumerate(_with_bar(reader.read(files), files)):
        failures += answer.reason is not None
        if answer.reason:
            click.echo(f"mlp: {printable(answer.reason)}", err=True)
        if save_prepared is not None:
            _save(save_prepared, number, answer)
        if as_json:
            click.echo(answer.json())
        elif as_csv:
            click.echo(_csv_row([answer.path, answer.text(), answer.confidence(), answer.reason]))
        else:
            click.echo(answer.line(top))
            if show:
                from mlp_cli.cli.show import drawing

                click.echo(drawing(answer))
    if failures:
        sys.exit(1)


def _files(image, recursive):
    """The files that an argument means: itself, or the pictures of a folder by name."""
    if not os.path.isdir(image):
        return [image]
    from PIL import Image

    readable = [ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN]
    # A folder without any stands for itself, and is then said to have none.
    return _pictures_in(image, recursive, (*readable, ".heic", ".heif")) or [image]


def _pictures_in(folder, recursive, endings):
    """The paths of pictures in a folder, hidden ones aside, and then of those in its folders."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return [folder]
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    files = [entry.path for entry in entries if entry.name.lower().endswith(endings) and not entry.is_dir()]
    for entry in entries:
        if recursive and entry.is_dir(follow_symlinks=False):
            files += _pictures_in(entry.path, recursive, endings)
    return files


def _with_bar(answers, files):
    """The answers, with a bar on stderr where that is a terminal and the answers go elsewhere."""
    if len(files) < PER_BATCH or not sys.stderr.isatty() or sys.stdout.isatty():
        return answers
    from tqdm import tqdm

    return tqdm(answers, total=len(files), unit="picture", leave=False, dynamic_ncols=True)


def _csv_row(cells):
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _make_new(directory):
    from mlp_cli.errors import OutputError

    try:
        os.makedirs(directory)
    except FileExistsError:
        raise OutputError(
            f"{directory}: exists already; nothing is ever overwritten, so choose another --save-prepared"
        ) from None
    except OSError as error:
        raise OutputError(f"{directory}: cannot be made: {error.strerror}") from None


def _save(directory, number, answer):
    """What the network saw of each digit, named by the number of the picture, its name and what was read."""
    from PIL import Image

    from mlp_cli.errors import OutputError

    stem = os.path.splitext(os.path.basename(answer.path))[0]
    for place, mark in enumerate(answer.marks, start=1):
        words = [f"{number:05d}", stem, *([str(place)] if answer.split else []), answer.ranking(mark)[0][0]]
        name = "-".join("".join(c if c.isalnum() else "_" for c in word[:60]) for word in words) + ".png"
        try:
            Image.fromarray(mark.digit.image).save(os.path.join(directory, name))
        except OSError as error:
            raise OutputError(
                f"{os.path.join(directory, name)}: cannot be written: {error.strerror or error}"
            ) from None
