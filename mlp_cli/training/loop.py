"""The training loop: minibatch, forward, backward, step; and validation after each epoch."""

import math
import time
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from mlp_cli.data.batches import minibatches
from mlp_cli.data.datasets import split_indices
from mlp_cli.errors import DivergedError
from mlp_cli.nn import MLP, OPTIMIZERS, SCHEDULES, Parameters, cross_entropy, cross_entropy_dz, log_softmax
from mlp_cli.training.evaluate import log_probabilities, loss_and_accuracy

# A loss so many times that of guessing, log k, is of a network that will not recover. Healthy ones stay below 3.
DIVERGED = 100


class Streams(NamedTuple):
    """The independent random generators of a run, all from its seed: every draw has its stream."""

    split: np.random.Generator
    weights: np.random.Generator
    batches: np.random.Generator

    @classmethod
    def from_seed(cls, seed):
        return cls(*np.random.default_rng(seed).spawn(len(cls._fields)))


class Record(NamedTuple):
    """An epoch in numbers: a row of metrics.csv, its columns in order.

    Loss and accuracy of training are means over the epoch's examples, each taken just before the step it
    contributed to. `learning_rate` is that of the epoch's last step. Losses are in nats.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    def cells(self):
        """The row as text, every digit of it kept but for the seconds."""
        return [*map(repr, self[:-1]), f"{self.seconds:.3f}"]


@dataclass
class State:
    """All that changes during a run."""

    network: MLP
    optimizer: object
    batches_rng: np.random.Generator
    epoch: int = 0  # finished ones
    step: int = 0  # finished ones, in all epochs
    epoch_loss: float = 0.0  # summed over the examples of this epoch so far
    epoch_correct: int = 0  # of the examples of this epoch so far
    best_accuracy: float = 0.0
    epoch_rng_state: dict = field(default_factory=dict)  # of batches_rng when this epoch began

    def progress(self):
        """What resuming needs beside the tensors, the epoch and the step, in values that JSON keeps exactly."""
        return {
            "epoch_loss": self.epoch_loss,
            "epoch_correct": self.epoch_correct,
            "best_accuracy": self.best_accuracy,
            "epoch_rng_state": self.epoch_rng_state,
        }


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


def new_state(config, dataset):
    """The state at step 0: initial weights from the seed, sizes from the data and the configuration."""
    streams = Streams.from_seed(config.seed)
    sizes = [dataset.images.shape[1], *config.network.hidden, len(dataset.classes)]
    network = MLP(sizes, config.network.activation, streams.weights)
    return State(network, _optimizer(config.training, network.parameters), streams.batches)


def _optimizer(training, parameters):
    options = {"momentum": training.momentum} if training.optimizer in ("momentum", "nesterov") else {}
    return OPTIMIZERS[training.optimizer](parameters, weight_decay=training.weight_decay, **options)


def fit(state, data, config, after_step=None):
    """Train `state` until config.training.epochs are finished; yields the Record of each epoch as it ends.

    `after_step(state, loss)` is called after every step with the mean loss of its batch. An exception from it
    stops training between two steps, with the state whole. Raises DivergedError as soon as a loss is absurd.
    """
    training = config.training
    steps_per_epoch = math.ceil(len(data.train_indices) / training.batch_size)
    total_steps = training.epochs * steps_per_epoch
    factor = partial(SCHEDULES[training.schedule], warmup=training.warmup)
    gradients = Parameters(state.network.sizes)
    buffers = state.network.buffers(min(training.batch_size, len(data.train_indices)))

    while state.epoch < training.epochs:
        started = time.perf_counter()
        done = state.step - state.epoch * steps_per_epoch
        if done == 0:
            state.epoch_loss, state.epoch_correct = 0.0, 0
            state.epoch_rng_state = state.batches_rng.bit_generator.state
        batches = minibatches(data.dataset, data.train_indices, training.batch_size, state.batches_rng, skip=done)
        with np.errstate(over="ignore", invalid="ignore"):  # the check of the loss says it better
            for inputs, labels in batches:
                # Taken in the middle of the step, so that neither the first nor the last of them moves by 0.
                learning_rate = training.learning_rate * factor((state.step + 0.5) / total_steps)
                loss = _step(state, inputs, labels, learning_rate, gradients, buffers)
                _check(loss, state, learning_rate)
                if after_step:
                    after_step(state, loss)
            val_loss, val_accuracy = loss_and_accuracy(
                log_probabilities(state.network, data.validation.images), data.validation.labels
            )
        _check(val_loss, state, learning_rate)
        state.epoch += 1
        n = len(data.train_indices)
        yield Record(
            epoch=state.epoch,
            step=state.step,
            learning_rate=learning_rate,
            train_loss=state.epoch_loss / n,
            train_accuracy=state.epoch_correct / n,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.perf_counter() - started,
        )


def _step(state, inputs, labels, learning_rate, gradients, buffers):
    """Forward, backward, update on one minibatch; returns its mean loss."""
    a = state.network.forward(inputs, buffers)
    log_y = log_softmax(a[-1])
    state.network.backward(a, cross_entropy_dz(log_y, labels), gradients, buffers)
    state.optimizer.step(gradients, learning_rate)

    loss = float(cross_entropy(log_y, labels).sum())
    state.epoch_loss += loss
    state.epoch_correct += int((log_y.argmax(axis=1) == labels).sum())
    state.step += 1
    return loss / len(labels)


def _check(loss, state, learning_rate):
    guessing = math.log(state.network.sizes[-1])
    if not loss <= DIVERGED * max(guessing, 1):  # true for nan, too
        raise DivergedError(
            f"training diverged: the loss is {loss:.3g} at step {state.step} (epoch {state.epoch + 1}, learning rate "
            f"{learning_rate:.3g}), where guessing costs {guessing:.3g}; lower training.learning_rate"
        )
