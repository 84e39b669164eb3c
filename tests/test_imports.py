"""Imports point one way, and the mathematics needs numpy alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlp_cli

PACKAGE = Path(mlp_cli.__file__).parent


def room_of(path):
    """The folder in the package that a file is in, or the file's own name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


NUMBERS = {"numpy"}
IMAGES = {"PIL", "cv2", "pillow_heif"}
LOWEST = {"errors", "files", "printable", "nn"}
LOW = LOWEST | {"blas", "config", "data"}
ALLOWED = {  # folder or file at the top: (our folders, other packages)
    "errors": (set(), set()),
    "blas": (set(), NUMBERS | {"threadpoolctl"}),
    "files": (set(), set()),
    "printable": (set(), set()),
    "nn": (set(), NUMBERS),
    "config": ({"errors", "files", "printable"}, {"msgspec", "tomli_w"}),
    "data": (LOWEST | {"config", "images"}, NUMBERS | {"cv2", "HersheyFonts", "PIL", "zlib_ng"}),
    "images": ({"errors", "files"}, NUMBERS | IMAGES),
    "proof": (LOWEST, NUMBERS),
    "model": (LOW | {"images"}, NUMBERS | {"PIL", "msgspec", "safetensors"}),
    "training": (LOW | {"model"}, NUMBERS | {"msgspec"}),
    "runs": (LOW | {"model", "training"}, NUMBERS | {"msgspec", "tomli_w", "distributed", "dask"}),
    "report": (LOW | {"model", "training", "runs"}, NUMBERS | {"PIL"}),
    "export": (LOW | {"model"}, NUMBERS | {"onnx"}),
    "cli": (
        LOW | {"images", "proof", "model", "training", "runs", "report", "export"},
        NUMBERS | {"click", "tqdm", "PIL"},
    ),
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) not in ("__init__", "__main__"))


def imported(path):
    """Dotted names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module if node.module != "mlp_cli" else f"mlp_cli.{node.names[0].name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_imports_only_what_it_may(path):
    room = room_of(path)
    ours, others = ALLOWED[room]
    for name in imported(path):
        top, *rest = name.split(".")
        if top == "mlp_cli":
            assert rest[0] in ours | {room} or (
                name == "mlp_cli.__version__" and room in {"cli", "report", "export", "runs"}
            ), name
        else:
            assert top in others or top in sys.stdlib_module_names, name


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) != "cli"], ids=lambda path: path.name)
def test_nothing_is_printed_outside_cli(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert not any(isinstance(function, ast.Name) and function.id == "print" for function in calls)


def test_reading_a_picture_imports_no_more_than_it_needs():
    """Importing numpy.ma, as np.median and others do when called, would be a tenth of the start-up of `predict`;
    numpy.random, what files are written with, and TOML would be another."""
    code = (
        "import sys; import numpy as np; import mlp_cli; "
        "page = np.full((90, 90), 240, np.uint8); page[20:70, 40:47] = 10; page[20:70, 70:77] = 10; "
        "reader = mlp_cli.load(threshold=0); reader.read(page[:, :60]); reader.read_rows(page); "
        "print(sys.modules.keys() & {'numpy.ma', 'numpy.random', 'secrets', 'difflib', 'tomllib', 'tomli_w'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
