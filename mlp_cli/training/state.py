"""All that changes during a run: how it begins, and how it comes back from a checkpoint."""

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
from mlp_cli.nn.network import Parameters
from mlp_cli.training.data import Data

STEPS_BETWEEN_FLUSHES = 64


@dataclass
class State:
    """The network, what moves it, and how far it has come: `epoch` and `step` count finished ones, `temperature`
    and `threshold` are those of the last validation, on images held out by `split_seed`. `mean` (pixels,), if there is
    one, is taken from the inputs that the network trains on.
    """

    network: MLP
    optimizer: SGD
    average: WeightAverage | None
    streams: Streams
    progress: Progress
    epoch: int = 0
    step: int = 0
    temperature: float = 1.0
    threshold: float = 0.0
    split_seed: int = 0
    mean: NDArray[np.float32] | None = None

    @classmethod
    def new(cls, config: Config, data: Data, initial: MLP | None = None) -> "State":
        """The state before the first step: weights drawn from the seed, sizes from the Data and the configuration; or
        the parameters of the network `initial`, of the same sizes, which takes inputs as they are."""
        dataset = data.dataset
        mean = data.mean_input() if config.training.center_inputs else None
        streams = Streams.from_seed(config.seed)
        sizes = [dataset.images.shape[1], *config.network.hidden, len(dataset.classes)]
        network = MLP(sizes, config.network.activation, streams.weights)
        if initial is not None:
            network.parameters.flat[...] = initial.parameters.flat
            if mean is not None:
                network.parameters.b[0] += mean @ network.parameters.W[0]  # the inverse of what `for_use` does
        progress = Progress(batches_rng=_get(streams.batches), dropout_rng=_get(streams.dropout))
        return cls(network, *_movers(config, network), streams, progress, mean=mean, split_seed=data.split_seed)

    @classmethod
    def restore(cls, checkpoint: Checkpoint) -> "State":
        """The state that a checkpoint for resuming holds, exactly. Raises ModelError for one that is damaged."""
        metadata, network = checkpoint.metadata, checkpoint.network
        if metadata.progress is None:
            raise ModelError(f"{checkpoint.path}: is no checkpoint to resume from")
        streams = Streams.from_seed(metadata.config.seed)
        try:
            streams.batches.bit_generator.state = metadata.progress.batches_rng
            streams.dropout.bit_generator.state = metadata.progress.dropout_rng
        except (ValueError, TypeError, KeyError, OverflowError):
            raise ModelError(f"{checkpoint.path}: its random state is damaged, so it cannot be resumed") from None
        if metadata.progress.best_epoch > metadata.epoch:
            raise ModelError(f"{checkpoint.path}: its progress is damaged, so it cannot be resumed")
        movers = _movers(metadata.config, network)
        state = cls(network, *movers, streams, metadata.progress, metadata.epoch, metadata.step)
        state.temperature, state.threshold = metadata.temperature, metadata.threshold
        state.split_seed = metadata.held_out_by
        if metadata.config.training.center_inputs:
            state.mean = np.empty(network.sizes[0], np.float32)
        for name, tensor in state.tensors().items():
            checkpoint.copy(name, tensor)
        return state

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint for resuming holds beside `for_use`, by name; the arrays themselves, not copies."""
        tensors: dict[str, NDArray[Any]] = {"parameters": self.network.parameters.flat}
        tensors |= {f"optimizer.{name}": array for name, array in self.optimizer.state.items()}
        if self.average:
            tensors["average"] = self.average.average
        if self.mean is not None:
            tensors["mean"] = self.mean
        return tensors

    def progress_to_save(self) -> Progress:
        """`progress` as a checkpoint of this step has it: with the present state of the dropout generator."""
        return msgspec.structs.replace(self.progress, dropout_rng=_get(self.streams.dropout))

    def take_step(self, gradients: Parameters, learning_rate: float) -> None:
        """Move the network by one step of the optimiser, and what follows its steps."""
        self.optimizer.step(gradients, learning_rate)
        self.step += 1
        if self.step % STEPS_BETWEEN_FLUSHES == 0:
            self.optimizer.flush()
        if self.average:
            self.average.update(self.step)

    def end_epoch(self, val_accuracy: float, temperature: float, threshold: float) -> None:
        """Note an epoch that has ended with these of its validation, and begin the next one."""
        self.epoch += 1
        self.temperature, self.threshold = temperature, threshold
        progress = self.progress
        if val_accuracy > progress.best_accuracy:
            progress.improved_epoch = self.epoch
        if val_accuracy >= progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = self.epoch, val_accuracy
        progress.epoch_loss, progress.epoch_correct = 0.0, 0
        progress.batches_rng = _get(self.streams.batches)

    def for_use(self) -> MLP:
        """The network to validate and keep, a copy: of the averaged parameters where they are averaged, and for inputs
        as they are. It needs no mean, since (x − μ) W + b = x W + (b − μW).
        """
        network = MLP.blank(self.network.sizes, self.network.activation_name)
        network.parameters.flat[...] = self.average.average if self.average else self.network.parameters.flat
        if self.mean is not None:
            network.parameters.b[0] -= self.mean @ network.parameters.W[0]
        return network


def _movers(config: Config, network: MLP) -> tuple[SGD, WeightAverage | None]:
    training = config.training
    options = {"momentum": training.momentum} if training.optimizer in ("momentum", "nesterov") else {}
    optimizer = OPTIMIZERS[training.optimizer](network.parameters, weight_decay=training.weight_decay, **options)
    average = WeightAverage(network.parameters, training.weight_average) if training.weight_average else None
    return optimizer, average


def _get(generator: np.random.Generator) -> dict[str, Any]:
    return dict(generator.bit_generator.state)
