"""Softmax and cross-entropy, and the gradient where they meet: ∂L/∂z = ŷ − y.

The letters are those of layers.py. Labels are integers (m,): label t stands for the row y of the
derivation that is 1 at t and 0 elsewhere, and no such row is ever built.
"""

import numpy as np

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


def softmax_jacobian(y: Floats) -> Floats:
    """∂ŷᵢ/∂zⱼ = ŷᵢ(1 − ŷᵢ) for i = j and −ŷᵢŷⱼ for i ≠ j, from the probabilities ŷ: (m, k) -> (m, k, k).

    Training never builds it: multiplied with ∂L/∂ŷ it collapses to `cross_entropy_dz`.
    """
    return y[:, :, None] * np.eye(y.shape[1], dtype=y.dtype) - y[:, :, None] * y[:, None, :]


def cross_entropy(log_y: Floats, labels: Integers, smoothing: float = 0.0) -> Floats:
    """L = −Σ yⱼ log ŷⱼ of each example, from log-probabilities (m, k) and labels t (m,): (m,).

    Without smoothing y is 1 at t and 0 elsewhere, so L = −log ŷₜ. Label smoothing ε takes the share ε of it and
    spreads it evenly: y is 1 − ε + ε/k at t and ε/k elsewhere (Szegedy et al. 2016, arXiv 1512.00567). The loss of
    a batch is the mean of these.
    """
    losses = -log_y[np.arange(len(labels)), labels]
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * log_y.mean(axis=1)
    return losses


def cross_entropy_dz(log_y: Floats, labels: Integers, smoothing: float = 0.0) -> Floats:
    """∂L/∂z = ŷ − y, one row per example and no 1/m: (m, k)."""
    dz = np.exp(log_y)
    dz[np.arange(len(labels)), labels] -= 1 - smoothing
    if smoothing:
        dz -= smoothing / dz.shape[1]
    return dz
