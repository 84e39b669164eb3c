"""The page to draw on: one HTML file with the network in it, which loads and sends nothing."""

import base64
import hashlib
import html
import json
import re
import shlex
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli import __version__
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.model.find import BUNDLED

GENERATOR = "mlp draw"


def page(checkpoint: Checkpoint) -> bytes:
    """The bytes of the page for a checkpoint. Equal checkpoints at equal paths give equal bytes.

    The parameters are exact: float16 if that holds every one of them, else float32, since rounding would move
    probabilities by more than 1e-4.
    """
    metadata, network = checkpoint.metadata, checkpoint.network
    parameters = _smallest(network.parameters.flat)
    model = {
        "sizes": network.sizes,
        "activation": network.activation_name,
        "classes": metadata.classes,
        "image_shape": metadata.image_shape,
        "temperature": metadata.temperature,
        "threshold": metadata.threshold,
        "option": _option(checkpoint.path),
        "bytes": parameters.itemsize,
        "parameters": base64.b64encode(parameters.tobytes()).decode(),
    }
    is_digits = all(name == str(number) for number, name in enumerate(metadata.classes))
    template = files(__package__).joinpath("page.html").read_text("utf-8")
    parts = {
        "policy": _policy(template),
        "generator": GENERATOR,
        "title": "Draw a digit" if is_digits else "Draw a picture",
        "lead": html.escape(_lead(checkpoint)),
        "layers": str(len(network.parameters.W)),
        "temperature": f"{metadata.temperature:.3g}",
        "footer": f"Made by mlp {__version__} draw. Everything is computed in your browser; nothing leaves this page.",
        # In a script element "<" could begin its end tag.
        "model": json.dumps(model).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template).encode()


def _smallest(flat: NDArray[np.float32]) -> NDArray[np.float16] | NDArray[np.float32]:
    """The numbers as little-endian float16 if that keeps them exactly, else as float32."""
    with np.errstate(over="ignore"):
        half = flat.astype("<f2")
    return half if np.array_equal(half.astype(np.float32), flat) else flat.astype("<f4")


def _option(path: Path) -> str:
    """The option that makes `mlp trace` use the same network, without the private part of an absolute path."""
    names = {bundled: name for name, bundled in BUNDLED.items()}
    name = names.get(path, path.name if path.is_absolute() else str(path))
    return "" if name == "mnist" else f" --model {shlex.quote(name)}"


def _policy(template: str) -> str:
    """A Content-Security-Policy that lets the browser load nothing and run only this script."""
    (style,) = re.findall("<style>(.*?)</style>", template, re.DOTALL)
    (script,) = re.findall("<script>(.*?)</script>", template, re.DOTALL)
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _lead(checkpoint: Checkpoint) -> str:
    network, metadata = checkpoint.network, checkpoint.metadata
    accuracy = "not trained" if metadata.val_accuracy is None else f"validation accuracy {metadata.val_accuracy:.2%}"
    sizes = "-".join(map(str, network.sizes))
    parameters = f"{network.parameters.flat.size:,} parameters"
    return f"The network {sizes}, {network.activation_name}, {parameters}, trained on {metadata.data}: {accuracy}."
