"""Colours and bars are for terminals that have them, in every command alike."""

import os
import subprocess
import sys

import pytest
from PIL import Image
from samples import BASE, quietly

pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")

COLOURED = {  # command: what only a coloured answer of it has
    "eval": b"\x1b[48;5;",
    "gradcheck": b"\x1b[32mok",
    "predict": b"\x1b[38;5;",
}


@pytest.fixture(scope="module")
def commands(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    quietly("train", BASE, "--data", data, "--epochs", 1, "--set", "training.validation=100", "--out", folder / "run")
    page = Image.new("L", (60, 60), 255)
    page.paste(0, (28, 10, 33, 50))
    page.save(folder / "one.png")
    return {
        "eval": ["eval", folder / "run", "--data", data],
        "gradcheck": ["gradcheck", "--set", "network.hidden=[6]"],
        "predict": ["predict", "--show", folder / "one.png"],
        "train": ["train", BASE, "--data", data, "--epochs", "40", "--set", "training.validation=100"],
    }


def shown_on_a_terminal(command, cwd, stream="stdout", **variables):
    """What a terminal gets to see of one stream of the program."""
    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 110))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | variables
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: terminal}
    arguments = [sys.executable, "-m", "mlp_cli", *map(str, command)]
    with subprocess.Popen(arguments, cwd=cwd, env=environment, **streams) as process:
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(main, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
    os.close(main)
    assert process.returncode == 0
    assert shown
    return shown


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "empty NO_COLOR", "NO_COLOR", "TERM=dumb"],
)
def test_colours_are_for_terminals_that_have_them(commands, tmp_path, name, variables, has_colour):
    shown = shown_on_a_terminal(commands[name], tmp_path, **variables)
    assert (COLOURED[name] in shown) == has_colour
    assert (b"\x1b" in shown) == has_colour


@pytest.mark.parametrize("name", COLOURED)
def test_a_pipe_gets_no_colours(commands, tmp_path, name):
    arguments = [sys.executable, "-m", "mlp_cli", *map(str, commands[name])]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    assert b"\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize(("term", "has_bar"), [("xterm", True), ("dumb", False)])
def test_a_dumb_terminal_gets_a_line_per_epoch_and_no_bar(commands, tmp_path, term, has_bar):
    shown = shown_on_a_terminal(commands["train"], tmp_path, stream="stderr", TERM=term)
    assert (b"img/s" in shown) == (b"\r" in shown.replace(b"\r\n", b"\n")) == has_bar
    assert shown.count(b"validation") == 40
