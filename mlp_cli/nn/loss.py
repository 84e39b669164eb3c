"""Softmax and cross-entropy, and the gradient where they meet: ∂L/∂z = ŷ − y.

The letters are those of layers.py. A row y is any distribution over the k classes: entries that are not negative and
sum to 1. Labels, integers (m,), stand for rows that are 1 at label t and 0 elsewhere, and those are never built; rows
that are something else come as an array (m, k).
"""

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.nn.arrays import Floats, Integers


def log_softmax(z: Floats) -> Floats:
    """log ŷⱼ = zⱼ − log Σₖ eᶻᵏ for each row of the logits z, (m, k) -> (m, k).

    Each row is first shifted by its maximum: the largest exponential is then e⁰, so nothing overflows.
    """
    shifted = z.T.copy()  # (k, m): k rows are faster to reduce than k columns
    shifted -= np.maximum.reduce(shifted)  # (k, m) - (m,)
    shifted -= np.log(np.add.reduce(np.exp(shifted)))
    return shifted.T


def softmax(z: Floats) -> Floats:
    """ŷⱼ = eᶻʲ / Σₖ eᶻᵏ for each row of the logits z, (m, k) -> (m, k)."""
    return np.exp(log_softmax(z))


def softmax_jacobian(y_hat: Floats) -> Floats:
    """∂ŷₜ/∂zⱼ = ŷₜ(1 − ŷₜ) for j = t and −ŷₜŷⱼ for j ≠ t, from the probabilities ŷ: (m, k) -> (m, k, k).

    Training never builds it: multiplied with ∂L/∂ŷ it collapses to `cross_entropy_dz`.
    """
    return y_hat[:, :, None] * np.eye(y_hat.shape[1], dtype=y_hat.dtype) - y_hat[:, :, None] * y_hat[:, None, :]


def cross_entropy(log_y: Floats, y: Floats | Integers) -> Floats:
    """L = −Σ yⱼ log ŷⱼ of each example, from log-probabilities (m, k) and y, rows (m, k) or labels t (m,): (m,).

    With labels it is −log ŷₜ. The loss of a batch is the mean of these.
    """
    if y.ndim == 1:
        losses: Floats = -log_y[np.arange(len(y)), y]
    else:
        losses = -(y * log_y).sum(axis=1)
    return losses


def cross_entropy_dz(log_y: Floats, y: Floats | Integers) -> Floats:
    """∂L/∂z = ŷ − y, one row per example and no 1/m: (m, k)."""
    dz = np.exp(log_y)
    if y.ndim == 1:
        dz[np.arange(len(y)), y] -= 1
    else:
        dz -= y
    return dz


def label_rows(k: int, smoothing: float = 0.0, dtype: DTypeLike = np.float32) -> Floats:
    """The row y of each label from 0 to k − 1 and, last, of a non-digit: (k + 1, k).

    Label smoothing ε takes the share ε of the truth and spreads it evenly: 1 − ε + ε/k at the label and ε/k elsewhere
    (Szegedy et al. 2016, arXiv 1512.00567). A non-digit has 1/k in every class.
    """
    rows = np.full((k + 1, k), 1 / k, dtype)
    rows[:k] = (1 - smoothing) * np.eye(k) + smoothing / k
    return rows
