"""The training loop: minibatch, forward, backward, step; and validation after each epoch."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.batches import AHEAD, Minibatches, ahead
from mlp_cli.data.warps import Strengths, Warp
from mlp_cli.errors import DivergedError
from mlp_cli.model.answers import log_probabilities, loss_and_accuracy
from mlp_cli.nn import SCHEDULES, Dropout, Parameters, cross_entropy
from mlp_cli.nn.calibration import calibrated, fit_temperature, fit_threshold
from mlp_cli.nn.network import Buffers
from mlp_cli.training.data import Data
from mlp_cli.training.state import State
from mlp_cli.training.targets import Target, Targets

TargetedBatch = tuple[NDArray[np.float32], NDArray[np.int64], Target]  # inputs, labels, and what is learned of them

# A loss so many times that of guessing, log k, is of a network that will not recover. Healthy ones stay below 3.
DIVERGED = 100


class Record(NamedTuple):
    """An epoch in numbers: a row of metrics.csv, its columns in order.

    Loss and accuracy of training are means over the epoch's images of the data set as they were trained on (warped,
    with dropout), each taken just before the step it contributed to; pictures of no digit do not count.
    `learning_rate` is that of the epoch's last step. Losses are cross-entropies with the labels, in nats, whatever was
    learned in their place.
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
    def from_cells(cls, cells: Iterable[str]) -> "Record":
        """The record of a row of metrics.csv; ValueError or TypeError if it is none."""
        epoch, step, *rest = cells
        return cls(int(epoch), int(step), *map(float, rest))

    def cells(self) -> list[str]:
        """The row as text, every digit of it kept but for the seconds."""
        return [*map(repr, self[:-1]), f"{self.seconds:.3f}"]


class Plan:
    """What the configuration says of each step of a run of epochs of `n` examples."""

    def __init__(self, config: Config, n: int) -> None:
        self.training, self.augmentation = config.training, config.augmentation
        self.steps_per_epoch = math.ceil(n / self.training.batch_size)
        self.total_steps = self.training.epochs * self.steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """The rate of step number `step`, from 0."""
        # Taken in the middle of the step, so that neither the first nor the last of them moves by 0.
        factor = SCHEDULES[self.training.schedule]((step + 0.5) / self.total_steps, self.training.warmup)
        return self.training.learning_rate * factor

    def strength(self, step: int) -> float:
        """The share of their strengths that warps have at step number `step`."""
        start, end = self.augmentation.shrink_from, self.augmentation.shrink_to
        past = max(0.0, step / self.total_steps - start) / (1 - start)
        return 1 - (1 - end) * past


class Batches:
    """The minibatches of a run, made by a thread `in_background` or in the loop: the numbers are the same.

    Without warps or a teacher, making a batch is too little work to be worth a thread.
    """

    def __init__(self, state: State, data: Data, config: Config, in_background: bool | None = None) -> None:
        strengths = Strengths(*(getattr(config.augmentation, name) for name in Strengths._fields))
        warps = any(strengths._replace(smoothness=0))
        warp = Warp(data.dataset.image_shape, strengths, config.augmentation.groups) if warps else None
        self._targets = Targets(len(data.dataset.classes), config.training, data.teacher, state.mean)
        self._in_background = bool(warps or data.teacher) if in_background is None else in_background
        keep = AHEAD + 2 if self._in_background else 0
        self._minibatches = Minibatches(data.examples, config.training.batch_size, warp, state.mean, keep)

    def to_come(self, state: State, plan: Plan) -> AbstractContextManager[Iterator[TargetedBatch]]:
        """A context with the minibatches of the present epoch that are still to come."""
        first_step = state.epoch * plan.steps_per_epoch
        epoch = self._minibatches.epoch(
            state.streams.batches, lambda number: plan.strength(first_step + number), skip=state.step - first_step
        )
        batches = ((inputs, labels, self._targets(inputs, labels)) for inputs, labels in epoch)
        return ahead(batches) if self._in_background else nullcontext(batches)


def fit(
    state: State,
    data: Data,
    config: Config,
    after_step: Callable[[State, float], object] | None = None,
    in_background: bool | None = None,
) -> Iterator[Record]:
    """Train `state` until config.training.epochs are finished, or patience ends; yields each epoch's Record.

    `after_step(state, loss)` is called after every step with the mean loss of its batch. An exception from it
    stops training between two steps, with the state whole. Batches are made `in_background`, by a thread, or in the
    loop itself, whichever is faster unless it is said; the numbers are the same. Raises DivergedError as soon as a
    loss is absurd.
    """
    plan = Plan(config, len(data.examples))
    batches = Batches(state, data, config, in_background)
    gradients = Parameters(state.network.sizes)
    buffers = state.network.buffers(min(config.training.batch_size, len(data.examples)))

    while state.epoch < config.training.epochs and not out_of_patience(state, config):
        started = time.perf_counter()
        # numpy's warnings are silenced: the check of the loss says it better
        with batches.to_come(state, plan) as minibatches, np.errstate(over="ignore", invalid="ignore"):
            for inputs, labels, y in minibatches:
                learning_rate = plan.learning_rate(state.step)
                loss = _step(state, inputs, labels, y, learning_rate, config, gradients, buffers)
                _check(loss, state, learning_rate)
                if after_step:
                    after_step(state, loss)
            log_y = log_probabilities(state.for_use(), data.validation.images)
            val_loss, val_accuracy = loss_and_accuracy(log_y, data.validation.labels)
        learning_rate = plan.learning_rate(state.step - 1)  # of the last step, also where it was taken before resuming
        _check(val_loss, state, learning_rate)
        temperature = fit_temperature(log_y, data.validation.labels)
        threshold = fit_threshold(calibrated(log_y, temperature)) if data.examples.nondigits else 0.0
        n = len(data.examples.indices)
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
        state.end_epoch(val_accuracy, temperature, threshold)
        yield record


def out_of_patience(state: State, config: Config) -> bool:
    """Whether the validation accuracy has not improved for config.training.patience epochs."""
    patience = config.training.patience
    return patience > 0 and state.epoch - state.progress.improved_epoch >= patience


def _step(
    state: State,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    y: Target,
    learning_rate: float,
    config: Config,
    gradients: Parameters,
    buffers: Buffers,
) -> float:
    """Forward, backward, update on one minibatch; returns its mean loss."""
    network, share, dropout = state.network, config.training.dropout, None
    if share:
        dropout = Dropout.draw(state.streams.dropout, len(labels), network.sizes[1:-1], share)
    _, log_y, gradients = network.loss_and_gradients(inputs, y, dropout, gradients, buffers)
    state.take_step(gradients, learning_rate)

    digits = labels < log_y.shape[1]
    if not digits.all():
        log_y, labels = log_y[digits], labels[digits]
    loss = float(cross_entropy(log_y, labels).sum())
    state.progress.epoch_loss += loss
    state.progress.epoch_correct += int(np.count_nonzero(log_y.argmax(axis=1) == labels))
    return loss / max(len(labels), 1)


def _check(loss: float, state: State, learning_rate: float) -> None:
    guessing = math.log(state.network.sizes[-1])
    if not loss <= DIVERGED * max(guessing, 1):  # true for nan, too
        raise DivergedError(
            f"training diverged: the loss is {loss:.3g} at step {state.step} (epoch {state.epoch + 1}, learning rate "
            f"{learning_rate:.3g}), where guessing costs {guessing:.3g}; lower training.learning_rate"
        )
