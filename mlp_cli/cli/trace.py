"""mlp trace."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.cli.table import table
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlp_cli.model.checkpoint import Checkpoint
    from mlp_cli.proof.trace import Quantity

ENTRIES = 3  # of each quantity that are shown
STDIN = "-"


@click.command("trace")
@click.argument("image", required=False, type=click.Path())
@click.option("--label", metavar="T", help="True class of the IMAGE, such as 7.")
@click.option(
    "--index", type=click.IntRange(0), metavar="N", help="Take image N of the test set, from 0, and its label."
)
@click.option(
    "--model",
    type=click.Path(),
    default="mnist",
    show_default=True,
    help="Run directory, checkpoint, mnist, large, or latest: the newest run.",
)
@click.option(
    "--data", type=click.Path(), metavar="DIR", help="Four IDX files for --index. [default: the MNIST inside]"
)
@click.option("--full", is_flag=True, help="Print every entry.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    image: str | None,
    label: str | None,
    index: int | None,
    model: str | None,
    data: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Show one forward and one backward pass, number by number.

    Every quantity of docs/derivation.md in its order, for a single example: symbol, shape, norm, smallest and largest
    entry, and three entries from the first on that is not 0. IMAGE is a picture of one digit, or - for standard
    input. The numbers are those of training on a batch of one: no warp, no label smoothing, no dropout.

    \b
    mlp trace --index 0
    mlp trace photo.jpg --label 7 --model runs/001 --full
    """
    import sys

    import numpy as np

    from mlp_cli.blas import limit_threads
    from mlp_cli.data.batches import to_inputs
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.proof.trace import trace

    if (image is None) == (index is None):
        raise click.UsageError("Give either an IMAGE with its --label, or the --index of a test image.")
    if index is not None and label is not None:
        raise click.UsageError("--label is for an IMAGE; the test image of --index has its own.")
    if image is not None and label is None:
        raise click.UsageError("The gradients need the true class of the IMAGE: give it with --label.")
    if image is not None and data is not None:
        raise click.UsageError("--data is for --index.")
    checkpoint = load_checkpoint(find_model(model))
    classes = checkpoint.metadata.classes
    limit_threads()
    if index is not None:
        pixels, t, source = _test_image(checkpoint, data, index)
    else:
        assert image is not None
        assert label is not None
        t = _class_number(label, classes)
        pixels, source = _picture(checkpoint, image)
    note(f"model: {checkpoint}", f"image: {source}, label {classes[t]}")

    quantities = trace(checkpoint.network, to_inputs(pixels.reshape(1, -1)), np.array([t]))
    if as_json:
        tell(_json(checkpoint, source, classes[t], quantities, full))
    elif full:
        with np.printoptions(threshold=sys.maxsize, linewidth=100, floatmode="unique"):
            texts = [f"{q.symbol}  {_shape(q.value)}\n{q.value}" for q in quantities]
        tell(*"\n\n".join(texts).split("\n"))
    else:
        tell(*_table(quantities))


def _class_number(label: str, classes: tuple[str, ...]) -> int:
    """The number of the class of that name, or of that number."""
    if label in classes:
        return classes.index(label)
    if label.isdecimal() and int(label) < len(classes):
        return int(label)
    raise click.UsageError(f"--label {label}: is not a class of the model; those are {', '.join(classes)}.")


def _test_image(checkpoint: "Checkpoint", directory: str | None, index: int) -> "tuple[NDArray[np.uint8], int, str]":
    from mlp_cli.model.measure import load_split

    dataset, _ = load_split(checkpoint, directory, "test")
    if index >= len(dataset):
        raise click.UsageError(f"--index {index}: {dataset.name} has the test images 0 to {len(dataset) - 1}.")
    return dataset.images[index], int(dataset.labels[index]), f"{dataset.name}, test image {index}"


def _picture(checkpoint: "Checkpoint", path: str) -> "tuple[NDArray[np.uint8], str]":
    """The prepared pixels of a picture, and its name."""
    import io
    import sys

    from mlp_cli.errors import ImageError, ModelError
    from mlp_cli.images.decode import decode
    from mlp_cli.images.digits import prepare
    from mlp_cli.images.mnist import SIDE

    height, width = checkpoint.metadata.image_shape
    if (height, width) != (SIDE, SIDE):
        raise ModelError(
            f"{checkpoint.path}: takes images of {height}×{width} pixels; pictures are prepared for {SIDE}×{SIDE} only"
        )
    is_stdin = path == STDIN
    name = "standard input" if is_stdin else click.format_filename(path)
    file = io.BytesIO(sys.stdin.buffer.read() if sys.stdin else b"") if is_stdin else path
    try:
        return prepare(decode(file)).image, name
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None


def _table(quantities: Sequence["Quantity"]) -> list[str]:
    rows = []
    for symbol, _, value in quantities:
        start, first = _first(value)
        where = f"[{','.join(map(str, start))}]"
        numbers = (_norm(value), value.min(), value.max())
        entries = " ".join(f"{_number(entry):10}" for entry in first)
        rows.append([symbol, _shape(value), *map(_number, numbers), where, entries])
    return table(["", "shape", " norm", " min", " max", "", " first entries"], rows, "<><<<><")


def _first(value: "NDArray[np.floating[Any]]") -> "tuple[tuple[int, ...], NDArray[np.floating[Any]]]":
    """The index of the first entry that is not 0, or of the first if all are, and the entries from there on."""
    import numpy as np

    flat = value.ravel()
    start = int(np.argmax(flat != 0))
    return tuple(map(int, np.unravel_index(start, value.shape))), flat[start : start + ENTRIES]


def _norm(value: "NDArray[np.floating[Any]]") -> float:
    import numpy as np

    return float(np.sqrt(np.square(value, dtype=np.float64).sum()))


def _number(value: float) -> str:
    return f"{value + 0.0: .4g}"  # + 0.0, since nobody writes −0


def _shape(value: "NDArray[np.floating[Any]]") -> str:
    return "×".join(map(str, value.shape))


def _json(checkpoint: "Checkpoint", source: str, label: str, quantities: Sequence["Quantity"], full: bool) -> str:
    answer: dict[str, Any] = {"model": str(checkpoint.path), "image": source, "label": label, "quantities": []}
    for symbol, name, value in quantities:
        start, first = _first(value)
        facts = {"symbol": symbol, "name": name, "shape": value.shape, "norm": _norm(value)}
        facts |= {"min": float(value.min()), "max": float(value.max())}
        facts |= {"values": value.tolist()} if full else {"from": start, "first": first.tolist()}
        answer["quantities"].append(facts)
    return to_json(answer)
