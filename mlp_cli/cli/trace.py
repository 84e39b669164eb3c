"""mlp trace."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.cli.table import table
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlp_cli.model.checkpoint import Checkpoint
    from mlp_cli.nn import MLP
    from mlp_cli.proof.trace import Quantity

ENTRIES = 3  # of each quantity that are shown
STDIN = "-"
MOST_EXAMPLES = 10_000  # of a batch
MOST_LABELS, MOST_TERMS = 10, 4  # of a batch that are shown


@click.command("trace")
@click.argument("image", required=False, type=click.Path())
@click.option("--label", metavar="T", help="True class of the IMAGE, such as 7.")
@click.option("--index", type=click.IntRange(0), metavar="N", help="Take image N of the test set (counted from 0).")
@click.option(
    "--batch",
    type=click.IntRange(1, MOST_EXAMPLES),
    metavar="M",
    help="Take M test images, starting at --index, as one batch.",
)
@click.option("--example", "is_example", is_flag=True, help="Trace the 2-3-2 example of docs/derivation.md.")
@click.option(
    "--model",
    type=click.Path(),
    metavar="MODEL",
    help="mnist, large, latest (the newest run that has finished an epoch), a run or a checkpoint. [default: mnist]",
)
@click.option(
    "--data",
    type=click.Path(),
    metavar="DIR",
    help="IDX files or labelled pictures for --index and --batch. [default: mnist]",
)
@click.option("--full", is_flag=True, help="Print every entry.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    image: str | None,
    label: str | None,
    index: int | None,
    batch: int | None,
    is_example: bool,
    model: str | None,
    data: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Show one forward and one backward pass, number by number.

    Prints every quantity of docs/derivation.md in its order: symbol, shape, norm, smallest and largest entry, and three
    entries starting at the first that is not 0. IMAGE is a picture of one digit, or - for standard input; --index takes
    a test image, and --batch several, to see 1/m at work. The numbers are those of training without augmentation, label
    smoothing or dropout.

    \b
    mlp trace --example
    mlp trace --index 0 --batch 4
    mlp trace photo.jpg --label 7 --model runs/001 --full
    """
    import sys

    import numpy as np

    from mlp_cli.blas import limit_threads
    from mlp_cli.proof.trace import trace, worked_example

    from_data = index is not None or batch is not None
    if sum((image is not None, from_data, is_example)) != 1:
        raise click.UsageError(
            "Give one of: an IMAGE with its --label, the --index of a test image, --batch, or --example."
        )
    if image is None and label is not None:
        raise click.UsageError("--label is for an IMAGE; test images come with theirs.")
    if image is not None and label is None:
        raise click.UsageError("Give the true class of the IMAGE with --label; the gradients depend on it.")
    if data is not None and not from_data:
        raise click.UsageError("--data is for --index and --batch.")
    if is_example and model is not None:
        raise click.UsageError("--example has its own network; it cannot be combined with --model.")
    limit_threads()
    if is_example:
        network, x, labels = worked_example()
        about = {"model": "2-3-2", "image": "the worked example of docs/derivation.md", "labels": labels.tolist()}
        note(f"{about['image']}: {len(labels)} examples")
    else:
        network, x, labels, about = _examples(model, image, label, data, index, batch)

    with np.errstate(over="ignore", invalid="ignore"):  # parameters may be too large: show what comes of them
        quantities = trace(network, x, labels)
    if as_json:
        tell(_json(about, quantities, full))
    elif full:
        with np.printoptions(threshold=sys.maxsize, linewidth=100, floatmode="unique"):
            texts = [f"{q.symbol}  {_shape(q.value)}\n{q.value}" for q in quantities]
        tell(*"\n\n".join(texts).split("\n"))
    else:
        tell(*_table(quantities))
    if len(labels) > 1 and not as_json:
        tell("", *_means(quantities))


def _examples(
    model: str | None, image: str | None, label: str | None, data: str | None, index: int | None, batch: int | None
) -> "tuple[MLP, NDArray[np.float32], NDArray[np.int64], dict[str, Any]]":
    """The network, the requested inputs (m, pixels) and labels (m,), and what JSON says about them."""
    import numpy as np

    from mlp_cli.data.inputs import to_inputs
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model

    checkpoint = load_checkpoint(find_model("mnist" if model is None else model))
    classes = checkpoint.metadata.classes
    if image is None:
        pixels, labels, source = _test_images(checkpoint, data, index or 0, batch or 1)
    else:
        labels = np.array([_class_number(label or "", classes)])
        prepared, source = _picture(checkpoint, image)
        pixels = prepared.reshape(1, -1)
    names = [classes[t] for t in labels]
    shown = ", ".join(names[:MOST_LABELS]) + ", …" * (len(names) > MOST_LABELS)
    note(f"model: {checkpoint}", f"image: {source}, label {shown}")
    about: dict[str, Any] = {"model": str(checkpoint.path), "image": source}
    about |= {"label": names[0]} if len(names) == 1 else {"labels": names}
    return checkpoint.network, to_inputs(pixels), labels, about


def _class_number(label: str, classes: tuple[str, ...]) -> int:
    """The number of the class with this name, or with this number."""
    if label in classes:
        return classes.index(label)
    if label.isdecimal() and int(label) < len(classes):
        return int(label)
    raise click.UsageError(f"--label {label}: not a class of the model; its classes are {', '.join(classes)}.")


def _test_images(
    checkpoint: "Checkpoint", directory: str | None, first: int, m: int
) -> "tuple[NDArray[np.uint8], NDArray[np.int64], str]":
    from mlp_cli.model.measure import load_split

    dataset, _ = load_split(checkpoint, directory, "test")
    if first + m > len(dataset):
        asked = f"--index {first}" if m == 1 else f"--index {first} --batch {m}"
        raise click.UsageError(f"{asked}: {dataset.name} has the test images 0 to {len(dataset) - 1}.")
    which = f"image {first}" if m == 1 else f"images {first} to {first + m - 1}"
    some = slice(first, first + m)
    return dataset.images[some], dataset.labels[some], f"{dataset.name}, test {which}"


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
    """The index of the first entry that is not 0 (or of the first, if all are 0), and the entries from there on."""
    import numpy as np

    flat = value.ravel()
    start = int(np.argmax(flat != 0))
    return tuple(map(int, np.unravel_index(start, value.shape))), flat[start : start + ENTRIES]


def _norm(value: "NDArray[np.floating[Any]]") -> float:
    import numpy as np

    return float(np.sqrt(np.square(value, dtype=np.float64).sum()))


def _number(value: float) -> str:
    return f"{value + 0.0: .4g}"  # + 0.0 turns −0 into 0


def _shape(value: "NDArray[np.floating[Any]]") -> str:
    return "×".join(map(str, value.shape))


def _means(quantities: Sequence["Quantity"]) -> Iterator[str]:
    """1/m at work: an entry of ∂L/∂b and one of ∂L/∂W of the last layer, as means over the examples."""
    by_name = {q.name: q for q in quantities}
    last = max(int(name[2:]) for name in by_name if name.startswith("dW"))
    dz, dW, db = (by_name[f"{letters}{last}"] for letters in ("dz", "dW", "db"))
    a, m = by_name[f"a{last - 1}"], len(dz.value)
    (q,), _ = _first(db.value)
    (p, r), _ = _first(dW.value)
    yield f"1/m with m = {m}: row i of {dz.symbol} belongs to example i; these are means over the examples:"
    terms = [_factor(value) for value in dz.value[:, q]]
    yield f"{db.symbol}[{q}] = 1/{m} ({_sum(terms)}) = {_number(db.value[q]).strip()}"
    terms = [f"{_factor(x)} · {_factor(y)}" for x, y in zip(a.value[:, p], dz.value[:, r], strict=True)]
    yield f"{dW.symbol}[{p},{r}] = 1/{m} ({_sum(terms)}) = {_number(dW.value[p, r]).strip()}"


def _sum(terms: Sequence[str]) -> str:
    return " + ".join(terms[:MOST_TERMS]) + " + …" * (len(terms) > MOST_TERMS)


def _factor(value: float) -> str:
    number = _number(value).strip()
    return f"({number})" if value < 0 else number


def _json(about: dict[str, Any], quantities: Sequence["Quantity"], full: bool) -> str:
    answer: dict[str, Any] = {**about, "quantities": []}
    for symbol, name, value in quantities:
        start, first = _first(value)
        facts = {"symbol": symbol, "name": name, "shape": value.shape, "norm": _norm(value)}
        facts |= {"min": float(value.min()), "max": float(value.max())}
        facts |= {"values": value.tolist()} if full else {"from": start, "first": first.tolist()}
        answer["quantities"].append(facts)
    return to_json(answer)
