"""Data that tests make for themselves."""

import contextlib
import functools
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np


def idx_bytes(array):
    """The IDX file of an array of bytes, written independently of mlp_cli."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def png_header(width, height, bits=8, colour=0):
    """The beginning of a PNG file, up to where its pixels would come: of grey levels, or RGB if `colour` is 2."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    sizes = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(header)), struct.pack(">I", 2**20)
    return b"\x89PNG\r\n\x1a\n" + sizes[0] + header + sizes[1] + sizes[2] + b"IDAT"


def write_data(folder, images, labels, part="train", dot="-", compress=False):
    """Write one part of a data set, images (n, height, width) and labels (n,), under the usual file names."""
    for kind, array in (("images", images), ("labels", labels)):
        content = idx_bytes(array)
        name = f"{part}-{kind}{dot}idx{array.ndim}-ubyte"
        (folder / name).write_bytes(gzip.compress(content) if compress else content)


def blobs(n, seed, k=4, side=8):
    """n noisy images of k classes: class c has a bright row c. Easy, but not solved by the first step."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    images = rng.integers(0, 190, (n, side, side))
    images[np.arange(n), labels] += 60
    return images.astype(np.uint8), labels


@functools.cache
def load_mnist(part):
    """The bundled MNIST, read once for all tests, none of which may write to it."""
    from mlp_cli.data.datasets import load_dataset

    dataset = load_dataset(part)
    dataset.images.flags.writeable = dataset.labels.flags.writeable = False
    return dataset


RUN_FILES = ["best.safetensors", "config.toml", "last.safetensors", "metrics.csv", "run.json"]
SMALL_TRAINING = ["training.validation=100", "network.hidden=[8]", "training.batch_size=32", "training.epochs=2"]
BASE = str(Path(__file__).parent / "base.toml")


def same_results(one, other):
    """Whether two runs have equal checkpoints, and metrics that are equal except for the seconds."""
    rows = [
        [line.rsplit(",", 1)[0] for line in Path(run, "metrics.csv").read_text().splitlines()] for run in (one, other)
    ]
    checkpoints = ["last.safetensors", "best.safetensors"]
    return rows[0] == rows[1] and all(
        Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in checkpoints
    )


def quietly(*args):
    """Run the program, for fixtures that make something for many tests; returns what it prints to stdout."""
    from mlp_cli.cli import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([str(arg) for arg in args])
    return out.getvalue()
