"""The state that changes during a run: how it begins, and how a checkpoint restores it."""

import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.streams import Streams
from mlp_cli.errors import ModelError
from mlp_cli.model.checkpoint import Checkpoint, Progress
from mlp_cli.nn import MLP, OPTIMIZERS, SGD, WeightAverage
from mlp_cli.nn.layers import centred_b
from mlp_cli.nn.network import Parameters
from mlp_cli.training.data import Data

STEPS_BETWEEN_FLUSHES = 64
WHOLE_FROM = 7 / 8  # of a run, from which on epochs have all examples


@dataclass
class State:
    """The network, its optimiser and its progress: `epoch` and `step` count finished ones, `temperature` and
    `threshold` are those of the last validation, on images held out by `split_seed`.

    In training, the pixels are sorted by `order` (pixels,), blank ones last, and so are the rows of W⁽¹⁾, the state of
    the optimiser, and `mean` (pixels,), which is subtracted from the inputs unless it is None. Checkpoints, and the
    network `for_use`, have the usual order. If easy examples are left out, `losses` (n,) are those of the examples when
    they were last seen, and `chosen` (n,) says which of them this epoch has.
    """

    network: MLP
    optimizer: SGD
    average: WeightAverage | None
    streams: Streams
    progress: Progress
    order: NDArray[np.intp]
    images: int  # of the data set in this epoch
    nondigits: int  # non-digits beside them
    epoch: int = 0
    step: int = 0
    temperature: float = 1.0
    threshold: float = 0.0
    split_seed: int = 0
    mean: NDArray[np.float32] | None = None
    losses: NDArray[np.float32] | None = None
    chosen: NDArray[np.bool_] | None = None

    @classmethod
    def new(cls, config: Config, data: Data, initial: MLP | None = None) -> "State":
        """The state before the first step: weights drawn from the seed, sizes from the Data and the configuration; or
        the parameters of the network `initial`, of the same sizes, which takes plain inputs."""
        dataset = data.dataset
        streams = Streams.from_seed(config.seed)
        sizes = [dataset.images.shape[1], *config.network.hidden, len(dataset.classes)]
        network = MLP(sizes, config.network.activation, streams.weights)
        if initial is not None:
            network.parameters.flat[...] = initial.parameters.flat
        progress = Progress(batches_rng=_get(streams.batches), dropout_rng=_get(streams.dropout), epoch_step=0)
        state = cls._around(network, config, data, streams, progress)
        W, b = network.parameters.W[0], network.parameters.b[0]
        W[...] = W[state.order]
        if state.mean is not None:
            state.mean[...] = data.mean_input()[state.order]
            if initial is not None:
                b += state.mean @ W  # the inverse of what `for_use` does
        if state.average:
            state.average.average[...] = network.parameters.flat
        return state

    @classmethod
    def restore(cls, checkpoint: Checkpoint, data: Data) -> "State":
        """The exact state in a checkpoint for resuming. Raises ModelError if it is damaged."""
        metadata = checkpoint.metadata
        if metadata.progress is None:
            raise ModelError(f"{checkpoint.path}: not a checkpoint to resume from")
        streams = Streams.from_seed(metadata.config.seed)
        try:
            streams.batches.bit_generator.state = metadata.progress.batches_rng
            streams.dropout.bit_generator.state = metadata.progress.dropout_rng
        except (ValueError, TypeError, KeyError, OverflowError):
            raise ModelError(f"{checkpoint.path}: its random state is damaged, so it cannot be resumed") from None
        if metadata.progress.best_epoch > metadata.epoch:
            raise ModelError(f"{checkpoint.path}: its progress is damaged, so it cannot be resumed")
        state = cls._around(checkpoint.network, metadata.config, data, streams, metadata.progress)
        state.epoch, state.step, state.split_seed = metadata.epoch, metadata.step, metadata.held_out_by
        state.temperature, state.threshold = metadata.temperature, metadata.threshold
        for name, array in state._arrays().items():
            checkpoint.copy(name, array)
            array[...] = state._turned(array, state.order)
        if state.chosen is not None:
            state.images = int(np.count_nonzero(state.chosen))
        steps = state.steps_of_epoch(metadata.config.training.batch_size)
        if state.progress.epoch_step is None:
            state.progress.epoch_step = state.epoch * steps
        if not 0 <= state.steps_in_epoch <= steps:
            raise ModelError(f"{checkpoint.path}: its step {state.step} is not in its epoch; it cannot be resumed")
        return state

    @classmethod
    def _around(cls, network: MLP, config: Config, data: Data, streams: Streams, progress: Progress) -> "State":
        """A state of this network with everything else to be filled in."""
        training, n = config.training, len(data.examples.indices)
        options = {"momentum": training.momentum} if training.optimizer in ("momentum", "nesterov") else {}
        optimizer = OPTIMIZERS[training.optimizer](network.parameters, weight_decay=training.weight_decay, **options)
        average = WeightAverage(network.parameters, training.weight_average) if training.weight_average else None
        state = cls(network, optimizer, average, streams, progress, data.order, n, data.examples.nondigits)
        state.split_seed = data.split_seed
        if training.center_inputs:
            state.mean = np.empty(network.sizes[0], np.float32)
        if training.skip_easy:
            state.losses, state.chosen = np.zeros(n, np.float32), np.ones(n, np.bool_)
        return state

    def steps_of_epoch(self, batch_size: int) -> int:
        """The number of steps of this epoch."""
        return math.ceil((self.images + self.nondigits) / batch_size)

    @property
    def steps_in_epoch(self) -> int:
        """The number of finished steps of this epoch."""
        return self.step - (self.progress.epoch_step or 0)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Copies of what a checkpoint for resuming holds besides `for_use`, by name, in the usual pixel order."""
        return {name: self._turned(array, np.argsort(self.order)) for name, array in self._arrays().items()}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {"parameters": self.network.parameters.flat}
        arrays |= {f"optimizer.{name}": array for name, array in self.optimizer.state.items()}
        if self.average:
            arrays["average"] = self.average.average
        if self.mean is not None:
            arrays["mean"] = self.mean
        if self.losses is not None and self.chosen is not None:
            arrays |= {"losses": self.losses, "chosen": self.chosen}
        return arrays

    def _turned(self, array: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
        """A copy of one of the arrays with its pixels, or its rows of W⁽¹⁾, in another order."""
        if array is self.mean:
            return array[order]
        turned = array.copy()
        if array.shape == self.network.parameters.flat.shape:
            W = self.network.parameters.W[0]
            turned[: W.size] = array[: W.size].reshape(W.shape)[order].ravel()
        return turned

    def progress_to_save(self) -> Progress:
        """`progress` for a checkpoint of this step, with the present state of the dropout generator."""
        return msgspec.structs.replace(self.progress, dropout_rng=_get(self.streams.dropout))

    def take_step(self, gradients: Parameters, learning_rate: float) -> None:
        """Take one step of the optimiser, and update what follows its steps."""
        self.optimizer.step(gradients, learning_rate)
        self.step += 1
        if self.step % STEPS_BETWEEN_FLUSHES == 0:
            self.optimizer.flush()
        if self.average:
            self.average.update(self.step)

    def end_epoch(self, val_accuracy: float, temperature: float, threshold: float, config: Config) -> None:
        """Record a finished epoch with its validation, and begin the next one."""
        self.epoch += 1
        self.temperature, self.threshold = temperature, threshold
        progress = self.progress
        if val_accuracy > progress.best_accuracy:
            progress.improved_epoch = self.epoch
        if val_accuracy >= progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = self.epoch, val_accuracy
        progress.epoch_loss, progress.epoch_correct = 0.0, 0
        progress.epoch_step = self.step
        self._choose(config)
        progress.batches_rng = _get(self.streams.batches)

    def _choose(self, config: Config) -> None:
        """Choose the examples of the next epoch: of those whose loss was below the mean when they were last seen, the
        share training.skip_easy is left out. In the last eighth of a run, none is left out.

        After Qin et al. 2024, "InfoBatch", arXiv 2303.04947, without its larger weights for the examples that stay.
        """
        if self.losses is None or self.chosen is None:
            return
        if self.epoch >= WHOLE_FROM * config.training.epochs:
            self.chosen[:] = True
        else:
            is_easy = self.losses < self.losses.mean(dtype=np.float64)
            self.chosen[:] = ~is_easy | (self.streams.batches.random(len(is_easy)) >= config.training.skip_easy)
        self.images = int(np.count_nonzero(self.chosen))

    def for_use(self) -> MLP:
        """The network to validate and keep, a copy, in the pixels' own order: of the averaged parameters where they are
        averaged, and for inputs as they are. It needs no mean, since (x − μ) W + b = x W + (b − μW).
        """
        network = MLP.blank(self.network.sizes, self.network.activation_name)
        W, b = network.parameters.W[0], network.parameters.b[0]
        network.parameters.flat[...] = self.average.average if self.average else self.network.parameters.flat
        if self.mean is not None:
            b[...] = centred_b(b, W, self.mean)
        W[self.order] = W.copy()
        return network


def _get(generator: np.random.Generator) -> dict[str, Any]:
    return dict(generator.bit_generator.state)
