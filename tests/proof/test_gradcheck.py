"""The checks pass, and each spoilt formula fails on its own line, under its own name."""

import math
from pathlib import Path

import numpy as np
import pytest

import mlp_cli
from mlp_cli.nn import ACTIVATIONS
from mlp_cli.proof import gradcheck

SIZES = (9, 5, 3)
FORMULAS = [row.formula for row in gradcheck.check_formulas()]


def first(signature, statement):
    """The head of a function, and the head with a statement after it: planted this way, a bug survives a new body."""
    return f"def {signature}:\n", f"def {signature}:\n    {statement}\n"


RELU, LOG_SOFTMAX = "relu(z: Floats, out: Floats | None = None) -> Floats", "log_softmax(z: Floats) -> Floats"
LINEAR_DW = (
    "linear_dW(\n    a: Floats, dz: Floats, m: int | None = None, out: Floats | None = None, "
    "matmul: MatMul = np.matmul\n) -> Floats"
)
LINEAR_DB = "linear_db(dz: Floats, m: int | None = None, out: Floats | None = None) -> Floats"
# For each bug: file, line, spoilt line, and the formulas that must be wrong, all others being right.
BUGS = {
    "no bias": ("layers", "    z += b  # (h,) is added to every row\n", "", ["z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾"]),
    "transposed weights of a square layer": (
        "layers", "matmul(a, W, out=out)", "matmul(a, W.T, out=out)",
        ["z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾"],
    ),
    "leaky ReLU": ("layers", *first(RELU, "return np.maximum(z, 0.01 * z, out=out)"), ["a = max(z, 0)"]),
    "sigmoid of z, not z/2": (
        "layers", "np.multiply(z, 0.5, out=out)", "np.multiply(z, 1, out=out)",
        ["a = 1 / (1 + e⁻ᶻ)"],
    ),
    "sine for tanh": ("layers", "np.tanh(z, out=out)", "np.sin(z, out=out)", ["a = tanh z"]),
    "softmax along the wrong axis": (
        "loss", *first(LOG_SOFTMAX, "return z - np.log(np.exp(z).sum(axis=0, keepdims=True))"),
        ["ŷ = softmax(z⁽³⁾)"],
    ),
    "no shift by the maximum": (
        "loss", *first(LOG_SOFTMAX, "return z - np.log(np.exp(z).sum(axis=1, keepdims=True))"),
        ["ŷ = softmax(z⁽³⁾)"],
    ),
    "sign of the loss": (
        "loss", "= -log_y[", "= log_y[",
        ["Lᵢ = −Σ yⱼ log ŷⱼ"],
    ),
    "mean for sum over the classes": (
        "loss", "-(y * log_y).sum(axis=1)", "-(y * log_y).mean(axis=1)",
        ["Lᵢ = −Σ yⱼ log ŷⱼ, any y"],
    ),
    "ŷ for ŷ(1 − ŷ)": (
        "loss", "- y_hat[:, :, None] * y_hat[:, None, :]",
        "- y_hat[:, :, None] * y_hat[:, None, :] * (1 - np.eye(y_hat.shape[1]))",
        ["∂ŷₜ/∂zₜ = ŷₜ (1 − ŷₜ)"],
    ),
    "+ŷₜŷⱼ for −ŷₜŷⱼ": (
        "loss", "- y_hat[:, :, None] * y_hat[:, None, :]",
        "- y_hat[:, :, None] * y_hat[:, None, :] * (2 * np.eye(y_hat.shape[1]) - 1)",
        ["∂ŷₜ/∂zⱼ = −ŷₜ ŷⱼ"],
    ),
    "ŷ + y": (
        "loss", "y] -= 1", "y] += 1",
        ["dz⁽³⁾ = ŷ − y"],
    ),
    "1/m in dz": (
        "loss", "dz = np.exp(log_y)", "dz = np.exp(log_y) / len(y)",
        ["dz⁽³⁾ = ŷ − y", "dz⁽³⁾ = ŷ − y, any y"],
    ),
    "rows y left out": (
        "loss", "        dz -= y\n", "        pass\n",
        ["dz⁽³⁾ = ŷ − y, any y"],
    ),
    "dropped 1/m in dW": ("layers", *first(LINEAR_DW, "m = 1"), ["dW⁽ˡ⁾ = (1/m) (a⁽ˡ⁻¹⁾)ᵀ dz⁽ˡ⁾"]),
    "1/h for 1/m in dW": (
        "layers", *first(LINEAR_DW, "m = dz.shape[1]"), ["dW⁽ˡ⁾ = (1/m) (a⁽ˡ⁻¹⁾)ᵀ dz⁽ˡ⁾"],
    ),
    "transposed dW of a square one": ("layers", *first(LINEAR_DW, "a, dz = dz, a"), ["dW⁽ˡ⁾ = (1/m) (a⁽ˡ⁻¹⁾)ᵀ dz⁽ˡ⁾"]),
    "missing transpose in dW": ("layers", *first(LINEAR_DW, "a = a.T"), ["dW⁽ˡ⁾ = (1/m) (a⁽ˡ⁻¹⁾)ᵀ dz⁽ˡ⁾"]),
    "sum for mean in db": ("layers", *first(LINEAR_DB, "m = 1"), ["db⁽ˡ⁾ = (1/m) Σ dzᵢ⁽ˡ⁾"]),
    "db over the wrong axis": (
        "layers", *first(LINEAR_DB, "return np.mean(dz, axis=1, out=out)"), ["db⁽ˡ⁾ = (1/m) Σ dzᵢ⁽ˡ⁾"],
    ),
    "missing transpose in da, on a square layer": (
        "layers", "matmul(dz, W.T, out=out)", "matmul(dz, W, out=out)",
        ["da⁽ˡ⁾ = dz⁽ˡ⁺¹⁾ (W⁽ˡ⁺¹⁾)ᵀ"],
    ),
    "1/m in da": (
        "layers", "matmul(dz, W.T, out=out)", "matmul(dz, W.T / len(dz), out=out)",
        ["da⁽ˡ⁾ = dz⁽ˡ⁺¹⁾ (W⁽ˡ⁺¹⁾)ᵀ"],
    ),
    "dropped ReLU mask": (
        "layers", "np.multiply(da, a > 0, out=out)", "np.multiply(da, 1, out=out)",
        ["dz = da ⊙ [a > 0]"],
    ),
    "sigmoid's derivative without 1 − a": (
        "layers", "np.multiply(da, a * (1 - a), out=out)", "np.multiply(da, a, out=out)",
        ["dz = da ⊙ a (1 − a)"],
    ),
    "1 − a for 1 − a²": (
        "layers", "np.multiply(da, 1 - a * a, out=out)", "np.multiply(da, 1 - a, out=out)",
        ["dz = da ⊙ (1 − a²)"],
    ),
    "sigmoid's derivative for tanh's": (
        "layers", "Activation(tanh, tanh_dz", "Activation(tanh, sigmoid_dz",
        ["dz = da ⊙ (1 − a²)"],
    ),
    "no activation in the loop": (
        "network", "z if is_last else self.activation.g(z, out=z)", "z",
        ["a⁽ˡ⁾ = g(z⁽ˡ⁾)"],
    ),
    "activation on the logits": ("network", "z if is_last else ", "", ["a⁽ˡ⁾ = g(z⁽ˡ⁾)"]),
    "sum for mean of the loss": ("network", "labels).mean())", "labels).sum())", ["L = (1/m) Σ Lᵢ"]),
    "weights of the layer below": (
        "network", "self.parameters.W[l], buffers", "self.parameters.W[l - 1], buffers",
        ["dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)"],
    ),
    "outputs of the layer for its inputs": (
        "network", "linear_dW(a[l], dz, batch_size,", "linear_dW(a[l + 1], dz, batch_size,",
        ["dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)"],
    ),
    "no activation on the way back": (
        "network", "dz = self.activation.dz(da, g, out=da)", "dz = da",
        ["dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)"],
    ),
    "the mean added to the bias": (
        "layers", "b - mean @ W", "b + mean @ W",
        ["b⁽¹⁾ − μ W⁽¹⁾"],
    ),
    "the mean added to the gradient": (
        "layers", "np.subtract(dW, np", "np.add(dW, np",
        ["dW⁽¹⁾ = (1/m) xᵀ dz⁽¹⁾ − μᵀ db⁽¹⁾"],
    ),
    "a part taken for the batch": (
        "network", "linear_dW(a[l], dz, batch_size,", "linear_dW(a[l], dz, None,",
        ["∂L/∂θ, summed over parts"],
    ),
    "the last rows of the weights for the first": (
        "network", "self.W[0][:k]", "self.W[0][-k:]",
        ["∂L/∂θ, blank inputs left out"],
    ),
    "mask dropped in forward": (
        "network", "a[l] *= dropout.masks[l - 1]", "pass",
        ["a⁽ˡ⁾ = g(z⁽ˡ⁾) ⊙ mask⁽ˡ⁾"],
    ),
    "mask dropped in backward": (
        "network", "da *= dropout.masks[l - 1]", "pass",
        ["dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ mask⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)"],
    ),
    "g′ at the masked a": (
        "network", "g = a[l] * (1 - dropout.share)", "g = a[l]",
        ["dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ mask⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)"],
    ),
    "decay without the learning rate": (
        "optim", "1 - learning_rate * self.weight_decay", "1 - self.weight_decay",
        ["W ← W − ηλW"],
    ),
    "decay of biases": (
        "optim", "            for W in self.parameters.W:\n", "            for W in [self.parameters.flat]:\n",
        ["W ← W − ηλW"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_named_by_the_line_of_its_formula_and_no_other(bug, spoilt):
    *change, formulas = BUGS[bug]
    gradcheck = spoilt(*change)
    wrong = [row for row in gradcheck.check_formulas() if not row.result.passed]
    # If a formula mixes examples or inputs, its parts no longer add up, so it shows there, too.
    assert [row.formula for row in wrong if row.witness != gradcheck.WHOLE or row.formula in formulas] == formulas


def test_a_bug_is_planted_in_every_formula():
    assert {formula for *_, formulas in BUGS.values() for formula in formulas} == set(FORMULAS)


ALL = {"relu", "sigmoid", "tanh"}


@pytest.mark.parametrize(
    ("bug", "activations", "needs"),
    [
        ("dropped 1/m in dW", ALL, "anything"),
        ("missing transpose in dW", ALL, "anything"),  # no layer is square here: it raises
        ("weights of the layer below", ALL, "anything"),
        ("sigmoid's derivative without 1 − a", {"sigmoid"}, "anything"),
        ("rows y left out", ALL, "smoothing"),
        ("mask dropped in backward", ALL, "dropout"),
    ],
)
def test_the_networks_that_have_a_planted_bug_are_wrong_and_no_others(bug, activations, needs, spoilt):
    gradcheck = spoilt(*BUGS[bug][:-1])
    for networks in (gradcheck.check_networks(gradcheck.SMALL), gradcheck.check_networks(SIZES, directions=3)):
        for network in networks:
            has_it = network.activation in activations and (needs == "anything" or getattr(network, needs) > 0)
            assert network.passed != has_it, network


def test_every_formula_is_right_to_rounding_or_to_the_error_of_central_differences():
    for row in gradcheck.check_formulas():
        is_exact = row.witness != gradcheck.DIFFERENCES
        assert row.result.error <= (1e-12 if is_exact else 1e-9), row


def test_the_table_says_where_a_formula_is_computed_and_its_shapes():
    (row,) = [row for row in gradcheck.check_formulas() if row.code == "layers.linear_dW"]
    line = (Path(mlp_cli.__file__).parents[1] / row.file).read_text("utf-8").splitlines()[row.line - 1]
    assert line.startswith("def linear_dW(")
    assert row.shapes == "4×5 · 5×4 → 4×4"


def test_networks_come_with_each_activation_with_and_without_each_regulariser():
    kinds = [(network.activation, network.smoothing, network.dropout) for network in gradcheck.check_networks((3, 2))]
    assert kinds == [(name, *rest) for name in ACTIVATIONS for rest in [(0, 0), (0, 0.2), (0.1, 0), (0.1, 0.2)]]
    kinds = {(n.smoothing, n.dropout) for n in gradcheck.check_networks((3, 2), smoothing=0.3, dropout=0.6)}
    assert kinds == {(0, 0), (0, 0.6), (0.3, 0), (0.3, 0.6)}


@pytest.mark.parametrize("sizes", [(5, 3), (5, 1, 1, 3), (5, 300, 3), (5, 6, 6, 6, 6, 6, 3)])
@pytest.mark.parametrize("dropout", [0.0, 0.9])
def test_networks_of_other_forms_are_right(sizes, dropout):
    for network in gradcheck.check_networks(sizes, dropout=dropout, directions=gradcheck.DIRECTIONS):
        assert network.passed, network


def test_the_entry_of_the_largest_error_is_named(spoilt):
    product = "matmul(dz, W.T, out=out)"
    gradcheck = spoilt("layers", product, f"{product} + 1e-6 * (np.arange(W.shape[0]) == 2)")
    (row,) = [row for row in gradcheck.check_formulas() if row.code == "layers.linear_da"]
    assert row.result.entry[1] == 2
    for network in gradcheck.check_networks(gradcheck.SMALL):
        assert {name for name, result in network.results.items() if not result.passed} <= {"W1", "b1", "W2", "b2"}


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("np.full_like(dz @ W.T, np.nan)", None),
        ("(dz @ W.T)[:1]", "ValueError: the shape is (1, 4), but must be (5, 4)"),
        ("np.matmul(dz, None)", "matmul"),
    ],
)
def test_nan_a_wrong_shape_and_an_exception_count_as_wrong(spoilt, wrong, problem):
    gradcheck = spoilt("layers", "matmul(dz, W.T, out=out)", wrong)
    (row,) = [row for row in gradcheck.check_formulas() if row.code == "layers.linear_da"]
    assert math.isnan(row.result.error)
    assert not row.result.passed
    assert row.result.problem is None if problem is None else problem in row.result.problem


def test_units_stay_away_from_the_kink_of_relu_by_much_more_than_a_step_moves_them():
    network, _, loss = gradcheck._network(gradcheck.SMALL, "relu", 0.0, 0.0)
    signs = []
    network.activation = network.activation._replace(
        g=lambda z, out=None: signs.append(z > 0) or np.maximum(z, 0, out=out)
    )
    for step in (0, 1e-3, -1e-3):  # a hundred times the step of a central difference, for every parameter
        for index in range(network.parameters.flat.size):
            kept = network.parameters.flat[index]
            network.parameters.flat[index] = kept + step
            loss()
            network.parameters.flat[index] = kept
    first, second = signs[:2]
    assert all(np.array_equal(sign, first) for sign in signs[::2])
    assert all(np.array_equal(sign, second) for sign in signs[1::2])
    assert 0 < first.mean() < 1
