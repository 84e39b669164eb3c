"""Colours and bars appear only on terminals that have them, in every command."""

import functools

import pytest
from PIL import Image
from samples import BASE, quietly
from tqdm import tqdm

from mlp_cli.cli import progress

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


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "empty NO_COLOR", "NO_COLOR", "TERM=dumb"],
)
def test_colours_are_for_terminals_that_have_them(commands, on_a_terminal, monkeypatch, name, variables, has_colour):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    shown = on_a_terminal(*commands[name])
    assert (COLOURED[name] in shown) == has_colour
    assert (b"\x1b" in shown) == has_colour


@pytest.mark.parametrize("name", COLOURED)
def test_a_pipe_gets_no_colours(commands, mlp, name):
    result = mlp(*commands[name])
    assert result.code == 0
    assert result.out
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize(("term", "has_bar"), [("xterm", True), ("dumb", False)])
def test_a_terminal_gets_a_bar_and_a_dumb_one_a_line_per_epoch(commands, on_a_terminal, monkeypatch, term, has_bar):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(progress, "tqdm", functools.partial(tqdm, mininterval=0))  # the run is over in 0.1 s
    shown = on_a_terminal(*commands["train"], stream="stderr")
    speed, time_left = b"img/s" in shown, b"<0" in shown
    assert speed == time_left == (b"\r" in shown.replace(b"\r\n", b"\n")) == has_bar
    assert all(part in shown for part in (b"epoch 3", b"loss 0.", b"accuracy "))
    assert shown.count(b"validation") == 40
