"""The derivation as one list: every quantity of a forward and a backward pass, in the order of docs/derivation.md.

`MLP` keeps only what training needs, and overwrites z with a. This is the same walk with the same functions, and keeps
it all; `MLP.backward` gives the same gradients to the last bit.
"""

from typing import NamedTuple

import numpy as np

from mlp_cli.nn.arrays import Floats, Integers
from mlp_cli.nn.layers import linear, linear_da, linear_db, linear_dW
from mlp_cli.nn.loss import cross_entropy, cross_entropy_dz, log_softmax
from mlp_cli.nn.network import MLP

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Quantity(NamedTuple):
    """`symbol` as on paper, ∂L/∂W⁽³⁾; `name` as in the code, dW3; its array."""

    symbol: str
    name: str
    value: Floats


def worked_example() -> tuple[MLP, Floats, Integers]:
    """The network, the examples x (2, 2) and their labels (2,) of the worked example in docs/derivation.md, 2-3-2."""
    network = MLP.blank((2, 3, 2), dtype=np.float64)
    W, b = network.parameters.W, network.parameters.b
    W[0][...] = [[0.5, -1, 0.2], [0.4, 0.6, -0.2]]
    b[0][...] = [0.1, 0.2, 0]
    W[1][...] = [[1, -0.5], [0.5, 1], [-1, 0.5]]
    b[1][...] = [0, 0.1]
    return network, np.array([[1, 0.5], [0, 1]]), np.array([0, 1])


def trace(network: MLP, x: Floats, labels: Integers) -> list[Quantity]:
    """Every quantity of examples x (m, d) with labels (m,), as a list of Quantity: a⁽⁰⁾; W, b, z and a of each layer;
    ŷ and the losses L; then from the last layer down ∂L/∂z, ∂L/∂W, ∂L/∂b, and ∂L/∂a of the layer below.

    Without regularisers. As everywhere, rows of dz and da belong to one example each, dW and db to the mean loss.
    """
    W, b = network.parameters.W, network.parameters.b
    last = len(W)
    a = x
    quantities: list[Quantity] = []

    def keep(letter: str, l: int, value: Floats) -> Floats:
        of = f"⁽{str(l).translate(SUPERSCRIPTS)}⁾"
        symbol = f"∂L/∂{letter[1]}{of}" if letter[0] == "d" else f"{letter}{of}"
        quantities.append(Quantity(symbol, f"{letter}{l}", value))
        return value

    inputs = [keep("a", 0, x)]
    for l in range(1, last + 1):
        z = keep("z", l, linear(a, keep("W", l, W[l - 1]), keep("b", l, b[l - 1])))
        if l < last:
            a = keep("a", l, network.activation.g(z))
            inputs.append(a)

    log_y = log_softmax(z)
    quantities += [Quantity("ŷ", "y", np.exp(log_y)), Quantity("L", "L", cross_entropy(log_y, labels))]

    dz = keep("dz", last, cross_entropy_dz(log_y, labels))
    for l in range(last, 0, -1):
        a = inputs[l - 1]
        keep("dW", l, linear_dW(a, dz))
        keep("db", l, linear_db(dz))
        if l > 1:
            da = keep("da", l - 1, linear_da(dz, W[l - 1]))
            dz = keep("dz", l - 1, network.activation.dz(da, a))
    return quantities
