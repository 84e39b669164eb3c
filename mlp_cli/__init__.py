"""mlp: backpropagation written by hand in numpy, trained on MNIST, for your own pictures of digits.

>>> reader = mlp_cli.load()
>>> reader.read("photo.jpg").digit
7
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlp_cli.config import Config
    from mlp_cli.model.reader import Reader
    from mlp_cli.runs.folder import Run
    from mlp_cli.runs.train import AfterEpoch

__version__ = "0.1.0"


def load(
    model: "str | os.PathLike[str]" = "mnist", *, threshold: float | None = None, inverted: bool | None = None
) -> "Reader":
    """A Reader of pictures with a trained network.

    `model` is "mnist", "large", "latest" (the newest run under runs/ that has finished an epoch), a run directory or a
    .safetensors file. Answers with a confidence below `threshold` are refused: None means the model's own threshold, 0
    answers everything. `inverted` says whether the ink is darker than the paper; None means to detect it. Raises
    ModelError for a model that cannot be found or read.
    """
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.model.reader import Reader

    return Reader(load_checkpoint(find_model(model)), threshold, inverted)


def train(
    config: "str | os.PathLike[str] | Config" = "default",
    *,
    data: "str | os.PathLike[str] | None" = None,
    out: "str | os.PathLike[str] | None" = None,
    threads: int | None = None,
    after_epoch: "AfterEpoch | None" = None,
) -> "Run":
    """Train a network and keep it in a new run directory, with the same bytes as `mlp train`.

    `config` is a preset, a TOML file, a run directory or a Config; `data` is a directory or a CSV file, by default the
    bundled MNIST; `out` is the directory to make, by default the next number under runs/. `after_epoch` is called with
    the Record of each epoch. The Run has the `directory`, for `load`, and the `records`. Raises MlpError.
    """
    from mlp_cli.config import Config, from_table, load_config, to_table
    from mlp_cli.runs.start import begin
    from mlp_cli.runs.train import run_to_end

    # a Config is made without the checks of a file
    settings = from_table(to_table(config), "config") if isinstance(config, Config) else load_config(os.fspath(config))
    session = begin(settings, None if data is None else os.fspath(data), out, threads, command=["mlp_cli.train"])
    run_to_end(session, after_epoch=after_epoch)
    return session.run
