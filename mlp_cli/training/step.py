"""The gradient of a minibatch, with its matrix products on all free threads.

A batch of thousands is worked out in parts: its gradient is the mean of those of its examples (docs/derivation.md, part
two), so it may be added up part by part. How a batch is cut into parts, and a product into pieces, depends on their
shapes alone: so do the bytes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.batches import PART, Minibatches, Part
from mlp_cli.nn import MLP, Dropout, Parameters, cross_entropy
from mlp_cli.nn.layers import centred_b, centred_dW
from mlp_cli.training.targets import Targets
from mlp_cli.training.workers import Workers


class Outcome(NamedTuple):
    """For the images in a part or a batch, non-digits left out: their number, the sum of their cross-entropies with the
    labels, and the number of right answers."""

    images: int
    loss: float
    correct: int


class BatchGradient:
    """The gradient of the mean loss of a minibatch: called with its parts, it leaves it in `gradients`.

    `targets` says what is learned; `mean` (pixels,), if there is one, is taken from the inputs; `losses` (n,), if they
    are given, get the loss of each image.
    """

    def __init__(
        self,
        network: MLP,
        minibatches: Minibatches,
        workers: Workers,
        targets: Targets,
        mean: NDArray[np.float32] | None = None,
        losses: NDArray[np.float32] | None = None,
    ) -> None:
        self.network = network.with_matmul(workers.matmul, workers.matmul_later)
        self.minibatches, self.workers = minibatches, workers
        self.targets, self.mean, self.losses = targets, mean, losses
        self.gradients = Parameters(network.sizes)
        m = min(PART, minibatches.batch_size)
        self._of_part = Parameters(network.sizes) if minibatches.batch_size > PART else self.gradients
        self._buffers, self._of_teacher = network.buffers(m), targets.buffers(m)
        # for the inputs at hand and, on several threads, for those made meanwhile: one alone stays in the cache
        self._rooms = [minibatches.room() for _ in range(min(workers.threads, 2))]
        self._made: tuple[Part | None, Callable[[], NDArray[np.float32]]] = None, lambda: np.empty(0, np.float32)
        self._views: dict[tuple[int, bool], tuple[MLP, Parameters, Parameters]] = {}

    def __call__(self, parts: list[Part], dropout: Dropout | None = None, upcoming: Part | None = None) -> Outcome:
        """`upcoming` is the part after these, whose inputs a free thread makes meanwhile."""
        W, b = self.network.parameters.W[0], self.network.parameters.b[0]
        b = b if self.mean is None else centred_b(b, W, self.mean)
        outcomes = []
        for part, following in zip(parts, [*parts[1:], upcoming], strict=True):
            x = self._inputs(part, following)
            masks = dropout and Dropout(dropout.share, [mask[part.where] for mask in dropout.masks])
            outcomes.append(self._work_out(part, x, b, masks))
        if self.mean is not None:
            dW, db = self.gradients.W[0], self.gradients.b[0]
            centred_dW(dW, db, self.mean, out=dW)
        return outcomes[0] if len(outcomes) == 1 else Outcome(*map(sum, zip(*outcomes, strict=True)))

    def _inputs(self, part: Part, following: Part | None) -> NDArray[np.float32]:
        """The inputs of a part; begins to make those of the following one."""
        announced, made = self._made
        x = made() if announced is part else self.minibatches.inputs(part, self._rooms[0])
        self._rooms.reverse()
        if following:
            room = self._rooms[0]
            self._made = following, self.workers.later(lambda: self.minibatches.inputs(following, room))
        return x

    def _work_out(self, part: Part, x: NDArray[np.float32], b: NDArray[np.float32], dropout: Dropout | None) -> Outcome:
        """Forward and backward through a part with the inputs x (m, k), where the first layer has the biases b."""
        network, whole, gradients = self._view(x.shape[1], part.number)
        network.parameters.b[0] = b
        y = self.targets(x, part.labels, self._of_teacher)
        log_y, _ = network.backpropagate(x, y, dropout, gradients, self._buffers, part.batch_size)
        whole.W[0][x.shape[1] :] = 0
        self.workers.finish()
        if part.number > 0:
            self.gradients.flat += whole.flat
        labels, which = part.labels, part.which
        if self.minibatches.examples.nondigits:
            log_y, labels, which = log_y[which >= 0], labels[which >= 0], which[which >= 0]
        losses = cross_entropy(log_y, labels)
        if self.losses is not None:
            self.losses[which] = losses
        correct = int(np.count_nonzero(log_y.argmax(axis=1) == labels))
        return Outcome(len(labels), float(losses.sum()), correct)

    def _view(self, k: int, number: int) -> tuple[MLP, Parameters, Parameters]:
        """For the first k inputs of part `number`: the network, where its gradients go, and these without the rows of
        blank pixels. Kept, since making them takes as long as a small product."""
        key = k, number > 0
        if key not in self._views:
            whole = self._of_part if number > 0 else self.gradients
            self._views[key] = self.network.on_first(k), whole, whole.on_first(k)
        return self._views[key]
