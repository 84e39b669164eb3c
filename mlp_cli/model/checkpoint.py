"""Checkpoints: safetensors files of the parameters W1, b1, W2, b2, … (float32 or float16, W as inputs × outputs), and,
for resuming, the parameters in training and the state of the optimiser and of the loop.

Everything else is in the file's metadata, one JSON string per key: see `Metadata`. No pickle, so a checkpoint from a
stranger cannot run code, and other frameworks can read the weights.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Meta
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.inputs import LONGEST_NAME, LONGEST_SIDE, MOST_CLASSES
from mlp_cli.errors import ModelError
from mlp_cli.files import open_file
from mlp_cli.nn import MLP
from mlp_cli.nn.calibration import HIGHEST, LOWEST
from mlp_cli.printable import cut, to_json

FORMAT = 1

Tensors = dict[str, NDArray[Any]]  # by name

Count = Annotated[int, Meta(ge=0)]
Side = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]  # of an image, in pixels
ClassName = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class Progress(msgspec.Struct, kw_only=True):
    """The part of the state of training that is neither tensor nor counted in epochs and steps.

    Batches are drawn ahead of the loop, so of their generator the state at the beginning of the epoch is kept, and
    resuming draws the epoch's batches again; dropout masks are drawn in the step, so of theirs the state is the present
    one, set when it is asked for.
    """

    epoch_loss: float = 0.0  # summed over the examples of this epoch so far
    epoch_correct: int = 0  # of the examples of this epoch so far
    best_epoch: Annotated[int, Meta(ge=0)] = 0  # of the best validation accuracy; the latest, if tied
    best_accuracy: float = 0.0
    improved_epoch: Annotated[int, Meta(ge=0)] = 0  # of the last improvement, for patience
    epoch_step: Annotated[int, Meta(ge=0)] | None = None  # steps before this epoch; None in older checkpoints
    records_sha256: str = ""  # of the rows of metrics.csv; "" in older checkpoints
    batches_rng: dict[str, Any]
    dropout_rng: dict[str, Any]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a checkpoint that is not a tensor.

    `epoch` and `step` count those finished when it was written; `val_accuracy` and `val_loss` are those of the last
    validation until then (None before the first), and so is `temperature`, by which to divide the logits for calibrated
    probabilities. An answer whose calibrated probability is below `threshold` is refused, as not a digit. `split_seed`
    drew the images that were held out for validation; None is the seed of the configuration. `trained_on` has the
    sha256 of each data set that the parameters were ever trained on, as in Dataset. `progress` is what only `--resume`
    needs.
    """

    format: int
    config: Config
    data: Annotated[str, Meta(max_length=255)]  # the limit for file names
    data_sha256: dict[str, str]
    classes: Annotated[tuple[ClassName, ...], Meta(min_length=1, max_length=MOST_CLASSES)]
    image_shape: tuple[Side, Side]
    epoch: Count
    step: Count
    val_accuracy: float | None = None
    val_loss: float | None = None
    temperature: Annotated[float, Meta(ge=LOWEST, le=HIGHEST)] = 1.0
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.0
    split_seed: Annotated[int, Meta(ge=0)] | None = None
    trained_on: tuple[dict[str, str], ...] = ()
    progress: Progress | None = None

    @property
    def held_out_by(self) -> int:
        """The seed that drew the images held out for validation."""
        return self.config.seed if self.split_seed is None else self.split_seed

    @property
    def all_trained_on(self) -> tuple[dict[str, str], ...]:
        """`trained_on`, also for a checkpoint of an earlier version."""
        return self.trained_on or (self.data_sha256,)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: the network, the metadata, and all tensors by name."""

    path: Path
    network: MLP
    metadata: Metadata
    tensors: Tensors

    def copy(self, name: str, view: NDArray[Any]) -> None:
        """Copy the tensor `name` into an array of the same shape and type, or from half into single precision. Raises
        ModelError if the tensor is not like that."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ModelError(f"{self.path}: has no tensor {name}")
        is_half = tensor.dtype == np.float16 and view.dtype == np.float32
        if tensor.shape != view.shape or not (tensor.dtype == view.dtype or is_half):
            wanted = f"but its configuration and classes need {_form(view)}"
            raise ModelError(f"{self.path}: {name} is {_form(tensor)}, {wanted}")
        if not np.isfinite(tensor).all():
            raise ModelError(f"{self.path}: {name} has entries that are not finite numbers; it cannot be used")
        view[...] = tensor

    def __str__(self) -> str:
        accuracy = self.metadata.val_accuracy
        return f"{self.path} ({'not trained' if accuracy is None else f'validation accuracy {accuracy:.2%}'})"


def to_bytes(network: MLP, metadata: Metadata, tensors: Tensors | None = None, half: bool = False) -> bytes:
    """The file of a checkpoint, with the parameters in `half` precision if that is asked for. Equal contents give equal
    bytes. Raises msgspec.ValidationError for metadata that `load_checkpoint` would not take."""
    values = msgspec.to_builtins(metadata)
    msgspec.convert(values, Metadata)  # never write what a reader would refuse
    strings = {key: json.dumps(value) for key, value in values.items()}
    named: Tensors = dict(network.parameters.named())
    if half:
        named = {name: view.astype(np.float16) for name, view in named.items()}
    content = safetensors.numpy.save(named | (tensors or {}), strings)
    return _with_sorted_metadata(content)


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same safetensors file with its metadata sorted by key: the library writes them in random order."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def load_checkpoint(path: str | Path) -> Checkpoint:
    """The Checkpoint in a file. Raises ModelError, naming the file, unless it is a complete checkpoint of mlp."""
    path = Path(path)
    try:
        open_file(path).close()  # fails for a pipe, which would block
        with safetensors.safe_open(path, framework="numpy") as file:
            strings = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except safetensors.SafetensorError as error:
        raise ModelError(f"{path}: not a complete safetensors file ({error})") from None
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: has a tensor type that numpy cannot represent ({error})") from None
    metadata = _parse(path, strings)
    # In earlier versions W1, b1, … were the parameters in training.
    if "average" in tensors and "parameters" not in tensors:
        raise ModelError(f"{path}: was written by an earlier mlp; only its best.safetensors can be used")
    sizes = [metadata.image_shape[0] * metadata.image_shape[1], *metadata.config.network.hidden, len(metadata.classes)]
    try:
        network = MLP.blank(sizes, metadata.config.network.activation)
    except (MemoryError, ValueError):  # impossible sizes: no file could hold them
        raise ModelError(f"{path}: its configuration asks for a network that does not fit in memory") from None
    checkpoint = Checkpoint(path, network, metadata, tensors)
    for name, view in network.parameters.named().items():
        checkpoint.copy(name, view)
    return checkpoint


def _parse(path: Path, strings: dict[str, str]) -> Metadata:
    try:
        values = {key: json.loads(value) for key, value in strings.items()}
        format_number = values["format"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ModelError(f"{path}: a safetensors file, but not a checkpoint of mlp") from None
    if not isinstance(format_number, int) or format_number != FORMAT:
        shown = cut(to_json(format_number))
        raise ModelError(
            f"{path}: has format {shown}, but this mlp reads format {FORMAT}; upgrade with pip install -U mlp-cli"
        )
    try:
        metadata = msgspec.convert(values, Metadata)
    except (msgspec.ValidationError, UnicodeError) as error:  # UnicodeError: half a surrogate pair
        raise ModelError(f"{path}: its metadata is damaged: {error}") from None
    if not all(map(str.isprintable, metadata.classes)):
        raise ModelError(f"{path}: its metadata is damaged: class names that cannot be printed")
    return metadata


def _form(array: NDArray[Any]) -> str:
    return f"{'×'.join(map(str, array.shape))} {array.dtype}"
