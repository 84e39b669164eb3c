"""The training loop: minibatch, forward, backward, step; and validation after each epoch."""

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlp_cli.data.batches import AHEAD, ahead, minibatches, to_inputs
from mlp_cli.data.datasets import split_indices
from mlp_cli.data.streams import Streams
from mlp_cli.data.warps import Strengths, Warp
from mlp_cli.errors import DivergedError
from mlp_cli.model.answers import log_probabilities, loss_and_accuracy
from mlp_cli.nn import SCHEDULES, Dropout, Parameters, cross_entropy, cross_entropy_dz, log_softmax
from mlp_cli.nn.calibration import fit_temperature

# A loss so many times that of guessing, log k, is of a network that will not recover. Healthy ones stay below 3.
DIVERGED = 100
STEPS_BETWEEN_FLUSHES = 64


class Record(NamedTuple):
    """An epoch in numbers: a row of metrics.csv, its columns in order.

    Loss and accuracy of training are means over the epoch's examples as they were trained on (warped, with dropout),
    each taken just before the step it contributed to. `learning_rate` is that of the epoch's last step. Losses are
    cross-entropies in nats, without label smoothing.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    @classmethod
    def from_cells(cls, cells):
        """The record of a row of metrics.csv; ValueError or TypeError if it is none."""
        epoch, step, *rest = cells
        return cls(int(epoch), int(step), *map(float, rest))

    def cells(self):
        """The row as text, every digit of it kept but for the seconds."""
        return [*map(repr, self[:-1]), f"{self.seconds:.3f}"]


@dataclass(frozen=True)
class Data:
    """The training files of a data set, and which of its images are for training; the others, apart, for validation."""

    dataset: object
    train_indices: np.ndarray
    validation: object

    @classmethod
    def split(cls, dataset, config):
        train, validation = split_indices(
            len(dataset), config.training.validation, Streams.from_seed(config.seed).split
        )
        return cls(dataset, train, dataset.subset(validation))

    def mean_input(self):
        """The mean of the images for training, as inputs of the network: (pixels,)."""
        total = np.sum(self.dataset.images, axis=0, dtype=np.int64)
        total -= np.sum(self.validation.images, axis=0, dtype=np.int64)
        return to_inputs(total / len(self.train_indices))


class Plan:
    """What the configuration says of each step of a run of `n` training images: rates, strengths, batches."""

    def __init__(self, config, n):
        self.config, self.training, self.augmentation = config, config.training, config.augmentation
        self.steps_per_epoch = math.ceil(n / self.training.batch_size)
        self.total_steps = self.training.epochs * self.steps_per_epoch

    def learning_rate(self, step):
        """The rate of step number `step`, from 0."""
        # Taken in the middle of the step, so that neither the first nor the last of them moves by 0.
        factor = SCHEDULES[self.training.schedule]((step + 0.5) / self.total_steps, self.training.warmup)
        return self.training.learning_rate * factor

    def strength(self, step):
        """The share of their strengths that warps have at step number `step`."""
        start, end = self.augmentation.shrink_from, self.augmentation.shrink_to
        past = max(0.0, step / self.total_steps - start) / (1 - start)
        return 1 - (1 - end) * past

    def batches(self, state, data, in_background=None):
        """A context with the minibatches of the present epoch that are still to come."""
        strengths = Strengths(*(getattr(self.augmentation, name) for name in Strengths._fields))
        warps = any(strengths._replace(smoothness=0))
        warp = Warp(data.dataset.image_shape, strengths, self.augmentation.groups) if warps else None
        if in_background is None:
            in_background = warps  # without warps, making a batch is too little work to be worth a thread
        first_step = state.epoch * self.steps_per_epoch
        batches = minibatches(
            data.dataset,
            data.train_indices,
            self.training.batch_size,
            state.streams.batches,
            warp,
            map(self.strength, range(first_step, self.total_steps)),
            mean=state.mean,
            skip=state.step - first_step,
            keep=AHEAD + 2 if in_background else 0,
        )
        return ahead(batches) if in_background else nullcontext(batches)


def fit(state, data, config, after_step=None, in_background=None):
    """Train `state` until config.training.epochs are finished, or patience ends; yields each epoch's Record.

    `after_step(state, loss)` is called after every step with the mean loss of its batch. An exception from it
    stops training between two steps, with the state whole. Batches are made `in_background`, by a thread, or in the
    loop itself, whichever is faster unless it is said; the numbers are the same. Raises DivergedError as soon as a
    loss is absurd.
    """
    n = len(data.train_indices)
    plan = Plan(config, n)
    gradients = Parameters(state.network.sizes)
    buffers = state.network.buffers(min(config.training.batch_size, n))

    while state.epoch < config.training.epochs and not out_of_patience(state, config):
        started = time.perf_counter()
        # numpy's warnings are silenced: the check of the loss says it better
        with plan.batches(state, data, in_background) as batches, np.errstate(over="ignore", invalid="ignore"):
            for inputs, labels in batches:
                learning_rate = plan.learning_rate(state.step)
                loss = _step(state, inputs, labels, learning_rate, config.training, gradients, buffers)
                _check(loss, state, learning_rate)
                if after_step:
                    after_step(state, loss)
            log_y = log_probabilities(state.for_use(), data.validation.images)
            val_loss, val_accuracy = loss_and_accuracy(log_y, data.validation.labels)
        learning_rate = plan.learning_rate(state.step - 1)  # of the last step, also where it was taken before resuming
        _check(val_loss, state, learning_rate)
        temperature = fit_temperature(log_y, data.validation.labels)
        record = Record(
            epoch=state.epoch + 1,
            step=state.step,
            learning_rate=learning_rate,
            train_loss=state.progress.epoch_loss / n,
            train_accuracy=state.progress.epoch_correct / n,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.perf_counter() - started,
        )
        state.end_epoch(val_accuracy, temperature)
        yield record


def out_of_patience(state, config):
    """Whether the validation accuracy has not improved for config.training.patience epochs."""
    patience = config.training.patience
    return patience > 0 and state.epoch - state.progress.improved_epoch >= patience


def _step(state, inputs, labels, learning_rate, training, gradients, buffers):
    """Forward, backward, update on one minibatch; returns its mean loss."""
    network, dropout = state.network, None
    if training.dropout:
        dropout = Dropout.draw(state.streams.dropout, len(labels), network.sizes[1:-1], training.dropout)
    a = network.forward(inputs, buffers, dropout)
    log_y = log_softmax(a[-1])
    dz = cross_entropy_dz(log_y, labels, training.label_smoothing)
    network.backward(a, dz, gradients, buffers, dropout)
    state.optimizer.step(gradients, learning_rate)

    state.step += 1
    if state.step % STEPS_BETWEEN_FLUSHES == 0:
        state.optimizer.flush()
    if state.average:
        state.average.update(state.step)
    loss = float(cross_entropy(log_y, labels).sum())
    state.progress.epoch_loss += loss
    state.progress.epoch_correct += int(np.count_nonzero(log_y.argmax(axis=1) == labels))
    return loss / len(labels)


def _check(loss, state, learning_rate):
    guessing = math.log(state.network.sizes[-1])
    if not loss <= DIVERGED * max(guessing, 1):  # true for nan, too
        raise DivergedError(
            f"training diverged: the loss is {loss:.3g} at step {state.step} (epoch {state.epoch + 1}, learning rate "
            f"{learning_rate:.3g}), where guessing costs {guessing:.3g}; lower training.learning_rate"
        )
