"""What own pictures are worth: a trained network goes on with the few pictures of one hand mixed into MNIST.

    python benchmarks/own_hand.py pictures.csv --groups 8,12 --set training.learning_rate=0.01

The CSV has the columns file, label and group (pictures of one hand and tool). Each group is cut into folds; each fold
is read by the model before, and after it has gone on with the other folds, as `mlp train --init MODEL --data mnist
--data OTHERS=SHARE` does. MNIST's test set is measured before and after, too, as the mean over the folds.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import print_table

from mlp_cli.blas import limit_threads
from mlp_cli.config import load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.mixture import mixed
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BEST, find_model
from mlp_cli.model.measure import measure
from mlp_cli.runs.start import begin
from mlp_cli.runs.train import run_to_end


def folds_of(labels, n, rng):
    """The fold of each picture: those of one class are dealt out in turn, so that folds have about the same classes."""
    order = np.lexsort((rng.random(len(labels)), labels))
    folds = np.empty(len(labels), int)
    folds[order] = np.arange(len(labels)) % n
    return folds


def gone_on(model, config, mnist, own, share):
    """The checkpoint of a run that begins with `model` and has these pictures beside MNIST."""
    with tempfile.TemporaryDirectory() as folder:
        data = mixed([mnist, own], [1 - share, share])
        session = begin(config, data, Path(folder) / "run", init=model)
        run_to_end(session)
        return load_checkpoint(Path(folder) / "run" / BEST)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("--groups", required=True, help="names of groups, with commas between them")
    parser.add_argument("--model", default="mnist")
    parser.add_argument("--config", default="default")
    parser.add_argument("--set", action="append", default=[], dest="assignments")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    limit_threads()
    model = load_checkpoint(find_model(options.model))
    config = load_config(options.config, options.assignments)
    mnist, test = load_dataset("train"), load_dataset("test")
    pictures = load_dataset("all", options.csv, model.metadata.classes)
    groups = defaultdict(list)
    for index, picture in enumerate(pictures.pictures):
        groups[picture.columns["group"]].append(index)
    before_mnist = measure(model, dataset=test).accuracy
    rows = []
    for name in options.groups.split(","):
        own = pictures.subset(np.array(groups[name]))
        folds = folds_of(own.labels, options.folds, np.random.default_rng(0))
        before = after = 0
        accuracies = []
        for fold in range(options.folds):
            seen, unseen = own.subset(np.flatnonzero(folds != fold)), own.subset(np.flatnonzero(folds == fold))
            tuned = gone_on(model, config, mnist, seen, options.share)
            before += len(unseen) - len(measure(model, dataset=unseen).mistakes)
            after += len(unseen) - len(measure(tuned, dataset=unseen).mistakes)
            accuracies.append(measure(tuned, dataset=test).accuracy)
        rows.append([name, len(own), before, after, f"{100 * (np.mean(accuracies) - before_mnist):+.3f}"])
        print(*rows[-1], flush=True)
    rows.append(["all", *(sum(row[column] for row in rows) for column in (1, 2, 3)), ""])
    print_table(
        f"Read correctly, {options.folds} folds; MNIST's test accuracy before: {before_mnist:.2%}",
        ["group", "pictures", "before", "after", "MNIST, points"],
        rows,
    )


if __name__ == "__main__":
    main()
