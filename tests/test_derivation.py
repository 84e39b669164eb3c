"""docs/derivation.md says nothing of the code that is not so.

It names a function or a test by its file and its name, `mlp_cli/nn/layers.py` `linear_dW`, and quotes lines of a
function right below such a name. Any other code in its text is an expression or a name from the files it names.
"""

import ast
import re
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn import MLP, model
from mlp_cli.nn.layers import linear_da

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)`\s+`([\w.]+)`")
NAMES = sorted(set(NAMED.findall(PROSE)))
QUOTES = re.findall(NAMED.pattern + r":\n```python\n(.*?)^```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
SPANS = sorted(set(re.findall(r"`([^`]+)`", NAMED.sub("", PROSE))))


@cache
def definitions(path):
    """Every function and class of a file, and every method as Class.method: its lines by its name."""
    source = (ROOT / path).read_text(encoding="utf-8")
    found = {}

    def collect(body, prefix=""):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[prefix + node.name] = source.splitlines()[node.lineno - 1 : node.end_lineno]
                collect(node.body, f"{prefix}{node.name}.")

    collect(ast.parse(source).body)
    return found


def test_the_document_was_read():
    assert {path.split("/")[0] for path, _ in NAMES} == {"mlp_cli", "tests"}
    assert len(QUOTES) == DOCUMENT.count("```python") > 0


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_what_the_document_names_exists(path, name):
    assert name in definitions(path)


@pytest.mark.parametrize(("path", "name", "quote"), QUOTES, ids=[name for _, name, _ in QUOTES])
def test_what_the_document_quotes_is_the_code(path, name, quote):
    lines = definitions(path)[name]
    n = len(quote.splitlines())
    passages = [textwrap.dedent("\n".join(lines[start : start + n])) for start in range(len(lines))]
    assert textwrap.dedent(quote).rstrip("\n") in passages


@pytest.mark.parametrize("span", SPANS)
def test_other_code_in_the_text_comes_from_the_files_it_names(span):
    if span.endswith(".py"):
        assert (ROOT / span).exists()
    else:
        sources = "\n".join((ROOT / path).read_text(encoding="utf-8") for path, _ in NAMES)
        assert re.search(rf"(?<!\w){re.escape(span)}(?!\w)", sources)


def test_one_over_m_in_every_da_makes_dW1_too_small_by_m_squared(monkeypatch):
    m, rng = 8, np.random.default_rng(0)
    network = MLP([7, 6, 5, 4], "tanh", rng, np.float64)
    x, labels = rng.random((m, 7)), rng.integers(0, 4, m)
    right = network.gradients(x, labels).W
    monkeypatch.setattr(model, "linear_da", lambda dz, W, out: linear_da(dz / len(dz), W, out))
    wrong = network.gradients(x, labels).W
    for dW, too_small, factor in zip(right, wrong, [m**2, m, 1], strict=True):
        np.testing.assert_allclose(too_small * factor, dW, rtol=1e-12)
