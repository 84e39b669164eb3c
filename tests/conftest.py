"""A small data set to train on in milliseconds, and the program as a function."""

import importlib
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from samples import BASE, blobs, write_data


def pytest_configure():
    """Temporary files go into memory if there is room: on a disk that discards freed blocks, each of the thousands of
    files replaced here would take a millisecond."""
    memory = Path("/dev/shm")
    if memory.is_dir() and not os.environ.get("PYTEST_DEBUG_TEMPROOT"):
        status = os.statvfs(memory)
        if status.f_bavail * status.f_frsize > 2**30 and not status.f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(memory)


@pytest.fixture(scope="session", autouse=True)
def unflushed():
    """No test pulls the plug, so none waits for the disk. tests/test_files.py checks that the program would wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data directory: 500 training and 100 test images of 8×8 pixels, 4 classes."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder, *blobs(500, seed=1))
    write_data(folder, *blobs(100, seed=2), part="t10k")
    return folder


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def mlp(tmp_path, monkeypatch, capsys):
    """The program as a function of its arguments, in an empty directory: mlp("train", "plain") -> Result."""
    from mlp_cli.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")  # whatever terminal the tests themselves run on
    monkeypatch.delenv("NO_COLOR", raising=False)

    def call(*args):
        capsys.readouterr()
        code = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as exit_:
            code = exit_.code or 0
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session", autouse=True)
def heeded():
    """A shell makes background processes ignore Ctrl-C, and every process of a test would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def on_a_terminal(mlp, monkeypatch):
    """What a terminal of 110 columns shows of one stream of the program: on_a_terminal("eval", "run") -> bytes."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")

    def everything_from(main):
        shown = b""
        try:
            while chunk := os.read(main, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        return shown

    def call(*args, stream="stdout"):
        main, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 110))
        with ThreadPoolExecutor(1) as reader:
            shown = reader.submit(everything_from, main)
            with open(terminal, "w", encoding="utf-8") as file, monkeypatch.context() as patch:
                patch.setattr(sys, stream, file)
                result = mlp(*args)
        os.close(main)
        assert result.code == 0
        return shown.result()

    return call


SMALL = (
    "--set", "training.validation=100", "--set", "network.hidden=[8]", "--set", "training.batch_size=32",
    "--epochs", "3", "--set", "training.learning_rate=0.1",
)  # fmt: skip


@pytest.fixture
def train(mlp, data):
    """Train a small network on the small data, in the directory `out`: train("run", "--seed", 1) -> Result."""

    def call(out, *args, config=BASE):
        where = () if "--data" in args else ("--data", data)
        return mlp("train", config, *where, *SMALL, *args, "--out", out)

    return call


PAGE = ("nn", "proof")  # the formulas, and what checks them


@pytest.fixture
def spoilt(tmp_path, monkeypatch):
    """spoilt("layers", line, other): for the rest of the test mlp_cli.nn and mlp_cli.proof are copies of themselves, in
    which this line of nn/layers.py (or of "proof/gradcheck") is another. Returns its mlp_cli.proof.gradcheck."""
    import mlp_cli.proof.gradcheck

    for room in PAGE:
        source = Path(mlp_cli.__file__).parent / room
        shutil.copytree(source, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(mlp_cli, room, getattr(mlp_cli, room))
    monkeypatch.setattr(mlp_cli, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.startswith(tuple(f"mlp_cli.{room}" for room in PAGE))]:
        monkeypatch.delitem(sys.modules, name)

    def load(file, line, replacement):
        path = tmp_path / (f"{file}.py" if "/" in file else f"nn/{file}.py")
        source = path.read_text("utf-8")
        assert source.count(line) == 1
        path.write_text(source.replace(line, replacement), "utf-8")
        return importlib.import_module("mlp_cli.proof.gradcheck")

    return load
