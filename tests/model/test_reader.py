"""The reader from Python: what it takes, what it answers, what it refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import page
from PIL import Image

import mlp_cli
from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import ImageError, ModelError
from mlp_cli.images.digits import Digit
from mlp_cli.model import reader as module
from mlp_cli.model.checkpoint import load_checkpoint, to_bytes
from mlp_cli.model.find import BUNDLED
from mlp_cli.model.reader import Reader


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test")


@pytest.fixture(scope="module")
def reader():
    return mlp_cli.load()


@pytest.fixture
def drawing(tmp_path, mnist):
    """A page with a 7, as a PNG file in colour."""
    path = tmp_path / "seven.png"
    Image.fromarray(page(mnist.images[0].reshape(28, 28), np.random.default_rng(0))).convert("RGB").save(path)
    return path


def with_threshold(tmp_path, threshold):
    """The shipped model with a threshold of its own."""
    import msgspec

    shipped = load_checkpoint(BUNDLED["mnist"])
    path = tmp_path / "model.safetensors"
    path.write_bytes(to_bytes(shipped.network, msgspec.structs.replace(shipped.metadata, threshold=threshold)))
    return path


def test_a_picture_can_be_a_path_bytes_a_pillow_image_or_an_array(reader, drawing):
    answer = reader.read(drawing)
    assert answer.digit == 7
    assert answer.image.shape == (28, 28)
    with Image.open(drawing) as picture:
        others = [str(drawing), drawing.read_bytes(), picture, np.asarray(picture), np.asarray(picture.convert("L"))]
        assert all(reader.read(other) == answer for other in others)
        picture.load()  # it is still open


def test_a_picture_is_answered_as_mlp_predict_answers_it_among_others(mlp, reader, mnist, tmp_path):
    """To the last digit, in every field, though one reads a picture alone and the other two hundred."""
    for i, image in enumerate(mnist.images[:100]):
        pixels = image.reshape(28, 28)
        Image.fromarray(pixels if i % 2 else page(pixels, np.random.default_rng(i))).save(tmp_path / f"{i:03d}.png")
    lines = mlp("predict", "--json", *sorted(tmp_path.glob("*.png"))).out.splitlines()
    for answer in map(json.loads, lines):
        ours = reader.read(answer.pop("path"))
        assert answer == {key: json.loads(json.dumps(getattr(ours, key))) for key in answer}


def test_rows_are_answered_as_mlp_predict_does(mlp, reader, mnist, tmp_path):
    rows = [[mnist.images[i].reshape(28, 28) for i in row] for row in ((0, 1, 2), (3, 4))]
    Image.fromarray(page(rows, np.random.default_rng(0))).save(tmp_path / "form.png")
    answers = reader.read_rows("form.png")
    assert [[answer.digit for answer in row] for row in answers] == [[7, 2, 1], [0, 4]]
    digits = json.loads(mlp("predict", "--split", "--json", "form.png").out)["digits"]
    for digit, answer in zip(digits, [answer for row in answers for answer in row], strict=True):
        digit.pop("row")
        assert digit == {key: json.loads(json.dumps(getattr(answer, key))) for key in digit}


def test_reader_errors_have_the_messages_of_mlp_predict(mlp, reader, tmp_path):
    Image.new("L", (60, 40), 230).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("text")
    for name in ("blank.png", "text.png", "none.png"):
        line = mlp("predict", name).err.splitlines()[-1]
        with pytest.raises(ImageError) as error:
            reader.read(name)
        assert line == f"mlp: {error.value}"
    with pytest.raises(ImageError, match=r"^the picture: no digit found: the page is blank$"):
        reader.read((tmp_path / "blank.png").read_bytes())


def test_objects_other_than_pictures_raise_type_or_value_errors(reader):
    with pytest.raises(TypeError, match="not int"):
        reader.read(7)
    for array in (np.zeros((28, 28)), np.zeros(784, np.uint8), np.zeros((2, 28, 28), np.uint8), np.zeros((0, 5), "u1")):
        with pytest.raises(ValueError, match=r"must be uint8 \(h, w\)"):
            reader.read(array)
    with pytest.raises(ValueError, match=r"threshold is 1\.5"):
        mlp_cli.load(threshold=1.5)


def test_probabilities_are_those_of_read(reader, mnist):
    images = mnist.images[:50]
    p = reader.probabilities(images)
    assert p.shape == (50, 10)
    np.testing.assert_array_equal(p, reader.probabilities(images.reshape(50, 28, 28)))
    alone = [reader.read(image.reshape(28, 28)).probabilities for image in images]
    np.testing.assert_allclose(p, alone, atol=1e-5)
    assert reader.probabilities(images[:0]).shape == (0, 10)
    with pytest.raises(ValueError, match="uint8"):
        reader.probabilities(images / 255)


def test_the_model_s_own_threshold_refuses_unless_another_is_given(mlp, mnist, tmp_path):
    unsure = next(
        image.reshape(28, 28) for image in mnist.images if 0.4 < mlp_cli.load().probabilities(image[None]).max() < 0.6
    )
    Image.fromarray(unsure).save(tmp_path / "unsure.png")
    path = with_threshold(tmp_path, 0.7)
    answer = mlp_cli.load(path).read(unsure)
    assert answer.digit is None
    assert 0.4 < answer.confidence < 0.6
    guess = int(np.argmax(answer.probabilities))
    assert (
        answer.reason
        == f"does not look like a digit: best guess {guess} with confidence {int(100 * answer.confidence) / 100:.2f}"
    )
    result = mlp("predict", "--model", path, "unsure.png")
    assert (result.code, result.out) == (1, "unsure.png\t-\t-\n")
    assert result.err.endswith(f"mlp: unsure.png: {answer.reason}\n")
    for threshold in ("0", "0.4"):
        result = mlp("predict", "--model", path, "--threshold", threshold, "unsure.png")
        assert (result.code, result.out.split("\t")[1]) == (0, str(guess))
    assert mlp_cli.load(path, threshold=0).read(unsure).digit == guess


def test_the_reason_never_rounds_the_confidence_up_to_the_threshold(tmp_path):
    digit = Digit(np.zeros((28, 28), np.uint8), (0, 0, 1, 1), False)
    y = [0.00001, 0.99999] + [0.0] * 8
    assert (
        mlp_cli.load(threshold=1)._judged(digit, y).reason == "read as 1 with confidence 0.9999, below the threshold 1"
    )
    reader = Reader(load_checkpoint(with_threshold(tmp_path, 1.0)))
    assert reader._judged(digit, y).reason == "does not look like a digit: best guess 1 with confidence 0.99"


def test_inverted_says_that_the_ink_is_darker_than_the_paper(drawing):
    assert mlp_cli.load(inverted=True).read(drawing) == mlp_cli.load().read(drawing)
    assert mlp_cli.load().read(drawing).inverted
    wrong = next(mlp_cli.load(inverted=False).readings(drawing))
    assert not any(answer.inverted for answer in wrong.answers)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "does not fit into memory; make the picture smaller"),
        (
            ZeroDivisionError("division by zero"),
            "cannot be read because of a bug in mlp: ZeroDivisionError: division by zero",
        ),
    ],
    ids=["memory", "unforeseen"],
)
def test_an_error_in_one_picture_does_not_affect_the_others(mlp, monkeypatch, mnist, tmp_path, error, words):
    prepare = module.prepare

    def failing(page, inverted):
        if page.levels[0, 0] == 1:
            raise error
        return prepare(page, inverted)

    monkeypatch.setattr(module, "prepare", failing)
    for name, corner in (("a.png", 0), ("b.png", 1), ("c.png", 0)):
        pixels = mnist.images[0].reshape(28, 28).copy()
        pixels[0, 0] = corner
        Image.fromarray(pixels).save(tmp_path / name)
    result = mlp("predict", "a.png", "b.png", "c.png")
    assert result.code == 1
    assert [line.split("\t")[1] for line in result.out.splitlines()] == ["7", "-", "7"]
    assert f"mlp: b.png: {words}\n" in result.err


def test_pages_are_read_one_after_the_other(reader, tmp_path, monkeypatch):
    """So that a folder of photos takes no more memory than one of them."""
    read = []
    prepare = module.prepare
    monkeypatch.setattr(module, "prepare", lambda *args: read.append(1) or prepare(*args))
    picture = np.zeros((40, 40), np.uint8)
    picture[10:30, 18:22] = 255
    pages = [Image.fromarray(picture)] * 3
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    for number, reading in enumerate(reader.readings(tmp_path / "scan.tif"), start=1):
        assert len(read) == number
        assert reading.rows[0][0].digit == 1


def test_the_repr_says_what_the_model_is(tmp_path):
    assert repr(mlp_cli.load()).startswith(f"<Reader of {BUNDLED['mnist']} (validation accuracy 99.")
    assert "): 784-128-64-10, " in repr(mlp_cli.load())
    assert repr(mlp_cli.load(with_threshold(tmp_path, 0.25))).endswith("refuses below 0.25>")
    assert repr(mlp_cli.load(threshold=0)).endswith("answers everything>")


def test_a_model_that_cannot_be_used_is_a_model_error(train, tmp_path):
    train("run")
    with pytest.raises(ModelError, match="8×8 pixels"):
        mlp_cli.load(tmp_path / "run")
    with pytest.raises(ModelError, match="no such file"):
        mlp_cli.load("none.safetensors")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, mlp_cli; print({'numpy', 'PIL', 'click', 'msgspec', 'cv2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_example_of_the_readme_is_true(monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    (example,) = re.findall(r"```python\n(import mlp_cli\n.*?)```", (root / "README.md").read_text("utf-8"), re.DOTALL)
    assert "reader.read_rows" in example
    exec(example, {})


@pytest.mark.parametrize(("strokes", "points", "refused"), [(36, 36, False), (44, 44, True), (190, 44, False)])
def test_a_page_of_specks_is_refused_in_one_line(mlp, tmp_path, strokes, points, refused):
    """Strokes as 1s stand in rows, some with a point behind them."""
    page = np.full((1200, 1600), 235, np.uint8)
    for i in range(strokes):
        x, y = 30 + i % 22 * 70, 40 + i // 22 * 130
        page[y : y + 80, x : x + 10] = 40
        if i < points:
            page[y + 70 : y + 80, x + 35 : x + 45] = 40
    Image.fromarray(page).save(tmp_path / "specks.png")
    result = mlp("predict", "--split", "specks.png")
    lines = [line for line in result.err.splitlines() if line.startswith("mlp: ")]
    assert (result.code, len(lines)) == (1, 1)
    assert ("no rows of digits found" in lines[0]) == refused
    assert (result.out == "specks.png\t-\t-\n") == refused
