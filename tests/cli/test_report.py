"""The page of `mlp report`, read by the standard library's HTML parser."""

import base64
import io
import json
import os
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import BASE, quietly

from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint

EMPTY = {"meta", "link", "br", "img"}  # elements of HTML that have no end tag
WARPS = ("augmentation.rotation=20", "augmentation.shift=1", "augmentation.groups=2")


class Page(HTMLParser):
    """A page: its elements as (tag, attributes, path of tags, text within); fails on tags that do not fit together."""

    def __init__(self, path):
        super().__init__()
        self.source = Path(path).read_text("utf-8")
        self.elements, self._open = [], []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "within": [e["tag"] for e in self._open], "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [
            element
            for element in self.elements
            if element["tag"] == tag and all(element.get(key) == value for key, value in attributes.items())
        ]

    def table(self, caption):
        """The cells of the table with this caption, as rows of texts, its header first."""
        start = self.elements.index(next(e for e in self.all("caption") if e["text"] == caption))
        rows = []
        for element in self.elements[start:]:
            if element["tag"] == "tr":
                rows.append([])
            elif element["tag"] in ("th", "td"):
                rows[-1].append(element["text"])
            elif element["tag"] == "table":
                break
        return rows

    @property
    def numbers(self):
        """The large numbers of the first run: {name: text}."""
        names = [element["text"] for element in self.all("dt")]
        return dict(zip(names, [element["text"] for element in self.all("dd")], strict=True))


def picture(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        return np.asarray(image.convert("RGBA"))


def assert_good(page):
    """What must hold for every page, whatever it shows."""
    assert page.source.startswith("<!doctype html>")
    assert len(page.source.encode()) <= 3_000_000
    (html,) = page.all("html")
    assert html["lang"] == "en"
    identities = [element["id"] for element in page.elements if "id" in element]
    assert len(identities) == len(set(identities))
    for element in page.elements:
        assert element["tag"] not in ("script", "iframe", "object", "base")
        assert not any(key.startswith("on") for key in element)
        for key in ("src", "href", "clip-path"):
            target = element.get(key, "data:")
            if target.startswith(("#", "url(#")):
                assert re.sub(r"url\(|[#)]", "", target) in identities
            else:
                assert target.startswith("data:")
    assert "@import" not in page.source
    assert not re.search(r"url\((?!#)", page.source)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy["content"]

    headings = [int(element["tag"][1]) for element in page.elements if re.fullmatch("h[1-6]", element["tag"])]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert all(element.get("scope") in ("row", "col") for element in page.all("th"))
    for element in page.all("img"):
        assert "alt" in element
        assert picture(element["src"]).size
    for element in [*page.all("svg"), *page.all("div", role="img")]:
        assert element.get("aria-hidden") == "true" or re.search(r"\d", element["aria-label"])
    hidden = [element for element in page.all("img") if element["alt"] == ""]
    assert len(hidden) == sum(element["within"].count("figure") for element in page.all("img"))


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """A directory with a run of four epochs, its report, and eval.json, what `mlp eval --json` says of it."""
    folder = tmp_path_factory.mktemp("made")
    settings = ["training.validation=100", "network.hidden=[8]", "training.batch_size=32", *WARPS]
    assignments = [part for setting in settings for part in ("--set", setting)]
    quietly("train", BASE, "--epochs", 4, "--data", data, "--out", folder / "run", "--quiet", *assignments)
    quietly("report", folder / "run")
    (folder / "eval.json").write_text(quietly("eval", folder / "run", "--data", data, "--json"))
    return folder


@pytest.fixture
def run(made):
    """The directory `run` in the present one, a copy of that run."""
    shutil.copytree(made / "run", "run")
    return "run"


@pytest.fixture
def page(made):
    return Page(made / "run/report.html")


@pytest.fixture
def values(made):
    return json.loads((made / "eval.json").read_text("utf-8"))


def test_the_page_says_what_eval_says(page, values):
    assert_good(page)
    assert page.numbers["Test accuracy"].startswith(f"{values['accuracy']:.2%}95% interval")
    for bound in values["accuracy_interval"]:
        assert f"{bound:.2%}" in page.numbers["Test accuracy"]
    assert page.numbers["Cross-entropy"].startswith(f"{values['loss']:.4f}")
    assert page.numbers["Brier score"].startswith(f"{values['brier']:.4f}")
    assert page.numbers["Calibration error"].startswith(f"{values['calibration_error']:.2%}")
    assert f"temperature {values['temperature']:.3f}" in page.numbers["Calibration error"]

    header, *rows = page.table("Rows are the truth, columns the answer")
    assert header[1:] == [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert [[int(cell) for cell in row[1:]] for row in rows] == values["confusion"]
    expected = [
        [r["class"], f"{r['precision']:.2%}", f"{r['recall']:.2%}", f"{r['f1']:.2%}", str(r["images"])]
        for r in values["per_class"]
    ]
    assert page.table("Each class")[1:] == expected
    pairs = [[r["truth"], r["answer"], str(r["images"])] for r in values["confused"][:10]]
    assert page.table("Most often confused")[1:] == pairs
    bins = page.table("Answers by confidence")[1:]
    assert [row[1:] for row in bins] == [
        [str(r["images"]), f"{r['confidence']:.2%}", f"{r['accuracy']:.2%}"] for r in values["calibration"]
    ]


def test_the_mistakes_are_the_images_themselves(page, values, data):
    test = load_dataset("test", data)
    pictures = [element for element in page.all("img") if element["alt"]]
    assert len(pictures) == min(50, values["mistakes"]) > 0
    for element, row in zip(pictures, values["worst"], strict=False):
        assert element["alt"] == f"Image {row['index']}"
        np.testing.assert_array_equal(picture(element["src"])[:, :, 3].ravel(), test.images[row["index"]])
    items = [element["text"] for element in page.all("li") if element["within"][-1] == "ol"]
    for item, row in zip(items, values["worst"], strict=False):
        assert item == f"{row['truth']} read as {row['answer']}{row['confidence']:.2%}image {row['index']}"


def test_each_unit_of_the_first_layer_is_a_picture_of_its_weights(page, made):
    W = load_checkpoint(made / "run/best.safetensors").network.parameters.W[0]
    units = [element for element in page.all("img") if element.get("title", "").startswith("unit")]
    assert len(units) == W.shape[1] == 8
    norms = []
    for element in units:
        number, norm = re.fullmatch(r"unit (\d+), norm ([\d.]+)", element["title"]).groups()
        weights, pixels = W[:, int(number) - 1].reshape(8, 8), picture(element["src"]).astype(int)
        norms.append(float(norm))
        assert norms[-1] == pytest.approx(np.linalg.norm(weights), abs=0.005)
        strong = np.abs(weights) > 0.2 * np.abs(weights).max()
        assert (pixels[:, :, 0] > pixels[:, :, 2])[strong].tolist() == (weights > 0)[strong].tolist()  # red, or blue
        assert np.abs(pixels[:, :, 3] / 255 - np.abs(weights) / np.abs(weights).max()).max() < 1 / 16
    assert norms == sorted(norms, reverse=True)


def test_augmented_images_are_shown_only_if_the_run_had_augmentation(page, train, mlp, data):
    (figure,) = page.all("div", style="--columns:4", **{"class": "tiles warps"})[:1]
    start = page.elements.index(figure)
    images = [picture(e["src"])[:, :, 3] for e in page.elements[start:] if e["tag"] == "img" and e["class"] == "ink"]
    assert len(images) == 4 + 7 * 4
    dataset = load_dataset("train", data)
    for label in range(4):
        original = dataset.images[np.flatnonzero(dataset.labels == label)[0]].reshape(8, 8)
        np.testing.assert_array_equal(images[label], original)
        assert not any(np.array_equal(images[4 * (1 + row) + label], original) for row in range(7))
    train("plain")
    mlp("report", "plain")
    source = Page("plain/report.html").source
    assert "Augmented training images" not in source
    assert "warped" not in source


def test_hashes_are_cut_and_have_their_whole_as_a_tooltip(page, made):
    hashes = json.loads((made / "run/run.json").read_text("utf-8"))["data"]["sha256"]
    assert [(e["text"], e["title"]) for e in page.all("code")] == [(f"{h[:16]}…", h) for h in hashes.values()]


def test_the_report_says_how_many_units_it_shows(page, train, mlp):
    (told,) = (e["aria-label"] for e in page.all("div", **{"class": "tiles weights"}))
    assert "into the units of the first layer, each as a picture of 8 by 8 pixels, the strongest first." in told
    train("wide", "--set", "network.hidden=[130]", "--epochs", "1")
    mlp("report", "wide")
    assert "into the 128 strongest of 130 units of the first layer" in Page("wide/report.html").source


def test_curves_are_described_in_numbers(page, made):
    labels = [element["aria-label"] for element in page.all("svg", role="img")]
    rows = [row.split(",") for row in (made / "run/metrics.csv").read_text().splitlines()[1:]]
    losses, accuracies = [float(row[6]) for row in rows], [float(row[7]) for row in rows]
    assert f"validation from {losses[0]:.4f} to {losses[-1]:.4f}, lowest {min(losses):.4f}" in labels[0]
    assert f"in epoch {1 + accuracies.index(max(accuracies))}" in labels[1]
    assert f"highest {max(accuracies):.2%}" in labels[1]
    assert len(labels) == 4


def lines(page, colour):
    """The points (n, 2) of each line of this colour: (the thick ones, the thin ones)."""
    thick, thin = [], []
    for line in page.all("polyline", stroke=colour):
        points = [point.split(",") for point in line["points"].split()]
        (thin if "stroke-opacity" in line else thick).append(np.array(points, float))
    return thick, thin


def metrics(run):
    """The columns of metrics.csv."""
    return np.array([row.split(",") for row in (run / "metrics.csv").read_text().splitlines()[1:]], float).T


def ticks(page, figure, axis):
    """What is written at an axis of a figure, "x" or "y", and where."""
    start = page.elements.index(page.all("svg", role="img")[figure])
    texts = []
    for element in page.elements[start + 1 :]:
        if element["tag"] == "svg":
            break
        if element["tag"] == "text" and (element.get("text-anchor") == "end") == (axis == "y"):
            texts.append(element)
    return [(float(text["text"]), float(text[axis])) for text in texts if re.fullmatch(r"[\d.]+", text["text"])]


def test_the_curves_go_through_the_epochs(page, made):
    thick, thin = lines(page, "var(--run-0)")
    _, _, _, _, train_loss, train_accuracy, val_loss, val_accuracy, _ = metrics(made / "run")
    for drawn, values in (
        ([thick[0], thin[0]], np.log([val_loss, train_loss])),
        ([thick[1], thin[1]], -np.log([1 - val_accuracy, 1 - train_accuracy])),
    ):
        x, y = np.transpose(drawn, (2, 0, 1))
        np.testing.assert_allclose(np.diff(x), x[0, 1] - x[0, 0], atol=0.03)
        # the lines of a figure share a scale, on which they are as high as the numbers
        slope, start = np.polyfit(np.ravel(values), np.ravel(y), 1)
        assert slope < 0
        np.testing.assert_allclose(slope * np.array(values) + start, y, atol=0.03)


@pytest.mark.parametrize(
    ("figure", "scale"), [(0, np.log), (1, lambda percent: -np.log(100 - percent)), (2, lambda rate: rate)]
)
def test_labels_of_an_axis_are_at_their_values(page, made, figure, scale):
    _, _, _, rate, _, _, val_loss, val_accuracy, _ = metrics(made / "run")
    thick, _ = lines(page, "var(--run-0)")
    written, heights = np.transpose(ticks(page, figure, "y"))
    assert len(written) >= 2
    values = [val_loss, 100 * val_accuracy, rate][figure]
    ends = thick[figure][[0, -1] if figure < 2 else -1]  # of the first epoch and the last
    slope, start = np.polyfit(scale(written), heights, 1)
    assert slope < 0
    expected = slope * scale(values[[0, -1] if figure < 2 else -1]) + start
    np.testing.assert_allclose(ends[..., 1], expected, atol=0.05)


def test_the_learning_rate_is_drawn_at_every_step_with_its_warm_up(train, mlp):
    schedule = ("training.schedule='one-cycle'", "training.warmup=0.1", "training.learning_rate=0.08")
    train("run", *(part for setting in schedule for part in ("--set", setting)))
    assert mlp("report", "run").code == 0
    page = Page("run/report.html")
    points = lines(page, "var(--run-0)")[0][2]
    steps = 3 * 13  # epochs of 400 images in batches of 32
    assert len(points) == steps
    (slope_x, start_x), (slope_y, start_y) = (np.polyfit(*np.transpose(ticks(page, 2, axis)), 1) for axis in ("x", "y"))
    epochs, rates = (points[:, 0] - start_x) / slope_x, (points[:, 1] - start_y) / slope_y
    done = (np.arange(steps) + 0.5) / steps
    expected = 0.08 * np.where(done < 0.1, done / 0.1, (1 - done) / 0.9)
    np.testing.assert_allclose(rates, expected, atol=0.0002)
    np.testing.assert_allclose(epochs, (1 + np.arange(steps)) / 13, atol=0.002)
    label = page.all("svg", role="img")[2]["aria-label"]
    assert f"from {expected[0]:.3g} to {expected[-1]:.3g}, highest {expected.max():.3g}" in label


def test_epochs_before_a_run_was_extended_have_the_rates_they_had(train, mlp):
    train("run", "--epochs", "2", "--set", "training.schedule='one-cycle'")
    before = metrics(Path("run"))[3]
    assert mlp("train", "--resume", "run", "--epochs", "4").code == 0
    mlp("report", "run")
    page = Page("run/report.html")
    resumed = r"Resumed</th><td>\d{4}-\d\d-\d\d [\d:]{8} UTC, step 26, threads \d+, command mlp[ <]"
    assert re.search(resumed, page.source)
    points = lines(page, "var(--run-0)")[0][2]
    assert len(points) == 2 + 2 * 13
    slope, start = np.polyfit(*np.transpose(ticks(page, 2, "y")), 1)
    np.testing.assert_allclose((points[:2, 1] - start) / slope, before, atol=0.0005)


def test_several_runs_are_side_by_side(train, mlp, data):
    train("a", "--epochs", "2")
    train("b", "--epochs", "3", "--set", "training.momentum=0.5", "--set", "network.activation=tanh")
    result = mlp("report", "a", "b")
    assert (result.code, result.out) == (0, "report.html\n")
    page = Page("report.html")
    assert_good(page)
    header, *rows = page.table("The keys in which the runs differ")
    assert header == ["Key", "a", "b"]
    assert rows == [
        ["network.activation", "relu", "tanh"], ["training.epochs", "2", "3"], ["training.momentum", "0.9", "0.5"],
    ]  # fmt: skip
    for row, name in zip(
        page.table("The best checkpoint of each run, measured on the test set")[1:], "ab", strict=True
    ):
        values = json.loads(mlp("eval", name, "--data", data, "--json").out)
        assert row[:2] == [name, f"{values['accuracy']:.2%}"]
        assert row[3:6] == [f"{values['loss']:.4f}", f"{values['brier']:.4f}", f"{values['calibration_error']:.2%}"]
    assert len(lines(page, "var(--run-0)")[0]) == len(lines(page, "var(--run-1)")[0]) == 3


def test_names_of_any_kind_are_text_and_nothing_else(train, mlp, data, tmp_path):
    folder = tmp_path / "named"
    shutil.copytree(data, folder)
    names = ["T-shirt/top", "</td><script>x()</script>", '"onload="x', "衬衫 & $x$"]
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    run = "<img src=x> $a_b$ & 'ö'"
    train(run, "--data", folder)
    train("other", "--data", folder)
    for runs in ([run], [run, "other"]):
        assert mlp("report", *runs, "--out", "page.html").code == 0
        page = Page("page.html")
        assert_good(page)
        assert [row[0] for row in page.table("Each class")[1:]] == names
        assert any(run in element["text"] for element in page.elements if element["tag"] in ("h1", "h2"))


def test_a_run_without_an_epoch_and_one_that_is_not_finished(train, mlp):
    train("run", "--epochs", "3")
    lines = Path("run/metrics.csv").read_text().splitlines(keepends=True)
    for name, metrics in (("one", lines[:2]), ("none", lines[:1])):
        shutil.copytree("run", name)
        Path(name, "metrics.csv").write_text("".join(metrics))
    Path("none/best.safetensors").unlink()
    for name, epochs in (("one", "1 of 3 epochs"), ("none", "0 of 3 epochs")):
        assert mlp("report", name).code == 0
        page = Page(f"{name}/report.html")
        assert_good(page)
        assert epochs in page.numbers["Training"]
    assert "there is no network to measure" in page.source
    assert mlp("report", "run", "one", "none").code == 0
    assert_good(Page("report.html"))


def test_a_network_without_hidden_layers_that_makes_no_mistakes(train, mlp, data, tmp_path):
    folder = tmp_path / "easy"  # the label of each test image is what the network answers
    shutil.copytree(data, folder)
    train("run", "--set", "network.hidden=[]")
    test = load_dataset("test", folder)
    answers = load_checkpoint("run/best.safetensors").network.forward(test.images.astype(np.float32) / 255)[-1]
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:8] + answers.argmax(axis=1).astype(np.uint8).tobytes())
    assert mlp("report", "run", "--data", folder).code == 0
    page = Page("run/report.html")
    assert_good(page)
    assert page.numbers["Test accuracy"].startswith("100.00%")
    assert "There are none." in page.source


def test_a_report_replaces_an_older_one_and_no_other_file(mlp, run):
    before = Path("run/report.html").read_bytes()
    os.utime("run/report.html", (0, 0))
    result = mlp("report", run)
    assert (result.code, result.out, result.err) == (0, "run/report.html\n", "run: run, finished\n")
    assert Path("run/report.html").stat().st_mtime > 0
    assert Path("run/report.html").read_bytes().replace(b"Run run", b"") == before.replace(
        re.search(rb"Run /[^<]*", before)[0], b""
    )
    Path("thesis.html").write_text("<!doctype html>mine")
    os.mkdir("folder")
    for out in ("thesis.html", "folder", "run/config.toml"):
        before = Path(out).read_bytes() if out != "folder" else None
        result = mlp("report", run, "--out", out)
        assert (result.code, result.out) == (2, "")
        assert result.err == f"mlp: {out}: already exists and is not a report; choose another --out\n"
        assert before is None or Path(out).read_bytes() == before


@pytest.mark.parametrize("late", ["mine", '<meta name="generator" content="mlp report">'])
def test_a_report_replaces_a_report_that_appeared_meanwhile_and_no_other_file(mlp, run, monkeypatch, late):
    link = os.link

    def link_late(part, place):
        Path(place).write_text(late)
        link(part, place)

    monkeypatch.setattr(os, "link", link_late)
    result = mlp("report", run, "--out", "new.html")
    is_report = late != "mine"
    assert result.code == (0 if is_report else 2)
    assert (Path("new.html").read_text() == late) is not is_report
    assert "already exists and is not a report" in result.err or is_report
    assert not [name for name in os.listdir() if "mlp-part" in name]


def test_a_pipe_at_the_place_of_a_report_does_not_block(mlp, run):
    os.mkfifo("pipe")
    assert "pipe: already exists and is not a report" in mlp("report", run, "--out", "pipe").err


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["nowhere"], "nowhere: not a run directory: it has no run.json"),
        (["run/config.toml"], "run/config.toml"),
        (["run", "nowhere"], "nowhere: not a run directory"),
        (["run", "--data", "nowhere"], "nowhere: no such directory"),
        (["run", "--out", "nowhere/x.html"], "nowhere/x.html: cannot be written"),
        (["run", "--out", ""], "already exists and is not a report"),
        ([], "Missing argument 'RUN...'"),
    ],
)
def test_anything_missing_is_a_one_line_error(mlp, run, args, part):
    before = sorted(os.listdir())
    result = mlp("report", *args)
    assert (result.code, result.out) == (2, "")
    assert part in result.err.splitlines()[-1]
    assert result.err.splitlines()[-1].startswith("mlp: ")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "config.toml", "best.safetensors"])
def test_a_damaged_run_gives_one_clear_line(mlp, run, name):
    Path("run", name).write_bytes(b"{]\x00\xff")
    result = mlp("report", "run")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith(f"mlp: run/{name}: ")


def test_moved_data_is_an_error_and_can_be_named_with_data(train, mlp, data, tmp_path):
    folder = tmp_path / "here"
    shutil.copytree(data, folder)
    train("run", "--data", folder)
    folder.rename(tmp_path / "there")
    result = mlp("report", "run")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"mlp: run: its data is no longer in {folder}; name its new place with --data DIR\n"
    assert mlp("report", "run", "--data", tmp_path / "there").code == 0
