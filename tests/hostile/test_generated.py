"""Seeded generators of hostile input.

What comes of it is an answer or one line: never a traceback, a hang, a raw control character or a new file.

An everyday run takes some of each kind; `pytest -m campaign tests/hostile` takes ten thousand. A finding becomes a
named case in test_cases.py.
"""

import io
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import blobs, idx_bytes, write_data

CODES = {0, 1, 2, 3}
SECONDS = 3  # of CPU, for one input
NUMBERS = [
    pytest.param(300, id="some"),
    pytest.param(10_000, id="campaign", marks=pytest.mark.campaign),
]


def mutated(content, rng):
    """Bytes with one to twenty changes: a bit flipped, a run cut out, doubled, zeroed or exchanged, the end cut off."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not content:
            break
        at = rng.randrange(len(content))
        end = min(len(content), at + rng.choice((1, 2, 4, 8, 64, 1024)))
        match rng.randrange(7):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at:end] = rng.randbytes(end - at)
            case 2:
                del content[at:end]
            case 3:
                content[at:at] = content[at:end]
            case 4:
                content[at:end] = bytes(end - at)
            case 5:
                content[at:end] = b"\xff" * (end - at)
            case 6:
                del content[at:]
    return bytes(content)


def check(result, started, inputs=1):
    """What must hold of every call."""
    assert result.code in CODES
    assert "Traceback" not in result.err
    assert all(line.isprintable() for line in result.err.splitlines()), result.err
    assert all(line.replace("\t", "").isprintable() for line in result.out.splitlines()), result.out
    assert time.process_time() - started < SECONDS * inputs


def files():
    return sorted(str(path) for path in Path().rglob("*"))


def pictures():
    """A small picture in every format that is read."""
    rng = np.random.default_rng(0)
    page = np.full((60, 50), 230, np.uint8)
    page[15:45, 22:28] = 30
    grey = Image.fromarray(np.uint8(np.clip(page + rng.normal(0, 3, page.shape), 0, 255)))
    for kind, picture in {
        "PNG": grey,
        "JPEG": grey.convert("RGB"),
        "GIF": grey.convert("P"),
        "BMP": grey,
        "TIFF": grey,
        "WEBP": grey.convert("RGBA"),
        "PPM": grey.convert("RGB"),
        "ICO": grey.convert("RGBA"),
    }.items():
        file = io.BytesIO()
        picture.save(file, kind)
        yield file.getvalue()


@pytest.mark.parametrize("n", NUMBERS)
def test_pictures(mlp, n):
    rng, kinds = random.Random(1), list(pictures())
    for first in range(0, n, 20):
        names = [f"{number}.png" for number in range(first, first + 20)]
        for name in names:
            Path(name).write_bytes(mutated(rng.choice(kinds), rng))
        before, started = files(), time.process_time()
        result = mlp("predict", *rng.choice([(), ("--split",), ("--threshold", "0")]), *names)
        check(result, started, len(names))
        assert {line.split("\t")[0].split("#")[0] for line in result.out.splitlines()} == set(names)
        assert files() == before
        for name in names:
            os.unlink(name)


@pytest.mark.parametrize("n", NUMBERS)
def test_data_sets(mlp, n):
    rng = random.Random(2)
    images, labels = blobs(30, seed=1)
    Path("data").mkdir()
    for part in ("train", "t10k"):
        write_data(Path("data"), images, labels, part)
    kinds = {path: path.read_bytes() for path in Path("data").iterdir()}
    settings = ("--set", "training.validation=5", "--set", "network.hidden=[4]", "--epochs", "0", "--quiet")
    for number in range(n):
        path = rng.choice(list(kinds))
        path.write_bytes(mutated(kinds[path], rng))
        if rng.random() < 0.2:
            Path("data/classes.txt").write_bytes(mutated(b"one\ntwo\nthree\nfour\n", rng))
        started = time.process_time()
        result = mlp("train", "plain", "--data", "data", *settings, "--out", f"run{number}")
        check(result, started)
        assert Path(f"run{number}").exists() == (result.code == 0)
        path.write_bytes(kinds[path])
        Path("data/classes.txt").unlink(missing_ok=True)


@pytest.mark.parametrize("n", NUMBERS)
def test_checkpoints(train, mlp, data, n):
    rng = random.Random(3)
    train("run", "--quiet")
    kinds = [Path("run", name).read_bytes() for name in ("best.safetensors", "last.safetensors")]
    for _ in range(n):
        content = rng.choice(kinds)
        header = 8 + int.from_bytes(content[:8], "little")
        whole = header if rng.random() < 0.7 else len(content)  # names, shapes and metadata are in the header
        content = mutated(content[:whole], rng) + content[whole:]
        Path("bad.safetensors").write_bytes(content)
        before, started = files(), time.process_time()
        check(mlp("eval", "bad.safetensors", "--data", data), started)
        assert files() == before


@pytest.mark.parametrize("n", NUMBERS)
def test_run_directories(train, mlp, data, n):
    rng = random.Random(4)
    train("runs/1", "--quiet")
    kinds = {path: path.read_bytes() for path in Path("runs/1").iterdir()}
    for _ in range(n):
        path = rng.choice(list(kinds))
        path.write_bytes(mutated(kinds[path], rng))
        before, started = files(), time.process_time()
        check(mlp("runs"), started)
        check(mlp("train", "--resume", "runs/1", "--quiet", "--data", data), started)
        assert files() == before
        for other, content in kinds.items():
            other.write_bytes(content)


@pytest.mark.parametrize("n", NUMBERS)
def test_configurations(mlp, data, n):
    rng = random.Random(5)
    good = (Path(__file__).parents[2] / "configs/accurate.toml").read_bytes()
    for _ in range(n):
        Path("bad.toml").write_bytes(mutated(good, rng))
        before, started = files(), time.process_time()
        check(mlp("sweep", "bad.toml", "--data", data, "--set", "training.validation=100", "--dry-run"), started)
        assert files() == before


WORDS = [
    "train",
    "eval",
    "predict",
    "gradcheck",
    "trace",
    "runs",
    "report",
    "export",
    "quick",
    "nowhere",
    "-",
    "--",
    "--json",
    "--csv",
    "--set",
    "training.epochs=1e400",
    "a.b=[",
    "training.batch_size=-1",
    "--epochs",
    "--seed",
    "-1",
    "9" * 400,
    "nan",
    "--out",
    "",
    "--model",
    "mnist",
    "--data",
    "/dev/null",
    "--top",
    "--threshold",
    "--split",
    "--show",
    "--fail-under",
    "--index",
    "--label",
    "\x1b[31m",
    "\udcff",
    "--resume",
    "--threads",
    "0",
    "x" * 5000,
    "--invert",
    "yes",
    "--sort",
    "name",
    "--dry-run",
    "--help",
]


@pytest.mark.parametrize("n", NUMBERS)
def test_command_lines(mlp, n):
    rng = random.Random(6)
    for _ in range(n):
        words = [rng.choice(WORDS[:8]), *rng.choices(WORDS, k=rng.randrange(1, 6))]
        if words[0] == "train" and not {"--help", "nowhere", ""} & set(words):
            words += ["--epochs", "0", "--data", "nowhere"]  # to try the words, not to train
        before, started = files(), time.process_time()
        # gradcheck without a mistake in its words does its work, which takes seconds
        check(mlp(*words), started, inputs=10 if words[0] == "gradcheck" else 1)
        assert files() == before, words


def test_the_mutations_change_what_they_are_given():
    rng, content = random.Random(0), idx_bytes(np.arange(2000) % 256)
    assert sum(mutated(content, rng) != content for _ in range(100)) > 90
