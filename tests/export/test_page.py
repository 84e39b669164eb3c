"""The file that `mlp draw` and `mlp export` write: whole, small, closed to the world outside."""

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import mlp_cli
from mlp_cli.export.page import page
from mlp_cli.model.find import BUNDLED


class Elements(HTMLParser):
    """Every element of a page: (tag, attributes, text directly inside)."""

    def __init__(self, source):
        super().__init__()
        self.found = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.found.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self.found.append(["", {}, ""])

    def handle_data(self, data):
        if self.found:
            self.found[-1][2] += data


def model_in(source):
    """The network in a page, and whether the page is sound: no more scripts than its own, and nothing from outside."""
    elements = Elements(source).found
    data, script = [(attributes, text) for tag, attributes, text in elements if tag == "script"]
    (policy,) = [attributes["content"] for _, attributes, _ in elements if "http-equiv" in attributes]
    (style,) = [text for tag, _, text in elements if tag == "style"]
    for text in (script[1], style):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    addresses = [value for _, attributes, _ in elements for key, value in attributes.items() if key in ("src", "href")]
    assert addresses == ["data:,"]  # no favicon is asked for
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|import\(|url\(|eval\(", script[1] + style)
    assert not any(key.startswith("on") for _, attributes, _ in elements for key in attributes)
    return json.loads(data[1])


def test_the_page_holds_the_network_and_is_below_a_megabyte(mlp, shipped):
    assert mlp("draw", "--out", "draw.html").code == 0
    content = Path("draw.html").read_bytes()
    assert len(content) <= 1_000_000
    model = model_in(content.decode())
    flat = np.frombuffer(base64.b64decode(model["parameters"]), "<f4")
    np.testing.assert_array_equal(flat, shipped.network.parameters.flat)
    assert (model["sizes"], model["activation"]) == ([784, 128, 64, 10], "relu")
    assert (model["temperature"], model["threshold"]) == (shipped.metadata.temperature, shipped.metadata.threshold)


def test_parameters_that_fit_into_two_bytes_take_two(checkpoint):
    made = checkpoint((3, 4), "ab", (2,))
    flat = made.network.parameters.flat
    flat[...] = flat.astype(np.float16)
    model = model_in(page(made).decode())
    assert (model["bytes"], len(base64.b64decode(model["parameters"]))) == (2, 2 * flat.size)
    flat[0] = 1e6
    assert model_in(page(made).decode())["bytes"] == 4


def test_names_of_any_kind_are_data_and_nothing_else(checkpoint):
    names = ["</script><script>x()</script>", "<!--", '"\\', "衬衫 & {{title}}"]
    made = checkpoint((3, 4), names, (2,), "tanh")
    assert model_in(page(made).decode())["classes"] == names


def test_the_export_is_the_page_of_draw_and_always_the_same(mlp):
    for args in (("export", "mnist", "a.html"), ("export", "mnist", "b.HTML"), ("draw", "--out", "c.html")):
        result = mlp(*args)
        assert (result.code, result.out) == (0, f"{args[-1]}\n")
        assert result.err.startswith(f"model: {BUNDLED['mnist']}")
    assert Path("a.html").read_bytes() == Path("b.HTML").read_bytes() == Path("c.html").read_bytes()


def test_a_page_of_a_run_names_it_in_the_command_for_trace(mlp, train):
    train("my run")
    assert mlp("draw", "--model", "my run", "--out", "draw.html").code == 0
    assert model_in(Path("draw.html").read_text("utf-8"))["option"] == " --model 'my run/best.safetensors'"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["export", "there.html"], "there.html: already exists"),
        (["export", "there.onnx"], "there.onnx: already exists"),
        (["export", "link.html"], "link.html: already exists"),
        (["draw", "--out", "there.html"], "there.html: already exists"),
        (["draw", "--out", "folder"], "folder: already exists"),
        (["draw", "--out", "no/where.html"], "no/where.html: cannot be written: No such file or directory"),
        (["draw", "--out", ""], "cannot be written"),
        (["draw", "--model", "nowhere"], "nowhere: no such file"),
        (["draw", "--model", "there.html"], "there.html: not a complete safetensors file"),
        (["export", "nowhere", "x.onnx"], "nowhere: no such file"),
        (["export", "folder", "x.onnx"], "folder: not a run directory"),
        (["export", "runs/001"], "runs/001: must end in .onnx or .html"),
        (["export", "x.pt"], "x.pt: must end in .onnx or .html"),
        (["export", "a", "b", "c.html"], "Give at most a MODEL and the FILE to write."),
        (["export"], "Missing argument '[MODEL] FILE'"),
    ],
)
def test_impossible_requests_are_a_one_line_error(mlp, args, part):
    for name in ("there.html", "there.onnx"):
        Path(name).write_text("mine")
    os.mkdir("folder")
    os.symlink("nowhere", "link.html")
    before = sorted(os.listdir())
    result = mlp(*args)
    assert (result.code, result.out) == (2, "")
    assert part in result.err.splitlines()[-1]
    assert result.err.splitlines()[-1].startswith("mlp: ")
    assert sorted(os.listdir()) == before
    assert Path("there.html").read_text() == Path("there.onnx").read_text() == "mine"


def test_without_a_display_draw_says_where_the_page_is(mlp, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    result = mlp("draw")
    assert (result.code, opened) == (0, [])
    assert Path(result.out.strip()).is_relative_to(tmp_path)
    assert model_in(Path(result.out.strip()).read_text("utf-8"))["sizes"] == [784, 128, 64, 10]
    assert "open this file" in result.err
    monkeypatch.setenv("DISPLAY", ":0")
    result = mlp("draw")
    assert opened == [Path(result.out.strip()).as_uri()]
    assert "opened in the browser" in result.err


def test_the_package_contains_the_page_template():
    assert (Path(mlp_cli.__file__).parent / "export" / "page.html").is_file()
