"""The training and validation images of a run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config
from mlp_cli.data.batches import most_lit_first
from mlp_cli.data.datasets import Dataset
from mlp_cli.data.examples import Examples
from mlp_cli.data.inputs import to_inputs
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
    def split(
        cls, dataset: Dataset, config: Config, teacher: Checkpoint | None = None, split_seed: int | None = None
    ) -> "Data":
        """Hold out as many images for validation as the configuration says, drawn by `split_seed`; without it by the
        teacher's, so that neither of the two has learned from them, or if there is none by the configuration's."""
        seed = config.seed
        if teacher and teacher.metadata.data_sha256 == dataset.sha256:
            seed = teacher.metadata.held_out_by
        if split_seed is not None:
            seed = split_seed
        train, validation = dataset.split(config.training.validation, seed)
        strokes, nondigits = config.augmentation.strokes, config.training.nondigits
        examples = Examples.made(dataset, train, strokes, nondigits, Streams.from_seed(config.seed).pictures)
        return cls(dataset, examples, dataset.subset(validation), seed, teacher.network if teacher else None)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The order of the pixels in training, most often lit first: (pixels,)."""
        return most_lit_first(self.dataset.images)

    def mean_input(self) -> NDArray[np.float32]:
        """The mean of the images for training, as inputs of the network: (pixels,)."""
        indices, images = self.examples.indices, self.dataset.images
        total = np.zeros(images.shape[1], np.int64)
        for start in range(0, len(indices), 256):  # as many as 16 bits can hold
            total += np.add.reduce(images[indices[start : start + 256]], axis=0, dtype=np.uint16)
        return to_inputs(total / len(indices))
