"""What a run trains on, and what it is validated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.batches import to_inputs
from mlp_cli.data.datasets import Dataset, split_indices
from mlp_cli.data.examples import Examples
from mlp_cli.data.streams import Streams
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.nn import MLP


@dataclass(frozen=True)
class Data:
    """The training files of a data set; the `examples` to train on, and the images held out for validation, drawn by
    `split_seed`; the `teacher`, if there is one."""

    dataset: Dataset
    examples: Examples
    validation: Dataset
    split_seed: int
    teacher: MLP | None = None

    @classmethod
    def split(cls, dataset: Dataset, config: Config, teacher: Checkpoint | None = None) -> "Data":
        """Hold out as many images for validation as the configuration says, drawn by its seed; with a teacher, by the
        teacher's, so that neither of the two has learned from them."""
        seed = config.seed
        if teacher and teacher.metadata.data_sha256 == dataset.sha256:
            seed = teacher.metadata.held_out_by
        train, validation = split_indices(len(dataset), config.training.validation, Streams.from_seed(seed).split)
        strokes, nondigits = config.augmentation.strokes, config.training.nondigits
        examples = Examples.made(dataset, train, strokes, nondigits, Streams.from_seed(config.seed).pictures)
        return cls(dataset, examples, dataset.subset(validation), seed, teacher.network if teacher else None)

    def mean_input(self) -> NDArray[np.float32]:
        """The mean of the images for training, as inputs of the network: (pixels,)."""
        total: NDArray[np.int64] = np.sum(self.dataset.images, axis=0, dtype=np.int64)
        total -= np.sum(self.validation.images, axis=0, dtype=np.int64)
        return to_inputs(total / len(self.examples.indices))
