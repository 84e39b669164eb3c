import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from mlp_cli.cli.trace import _class_number
from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test")


@pytest.fixture
def picture(tmp_path, mnist):
    """Test image 1, a two, as a PNG file."""
    path = tmp_path / "two.png"
    Image.fromarray(mnist.images[1].reshape(28, 28)).save(path)
    return path


def test_a_test_image_is_traced_in_a_table_of_at_most_100_columns(mlp):
    result = mlp("trace", "--index", "1")
    assert result.code == 0
    assert result.err.splitlines()[1] == "image: MNIST, test image 1, label 2"
    head, *rows = result.out.splitlines()
    assert head.split() == ["shape", "norm", "min", "max", "first", "entries"]
    assert [row.split()[0] for row in rows][:5] == ["a⁽⁰⁾", "W⁽¹⁾", "b⁽¹⁾", "z⁽¹⁾", "a⁽¹⁾"]
    assert len(rows) == 25
    assert max(map(len, result.out.splitlines())) <= 100


def test_the_numbers_of_a_row_are_those_of_its_quantity(mlp):
    rows = {row.split()[0]: row.split()[1:] for row in mlp("trace", "--index", "1").out.splitlines()[1:]}
    W = load_checkpoint(BUNDLED["mnist"]).network.parameters.W[2]
    shape, norm, low, high, start, *first = rows["W⁽³⁾"]
    assert (shape, start) == ("64×10", "[0,0]")
    numbers = [float(number) for number in (norm, low, high, *first)]
    np.testing.assert_allclose(numbers, [np.linalg.norm(W), W.min(), W.max(), *W[0, :3]], rtol=1e-3)


def test_entries_start_at_the_first_that_is_not_0(mlp, mnist):
    rows = {row.split()[0]: row.split()[1:] for row in mlp("trace", "--index", "1").out.splitlines()[1:]}
    pixels = mnist.images[1]
    start = int(np.flatnonzero(pixels)[0])
    assert rows["a⁽⁰⁾"][4] == f"[0,{start}]"
    np.testing.assert_allclose([float(x) for x in rows["a⁽⁰⁾"][5:]], pixels[start : start + 3] / 255, rtol=1e-3)


def test_a_picture_of_a_test_image_gives_the_numbers_of_that_image(mlp, picture):
    def numbers(*args):
        return json.loads(mlp("trace", *args, "--json", "--full").out)["quantities"]

    by_index = numbers("--index", "1")
    assert numbers(picture, "--label", "2") == by_index
    assert numbers(picture, "--label", "3") != by_index
    assert mlp("trace", picture, "--label", "3").err.splitlines()[1] == f"image: {picture}, label 3"


def test_full_prints_every_entry_to_the_last_bit(train, mlp, data):
    train("run")
    output = mlp("trace", "--index", "1", "--model", "run", "--data", data, "--full").out
    blocks = {block.split()[0]: block for block in output.split("\n\n")}
    head, _, text = blocks["W⁽¹⁾"].partition("\n")
    assert head == "W⁽¹⁾  64×8"
    printed = np.array(text.replace("[", " ").replace("]", " ").split(), np.float32).reshape(64, 8)
    W = load_checkpoint("run/best.safetensors").network.parameters.W[0]
    assert printed.tobytes() == W.tobytes()
    assert max(map(len, output.splitlines())) <= 100


def test_json_is_one_object_with_the_documented_keys(mlp):
    answer = json.loads(mlp("trace", "--index", "1", "--json").out)
    assert list(answer) == ["model", "image", "label", "quantities"]
    assert (answer["label"], len(answer["quantities"])) == ("2", 25)
    for quantity in answer["quantities"]:
        assert list(quantity) == ["symbol", "name", "shape", "norm", "min", "max", "from", "first"]
    full = json.loads(mlp("trace", "--index", "1", "--json", "--full").out)
    assert list(full["quantities"][0]) == ["symbol", "name", "shape", "norm", "min", "max", "values"]
    (W,) = [quantity["values"] for quantity in full["quantities"] if quantity["name"] == "W3"]
    np.testing.assert_array_equal(np.array(W, np.float32), load_checkpoint(BUNDLED["mnist"]).network.parameters.W[2])


def test_standard_input_is_a_picture_too(mlp, mnist, monkeypatch):
    file = io.BytesIO()
    Image.fromarray(mnist.images[1].reshape(28, 28)).save(file, "PNG")
    file.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
    result = mlp("trace", "-", "--label", "2")
    assert result.code == 0
    assert "image: standard input, label 2" in result.err


def test_a_batch_is_traced_and_shows_1_over_m(mlp):
    result = mlp("trace", "--index", "1", "--batch", "3")
    assert result.code == 0
    assert result.err.splitlines()[1] == "image: MNIST, test images 1 to 3, label 2, 1, 0"
    rows = {row.split()[0]: row.split()[1:] for row in result.out.splitlines()[1:] if row}
    assert rows["∂L/∂z⁽³⁾"][0] == "3×10"
    *_, head, of_b, of_W = result.out.splitlines()
    assert head == "1/m with m = 3: row i of ∂L/∂z⁽³⁾ belongs to example i; these are means over the examples:"

    def quantities(*args):
        values = json.loads(mlp("trace", *args, "--json", "--full").out)["quantities"]
        return {quantity["name"]: np.array(quantity["values"]) for quantity in values}

    batch = quantities("--index", "1", "--batch", "3")
    alone = [quantities("--index", str(1 + i)) for i in range(3)]
    # For a sure answer, ŷ − y all but cancels, so only its first digits are certain in float32.
    for name in ("dW1", "db2", "dW3", "db3"):
        mean = np.mean([q[name] for q in alone], axis=0)
        np.testing.assert_allclose(batch[name], mean, atol=1e-2 * np.abs(mean).max())
    dz2 = np.concatenate([q["dz2"] for q in alone])
    np.testing.assert_allclose(batch["dz2"], dz2, atol=1e-2 * np.abs(dz2).max())
    for line, mean in ((of_b, batch["db3"][0]), (of_W, None)):
        left, terms, right = re.fullmatch(r"(.*) = 1/3 \((.*)\) = (.*)", line).groups()
        total = sum(np.prod([float(x.strip("() ")) for x in term.split("·")]) for term in terms.split(" + "))
        assert total / 3 == pytest.approx(float(right), rel=2e-3)
        assert mean is None or (left == "∂L/∂b⁽³⁾[0]" and float(right) == pytest.approx(mean, rel=1e-3))


def test_the_worked_example_of_the_derivation_is_traced(mlp):
    result = mlp("trace", "--example")
    assert (result.code, result.err) == (0, "the worked example of docs/derivation.md: 2 examples\n")
    rows = {row.split()[0]: row.split()[1:] for row in result.out.splitlines()[1:] if row}
    assert rows["∂L/∂W⁽²⁾"] == ["3×2", "0.3213", "-0.2249", "0.2249", "[0,0]", "0.02899", "-0.02899", "0.2249"]
    assert result.out.splitlines()[-1] == "∂L/∂W⁽²⁾[0,0] = 1/2 (0.8 · (-0.2789) + 0.5 · 0.5622) = 0.02899"
    answer = json.loads(mlp("trace", "--example", "--json").out)
    assert (answer["labels"], len(answer["quantities"])) == ([0, 1], 17)


def test_other_data_sizes_and_depths_are_traced(train, mlp, data):
    train("run")
    result = mlp("trace", "--index", "3", "--model", "run", "--data", data)
    assert result.code == 0
    assert result.out.splitlines()[1].split()[:2] == ["a⁽⁰⁾", "1×64"]
    assert len(result.out.splitlines()) == 1 + 17


def test_a_class_is_given_by_its_name_or_its_number():
    classes = ("Trouser", "Bag", "7")
    assert [_class_number(label, classes) for label in ("Bag", "7", "0")] == [1, 2, 0]
