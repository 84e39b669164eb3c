"""The checkpoint that MODEL means on the command line."""

from pathlib import Path

from mlp_cli.errors import ModelError

RUNS = Path("runs")
SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "mnist.safetensors"
CONFIG, LAST, BEST = "config.toml", "last.safetensors", "best.safetensors"  # in a run directory


def find_model(model=None):
    """The checkpoint file that MODEL means: a file, or a run directory's best. Without one, the best of the run under
    runs/ that started last, else the trained model in the package."""
    if model is None:
        bests = [run / BEST for run in RUNS.glob("*/") if (run / BEST).is_file()]
        return max(bests, key=lambda best: (_started(best.parent), best), default=SHIPPED_MODEL)
    if model == "mnist":
        return SHIPPED_MODEL
    if model == "latest":
        return find_model()
    path = Path(model)
    if not path.is_dir():
        return path
    if not (path / BEST).is_file():
        known = "no epoch of this run has ended yet" if (path / LAST).is_file() else "is not a run directory"
        raise ModelError(f"{path}: {known}: it has no {BEST}")
    return path / BEST


def _started(directory):
    try:
        return (directory / CONFIG).stat().st_mtime
    except OSError:
        return 0.0
