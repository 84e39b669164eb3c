"""The linear layer and the activations: each forward formula beside its gradients.

The letters, here and in docs/derivation.md: m examples in a batch, d inputs and h outputs
of a layer, k classes. Rows are examples.

`dv` is ∂L/∂v and has the shape of v. Quantities with one row per example (dz, da) hold in
row i the gradient of the loss of example i alone. dW and db belong to all m examples, so they
hold the gradient of the mean loss: 1/m stands in `linear_dW` and `linear_db`, nowhere else. Where the
examples are only a part of a batch, m is the size of the whole batch, and the gradients of its parts add up to its own.

Every function takes `out=` to write into a buffer instead of making a new array. The matrix products are those of
`matmul=`, numpy's own unless one is given that uses more cores.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.nn.arrays import Floats

MatMul = Callable[..., Floats]  # (a, b, out=None) -> a @ b


def linear(a: Floats, W: Floats, b: Floats, out: Floats | None = None, matmul: MatMul = np.matmul) -> Floats:
    """z = a W + b."""
    z = matmul(a, W, out=out)  # (m, d) @ (d, h) -> (m, h)
    z += b  # (h,) is added to every row
    return z


def linear_dW(
    a: Floats, dz: Floats, m: int | None = None, out: Floats | None = None, matmul: MatMul = np.matmul
) -> Floats:
    """dW = (1/m) aᵀ dz, the gradient of the mean loss with respect to the weights; m is len(dz) unless it is given."""
    dz_over_m = dz * (1 / (m or len(dz)))  # 1/m goes to the smaller factor: a layer has fewer outputs than inputs
    return matmul(a.T, dz_over_m, out=out)  # (d, m) @ (m, h) -> (d, h): the product sums over the m examples


def linear_db(dz: Floats, m: int | None = None, out: Floats | None = None) -> Floats:
    """db = (1/m) Σ rows of dz, the gradient of the mean loss with respect to the biases; m as for `linear_dW`."""
    # As a product, since that is faster than np.mean and its float32 sum of many rows more exact.
    return np.matmul(_row(len(dz), 1 / (m or len(dz)), dz.dtype), dz, out=out)  # (m,) @ (m, h) -> (h,)


def linear_da(dz: Floats, W: Floats, out: Floats | None = None, matmul: MatMul = np.matmul) -> Floats:
    """da = dz Wᵀ. No 1/m: the product sums over the h outputs, and each row stays one example's."""
    return matmul(dz, W.T, out=out)  # (m, h) @ (h, d) -> (m, d)


def centred_b(b: Floats, W: Floats, mean: Floats) -> Floats:
    """b − μW, from the mean μ (d,) of the inputs: the bias with which an input x gives the z of x − μ with b."""
    return b - mean @ W  # (h,) - (d,) @ (d, h)


def centred_dW(dW: Floats, db: Floats, mean: Floats, out: Floats | None = None) -> Floats:
    """dW − μᵀ db: the gradient for inputs minus their mean μ (d,), from that for the plain inputs."""
    return np.subtract(dW, np.multiply.outer(mean, db), out=out)  # (d, h) - (d, 1) (1, h)


def relu(z: Floats, out: Floats | None = None) -> Floats:
    """a = max(z, 0)."""
    # A row of zeros, because numpy has vector instructions for rows but not for the number 0.
    return np.maximum(z, _row(z.shape[-1], 0, z.dtype), out=out)


def relu_dz(da: Floats, a: Floats, out: Floats | None = None) -> Floats:
    """dz = da ⊙ [z > 0]; the mask comes from the output, since a > 0 exactly where z > 0."""
    return np.multiply(da, a > 0, out=out)


@lru_cache(64)
def _row(n: int, value: float, dtype: np.dtype[Any]) -> Floats:
    """`value`, n times: (n,). Made once."""
    return np.full(n, value, dtype)


def sigmoid(z: Floats, out: Floats | None = None) -> Floats:
    """a = 1 / (1 + e⁻ᶻ), computed as (1 + tanh(z/2)) / 2, which no z can overflow."""
    a = np.multiply(z, 0.5, out=out)
    np.tanh(a, out=a)
    a += 1
    a *= 0.5
    return a


def sigmoid_dz(da: Floats, a: Floats, out: Floats | None = None) -> Floats:
    """dz = da ⊙ a(1 − a)."""
    return np.multiply(da, a * (1 - a), out=out)


def tanh(z: Floats, out: Floats | None = None) -> Floats:
    """a = tanh z."""
    return np.tanh(z, out=out)


def tanh_dz(da: Floats, a: Floats, out: Floats | None = None) -> Floats:
    """dz = da ⊙ (1 − a²)."""
    return np.multiply(da, 1 - a * a, out=out)


class Dropout(NamedTuple):
    """For each hidden layer a mask (m, h): 0 with probability `share`, else 1/(1 − share), so that the mean of
    a ⊙ mask is a. Its gradient is da ⊙ mask.

    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, "Dropout", scaled in training instead of in use.
    """

    share: float
    masks: list[Floats]

    @classmethod
    def draw(
        cls, rng: "np.random.Generator", m: int, hidden: Sequence[int], share: float, dtype: DTypeLike = np.float32
    ) -> "Dropout":
        """New masks for m examples and `hidden` units per layer."""
        factor = np.array(1 - share, dtype)
        return cls(share, [(rng.random((m, h), np.float32) >= share) / factor for h in hidden])


def he(d: int, h: int) -> float:
    """Standard deviation sqrt(2/d) of the initial weights of a layer that a ReLU follows.

    He, Zhang, Ren & Sun 2015, "Delving deep into rectifiers", arXiv 1502.01852.
    """
    return math.sqrt(2 / d)


def glorot(d: int, h: int) -> float:
    """Standard deviation sqrt(2/(d + h)) of the initial weights, for sigmoid and tanh.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward networks".
    """
    return math.sqrt(2 / (d + h))


class Activation(NamedTuple):
    """g: z -> a; dz: (da, a) -> dz = da ⊙ g′(z); initial_std: (d, h) -> σ of the initial weights."""

    g: Callable[..., Floats]
    dz: Callable[..., Floats]
    initial_std: Callable[[int, int], float]


ACTIVATIONS = {
    "relu": Activation(relu, relu_dz, he),
    "sigmoid": Activation(sigmoid, sigmoid_dz, glorot),
    "tanh": Activation(tanh, tanh_dz, glorot),
}
