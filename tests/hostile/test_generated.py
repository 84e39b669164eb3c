"""Seeded generators of hostile input.

The outcome is an answer or one line: never a traceback, a hang, a raw control character, a new file or a changed one.
An everyday run takes some of each kind; `pytest -m campaign tests/hostile` takes ten thousand and prints a line for
each kind. A finding becomes a named case in test_cases.py.
"""

import importlib.util
import io
import random
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from samples import blobs, idx_bytes, write_data

CODES = {0, 1, 2, 3}
SECONDS = 3  # of CPU, that one call may take
MEGABYTES = 640  # that one call may add to the 60 of an idle program
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


class Tally:
    """Calls the program and asserts what must hold for every call; counts how near to the limits the calls came."""

    def __init__(self, mlp):
        self.mlp = mlp
        self.codes = Counter()
        self.seconds = self.megabytes = 0.0

    def __call__(self, *args, seconds=SECONDS, own=None):
        """The Result of mlp(*args), which may change nothing but what is in the directory `own`."""
        before, memory, started = files(own), peak(reset=True), time.process_time()
        result = self.mlp(*args)
        took, grew = time.process_time() - started, peak() - memory
        assert result.code in CODES, args
        assert "Traceback" not in result.err, args
        assert "bug in mlp" not in result.err, args
        assert all(line.isprintable() for line in result.err.splitlines()), (args, result.err)
        assert all(line.replace("\t", "").isprintable() for line in result.out.splitlines()), (args, result.out)
        assert took < seconds, (args, took)
        assert grew < MEGABYTES, (args, grew)
        assert files(own) == before, args
        self.codes[result.code] += 1
        self.seconds, self.megabytes = max(self.seconds, took), max(self.megabytes, grew)
        return result

    def __str__(self):
        codes = ", ".join(f"{code} × {n:,}" for code, n in sorted(self.codes.items()))
        return (
            f"{self.codes.total():,} calls, exit codes {codes}; at most {self.seconds:.2f} s of CPU and "
            f"{self.megabytes:.0f} MB; 0 tracebacks, 0 control characters, 0 files made or changed"
        )


@pytest.fixture
def call(mlp, request, capsys):
    tally = Tally(mlp)
    yield tally
    if request.node.get_closest_marker("campaign"):
        with capsys.disabled():
            print(f"\n{request.node.name}: {tally}")


def files(own):
    """What shows whether a file was made, removed or written to: by path, outside the directory `own`."""
    status = {path: path.lstat() for path in Path().rglob("*") if own is None or Path(own) not in (path, *path.parents)}
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in status.items()}


def peak(reset=False):
    """The largest number of megabytes that this process had since the last reset, where the system counts them."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000
    except OSError:
        return 0.0


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
        "AVIF": grey.convert("RGB"),
        "HEIF": grey.convert("RGB"),
    }.items():
        file = io.BytesIO()
        if (kind != "AVIF" or features.check("avif")) and (kind != "HEIF" or has_heif()):
            picture.save(file, kind)
            yield file.getvalue()


def has_heif():
    """Whether there is a plug-in for HEIC pictures, which is not up to us to install."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    importlib.import_module("pillow_heif").register_heif_opener()
    return True


@pytest.mark.parametrize("n", NUMBERS)
def test_pictures(call, n):
    rng, kinds = random.Random(1), list(pictures())
    names = [f"{number}.png" for number in range(4)]
    for _ in range(0, n, len(names)):
        for name in names:
            Path(name).write_bytes(mutated(rng.choice(kinds), rng))
        result = call("predict", *rng.choice([(), ("--split",), ("--threshold", "0")]), *names)
        assert {line.split("\t")[0].split("#")[0] for line in result.out.splitlines()} == set(names)


@pytest.mark.parametrize("n", NUMBERS)
def test_data_sets(call, n):
    rng = random.Random(2)
    images, labels = blobs(30, seed=1)
    Path("data").mkdir()
    for part in ("train", "t10k"):
        write_data(Path("data"), images, labels, part)
    kinds = {path: path.read_bytes() for path in Path("data").iterdir()}
    settings = ("--set", "training.validation=5", "--set", "network.hidden=[4]", "--epochs", "0", "--quiet")
    for _ in range(n):
        path = rng.choice(list(kinds))
        path.write_bytes(mutated(kinds[path], rng))
        if rng.random() < 0.2:
            Path("data/classes.txt").write_bytes(mutated(b"one\ntwo\nthree\nfour\n", rng))
        result = call("train", "plain", "--data", "data", *settings, "--out", "run", own="run")
        assert Path("run").exists() == (result.code == 0)
        shutil.rmtree("run", ignore_errors=True)
        path.write_bytes(kinds[path])
        Path("data/classes.txt").unlink(missing_ok=True)


@pytest.mark.parametrize("n", NUMBERS)
def test_checkpoints(train, call, data, n):
    rng = random.Random(3)
    train("run", "--quiet")
    kinds = [Path("run", name).read_bytes() for name in ("best.safetensors", "last.safetensors")]
    for _ in range(n):
        content = rng.choice(kinds)
        header = 8 + int.from_bytes(content[:8], "little")
        whole = header if rng.random() < 0.7 else len(content)  # names, shapes and metadata are in the header
        content = mutated(content[:whole], rng) + content[whole:]
        Path("bad.safetensors").write_bytes(content)
        call("eval", "bad.safetensors", "--data", data)


@pytest.mark.parametrize("n", NUMBERS)
def test_run_directories(train, call, data, n):
    rng = random.Random(4)
    train("runs/1", "--quiet")
    kinds = {path: path.read_bytes() for path in Path("runs/1").iterdir()}
    for _ in range(n):
        path = rng.choice(list(kinds))
        path.write_bytes(mutated(kinds[path], rng))
        call("runs")
        call("train", "--resume", "runs/1", "--quiet", "--data", data, own="runs/1")
        assert sorted(Path("runs/1").iterdir()) == sorted(kinds)
        for other, content in kinds.items():
            other.write_bytes(content)


@pytest.mark.parametrize("n", NUMBERS)
def test_configurations(call, data, n):
    rng = random.Random(5)
    good = (Path(__file__).parents[2] / "configs/accurate.toml").read_bytes()
    for _ in range(n):
        Path("bad.toml").write_bytes(mutated(good, rng))
        call("sweep", "bad.toml", "--data", data, "--set", "training.validation=100", "--dry-run")


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
def test_command_lines(call, n):
    rng = random.Random(6)
    for _ in range(n):
        words = [rng.choice(WORDS[:8]), *rng.choices(WORDS, k=rng.randrange(1, 6))]
        if words[0] == "train":
            words += ["--epochs", "0", "--data", "nowhere"]  # to try the words, not to train
        # gradcheck without a mistake in its words does its work, which takes a second
        call(*words, seconds=3 * SECONDS if words[0] == "gradcheck" else SECONDS)


def test_the_mutations_change_what_they_are_given():
    rng, content = random.Random(0), idx_bytes(np.arange(2000) % 256)
    assert sum(mutated(content, rng) != content for _ in range(100)) > 90
