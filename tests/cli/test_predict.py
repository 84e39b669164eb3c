import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pages import page
from PIL import Image

from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network trained on part of MNIST, good enough for its answers to mean something."""
    from mlp_cli.cli import main

    out = tmp_path_factory.mktemp("mnist") / "run"
    settings = ["--set", "training.validation=50000", "--set", "network.hidden=[32]", "--quiet"]
    main(["train", "quick", "--epochs", "4", *settings, "--out", str(out)])
    return out


KEYS = ["path", "digit", "confidence", "probabilities", "box", "inverted", "actions", "reason"]


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test")


@pytest.fixture
def pictures(tmp_path, mnist):
    """The first 200 test images as PNG files, in a folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(mnist.images[:200]):
        Image.fromarray(image.reshape(28, 28)).save(folder / f"{i:03d}.png")
    return folder


def test_png_files_of_test_images_are_answered_as_eval_does(mlp, model, mnist, pictures):
    result = mlp("predict", "--model", model, pictures)
    assert result.code == 0
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [path for path, _, _ in lines] == [str(pictures / f"{i:03d}.png") for i in range(200)]
    checkpoint = load_checkpoint(model / "best.safetensors")
    log_y = log_probabilities(checkpoint.network, mnist.images[:200])
    assert [int(digit) for _, digit, _ in lines] == log_y.argmax(axis=1).tolist()
    confidence = [float(p) for _, _, p in lines]
    y = np.exp(log_y / checkpoint.metadata.temperature)
    np.testing.assert_allclose(confidence, (y / y.sum(axis=1, keepdims=True)).max(axis=1), atol=6e-5)
    assert np.mean([int(digit) for _, digit, _ in lines] == mnist.labels[:200]) > 0.85


def test_top_prints_the_most_likely_digits_in_order(mlp, model, pictures):
    path, *pairs = mlp("predict", "--model", model, "--top", "3", pictures / "008.png").out.rstrip("\n").split("\t")
    assert path.endswith("008.png")
    assert len(pairs) == 6
    confidence = [float(p) for p in pairs[1::2]]
    assert confidence == sorted(confidence, reverse=True)
    assert len(set(pairs[0::2])) == 3


def test_json_is_one_object_a_line_with_the_documented_keys(mlp, model, pictures):
    lines = mlp("predict", "--model", model, "--json", pictures / "000.png", "missing.png").out.splitlines()
    good, bad = map(json.loads, lines)
    assert list(good) == list(bad) == KEYS
    assert len(good["probabilities"]) == 10
    assert sum(good["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert good["confidence"] == max(good["probabilities"])
    assert good["digit"] == np.argmax(good["probabilities"])
    assert (good["inverted"], good["reason"]) == (False, None)
    assert bad["digit"] is None
    assert "no such file" in bad["reason"]


def test_a_bad_file_among_many_is_reported_and_the_others_go_through(mlp, model, pictures):
    (pictures / "001.png").write_text("text")
    result = mlp("predict", "--model", model, pictures / "000.png", pictures / "001.png", pictures / "002.png")
    assert result.code == 1
    assert [line.split("\t")[1] == "-" for line in result.out.splitlines()] == [False, True, False]
    (error,) = [line for line in result.err.splitlines() if not line.startswith("model: ")]
    assert error == f"mlp: {pictures / '001.png'}: not a picture in a format that mlp reads"


def test_a_folder_without_pictures_is_reported(mlp, model, tmp_path):
    (tmp_path / "empty").mkdir()
    result = mlp("predict", "--model", model, "empty")
    assert (result.code, result.out) == (1, "empty\t-\t-\n")
    assert "mlp: empty: has no readable pictures" in result.err


def test_a_folder_of_folders_gets_a_hint_to_use_r(mlp, model, pictures):
    result = mlp("predict", "--model", model, pictures.parent)
    assert (result.code, result.out) == (1, f"{pictures.parent}\t-\t-\n")
    assert f"mlp: {pictures.parent}: has pictures only in folders inside it; use -r" in result.err


def test_dark_ink_on_light_paper_gives_the_same_answers(mlp, model, pictures):
    for path in pictures.iterdir():
        image = np.asarray(Image.open(path))
        Image.fromarray(255 - image).convert("RGB").save(path.with_suffix(".bmp"))
    lines = mlp("predict", "--model", model, pictures).out.splitlines()
    answers = {path: digit for path, digit, _ in map(str.split, lines)}
    assert len(answers) == 400
    assert all(digit == answers[path.replace(".bmp", ".png")] for path, digit in answers.items())


def test_standard_input_is_a_picture_too(model, mnist):
    file = io.BytesIO()
    Image.fromarray(mnist.images[1].reshape(28, 28)).save(file, "PNG")
    command = [sys.executable, "-m", "mlp_cli", "predict", "--model", str(model), "-"]
    result = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True)
    assert result.stdout.startswith(b"-\t2\t")


def test_stderr_names_the_chosen_model(mlp, model, pictures):
    result = mlp("predict", "--model", model, pictures / "000.png")
    assert result.err.startswith(f"model: {model / 'best.safetensors'} (validation accuracy ")


def test_a_model_of_other_image_sizes_says_that_it_cannot_read_pictures(train, mlp, pictures):
    train("run")
    result = mlp("predict", "--model", "run", pictures / "000.png")
    assert (result.code, "8×8 pixels" in result.err) == (2, True)


def test_a_name_with_a_tab_or_a_line_break_stays_one_line_of_three_columns(mlp, model, mnist, tmp_path):
    name = "a\tb\nc.png"
    Image.fromarray(mnist.images[0].reshape(28, 28)).save(tmp_path / name, "PNG")
    assert mlp("predict", "--model", model, name).out.startswith("a\\tb\\nc.png\t7\t")


@pytest.fixture
def form(tmp_path, mnist):
    """A page with two rows of test digits: 721|04, in that order."""
    rows = [[mnist.images[i].reshape(28, 28) for i in row] for row in ((0, 1, 2), (3, 4))]
    Image.fromarray(page(rows, np.random.default_rng(0))).save(tmp_path / "form.png")
    return "form.png"


@pytest.fixture
def seven(tmp_path, mnist):
    Image.fromarray(mnist.images[0].reshape(28, 28)).save(tmp_path / "seven.png")
    return "seven.png"


def read(mlp, *args):
    """What the model in the package says."""
    return mlp("predict", "--model", BUNDLED["mnist"], *args)


def test_split_prints_rows(mlp, form, seven):
    result = read(mlp, "--split", form, seven)
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[:2] for line in lines] == [["form.png", "721|04"], ["seven.png", "7"]]


def test_the_confidence_of_several_digits_is_the_lowest(mlp, model, form):
    answer = json.loads(mlp("predict", "--model", model, "--split", "--json", form).out)
    confidence = [digit["confidence"] for digit in answer["digits"]]
    assert min(confidence) < max(confidence) - 0.01
    assert answer["confidence"] == min(confidence)
    shown = mlp("predict", "--model", model, "--split", form).out.rstrip("\n").split("\t")[2]
    assert float(shown) == pytest.approx(min(confidence), abs=6e-5)


def test_split_in_json_has_rows_and_boxes_in_reading_order(mlp, form):
    answer = json.loads(read(mlp, "--split", "--json", form).out)
    assert list(answer) == ["path", "text", "confidence", "digits", "inverted", "actions", "reason"]
    assert (answer["text"], answer["inverted"], answer["reason"]) == ("721|04", True, None)
    assert answer["actions"][0] == "inverted"
    assert [list(digit) for digit in answer["digits"]] == [
        ["row", "digit", "confidence", "probabilities", "box", "reason"]
    ] * 5
    assert [(digit["row"], digit["digit"]) for digit in answer["digits"]] == [(0, 7), (0, 2), (0, 1), (1, 0), (1, 4)]
    for digit, (column, row) in zip(answer["digits"], [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)], strict=True):
        left, top, right, bottom = digit["box"]  # within the place of its 28 × 28, where a unit is 8 pixels
        assert 50 + 224 * column <= left < right <= 50 + 224 * (column + 1)
        assert 50 + 272 * row <= top < bottom <= 50 + 272 * row + 224


def test_csv_has_a_header_and_full_confidence(mlp, form, seven):
    def rows(*args):
        return list(csv.reader(io.StringIO(read(mlp, "--csv", *args).out)))

    header, good, several, bad = rows(seven, form, "none,.png")
    assert header == ["path", "digit", "confidence", "reason"]
    assert good[:2] + good[3:] == ["seven.png", "7", ""]
    assert float(good[2]) == json.loads(read(mlp, "--json", seven).out)["confidence"]
    assert several[:3] == ["form.png", "-", ""]
    assert bad == ["none,.png", "-", "", "none,.png: no such file"]
    header, several = rows("--split", form)
    assert header == ["path", "text", "confidence", "reason"]
    assert several[1] == "721|04"


@pytest.fixture
def least(mlp, model, pictures):
    """(path, confidence) of the picture of 200 that the small model is least sure of."""
    lines = [json.loads(line) for line in mlp("predict", "--model", model, "--json", pictures).out.splitlines()]
    answer = min(lines, key=lambda line: line["confidence"])
    return answer["path"], answer["confidence"]


def test_below_the_threshold_there_is_no_answer_but_a_reason(mlp, model, least):
    path, confidence = least
    above, below = ["--threshold", confidence + 1e-4], ["--threshold", confidence - 1e-4]
    result = mlp("predict", "--model", model, *above, path)
    assert (result.code, result.out) == (1, f"{path}\t-\t-\n")
    assert f"mlp: {path}: read as " in result.err
    result = mlp("predict", "--model", model, "--json", *above, path)
    answer = json.loads(result.out)
    assert (result.code, answer["digit"]) == (1, None)
    assert answer["confidence"] == max(answer["probabilities"]) == pytest.approx(confidence, abs=1e-5)
    assert answer["reason"].endswith(f", below the threshold {confidence + 1e-4:g}")
    result = mlp("predict", "--model", model, *below, path)
    assert (result.code, result.out.split("\t")[1]) == (0, str(np.argmax(answer["probabilities"])))


def test_split_refuses_only_the_digits_below_the_threshold(mlp, model, form):
    def digits(*args):
        answer = json.loads(mlp("predict", "--model", model, "--split", "--json", *args, form).out)
        return [digit["digit"] for digit in answer["digits"]], [digit["confidence"] for digit in answer["digits"]]

    all_digits, confidence = digits()
    threshold = sum(sorted(confidence)[1:3]) / 2  # two are below
    kept = [digit if p >= threshold else None for digit, p in zip(all_digits, confidence, strict=True)]
    assert kept.count(None) == 2
    assert digits("--threshold", threshold)[0] == kept
    result = mlp("predict", "--model", model, "--split", "--threshold", threshold, form)
    letters = ["?" if digit is None else str(digit) for digit in kept]
    lowest = min(p for p in confidence if p >= threshold)
    assert result.out.split("\t")[1:] == ["".join(letters[:3]) + "|" + "".join(letters[3:]), f"{lowest:.4f}\n"]
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("mlp: ")]
    assert "form.png: 2 of 5 marks have no answer, at (" in line
    answer = json.loads(mlp("predict", "--model", model, "--split", "--json", "--threshold", threshold, form).out)
    for digit in answer["digits"]:
        assert (f"at {tuple(digit['box'])}: {digit['reason']}" in line) == (digit["digit"] is None)


def test_pictures_without_a_single_digit_are_refused_with_a_reason(mlp, form, tmp_path):
    Image.new("L", (300, 200), 235).save(tmp_path / "blank.png")
    marks = np.full((600, 600), 235, np.uint8)
    for y in range(20, 580, 40):
        for x in range(20, 560, 25):
            marks[y : y + 20, x : x + 5 + (x * y) % 12] = 30
    Image.fromarray(marks).save(tmp_path / "text.png")
    result = read(mlp, "blank.png", form, "text.png", "--json")
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 1
    assert all(answer[key] is None for answer in answers for key in KEYS[1:-1])
    reasons = [answer["reason"] for answer in answers]
    assert reasons == [
        "blank.png: no digit found: the page is blank",
        "form.png: 5 possible digits found; use --split to read several",
        "text.png: no single digit found",
    ]
    assert [line for line in result.err.splitlines() if line.startswith("mlp: ")] == [f"mlp: {r}" for r in reasons]


def test_folders_are_read_in_order_of_names_and_with_r_their_subfolders(mlp, tmp_path, seven):
    for name in ("d/b.png", "d/a.PNG", "d/z/c.png", "d/y/e/d.png", "d/.hidden.png", "d/.git/f.png", "d/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / seven).read_bytes())
    (tmp_path / "d/z/loop").symlink_to(tmp_path / "d")

    def paths(*args):
        result = read(mlp, *args)
        assert result.code == 0
        return [line.split("\t")[0] for line in result.out.splitlines()]

    assert paths("d") == ["d/a.PNG", "d/b.png"]
    assert paths("-r", "d") == ["d/a.PNG", "d/b.png", "d/y/e/d.png", "d/z/c.png"]
    assert paths("d/z", seven, "d") == ["d/z/c.png", seven, "d/a.PNG", "d/b.png"]


def test_a_folder_is_searched_for_heic_pictures_and_not_for_pdf_files(mlp, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (tmp_path / "d/a.pdf").write_bytes(b"%PDF-1.4")
    result = read(mlp, "d")
    assert (result.code, result.out) == (1, "d/IMG_1.HEIC\t-\t-\n")


def test_pages_of_a_tiff_are_lines_of_their_own(mlp, mnist, tmp_path):
    pages = [Image.fromarray(image.reshape(28, 28)) for image in mnist.images[:3]]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=[*pages[1:2], Image.new("L", (9, 9)), pages[2]])
    result = read(mlp, "scan.tif")
    assert [line.split("\t")[:2] for line in result.out.splitlines()] == [
        ["scan.tif", "7"],
        ["scan.tif#2", "2"],
        ["scan.tif#3", "-"],
        ["scan.tif#4", "1"],
    ]
    assert (result.code, "mlp: scan.tif#3: no digit found: the page is blank" in result.err) == (1, True)


@pytest.fixture
def shown(mlp, seven, monkeypatch):
    """What --show prints for a seven, to a pipe with this encoding."""

    def call(encoding):
        pipe = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", pipe)
        assert mlp("predict", "--show", seven).code == 0
        return pipe.buffer.getvalue().decode(encoding)

    return call


def test_show_draws_what_the_network_saw_in_half_blocks(mnist, shown):
    text = shown("utf-8")
    assert "\x1b" not in text
    first, _, *rows = text.splitlines()
    assert first.split("\t")[1] == "7"
    image = mnist.images[0].reshape(14, 2, 28)
    drawn = np.array([list(row.ljust(28)[:28]) for row in rows[15:29]])
    for half, letters in enumerate(("▀█", "▄█")):
        lit = np.isin(drawn, list(letters))
        assert lit[image[:, half] > 200].all()
        assert not lit[image[:, half] < 60].any()
    bars = [row[30:].split() for row in rows[15:25]]
    assert [bar[0] for bar in bars] == list("0123456789")
    assert len(bars[7][2]) == 30
    assert sum(float(bar[1].rstrip("%")) for bar in bars) == pytest.approx(100, abs=0.1)
    assert rows[29] == "unchanged"


def test_show_says_what_was_done_to_each_digit(mlp, form):
    lines = read(mlp, "--show", "--split", form).out.splitlines()
    assert sum(line.startswith("inverted") for line in lines) == 5


def test_show_is_plain_ascii_where_the_terminal_is(shown):
    text = shown("ascii")
    assert "#" * 30 in text
    assert "@@@" in text


@pytest.mark.parametrize("no_color", [False, True])
def test_show_is_in_greys_on_a_terminal_unless_no_color(mlp, seven, monkeypatch, no_color):
    from mlp_cli.cli import show

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
    (line,) = show._pixels(np.uint8([[0, 255], [255, 0]]))
    black, white = "5;232", "5;255"
    grey = f"\x1b[38;{black}m\x1b[48;{white}m▀\x1b[0m\x1b[38;{white}m\x1b[48;{black}m▀\x1b[0m"
    assert line == ("▄▀" if no_color else grey)


def test_show_prints_only_the_line_of_an_unreadable_picture(mlp):
    assert read(mlp, "--show", "none.png").out.strip() == "none.png\t-\t-"


def test_save_prepared_writes_what_the_network_saw(mlp, mnist, seven, form, tmp_path):
    assert read(mlp, "--save-prepared", "seen", seven).code == 0
    (path,) = (tmp_path / "seen").iterdir()
    assert path.name == "00000-seven-7.png"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), mnist.images[0].reshape(28, 28))
    assert read(mlp, "--save-prepared", "many", "--split", "none.png", form).code == 1
    assert sorted(os.listdir(tmp_path / "many")) == [f"00001-form-{i}-{d}.png" for i, d in enumerate("72104", 1)]


@pytest.mark.parametrize("there", ["folder", "file"])
def test_save_prepared_overwrites_nothing(mlp, seven, tmp_path, there):
    if there == "folder":
        (tmp_path / "seen").mkdir()
    else:
        (tmp_path / "seen").write_text("mine")
    result = read(mlp, "--save-prepared", "seen", seven)
    assert (result.code, result.out) == (2, "")
    assert "mlp: seen: already exists" in result.err
    assert there == "folder" or (tmp_path / "seen").read_text() == "mine"


def test_a_full_disk_leaves_no_folder_of_prepared_pictures(mlp, seven, monkeypatch):
    save, saved = Image.Image.save, []

    def fill_up(self, path):
        saved.append(path)
        save(self, path)
        if len(saved) == 2:  # as Pillow leaves it: an empty file
            path.write_bytes(b"")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fill_up)
    before = sorted(os.listdir())
    result = read(mlp, "--save-prepared", "seen", seven, seven, seven)
    assert result.code == 2
    assert result.err.splitlines()[-1] == "mlp: seen: cannot be written: No space left on device"
    assert (len(saved), sorted(os.listdir())) == (2, before)


def test_prepared_pictures_do_not_replace_what_appeared_meanwhile(mlp, seven, monkeypatch):
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *args: (os.makedirs("seen", exist_ok=True), save(*args)))
    before = sorted(os.listdir())
    result = read(mlp, "--save-prepared", "seen", seven)
    assert result.code == 2
    assert "mlp: seen: already exists" in result.err
    assert os.listdir("seen") == []
    assert sorted(os.listdir()) == sorted([*before, "seen"])


def test_a_picture_with_a_long_name_in_any_script_has_a_prepared_one(mlp, seven, tmp_path):
    long = "数" * 80 + ".png"
    shutil.copy(seven, long)
    assert read(mlp, "--save-prepared", "seen", long).code == 0
    assert os.listdir("seen") == [f"00000-{'数' * 33}-7.png"]


@pytest.mark.parametrize(
    "args",
    [
        ["--json", "--csv"],
        ["--json", "--show"],
        ["--csv", "--show"],
        ["--top", "2", "--split"],
        ["--top", "2", "--json"],
        ["--top", "2", "--csv"],
        ["--top", "2", "--show"],
        ["--top", "0"],
        ["--threshold", "nan"],
        ["--threshold", "1.5"],
        ["--invert", "perhaps"],
    ],
)
def test_options_that_cannot_be_combined_are_refused(mlp, args):
    result = mlp("predict", *args, "--save-prepared", "seen", "x.png")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("mlp: ")
    assert len(result.err.splitlines()) == 1
    assert not os.path.exists("seen")


@pytest.mark.parametrize(("err", "out", "bar"), [(True, False, True), (False, False, False), (True, True, False)])
def test_the_bar_appears_only_on_a_terminal_that_does_not_show_the_answers(
    mlp, model, pictures, monkeypatch, err, out, bar
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: err, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: out, raising=False)
    result = mlp("predict", "--model", model, pictures)
    assert len(result.out.splitlines()) == 200
    assert ("picture/s" in result.err) == bar


def test_probabilities_are_the_calibrated_ones_of_eval(mlp, model, pictures, tmp_path):
    assert mlp("eval", model, "--predictions", "eval.csv").code == 0
    with open(tmp_path / "eval.csv", newline="") as file:
        rows = list(csv.DictReader(file))[:200]
    answers = [json.loads(line) for line in mlp("predict", "--model", model, "--json", pictures).out.splitlines()]
    expected = [[float(row[f"p_{k}"]) for k in range(10)] for row in rows]
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], expected, atol=1e-5)
    assert load_checkpoint(model / "best.safetensors").metadata.temperature != 1
