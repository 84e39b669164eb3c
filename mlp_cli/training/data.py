"""What a run trains on, and what it is validated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.batches import to_inputs
from mlp_cli.data.datasets import Dataset, split_indices
from mlp_cli.data.streams import Streams


@dataclass(frozen=True)
class Data:
    """The training files of a data set, and which of its images are for training; the others, apart, for validation."""

    dataset: Dataset
    train_indices: NDArray[np.int64]
    validation: Dataset

    @classmethod
    def split(cls, dataset: Dataset, config: Config) -> "Data":
        """Hold out as many images for validation as the configuration says, drawn by its seed."""
        train, validation = split_indices(
            len(dataset), config.training.validation, Streams.from_seed(config.seed).split
        )
        return cls(dataset, train, dataset.subset(validation))

    def mean_input(self) -> NDArray[np.float32]:
        """The mean of the images for training, as inputs of the network: (pixels,)."""
        total: NDArray[np.int64] = np.sum(self.dataset.images, axis=0, dtype=np.int64)
        total -= np.sum(self.validation.images, axis=0, dtype=np.int64)
        return to_inputs(total / len(self.train_indices))
