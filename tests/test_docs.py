"""The documents say what is true: their links lead somewhere, their sessions and programs do what they show."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def without_decimals(text):
    """Lines without what depends on the machine: seconds, and figures that follow rounding."""
    return [re.sub(r"\d+\.\d+", "#", line) for line in text.splitlines() if line.strip()]


def test_the_session_in_the_readme_does_what_it_shows_when_typed_in_that_order(tmp_path):
    """Figures may differ in the last digits with the machine; all the rest is compared."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```text\n(.*?)```", readme, re.DOTALL) if block.startswith("$ mlp")]
    commands = [pair for block in blocks for pair in session(block)]
    assert len(commands) >= 4
    for command, shown in commands:
        run = subprocess.run(shlex.split(command), cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        printed, lines = without_decimals(run.stdout), without_decimals(shown)
        if lines[-1] == "…":
            lines, printed = lines[:-1], printed[: len(lines) - 1]
        assert printed == lines, (command, run.stderr)


def programs():
    """The programs of the two documents that have whole ones; the derivation's are quotes, which its own test holds."""
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_the_lines_of_a_document_fit_in_100_characters(document):
    """But for tables, quoted output and HTML, which cannot be wrapped."""
    text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if not re.match(r"\||\s*<", line)]
    assert [line for line in lines if len(line) > 100] == []
