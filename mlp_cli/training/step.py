"""The gradient of a minibatch, worked out in parts on whatever threads are free.

The gradient of a batch is the mean of those of its examples (docs/derivation.md, part two), so it may be added up part
by part. How a batch is cut, and the order in which its parts are added, depend on its size alone: so do the bytes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.batches import PART, Minibatches, Part, Room, parts_of
from mlp_cli.nn import MLP, Dropout, Parameters, cross_entropy
from mlp_cli.nn.layers import centred_b, centred_dW
from mlp_cli.nn.network import Buffers
from mlp_cli.training.targets import Targets
from mlp_cli.training.workers import Workers


class Outcome(NamedTuple):
    """Of the images of a data set in a part or a batch, those of no digit left out: how many there were, the sum of
    their cross-entropies with the labels, and how many answers were right."""

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
        self.network, self.minibatches, self.workers = network, minibatches, workers
        self.targets, self.mean, self.losses = targets, mean, losses
        self._of_part = [Parameters(network.sizes) for _ in parts_of(minibatches.batch_size)]
        self._rooms: list[tuple[Room, Buffers, Buffers | None]] = []  # that no thread is using

    @property
    def gradients(self) -> Parameters:
        return self._of_part[0]

    def __call__(self, parts: list[Part], dropout: Dropout | None = None) -> Outcome:
        W, b = self.network.parameters.W[0], self.network.parameters.b[0]
        b = b if self.mean is None else centred_b(b, W, self.mean)

        def work_out(part: Part) -> Outcome:
            try:
                room = self._rooms.pop()
            except IndexError:
                room = self.minibatches.room(), self.network.buffers(PART), self.targets.buffers(PART)
            images, buffers, of_teacher = room
            x = self.minibatches.inputs(part, images)
            y = self.targets(x, part.labels, of_teacher)
            network = self.network.on_first(x.shape[1])
            network.parameters.b[0] = b
            share = self._of_part[part.number]
            share.W[0][x.shape[1] :] = 0
            masks = dropout and Dropout(dropout.share, [mask[part.where] for mask in dropout.masks])
            here = share.on_first(x.shape[1])
            _, log_y, _ = network.loss_and_gradients(x, y, masks, here, buffers, part.batch_size)
            labels, which = part.labels, part.which
            if (which < 0).any():
                log_y, labels, which = log_y[which >= 0], labels[which >= 0], which[which >= 0]
            losses = cross_entropy(log_y, labels)
            if self.losses is not None:
                self.losses[which] = losses
            correct = int(np.count_nonzero(log_y.argmax(axis=1) == labels))
            self._rooms.append(room)
            return Outcome(len(labels), float(losses.sum()), correct)

        outcomes = self.workers.map(work_out, parts)
        for share in self._of_part[1 : len(parts)]:
            self.gradients.flat += share.flat
        if self.mean is not None:
            dW, db = self.gradients.W[0], self.gradients.b[0]
            centred_dW(dW, db, self.mean, out=dW)
        return Outcome(*map(sum, zip(*outcomes, strict=True)))
