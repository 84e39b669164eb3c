"""Makes a bundled model again: trains its preset with each seed, and keeps the end of the run with the best validation.

    python benchmarks/models.py large
    python benchmarks/models.py mnist --seeds 0 1 2

What is kept is the network at the end of a run, annealed and averaged longest, of the run whose validation accuracy is
highest there. Runs go to a temporary directory, or to --out, where those that are finished are not trained again. The
checkpoint and its run.json are written into mlp_cli/models; the weights of `large` in half precision, after it has been
made sure that no answer to a test image changes by that.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from mlp_cli.data.datasets import load_dataset
from mlp_cli.files import replace_file
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import Checkpoint, load_checkpoint, to_bytes
from mlp_cli.model.find import BUNDLED, LAST
from mlp_cli.runs.folder import FACTS, read_facts

PRESETS = {"mnist": "best", "large": "large"}


def trained(preset: str, seed: int, folder: Path) -> Path:
    """The finished run of a preset with a seed."""
    run = folder / f"{preset}-{seed}"
    if not run.exists():
        command = ["train", preset, "--seed", str(seed), "--out", run.name]
        subprocess.run([sys.executable, "-m", "mlp_cli", *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    if read_facts(run)["outcome"] != "finished":
        sys.exit(f"{run}: is not finished; continue it with mlp train --resume {run}")
    return run


def answers(checkpoint: Checkpoint) -> np.ndarray:
    """What it answers to the test images: (10000,)."""
    return log_probabilities(checkpoint.network, load_dataset("test").images).argmax(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a bundled model again.")
    parser.add_argument("name", choices=list(PRESETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    ends = {
        run: load_checkpoint(run / LAST) for run in (trained(PRESETS[options.name], s, folder) for s in options.seeds)
    }
    for run, checkpoint in ends.items():
        print(f"{run}: validation accuracy {checkpoint.metadata.val_accuracy:.2%}")
    run, end = max(ends.items(), key=lambda item: item[1].metadata.val_accuracy)

    path = BUNDLED[options.name]
    metadata = msgspec.structs.replace(end.metadata, progress=None)
    content = to_bytes(end.network, metadata, half=options.name == "large")
    replace_file(path, content)
    shutil.copyfile(run / FACTS, path.with_suffix(".json"))
    if (answers(load_checkpoint(path)) != answers(end)).any():
        sys.exit(f"{path}: in half precision it answers differently; keep it in single precision")
    print(f"{path}: {len(content):,} bytes, from {run}")


if __name__ == "__main__":
    main()
