"""The checkpoint that MODEL means, on the command line and in Python."""

import os
from pathlib import Path

from mlp_cli.errors import ModelError
from mlp_cli.files import open_file

RUNS = Path("runs")
CONFIG, METRICS = "config.toml", "metrics.csv"  # in a run directory, with the two checkpoints
LAST, BEST = "last.safetensors", "best.safetensors"
MODELS = Path(__file__).parents[1] / "models"
BUNDLED = {"mnist": MODELS / "mnist.safetensors", "large": MODELS / "large.safetensors"}
LATEST = "latest"
LINE = 1000  # bytes; no line of metrics.csv is longer


def find_model(model: "str | os.PathLike[str] | None" = None) -> Path:
    """The checkpoint file that MODEL means: a bundled model by its name, "latest", a run directory's best, or a file.

    "latest" is the best of the run under runs/ that started last, among those that have finished an epoch. Without
    MODEL, it is that run's best or, if there is none, the bundled "mnist". Raises ModelError.
    """
    if model is None:
        return _latest() or BUNDLED["mnist"]
    if model == LATEST:
        latest = _latest()
        if latest is None:
            raise ModelError(f"{LATEST}: no run in {RUNS}/ has finished an epoch; mlp train makes one")
        return latest
    if model in BUNDLED:
        return BUNDLED[str(model)]
    path = Path(model)
    if not os.path.exists(path):
        raise ModelError(f"{path}: no such file, and no bundled model of that name ({', '.join(BUNDLED)})")
    if not path.is_dir():
        return path
    if not (path / BEST).is_file():
        known = "no epoch of this run has ended yet" if (path / LAST).is_file() else "not a run directory"
        raise ModelError(f"{path}: {known}: it has no {BEST}")
    return path / BEST


def _latest() -> Path | None:
    bests = [run / BEST for run in RUNS.glob("*/") if (run / BEST).is_file() and _has_finished_an_epoch(run)]
    return max(bests, key=lambda best: (_started(best.parent), best), default=None)


def _has_finished_an_epoch(directory: Path) -> bool:
    """Whether there is a row under the header of metrics.csv: a run without epochs also has a best checkpoint."""
    try:
        with open_file(directory / METRICS) as file:
            return bool(file.readline(LINE) and file.readline(LINE))
    except OSError:
        return False


def _started(directory: Path) -> float:
    try:
        return (directory / CONFIG).stat().st_mtime
    except OSError:
        return 0.0
