"""Every formula of docs/derivation.md against an independent reference, in float64: what `mlp gradcheck` shows.

A formula is checked alone. What stands around it, such as the loss whose gradient it is, is written out here from its
definition, so that a mistake in a function shows in the line of that function and in no other formula's. Whether
the formulas are joined correctly is then checked by comparing `MLP` with `trace`, which uses the same formulas, and
whole networks are compared with central differences.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from mlp_cli.nn.arrays import Floats, Integers
from mlp_cli.nn.layers import ACTIVATIONS, Dropout, centred_b, centred_dW, linear, linear_da, linear_db, linear_dW
from mlp_cli.nn.loss import cross_entropy, cross_entropy_dz, label_rows, log_softmax, softmax, softmax_jacobian
from mlp_cli.nn.network import MLP, Parameters
from mlp_cli.nn.optim import OPTIMIZERS, SGD
from mlp_cli.proof.differences import directional_derivative, largest_error, numerical_gradient
from mlp_cli.proof.trace import trace

# A check: from a random generator, what goes into a formula, what the code makes of it, and what is right
Compared = tuple[tuple[Floats, ...], Floats, Floats]
Check = Callable[[np.random.Generator], Compared]

TOLERANCE = 1e-7
SMALL = (7, 6, 5, 4)
DIRECTIONS = 5

M, K = 5, 3
D = 4  # Single layers are square, so that a missing transpose gives wrong numbers instead of an exception.
SMOOTHING, SHARE = 0.1, 0.2


class Agreement(NamedTuple):
    """How far a result is from its reference: the largest relative error, and the index of the entry that
    has it. `problem` says why they could not be compared; the error is not a number then."""

    error: float
    entry: tuple[int, ...]
    problem: str | None = None

    @property
    def passed(self) -> bool:
        return self.error <= TOLERANCE  # also False for NaN


class FormulaCheck(NamedTuple):
    """A formula as in the derivation, and what it was compared with; the function that computes it, as
    module.function, with its file and line; the shapes that go in and come out in this check; and how it did."""

    witness: str
    formula: str
    code: str
    file: str
    line: int
    shapes: str
    result: Agreement


class NetworkCheck(NamedTuple):
    """A whole network whose gradients were compared with central differences: entry by entry, `results` has one item
    for each of W1, b1, …; along random directions it has one, and the entry is the number of the direction."""

    sizes: tuple[int, ...]
    activation: str
    smoothing: float
    dropout: float
    results: dict[str, Agreement]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results.values())


def check_formulas() -> Iterator[FormulaCheck]:
    """Every formula alone, in the order of the derivation: yields a FormulaCheck each."""
    for witness, formula, function, compare in _CHECKS:
        yield FormulaCheck(witness, formula, *_place(function), *_run(compare))


def check_networks(
    sizes: Sequence[int], smoothing: float = 0.0, dropout: float = 0.0, directions: int | None = None
) -> Iterator[NetworkCheck]:
    """Networks of `sizes` with every activation, with and without label smoothing and dropout: yields a
    NetworkCheck each.

    Their gradients are compared with central differences entry by entry, or along `directions` random directions.
    If `smoothing` or `dropout` is 0, the networks with it use a common value.
    """
    kinds = product(ACTIVATIONS, (0.0, smoothing or SMOOTHING), (0.0, dropout or SHARE))
    for activation, epsilon, share in kinds:
        try:
            with np.errstate(all="ignore"):
                batch = _network(sizes, activation, epsilon, share)
                results = _along_directions(*batch, directions) if directions else _entry_by_entry(*batch)
        except MemoryError:
            raise
        except Exception as error:  # a network that raises is wrong
            names = ["directions"] if directions else Parameters(sizes).named()
            results = dict.fromkeys(names, _not_comparable(error))
        yield NetworkCheck(tuple(sizes), activation, epsilon, share, results)


# The definitions, written out once more.


def _linear(a: Floats, W: Floats, b: Floats) -> Floats:
    return np.einsum("ip,pq->iq", a, W) + b


def _softmax(z: Floats) -> Floats:
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def _rows(labels: Integers) -> Floats:
    """The one-hot rows y of integer labels."""
    return np.where(labels[:, None] == np.arange(K), 1.0, 0.0)


def _losses(z: Floats, y: Floats) -> Floats:
    return -(y * np.log(_softmax(z))).sum(axis=1)


_G: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.where(z > 0, z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
}


def _check_linear(rng: np.random.Generator) -> Compared:
    a, W, b = _normal(rng, (M, D), (D, D), (D,))
    return (a, W, b), linear(a, W, b), _linear(a, W, b)


def _check_g(name: str) -> Check:
    def check(rng: np.random.Generator) -> Compared:
        z = _away_from_zero(rng)
        return (z,), ACTIVATIONS[name].g(z.copy()), _G[name](z)

    return check


def _check_softmax(rng: np.random.Generator) -> Compared:
    (z,) = _normal(rng, (M, K))
    far = z + np.array([[0], [2000], [-2000], [0], [2000]])  # eᶻ overflows there, but softmax must not
    return (z,), softmax(far), _softmax(z)


def _check_losses(has_labels: bool) -> Check:
    def check(rng: np.random.Generator) -> Compared:
        (z,), (y, rows) = _normal(rng, (M, K)), _truth(rng, has_labels)
        log_y = np.log(_softmax(z))
        return (log_y,), cross_entropy(log_y, y), _losses(z, rows)

    return check


def _truth(rng: np.random.Generator, has_labels: bool) -> tuple[Floats | Integers, Floats]:
    """Labels and the rows that they stand for, or any rows twice."""
    if has_labels:
        labels = _labels(rng)
        return labels, _rows(labels)
    rows = _softmax(*_normal(rng, (M, K)))
    return rows, rows


def _check_jacobian(is_diagonal: bool) -> Check:
    def check(rng: np.random.Generator) -> Compared:
        (z,) = _normal(rng, (M, K))

        # Row j of an example is the gradient of its ŷⱼ. Summing over the examples keeps them apart.
        def sum_of(j: int) -> Callable[[], float]:
            return lambda: float(_softmax(z)[:, j].sum())

        rows = [numerical_gradient(sum_of(j), z) for j in range(K)]
        part = np.eye(K) == is_diagonal
        y_hat = _softmax(z)
        return (y_hat,), softmax_jacobian(y_hat) * part, np.stack(rows, axis=1) * part

    return check


def _check_dz(has_labels: bool) -> Check:
    def check(rng: np.random.Generator) -> Compared:
        (z,), (y, rows) = _normal(rng, (M, K)), _truth(rng, has_labels)
        log_y = np.log(_softmax(z))
        # The sum leaves row i of the gradient to example i.
        numerical = numerical_gradient(lambda: float(_losses(z, rows).sum()), z)
        return (log_y,), cross_entropy_dz(log_y, y), numerical

    return check


# In the next three the loss of example i is row i of dz · row i of z, so that dz is its gradient at z.


def _check_dW(rng: np.random.Generator) -> Compared:
    a, W, b, dz = _normal(rng, (M, D), (D, D), (D,), (M, D))
    numerical = numerical_gradient(lambda: (_linear(a, W, b) * dz).sum(axis=1).mean(), W)
    return (a.T, dz), linear_dW(a, dz), numerical


def _check_db(rng: np.random.Generator) -> Compared:
    a, W, b, dz = _normal(rng, (M, D), (D, D), (D,), (M, D))
    numerical = numerical_gradient(lambda: (_linear(a, W, b) * dz).sum(axis=1).mean(), b)
    return (dz,), linear_db(dz), numerical


def _check_da(rng: np.random.Generator) -> Compared:
    a, W, b, dz = _normal(rng, (M, D), (D, D), (D,), (M, D))
    numerical = numerical_gradient(lambda: (_linear(a, W, b) * dz).sum(), a)
    return (dz, W.T), linear_da(dz, W), numerical


def _check_activation_dz(name: str) -> Check:
    def check(rng: np.random.Generator) -> Compared:
        z, (da,) = _away_from_zero(rng), _normal(rng, (M, D))
        numerical = numerical_gradient(lambda: (_G[name](z) * da).sum(), z)
        return (da, z), ACTIVATIONS[name].dz(da, _G[name](z)), numerical

    return check


# Inputs less their mean: x − μ is never made, and the mean has its part in the bias and in dW.


def _check_centred_b(rng: np.random.Generator) -> Compared:
    b, W, mean = _normal(rng, (D,), (D, D), (D,))
    return (b, W, mean), centred_b(b, W, mean), b - np.einsum("p,pq->q", mean, W)


def _check_centred_dW(rng: np.random.Generator) -> Compared:
    x, W, b, dz, mean = _normal(rng, (M, D), (D, D), (D,), (M, D), (D,))
    numerical = numerical_gradient(lambda: float((_linear(x - mean, W, b) * dz).sum(axis=1).mean()), W)
    dW, db = np.einsum("ip,iq->pq", x, dz) / M, dz.sum(axis=0) / M
    return (dW, db, mean), centred_dW(dW, db, mean), numerical


# Whether `MLP` joins the formulas correctly: compare it with `trace`, which calls the same functions one by one.


def _check_forward(rng: np.random.Generator) -> Compared:
    network, x, labels = _square_network(rng)
    hidden = [value for _, name, value in trace(network, x, labels) if name in ("a1", "a2", "z3")]
    return (x,), np.stack(network.forward(x)[1:]), np.stack(hidden)


def _check_mean_loss(rng: np.random.Generator) -> Compared:
    network, x, labels = _square_network(rng)
    losses = cross_entropy(log_softmax(network.forward(x)[-1]), labels)
    return (losses,), np.array(network.loss(x, labels)), np.array(math.fsum(losses) / len(x))


def _check_backward(rng: np.random.Generator) -> Compared:
    network, x, labels = _square_network(rng)
    values = {name: value for _, name, value in trace(network, x, labels)}
    a = [values[name] for name in ("a0", "a1", "a2", "z3")]
    expected = Parameters(network.sizes, np.float64)
    for name, view in expected.named().items():
        view[...] = values[f"d{name}"]
    return (values["dz3"],), network.backward(a, values["dz3"]).flat, expected.flat


# What training leaves out or divides is compared with the whole.


def _check_parts(rng: np.random.Generator) -> Compared:
    network, x, labels = _square_network(rng)
    parts = (slice(0, 1), slice(1, D))  # unequal parts: a sum or mean of means would differ
    shares = [network.backpropagate(x[part], labels[part], batch_size=D).gradients.flat for part in parts]
    return (x,), np.sum(shares, axis=0), network.backpropagate(x, labels).gradients.flat


def _check_blank(rng: np.random.Generator) -> Compared:
    network, x, labels = _square_network(rng)
    k = D - 1
    x[:, k:] = 0
    gradients = Parameters(network.sizes, np.float64)
    network.on_first(k).backpropagate(x[:, :k], labels, gradients=gradients.on_first(k))
    return (x[:, :k],), gradients.flat, network.backpropagate(x, labels).gradients.flat


# A regulariser is compared with the same network or optimiser without it, so that nothing else is left to be wrong.


def _check_forward_dropout(rng: np.random.Generator) -> Compared:
    network, x, _ = _square_network(rng, layers=2)
    dropout = Dropout.draw(rng, D, [D], SHARE, np.float64)
    (mask,) = dropout.masks
    return (mask,), network.forward(x, dropout=dropout)[1], network.forward(x)[1] * mask


def _check_backward_dropout(rng: np.random.Generator) -> Compared:
    """On a network of single units with one example at a time, where ∂L/∂b⁽¹⁾ is dz⁽¹⁾, and no shape can be wrong."""
    network = MLP([1, 1, 1], "sigmoid", rng, np.float64)
    x, dz = _normal(rng, (M, 1, 1), (M, 1, 1))
    masks = np.resize([1 / (1 - SHARE), 0], (M, 1, 1))
    masked, plain = [], []
    for x_i, dz_i, mask in zip(x, dz, masks, strict=True):
        x_i, a, z = network.forward(x_i)
        masked.append(network.backward([x_i, a * mask, z], dz_i, dropout=Dropout(SHARE, [mask])).b[0])
        plain.append(network.backward([x_i, a, z], dz_i).b[0] * mask[0])
    return (masks[:, 0],), np.stack(masked), np.stack(plain)


def _check_weight_decay(rng: np.random.Generator) -> Compared:
    """What weight decay changes in a step of each optimiser: −ηλW on the weights, nothing on the biases."""
    rate, decay = 0.1, 0.2
    sizes = (D, D, K)
    start, expected = Parameters(sizes, np.float64), Parameters(sizes, np.float64)
    start.flat[:], g = _normal(rng, start.flat.shape, start.flat.shape)
    for W, decayed in zip(start.W, expected.W, strict=True):
        decayed[...] = -rate * decay * W

    def stepped(optimizer: type[SGD], decay: float) -> Floats:
        parameters, gradients = Parameters(sizes, np.float64), Parameters(sizes, np.float64)
        parameters.flat[:], gradients.flat[:] = start.flat, g
        optimizer(parameters, weight_decay=decay).step(gradients, rate)
        return parameters.flat

    change = np.stack([stepped(optimizer, decay) - stepped(optimizer, 0.0) for optimizer in OPTIMIZERS.values()])
    return (start.flat,), change, np.stack([expected.flat] * len(OPTIMIZERS))


DEFINITION, DIFFERENCES = "definition", "central differences"
WHOLE = "whole batch with all inputs"
JOINED, REGULARISER = "formulas called one by one", "same without regulariser"
# The formulas are those of docs/derivation.md: tests/test_derivation.py compares them, and their order.
_CHECKS: tuple[tuple[str, str, Callable[..., object], Check], ...] = (
    (DEFINITION, "z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾", linear, _check_linear),
    (DEFINITION, "a = max(z, 0)", ACTIVATIONS["relu"].g, _check_g("relu")),
    (DEFINITION, "a = 1 / (1 + e⁻ᶻ)", ACTIVATIONS["sigmoid"].g, _check_g("sigmoid")),
    (DEFINITION, "a = tanh z", ACTIVATIONS["tanh"].g, _check_g("tanh")),
    (DEFINITION, "ŷ = softmax(z⁽³⁾)", softmax, _check_softmax),
    (DEFINITION, "Lᵢ = −Σ yⱼ log ŷⱼ", cross_entropy, _check_losses(has_labels=True)),
    (DEFINITION, "Lᵢ = −Σ yⱼ log ŷⱼ, any y", cross_entropy, _check_losses(has_labels=False)),
    (DEFINITION, "b⁽¹⁾ − μ W⁽¹⁾", centred_b, _check_centred_b),
    (DIFFERENCES, "∂ŷₜ/∂zₜ = ŷₜ (1 − ŷₜ)", softmax_jacobian, _check_jacobian(True)),
    (DIFFERENCES, "∂ŷₜ/∂zⱼ = −ŷₜ ŷⱼ", softmax_jacobian, _check_jacobian(False)),
    (DIFFERENCES, "dz⁽³⁾ = ŷ − y", cross_entropy_dz, _check_dz(has_labels=True)),
    (DIFFERENCES, "dz⁽³⁾ = ŷ − y, any y", cross_entropy_dz, _check_dz(has_labels=False)),
    (DIFFERENCES, "dW⁽ˡ⁾ = (1/m) (a⁽ˡ⁻¹⁾)ᵀ dz⁽ˡ⁾", linear_dW, _check_dW),
    (DIFFERENCES, "db⁽ˡ⁾ = (1/m) Σ dzᵢ⁽ˡ⁾", linear_db, _check_db),
    (DIFFERENCES, "da⁽ˡ⁾ = dz⁽ˡ⁺¹⁾ (W⁽ˡ⁺¹⁾)ᵀ", linear_da, _check_da),
    (DIFFERENCES, "dz = da ⊙ [a > 0]", ACTIVATIONS["relu"].dz, _check_activation_dz("relu")),
    (DIFFERENCES, "dz = da ⊙ a (1 − a)", ACTIVATIONS["sigmoid"].dz, _check_activation_dz("sigmoid")),
    (DIFFERENCES, "dz = da ⊙ (1 − a²)", ACTIVATIONS["tanh"].dz, _check_activation_dz("tanh")),
    (DIFFERENCES, "dW⁽¹⁾ = (1/m) xᵀ dz⁽¹⁾ − μᵀ db⁽¹⁾", centred_dW, _check_centred_dW),
    (JOINED, "a⁽ˡ⁾ = g(z⁽ˡ⁾)", MLP.forward, _check_forward),
    (JOINED, "L = (1/m) Σ Lᵢ", MLP.loss, _check_mean_loss),
    (JOINED, "dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)", MLP.backward, _check_backward),
    (WHOLE, "∂L/∂θ, summed over parts", MLP.backward, _check_parts),
    (WHOLE, "∂L/∂θ, blank inputs left out", MLP.on_first, _check_blank),
    (REGULARISER, "a⁽ˡ⁾ = g(z⁽ˡ⁾) ⊙ mask⁽ˡ⁾", MLP.forward, _check_forward_dropout),
    (REGULARISER, "dz⁽ˡ⁾ = da⁽ˡ⁾ ⊙ mask⁽ˡ⁾ ⊙ g′(z⁽ˡ⁾)", MLP.backward, _check_backward_dropout),
    (REGULARISER, "W ← W − ηλW", SGD.step, _check_weight_decay),
)


def _place(function: Callable[..., object]) -> tuple[str, str, int]:
    """The place of a function: module.function, its file and first line."""
    module = function.__module__
    name = f"{module.rpartition('.')[2]}.{function.__qualname__}"
    return name, module.replace(".", "/") + ".py", function.__code__.co_firstlineno


def _run(compare: Check) -> tuple[str, Agreement]:
    """The shapes and the Agreement of a check."""
    rng = np.random.default_rng(0)
    try:
        with np.errstate(all="ignore"):
            inputs, computed, expected = compare(rng)
            shapes = f"{' · '.join(map(_shape, inputs))} → {_shape(expected)}"
            return shapes, Agreement(*largest_error(computed, expected))
    except Exception as error:  # a formula that raises or gives another shape is wrong
        return "", _not_comparable(error)


def _entry_by_entry(network: MLP, gradients: Parameters, loss: Callable[[], float]) -> dict[str, Agreement]:
    return {
        name: Agreement(*largest_error(gradients.named()[name], numerical_gradient(loss, view)))
        for name, view in network.parameters.named().items()
    }


def _along_directions(
    network: MLP, gradients: Parameters, loss: Callable[[], float], number: int
) -> dict[str, Agreement]:
    rng = np.random.default_rng(1)
    slopes, numerical = [], []
    for _ in range(number):
        direction = rng.standard_normal(gradients.flat.size)
        direction *= 10 / np.linalg.norm(direction)  # long enough for its slope to exceed rounding
        slopes.append(gradients.flat @ direction)
        numerical.append(directional_derivative(loss, network.parameters.flat, direction))
    return {"directions": Agreement(*largest_error(slopes, numerical))}


def _network(
    sizes: Sequence[int], activation: str, smoothing: float, share: float, m: int = 10
) -> tuple[MLP, Parameters, Callable[[], float]]:
    """A network, its gradients for a batch of m as training computes them, and a function that gives its loss."""
    rng = np.random.default_rng(0)
    network = MLP(sizes, activation, rng, np.float64)
    for b in network.parameters.b:  # zero biases would hide mistakes with them
        b[...] = 0.1 * rng.standard_normal(b.shape)

    # A central difference across the kink of a ReLU is not a derivative. So take those of many examples whose units are
    # farthest from it: much farther than a step of 1e-5 moves them.
    n = 16 * m
    x, labels = rng.random((n, sizes[0])), rng.integers(0, sizes[-1], n)
    masks = Dropout.draw(rng, n, sizes[1:-1], share, np.float64).masks
    farthest = np.argsort(-_distance_from_kinks(network, x, masks))[:m]
    x, labels = x[farthest], labels[farthest]
    dropout = Dropout(share, [mask[farthest] for mask in masks]) if share else None
    y = label_rows(sizes[-1], smoothing, np.float64)[labels] if smoothing else labels
    buffers = network.buffers(m)

    def loss() -> float:
        z = network.forward(x, buffers, dropout)[-1]
        return float(cross_entropy(log_softmax(z), y).mean())

    return network, network.backpropagate(x, y, dropout, buffers=buffers).gradients, loss


def _distance_from_kinks(network: MLP, a: Floats, masks: list[Floats]) -> Floats:
    """The smallest |z| of all hidden units, for each example: (m,)."""
    distance: Floats = np.full(len(a), np.inf)
    for W, b, mask in zip(network.parameters.W, network.parameters.b, masks, strict=False):  # the logits have no mask
        z = a @ W + b
        distance = np.minimum(distance, np.abs(z).min(axis=1))
        a = network.activation.g(z) * mask
    return distance


def _square_network(rng: np.random.Generator, layers: int = 3) -> tuple[MLP, Floats, Integers]:
    """A sigmoid network whose layers all have D units, and a batch of D: nothing in it can have a wrong shape."""
    network = MLP([D] * (layers + 1), "sigmoid", rng, np.float64)
    network.parameters.flat[:] = rng.standard_normal(network.parameters.flat.shape)
    return network, rng.random((D, D)), rng.integers(0, D, D)


def _normal(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[Floats]:
    return [rng.standard_normal(shape) for shape in shapes]


def _away_from_zero(rng: np.random.Generator) -> Floats:
    (z,) = _normal(rng, (M, D))
    return z + np.copysign(0.1, z)  # where ReLU has no derivative


def _labels(rng: np.random.Generator) -> Integers:
    return rng.integers(0, K, M)


def _shape(array: Floats) -> str:
    return "×".join(map(str, array.shape)) or "1"


def _not_comparable(error: Exception) -> Agreement:
    return Agreement(math.nan, (), f"{type(error).__name__}: {error}")
