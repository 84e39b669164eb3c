"""The random generators of a run: one for each kind of draw, all from its seed."""

from typing import NamedTuple

import numpy as np


class Streams(NamedTuple):
    """The independent random generators of a run, all from its seed."""

    split: np.random.Generator
    weights: np.random.Generator
    batches: np.random.Generator
    dropout: np.random.Generator
    pictures: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> "Streams":
        """New generators, each at its start."""
        return cls(*np.random.default_rng(seed).spawn(len(cls._fields)))
