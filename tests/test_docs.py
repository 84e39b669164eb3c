"""The documents are true: their links lead somewhere, and their sessions and programs do what they show."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from mlp_cli.config import Config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.export.page import page
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import find_model
from mlp_cli.model.measure import measure
from mlp_cli.nn import MLP

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def name(document):
    return document.name


def anchors(document):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)\)", text) + re.findall(
        r'(?:src|srcset|href)="(?!https?:)([^"]+)"', text
    )
    for target in targets:
        path, _, anchor = target.partition("#")
        place = (document.parent / path) if path else document
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_a_document_opens_with_what_it_is_about(document):
    title, blank, first, *_ = document.read_text("utf-8").splitlines()
    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"[A-Z`]", first)


def test_the_readme_is_short_enough_to_read():
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 900


def session(text):
    """The commands of a README block and what it shows for each."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def words_and_numbers(text):
    """The lines of a text without their decimal numbers, and these numbers."""
    lines = [line for line in text.splitlines() if line.strip()]
    return [re.sub(r"\d+\.\d+", "#", line) for line in lines], [
        re.findall(r"\d+\.\d+(?:%| s)?", line) for line in lines
    ]


def test_the_session_in_the_readme_prints_what_it_shows_when_typed_in_that_order(tmp_path):
    """Seconds depend on the machine, and so does the rounding that accuracies follow: those may differ by half a
    point, confidences by 0.01. Everything else is compared exactly."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```text\n(.*?)```", readme, re.DOTALL) if block.startswith("$ mlp")]
    commands = [pair for block in blocks for pair in session(block)]
    assert len(commands) >= 4
    for command, shown in commands:
        run = subprocess.run(shlex.split(command), cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        (printed, printed_numbers), (lines, numbers) = words_and_numbers(run.stdout), words_and_numbers(shown)
        if lines[-1] == "…":
            lines, printed = lines[:-1], printed[: len(lines) - 1]
        assert printed == lines, (command, run.stderr)
        for number, expected in zip(chain(*printed_numbers[: len(lines)]), chain(*numbers), strict=True):
            if not expected.endswith(" s"):
                tolerance = 0.5 if expected.endswith("%") else 0.01
                assert float(number.rstrip("%")) == pytest.approx(float(expected.rstrip("%")), abs=tolerance), command


def programs():
    """The programs of the two documents that have whole ones; the derivation quotes code, which its own test checks."""
    for document in (ROOT / "README.md", ROOT / "docs/python.md"):
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.DOTALL), 1):
            yield pytest.param(block, id=f"{document.name}-{number}")


@pytest.mark.parametrize("program", list(programs()))
def test_the_python_in_the_documents_runs(program, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    values = {}
    exec(program, values)
    if "accuracy" in values:  # the ten lines that train
        assert values["accuracy"] > 0.95


def test_the_tables_of_speed_are_those_that_the_benchmark_wrote():
    tables = (ROOT / "benchmarks/tables.md").read_text("utf-8")
    machine, _, rest = tables.partition("\n\n")
    speed = (ROOT / "docs/speed.md").read_text("utf-8")
    assert " ".join(machine.split()) in " ".join(speed.split())
    assert speed.endswith(rest)


def test_the_readme_quotes_seconds_and_accuracies_of_the_benchmark():
    """In its text, and in the words that describe the chart."""
    tables = (ROOT / "benchmarks/tables.md").read_text("utf-8")
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    for preset in ("quick", "default"):
        row = re.search(rf"^\| \d+% \| `mlp train {preset}` \| ([\d.]+) \| .*? \| ([\d.]+)%", tables, re.MULTILINE)
        seconds, accuracy = map(float, row.groups())
        assert readme.count(f"{accuracy:.1f}% in {seconds:.1f} s") == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_is_drawn_from_the_tables_of_the_benchmark(scheme, monkeypatch):
    """If not: python docs/make_pictures.py chart."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    assert (ROOT / f"docs/chart-{scheme}.svg").read_bytes() == importlib.import_module("make_pictures").chart(scheme)


def table_rows(text, first_column):
    """The cells of each row of a table, by its first cell."""
    section = text[text.index(f"| {first_column} |") :].partition("\n\n")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines()[2:]]
    return {first: rest for first, *rest in rows}


@pytest.mark.parametrize("model", ["mnist", "large"])
def test_the_readme_says_how_good_the_bundled_models_are(model):
    sizes, accuracy, _ = table_rows((ROOT / "README.md").read_text("utf-8"), "bundled model")[model]
    checkpoint = load_checkpoint(find_model(model))
    assert sizes == "-".join(map(str, checkpoint.network.sizes))
    measured = measure(checkpoint, None, "test").accuracy
    assert float(accuracy.removesuffix("%")) == pytest.approx(100 * measured, abs=0.011)  # an image is 0.01 points


def test_what_pictures_md_says_is_read_was_measured_with_the_bundled_model():
    """If not: python benchmarks/pictures.py, on the pictures that it names."""
    text = " ".join((ROOT / "docs/pictures.md").read_text("utf-8").split())
    accuracy = load_checkpoint(find_model("mnist")).metadata.val_accuracy
    assert f"The bundled `mnist` (validation accuracy {100 * accuracy:.2f}%) reads" in text


def test_the_documents_know_the_number_of_parameters():
    parameters = f"{MLP([784, 128, 64, 10]).parameters.flat.size:,}"
    for document in ("README.md", "docs/derivation.md", "docs/training.md"):
        assert f"{parameters} " in " ".join((ROOT / document).read_text("utf-8").split()), document


def test_the_documents_know_the_size_of_the_drawing_page():
    text = " ".join((ROOT / "docs/elsewhere.md").read_text("utf-8").split())
    small, large = map(float, re.search(r"Its size is ([\d.]+) MB with .*? ([\d.]+) MB with", text).groups())
    assert [small, large] == [
        round(len(page(load_checkpoint(find_model(model)))) / 1e6, 1) for model in ("mnist", "large")
    ]


def test_the_documents_know_how_many_images_validation_holds_out():
    text = " ".join((ROOT / "docs/configuration.md").read_text("utf-8").split())
    assert f"{Config().training.validation:,} of the {len(load_dataset('train')):,}" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_the_lines_of_a_document_fit_in_100_characters(document):
    """Except tables, quoted output and HTML, which cannot be wrapped."""
    text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if not re.match(r"\||\s*<", line)]
    assert [line for line in lines if len(line) > 100] == []
