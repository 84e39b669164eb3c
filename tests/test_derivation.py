"""What docs/derivation.md says about the code is true.

It names a function or a test by its file and its name, `mlp_cli/nn/layers.py` `linear_dW`, and quotes lines of a
function right below such a name. Any other code in its text is an expression or a name from the files it names, or a
command or an option that docs/cli.md documents. Its formulas are those of `mlp gradcheck`, and its numbers are right.
"""

import ast
import math
import re
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn import MLP
from mlp_cli.nn import network as model
from mlp_cli.nn.layers import linear_da
from mlp_cli.nn.loss import log_softmax
from mlp_cli.proof import gradcheck
from mlp_cli.proof import trace as trace_module
from mlp_cli.proof.trace import trace

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)`\s+`([\w.]+)`")
NAMES = sorted(set(NAMED.findall(PROSE)))
QUOTES = re.findall(NAMED.pattern + r":\n```python\n(.*?)^```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
OUTPUTS = re.findall(r"^```text\n\$ mlp (.*?)\n(.*?)^```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
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


def test_the_derivation_was_parsed():
    assert {path.split("/")[0] for path, _ in NAMES} == {"mlp_cli", "tests"}
    assert len(QUOTES) == DOCUMENT.count("```python") > 0
    assert len(OUTPUTS) == DOCUMENT.count("```text\n$") == 2


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
        sources = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in {"docs/cli.md", *dict(NAMES)})
        assert re.search(rf"(?<!\w){re.escape(span)}(?!\w)", sources)


def as_text(formula):
    """A formula of the overview as `mlp gradcheck` writes it."""
    raised = str.maketrans("()0123456789l+-z", "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹ˡ⁺⁻ᶻ")
    formula = formula.replace(r"\frac{1}{m}", "(1/m)").replace(r"^\top", "ᵀ").replace("^2", "²")
    formula = re.sub(r"\^\{(.*?)\}", lambda match: match[1].translate(raised), formula)
    formula = re.sub(r"_([itj])", lambda match: "ᵢₜⱼ"["itj".index(match[1])], formula)
    signs = {
        r"\hat y": "ŷ", r"\theta": "θ", r"\mu": "μ",
        r"\partial ": "∂", r"\eta ": "η", r"\lambda ": "λ", r"\leftarrow": "←", r"\sum": "Σ",
        r"\odot": "⊙", r"\gt": ">", r"\log": "log", r"\max": "max", r"\tanh": "tanh", "-": "−", "'": "′", "$": "",
    }  # fmt: skip
    for sign, character in signs.items():
        formula = formula.replace(sign, character)
    return re.sub(r"\\mathrm\{(\w+)\}", r"\1", formula)


def test_the_formulas_of_the_overview_are_those_of_gradcheck_in_its_order():
    overview = DOCUMENT.partition("## Overview")[2].partition("\n## ")[0]
    rows = [re.split(r" *\| *", line)[1:4] for line in overview.splitlines() if line.startswith("| $")]
    documented = [(as_text(formula), *NAMED.search(code).groups()) for formula, _, code in rows]
    checked = [(row.formula, row.file, row.code.partition(".")[2]) for row in gradcheck.check_formulas()]
    assert documented == checked


def test_the_output_of_gradcheck_is_what_it_prints_but_for_rounding(mlp):
    (shown,) = [output for command, output in OUTPUTS if command == "gradcheck"]
    printed = mlp("gradcheck").out

    def without_errors(text):
        # only the size of an error is certain, not its place; … stands for lines left out
        return [re.sub(r"\d+e[+-]\d+|\S*\[[\d,]+\] *", "#", line) for line in text.splitlines() if line != "…"]

    lines = without_errors(printed)
    expected = [line for line in without_errors(shown) if line in lines]
    assert without_errors(shown) == expected
    assert [line for line in lines if not re.match("(sigmoid|tanh) ", line)] == expected


def test_the_output_of_trace_is_what_it_prints_but_for_rounding(mlp):
    ((command, shown),) = [output for output in OUTPUTS if output[0].startswith("trace")]
    printed = mlp(*command.split()).out
    for line, row in zip(shown.splitlines()[1:], printed.splitlines()[1:], strict=True):
        symbol, shape, *numbers = line.split()
        assert row.split()[:2] == [symbol, shape]
        assert row.split()[5] == numbers[3]  # the index
        shown_numbers, printed_numbers = (
            [float(cell) for cell in cells if "[" not in cell] for cells in (numbers, row.split()[2:])
        )
        np.testing.assert_allclose(printed_numbers, shown_numbers, rtol=2e-3, err_msg=printed)


def test_inline_formulas_have_nothing_that_markdown_would_eat():
    for paragraph in PROSE.split("\n\n"):
        text = re.sub(r"`[^`]*`", "", paragraph)
        assert text.count("$") % 2 == 0
        for before, formula, after in re.findall(r"(\S?)\$(.+?)\$(\S?)", text, flags=re.DOTALL):
            assert before in ("", "(", "|")
            assert after in ("", ",", ".", ":", ";", ")", "|")
            assert formula == formula.strip()
            assert "\n" not in formula
            assert not re.search(r"[*<>|]|\\\\|\\operatorname|[)}\]]_", formula)


EXAMPLE = DOCUMENT.partition("## A worked example, 2-3-2")[2].partition("\n## ")[0]
MATRIX = r"((?:\\hat )?\w+(?:\^\{\(\d\)\})?) = (?:\\hat y - y = )?\\begin\{bmatrix\}(.*?)\\end\{bmatrix\}"


def worked_example():
    """Every matrix of the worked example by its symbol, as nested lists."""
    matrices = {}
    for symbol, body in re.findall(MATRIX, EXAMPLE):
        rows = [[float(entry) for entry in row.split("&")] for row in body.split(r"\\")]
        assert symbol not in matrices
        matrices[symbol.replace(r"\hat y", "ŷ").replace("^{(", "").replace(")}", "")] = rows
    return matrices | {"L": [[float(re.search(r"^L = ([\d.]+)$", EXAMPLE, flags=re.MULTILINE)[1])]]}


def by_hand(a0, y, W1, b1, W2, b2):
    """The worked example in plain loops, one number at a time."""
    m, inputs, hidden, k = len(a0), range(len(W1)), range(len(W2)), range(len(W2[0]))
    examples = range(m)
    z1 = [[sum(a0[i][p] * W1[p][q] for p in inputs) + b1[0][q] for q in hidden] for i in examples]
    a1 = [[max(z, 0) for z in row] for row in z1]
    z2 = [[sum(a1[i][p] * W2[p][q] for p in hidden) + b2[0][q] for q in k] for i in examples]
    y_hat = [[math.exp(z) / sum(map(math.exp, row)) for z in row] for row in z2]
    losses = [-sum(y[i][j] * math.log(y_hat[i][j]) for j in k) for i in examples]
    dz2 = [[y_hat[i][j] - y[i][j] for j in k] for i in examples]
    da1 = [[sum(dz2[i][q] * W2[p][q] for q in k) for p in hidden] for i in examples]
    dz1 = [[da1[i][p] if z1[i][p] > 0 else 0 for p in hidden] for i in examples]
    return {
        "z1": z1, "a1": a1, "z2": z2, "ŷ": y_hat, "L_i": [losses], "L": [[sum(losses) / m]],
        "dz2": dz2,
        "dW2": [[sum(a1[i][p] * dz2[i][q] for i in examples) / m for q in k] for p in hidden],
        "db2": [[sum(dz2[i][q] for i in examples) / m for q in k]],
        "da1": da1, "dz1": dz1,
        "dW1": [[sum(a0[i][p] * dz1[i][q] for i in examples) / m for q in hidden] for p in inputs],
        "db1": [[sum(dz1[i][q] for i in examples) / m for q in hidden]],
    }  # fmt: skip


def test_the_worked_example_is_right_to_the_last_digit():
    printed = worked_example()
    given = {name: printed.pop(name) for name in ("a0", "y", "W1", "b1", "W2", "b2")}
    computed = by_hand(**given)
    assert printed.keys() == computed.keys()
    for name, matrix in computed.items():
        np.testing.assert_allclose(printed[name], matrix, rtol=0, atol=0.5e-4 + 1e-12, err_msg=name)

    slope = []
    for value in ("0.401", "0.399"):
        changed = [row[:] for row in given["W1"]]
        changed[1][0] = float(value)
        (loss,) = by_hand(**given | {"W1": changed})["L"][0]
        assert f"{loss:.7f}" in EXAMPLE
        slope.append(loss)
    assert f"{(slope[0] - slope[1]) / 0.002:.4f}" == f"{computed['dW1'][1][0]:.4f}" == "0.3171"
    assert f"{computed['dW1'][1][0] / 2:.4f}" in EXAMPLE


def test_the_code_computes_the_worked_example():
    printed = worked_example()
    network = MLP.blank([2, 3, 2], "relu", np.float64)
    for name, view in network.parameters.named().items():
        view[...] = np.reshape(printed[name], view.shape)
    values = {
        name: value for _, name, value in trace(network, np.array(printed["a0"]), np.argmax(printed["y"], axis=1))
    }
    values |= {"ŷ": values.pop("y"), "L_i": values["L"], "L": values["L"].mean(), "y": np.array(printed["y"])}
    for name, matrix in printed.items():
        np.testing.assert_allclose(np.atleast_2d(values[name]), matrix, rtol=0, atol=0.5e-4 + 1e-12, err_msg=name)


def test_trace_shows_the_worked_example():
    printed = worked_example()
    network, x, labels = trace_module.worked_example()
    np.testing.assert_array_equal(x, printed["a0"])
    np.testing.assert_array_equal(labels, np.argmax(printed["y"], axis=1))
    for name, value in network.parameters.named().items():
        np.testing.assert_array_equal(value, np.reshape(printed[name], value.shape))


def test_only_log_softmax_gives_the_loss_of_large_logits():
    z = np.array([1e4, 1e3, 0], np.float32)
    with np.errstate(all="ignore"):
        unshifted, shifted = (-np.log(e[1] / e.sum()) for e in (np.exp(z), np.exp(z - z.max())))
    assert np.isnan(unshifted)
    assert shifted == np.inf
    assert -log_softmax(z[np.newaxis])[0, 1] == 9000


def test_one_over_m_in_every_da_makes_dW1_too_small_by_m_squared(monkeypatch):
    m, rng = 8, np.random.default_rng(0)
    network = MLP([7, 6, 5, 4], "tanh", rng, np.float64)
    x, labels = rng.random((m, 7)), rng.integers(0, 4, m)
    right = network.gradients(x, labels).W
    monkeypatch.setattr(model, "linear_da", lambda dz, W, *others: linear_da(dz / len(dz), W, *others))
    wrong = network.gradients(x, labels).W
    for dW, too_small, factor in zip(right, wrong, [m**2, m, 1], strict=True):
        np.testing.assert_allclose(too_small * factor, dW, rtol=1e-12)
