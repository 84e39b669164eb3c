"""Central differences, the independent reference for the formulas of backpropagation.

(f(x + ε) − f(x − ε)) / 2ε differs from f′(x) by a term in ε², so in float64 with ε = 1e-5 a right formula
agrees to about 1e-10 and a wrong one does not. float32 is too coarse for this.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mlp_cli.nn.arrays import Floats


def numerical_gradient(f: Callable[[], float], x: Floats, step: float = 1e-5) -> Floats:
    """∂f/∂x for a scalar function f() of the float64 array x, one entry of x at a time: an array like x.

    f is called without arguments: x is changed in place, and put back.
    """
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = f()
        x[index] = kept - step
        below = f()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def directional_derivative(f: Callable[[], float], x: Floats, direction: Floats, step: float = 1e-5) -> float:
    """The slope of the scalar function f() at the float64 array x along `direction`: a float.

    It should equal the sum of ∂f/∂x ⊙ direction, and costs two evaluations however large x is.
    """
    kept = x.copy()
    x += step * direction
    above = f()
    x[...] = kept - step * direction
    below = f()
    x[...] = kept
    return (above - below) / (2 * step)


def largest_error(a: ArrayLike, b: ArrayLike) -> tuple[float, tuple[int, ...]]:
    """The largest |a − b|, as a share of the largest |a| or |b|, and the index of the entry that has it.

    0.0 for equal arrays, at most 2, and nan if there is a nan. ValueError for different shapes.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"the shape is {a.shape}, but must be {b.shape}")
    difference = np.abs(a - b)
    index = np.unravel_index(difference.argmax(), difference.shape)  # of a nan, if there is one
    scale = np.maximum(np.abs(a).max(), np.abs(b).max())
    error = float(difference[index] / scale) if scale != 0 else 0.0
    return error, tuple(map(int, index))


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """The error of `largest_error` alone."""
    return largest_error(a, b)[0]
