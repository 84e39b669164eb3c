"""Makes a bundled model again: trains its preset with each seed, and keeps the end of the best run.

    python benchmarks/models.py large
    python benchmarks/models.py mnist --seeds 0 1 2

What is kept is the network at the end of a run, annealed and averaged longest, of the run with the lowest mean loss on
its validation images: as they are, and with their strokes redrawn finer and broader. The images alone are too few to
tell these runs apart, and people's pens differ more than MNIST's. Runs go to a temporary directory, or to --out, where
those that are finished are not trained again. The checkpoint and its run.json are written into mlp_cli/models; the
weights of `large` in half precision, after it has been made sure that no answer to a test image changes by that.
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
from mlp_cli.data.strokes import redraw
from mlp_cli.files import replace_file
from mlp_cli.images.mnist import SIDE
from mlp_cli.model.answers import calibrated_answers, log_probabilities, loss_and_accuracy
from mlp_cli.model.checkpoint import Checkpoint, load_checkpoint, to_bytes
from mlp_cli.model.find import BUNDLED, LAST
from mlp_cli.runs.folder import FACTS, read_facts

PRESETS = {"mnist": "best", "large": "large"}
WIDTHS = (1.6, 2.5, 4.0, 5.5)  # of redrawn strokes, in twentieths of the digit


def trained(preset: str, seed: int, folder: Path) -> Path:
    """The finished run of a preset with a seed."""
    run = folder / f"{preset}-{seed}"
    if not run.exists():
        command = ["train", preset, "--seed", str(seed), "--out", run.name]
        subprocess.run([sys.executable, "-m", "mlp_cli", *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    if read_facts(run)["outcome"] != "finished":
        sys.exit(f"{run}: is not finished; continue it with mlp train --resume {run}")
    return run


def validation_loss(checkpoint: Checkpoint) -> float:
    """The mean calibrated loss on the validation images and on their redrawn forms."""
    config, train = checkpoint.metadata.config, load_dataset("train")
    _, held_out = train.split(config.training.validation, config.seed)
    images, labels = train.images[held_out], train.labels[held_out]
    redrawn = [np.stack([redraw(image.reshape(SIDE, SIDE), width) for image in images]) for width in WIDTHS]
    log_y = [calibrated_answers(checkpoint, form.reshape(images.shape)) for form in (images, *redrawn)]
    return float(np.mean([loss_and_accuracy(of_form, labels)[0] for of_form in log_y]))


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
    losses = {}
    for run, checkpoint in ends.items():
        losses[run] = validation_loss(checkpoint)
        accuracy = checkpoint.metadata.val_accuracy
        print(f"{run}: validation accuracy {accuracy:.2%}, loss with redrawn strokes {losses[run]:.4f}")
    run = min(losses, key=losses.__getitem__)
    end = ends[run]

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
