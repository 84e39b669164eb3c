"""A network's answers on many images."""

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.inputs import to_inputs
from mlp_cli.errors import ModelError
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.nn import MLP, cross_entropy, log_softmax
from mlp_cli.nn.calibration import calibrated

CHUNK = 500


def calibrated_answers(checkpoint: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """log ŷ of a checkpoint's network at its temperature: (n, k). Raises ModelError if that is not finite: parameters
    may be finite and yet so large that a sum of them is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        log_y = calibrated(log_probabilities(checkpoint.network, images), checkpoint.metadata.temperature)
    if not np.isfinite(log_y).all():
        raise ModelError(f"{checkpoint.path}: its parameters are too large to compute with")
    return np.asarray(log_y, np.float64)


def log_probabilities(network: MLP, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """log ŷ for uint8 images (n, pixels): (n, k) float32, computed in chunks that fit the cache."""
    buffers = network.buffers(min(CHUNK, len(images)))
    log_y = np.empty((len(images), network.sizes[-1]), np.float32)
    for start in range(0, len(images), CHUNK):
        inputs = to_inputs(images[start : start + CHUNK])
        log_y[start : start + CHUNK] = log_softmax(network.forward(inputs, buffers)[-1])
    return log_y


def loss_and_accuracy(log_y: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy in nats and share of right answers, from log-probabilities (n, k) and labels (n,)."""
    loss = cross_entropy(log_y, labels).mean(dtype=np.float64)
    return float(loss), float((log_y.argmax(axis=1) == labels).mean())
