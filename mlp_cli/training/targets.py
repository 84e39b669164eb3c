"""The rows y that examples are to be answered with: labels, smoothed ones, no class at all, or what a teacher says."""

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import TrainingConfig
from mlp_cli.nn import MLP, label_rows, softmax
from mlp_cli.nn.network import Buffers

Target = NDArray[np.float32] | NDArray[np.int64]  # rows y (m, k), or labels (m,) that stand for rows


class Targets:
    """What the network learns of `k` classes. Labels are taken as they are where nothing else is asked for.

    A `teacher`'s probabilities at a temperature take their place, computed for the same inputs, of which `mean` has
    been taken if there is one. Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network",
    arXiv 1503.02531.
    """

    def __init__(
        self, k: int, training: TrainingConfig, teacher: MLP | None = None, mean: NDArray[np.float32] | None = None
    ) -> None:
        has_rows = training.label_smoothing or training.nondigits
        self._rows = label_rows(k, training.label_smoothing) if has_rows else None
        self._temperature = np.float32(training.teacher_temperature)
        self._teacher = teacher
        self._buffers: Buffers | None = None
        if teacher and mean is not None:
            self._teacher = MLP.blank(teacher.sizes, teacher.activation_name)
            self._teacher.parameters.flat[...] = teacher.parameters.flat
            self._teacher.parameters.b[0] += mean @ teacher.parameters.W[0]  # (x − μ) W + (b + μW) = x W + b

    def __call__(self, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Target:
        """Rows y (m, k), or the labels (m,) themselves, for inputs (m, pixels) and labels (m,); label k is no class."""
        if self._teacher:
            if self._buffers is None or len(inputs) > len(self._buffers.a[0]):
                self._buffers = self._teacher.buffers(len(inputs))
            z = self._teacher.forward(inputs, self._buffers)[-1]
            z /= self._temperature
            return softmax(z)
        return labels if self._rows is None else self._rows[labels]
