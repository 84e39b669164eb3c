"""mlp: backpropagation written by hand in numpy, trained on MNIST, for your own pictures of digits.

>>> reader = mlp_cli.load()
>>> reader.read("photo.jpg").digit
7
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlp_cli.model.reader import Reader

__version__ = "0.1.0"


def load(
    model: "str | os.PathLike[str]" = "mnist", *, threshold: float | None = None, inverted: bool | None = None
) -> "Reader":
    """A Reader of pictures with a trained network.

    `model` is "mnist", "latest" (the newest run under runs/), a run directory or a .safetensors file. Answers with a
    confidence below `threshold` are refused: None means the model's own threshold, 0 answers everything. `inverted`
    says whether the ink is darker than the paper; None means to detect it. Raises ModelError for a model that cannot
    be found or read.
    """
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.model.reader import Reader

    return Reader(load_checkpoint(find_model(model)), threshold, inverted)
