"""mlp predict."""

import os
import sys
from dataclasses import dataclass

import click

STDIN = "-"
PER_BATCH = 1000


@click.command("predict")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--model", type=click.Path(), help="Run directory or checkpoint. [default: the newest run, else the model inside]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per picture.")
@click.option("--top", type=click.IntRange(1), default=1, metavar="K", help="Print the K most likely digits of each.")
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="yes: dark ink on light paper; no: light on dark; auto: see by the border.",
)
def command(images, model, as_json, top, invert):
    """Read the digits in pictures of one digit each.

    IMAGE is a picture file, a folder of them, or - for standard input. Prints a line per picture: path, digit and
    confidence with tabs between, and - for both where there was nothing to read.

    \b
    mlp predict photo.jpg
    mlp predict scans/ --model runs/001 --json
    """
    from mlp_cli.errors import ModelError
    from mlp_cli.images.digits import SIDE
    from mlp_cli.training.blas import limit_threads
    from mlp_cli.training.checkpoint import load_checkpoint
    from mlp_cli.training.files import find_model

    checkpoint = load_checkpoint(find_model(model))
    height, width = checkpoint.metadata.image_shape
    if (height, width) != (SIDE, SIDE):
        raise ModelError(
            f"{checkpoint.path}: takes images of {height}×{width} pixels; pictures are prepared for {SIDE}×{SIDE} only"
        )
    click.echo(f"model: {checkpoint}", err=True)
    limit_threads()
    files = [file for image in images for file in _files(image)]
    failures = 0
    for start in range(0, len(files), PER_BATCH):
        for answer in _answers(checkpoint, files[start : start + PER_BATCH], invert):
            failures += answer.reason is not None
            if answer.reason:
                click.echo(f"mlp: {answer.reason}", err=True)
            click.echo(answer.json() if as_json else answer.line(top))
    if failures:
        sys.exit(1)


def _files(image):
    """The files that an argument means: itself, or the pictures of a folder by name."""
    if not os.path.isdir(image):
        return [image]
    from PIL import Image

    endings = tuple(Image.registered_extensions())
    try:
        names = sorted(name for name in os.listdir(image) if name.lower().endswith(endings))
    except OSError:
        names = []
    return [os.path.join(image, name) for name in names] or [image]  # which is then said to have none


def _answers(checkpoint, files, invert):
    """The Answer to each of some files, read by the network together."""
    import numpy as np

    from mlp_cli.errors import ImageError
    from mlp_cli.training.evaluate import log_probabilities

    classes = checkpoint.metadata.classes
    answers, digits = [], []
    for file in files:
        answer = Answer(click.format_filename(file), classes)
        answers.append(answer)
        try:
            answer.digit = _prepare(file, answer.path, invert)
            digits.append(answer.digit.image.ravel())
        except ImageError as error:
            answer.reason = str(error)
    if digits:
        probabilities = iter(np.exp(log_probabilities(checkpoint.network, np.stack(digits))))
        for answer in answers:
            if answer.reason is None:
                answer.probabilities = next(probabilities).tolist()
    return answers


def _prepare(file, name, invert):
    from mlp_cli.errors import ImageError
    from mlp_cli.images.decode import decode
    from mlp_cli.images.digits import prepare

    if os.path.isdir(file):
        raise ImageError(f"{name}: has no pictures in it, or none that may be read")
    if file != STDIN:
        return prepare(decode(file, name), name, invert)
    import io

    content = sys.stdin.buffer.read() if sys.stdin else b""
    return prepare(decode(io.BytesIO(content), "standard input"), "standard input", invert)


@dataclass
class Answer:
    """What there is to say of one picture: either probabilities of the classes, or the reason why not."""

    path: str
    classes: tuple[str, ...]
    digit: object = None
    probabilities: list[float] | None = None
    reason: str | None = None

    def ranking(self):
        """(class name, probability) from the most likely class down."""
        return sorted(zip(self.classes, self.probabilities, strict=True), key=lambda pair: -pair[1])

    def line(self, top):
        # A tab or a line break in a name would look like another column or picture.
        path = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in self.path)
        if self.reason:
            return f"{path}\t-\t-"
        return "\t".join([path, *(f"{name}\t{p:.4f}" for name, p in self.ranking()[:top])])

    def json(self):
        import json

        answer = {"path": self.path, "digit": None, "confidence": None, "probabilities": self.probabilities}
        answer |= {"box": None, "inverted": None, "reason": self.reason}
        if not self.reason:
            name, confidence = self.ranking()[0]
            answer["digit"] = int(name) if name.isdecimal() else name
            answer["confidence"] = confidence
            answer["box"], answer["inverted"] = self.digit.box, self.digit.inverted
        return json.dumps(answer, ensure_ascii=False)
