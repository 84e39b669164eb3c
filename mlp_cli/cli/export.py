"""mlp export."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.console import note, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlp_cli.model.checkpoint import Checkpoint

PAGE, ONNX = ".html", ".onnx"


@click.command("export")
@click.argument("arguments", nargs=-1, required=True, metavar="[MODEL] FILE", type=click.Path())
def command(arguments: tuple[str, ...]) -> None:
    """Write a model for use elsewhere: as ONNX or as a web page.

    FILE.onnx is for onnxruntime and other ONNX runtimes; FILE.html is the page of mlp draw. MODEL is a run directory
    (its best checkpoint), a checkpoint, a bundled model (mnist or large), or latest: the newest run under runs/ that
    has finished an epoch. The default is latest, or mnist if there is no such run.

    \b
    mlp export digits.onnx
    mlp export runs/001 digits.html
    """
    from mlp_cli.errors import OutputError
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model

    if len(arguments) > 2:
        raise click.UsageError("Give at most a MODEL and the FILE to write.")
    *model, path = arguments
    ending = os.path.splitext(path)[1].lower()
    if ending not in (PAGE, ONNX):
        raise OutputError(f"{path}: must end in {ONNX} or {PAGE}")
    check_new(path)
    if ending == ONNX:
        model_bytes = _onnx()
    checkpoint = load_checkpoint(find_model(*model))
    note(f"model: {checkpoint}")
    if ending == ONNX:
        content = model_bytes(checkpoint)
    else:
        from mlp_cli.export.page import page

        content = page(checkpoint)
    write_new(path, content)
    tell(str(path))


def _onnx() -> "Callable[[Checkpoint], bytes]":
    from mlp_cli.errors import OutputError

    try:
        from mlp_cli.export.onnx import model_bytes
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "onnx":
            raise
        raise OutputError("writing an ONNX model needs the package onnx: pip install 'mlp-cli[onnx]'") from None
    return model_bytes


def check_new(path: str | Path) -> None:
    """Raise OutputError if there is anything at `path`."""
    from mlp_cli.errors import OutputError

    if os.path.lexists(path):
        raise OutputError(f"{path}: already exists; choose another name")


def write_new(path: str | Path, content: bytes) -> None:
    """Write bytes to a file that does not exist yet. Raises OutputError."""
    from mlp_cli.errors import OutputError
    from mlp_cli.files import create_file

    try:
        create_file(path, content)
    except FileExistsError:
        check_new(path)
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
