"""The targets y of examples: labels, smoothed labels, equal shares for non-digits, or the probabilities of a
teacher."""

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import TrainingConfig
from mlp_cli.nn import MLP, label_rows, softmax
from mlp_cli.nn.network import Buffers

Target = NDArray[np.float32] | NDArray[np.int64]  # rows y (m, k), or labels (m,) that stand for rows


class Targets:
    """The targets of the network for `k` classes: plain labels, unless the configuration asks for others.

    A `teacher`'s probabilities at a temperature take their place, computed for the same inputs, whose pixels have the
    order `order`. Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network", arXiv 1503.02531.
    """

    def __init__(
        self, k: int, training: TrainingConfig, teacher: MLP | None = None, order: NDArray[np.intp] | None = None
    ) -> None:
        has_rows = training.label_smoothing or training.nondigits
        self._rows = label_rows(k, training.label_smoothing) if has_rows else None
        self._temperature = np.float32(training.teacher_temperature)
        self._teacher = teacher
        if teacher and order is not None:
            self._teacher = MLP.blank(teacher.sizes, teacher.activation_name)
            self._teacher.parameters.flat[...] = teacher.parameters.flat
            self._teacher.parameters.W[0][...] = teacher.parameters.W[0][order]

    def buffers(self, m: int) -> Buffers | None:
        """The buffers a thread needs for up to m examples at a time."""
        return self._teacher.buffers(m) if self._teacher else None

    def __call__(
        self, inputs: NDArray[np.float32], labels: NDArray[np.int64], buffers: Buffers | None = None
    ) -> Target:
        """Rows y (m, k), or the labels (m,) themselves, for the first of the inputs, after which all are 0, and for
        labels (m,); label k means a non-digit."""
        if self._teacher:
            z = self._teacher.on_first(inputs.shape[1]).forward(inputs, buffers)[-1]
            z /= self._temperature
            return softmax(z)
        return labels if self._rows is None else self._rows[labels]
