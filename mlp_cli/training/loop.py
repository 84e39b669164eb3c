"""The training loop: minibatch, forward, backward, step; and validation after each epoch."""

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mlp_cli.config import Config
from mlp_cli.data.batches import PART, Minibatches, Part
from mlp_cli.data.warps import Strengths, Warp
from mlp_cli.errors import DivergedError
from mlp_cli.model.answers import CHUNK, log_probabilities, loss_and_accuracy
from mlp_cli.nn import SCHEDULES, Dropout
from mlp_cli.nn.calibration import calibrated, fit_temperature, fit_threshold
from mlp_cli.training.data import Data
from mlp_cli.training.state import State
from mlp_cli.training.step import BatchGradient
from mlp_cli.training.targets import Targets
from mlp_cli.training.workers import Workers, available_cores, pieces_of

# A loss this many times that of guessing, log k, means that the network will not recover. Healthy ones stay below 3.
DIVERGED = 100


class Record(NamedTuple):
    """An epoch in numbers: a row of metrics.csv, its columns in order.

    Loss and accuracy of training are means over the epoch's images of the data set as they were trained on (warped,
    with dropout), each taken just before the step it contributed to; non-digits do not count. `images` is how many of
    them the epoch had, 0 in runs of earlier versions. `learning_rate` is that of the epoch's last step. Losses are
    cross-entropies with the labels, in nats, even if other targets were learned.
    """

    epoch: int
    step: int
    images: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    @classmethod
    def from_cells(cls, cells: Iterable[str]) -> "Record":
        """The record in a row of metrics.csv; ValueError or TypeError if it is invalid."""
        epoch, step, *rest = cells
        if len(rest) == len(cls._fields) - 3:
            rest.insert(0, "0")
        images, rate, train_loss, train_accuracy, val_loss, val_accuracy, seconds = rest
        means = float(train_loss), float(train_accuracy), float(val_loss), float(val_accuracy)
        return cls(int(epoch), int(step), int(images), float(rate), *means, float(seconds))

    def cells(self) -> list[str]:
        """The row as text, with all digits except those of the seconds."""
        return [*map(repr, self[:-1]), f"{self.seconds:.3f}"]


class Plan:
    """What the configuration says of each step of a run: step `number` of the `steps` of an epoch, all from 0."""

    def __init__(self, config: Config) -> None:
        self.training, self.augmentation = config.training, config.augmentation

    def learning_rate(self, epoch: int, number: int, steps: int) -> float:
        """The rate of a step."""
        # Taken in the middle of the step, so that neither the first nor the last step has rate 0.
        done = (epoch + (number + 0.5) / steps) / self.training.epochs
        return self.training.learning_rate * SCHEDULES[self.training.schedule](done, self.training.warmup)

    def strength(self, epoch: int, number: int, steps: int) -> float:
        """The share of their strength that warps have in a step."""
        start, end = self.augmentation.shrink_from, self.augmentation.shrink_to
        done = (epoch + number / steps) / self.training.epochs
        past = max(0.0, done - start) / (1 - start)
        return 1 - (1 - end) * past


def fit(
    state: State,
    data: Data,
    config: Config,
    after_step: Callable[[State, float], object] | None = None,
    threads: int | None = None,
) -> Iterator[Record]:
    """Train `state` until config.training.epochs are finished, or patience ends; yields each epoch's Record.

    `after_step(state, loss)` is called after every step with the mean loss of its batch. An exception from it
    stops training between two steps, with the state whole. The work is shared by `threads`, as many as there are cores
    if None, but no more than it has pieces for; the numbers do not depend on it. Raises DivergedError as soon as a loss
    is absurd.
    """
    training, plan = config.training, Plan(config)
    minibatches = Minibatches(data.examples, training.batch_size, state.order, _warp(config, data))
    targets = Targets(len(data.dataset.classes), training, data.teacher, state.order)
    with Workers(_useful_threads(threads, minibatches, state.network.sizes)) as workers:
        gradient = BatchGradient(state.network, minibatches, workers, targets, state.mean, state.losses)
        while state.epoch < training.epochs and not out_of_patience(state, config):
            started = time.perf_counter()
            steps = state.steps_of_epoch(training.batch_size)
            strength = functools.partial(plan.strength, state.epoch, steps=steps)
            batches = minibatches.epoch(
                state.streams.batches, strength, state.steps_in_epoch, state.chosen, workers.map
            )
            # silence numpy's warnings: the check of the loss has a better message
            with np.errstate(over="ignore", invalid="ignore"):
                for batch, following in _with_next(batches):
                    learning_rate = plan.learning_rate(state.epoch, state.steps_in_epoch, steps)
                    loss = _step(state, batch, following, gradient, learning_rate, training.dropout)
                    _check(loss, state, learning_rate)
                    if after_step:
                        after_step(state, loss)
                network, chunks = state.for_use(), range(0, len(data.validation), CHUNK)
                images = [data.validation.images[start : start + CHUNK] for start in chunks]
                log_y = np.concatenate(workers.map(functools.partial(log_probabilities, network), images))
                val_loss, val_accuracy = loss_and_accuracy(log_y, data.validation.labels)
            learning_rate = plan.learning_rate(state.epoch, steps - 1, steps)  # also right after resuming
            _check(val_loss, state, learning_rate)
            temperature = fit_temperature(log_y, data.validation.labels)
            threshold = fit_threshold(calibrated(log_y, temperature)) if state.nondigits else 0.0
            record = Record(
                epoch=state.epoch + 1,
                step=state.step,
                images=state.images,
                learning_rate=learning_rate,
                train_loss=state.progress.epoch_loss / state.images,
                train_accuracy=state.progress.epoch_correct / state.images,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                seconds=time.perf_counter() - started,
            )
            state.end_epoch(val_accuracy, temperature, threshold, config)
            yield record


def out_of_patience(state: State, config: Config) -> bool:
    """Whether the validation accuracy has not improved for config.training.patience epochs."""
    patience = config.training.patience
    return patience > 0 and state.epoch - state.progress.improved_epoch >= patience


def _warp(config: Config, data: Data) -> Warp | None:
    """The warp of the training images, if the configuration asks for one."""
    strengths = Strengths(*(getattr(config.augmentation, name) for name in Strengths._fields))
    if not any(strengths._replace(smoothness=0)):
        return None
    return Warp(data.dataset.image_shape, strengths, config.augmentation.groups, data.order)


def _useful_threads(threads: int | None, minibatches: Minibatches, sizes: list[int]) -> int:
    """No more than there are pieces of the largest product, and one that makes warped inputs meanwhile."""
    m = min(minibatches.batch_size, len(minibatches.examples), PART)
    pieces = max(len(pieces_of((m, d), (d, h))) for d, h in pairwise(sizes))
    return min(threads or available_cores(), max(pieces, 2 if minibatches.warp else 1))


def _with_next(batches: Iterable[list[Part]]) -> Iterator[tuple[list[Part], Part | None]]:
    """Each batch with the first part of the next one."""
    none: list[Part] = []
    for batch, following in pairwise(itertools.chain(batches, [none])):
        yield batch, following[0] if following else None


def _step(
    state: State,
    batch: list[Part],
    following: Part | None,
    gradient: BatchGradient,
    learning_rate: float,
    dropout: float,
) -> float:
    """Forward, backward, update on one minibatch, before that of the part `following`; returns its mean loss."""
    masks = None
    if dropout:
        masks = Dropout.draw(state.streams.dropout, batch[0].batch_size, state.network.sizes[1:-1], dropout)
    outcome = gradient(batch, masks, following)
    state.take_step(gradient.gradients, learning_rate)
    state.progress.epoch_loss += outcome.loss
    state.progress.epoch_correct += outcome.correct
    return outcome.loss / max(outcome.images, 1)


def _check(loss: float, state: State, learning_rate: float) -> None:
    guessing = math.log(state.network.sizes[-1])
    if not loss <= DIVERGED * max(guessing, 1):  # also true for NaN
        raise DivergedError(
            f"training diverged: the loss is {loss:.3g} at step {state.step} (epoch {state.epoch + 1}, learning rate "
            f"{learning_rate:.3g}), where guessing costs {guessing:.3g}; lower training.learning_rate"
        )
