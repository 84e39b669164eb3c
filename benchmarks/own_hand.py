"""What your own pictures are worth: a trained network is trained further on a few pictures of one hand and MNIST.

    python benchmarks/own_hand.py pictures.csv --groups 8,12 --set training.learning_rate=0.01

The CSV has the columns file, label and group (pictures of one hand and tool). Each group is cut into folds; each fold
is read by the model before, and after it has gone on with the other folds, as `mlp train --init MODEL --data mnist
--data OTHERS=SHARE` does; and to tell the two apart, after it has gone on with MNIST alone. MNIST's test set is
measured before and after, too, as the mean over the folds.
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


def gone_on(model, config, data):
    """The checkpoint of a run on these data that begins with `model`."""
    with tempfile.TemporaryDirectory() as folder:
        session = begin(config, data, Path(folder) / "run", init=model)
        run_to_end(session)
        return load_checkpoint(Path(folder) / "run" / BEST)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument(
        "--groups", help="names of groups, with commas between them; those of at least --least pictures"
    )
    parser.add_argument("--least", type=int, default=9)
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
    alone = gone_on(model, config, mnist)
    after_mnist = measure(alone, dataset=test).accuracy
    rows = []
    names = options.groups.split(",") if options.groups else [g for g in groups if len(groups[g]) >= options.least]
    for name in names:
        own = pictures.subset(np.array(groups[name]))
        folds = folds_of(own.labels, options.folds, np.random.default_rng(0))
        before = without = after = 0
        accuracies = []
        for fold in range(options.folds):
            seen, unseen = own.subset(np.flatnonzero(folds != fold)), own.subset(np.flatnonzero(folds == fold))
            tuned = gone_on(model, config, mixed([mnist, seen], [1 - options.share, options.share]))
            before += len(unseen) - len(measure(model, dataset=unseen).mistakes)
            after += len(unseen) - len(measure(tuned, dataset=unseen).mistakes)
            without += len(unseen) - len(measure(alone, dataset=unseen).mistakes)
            accuracies.append(measure(tuned, dataset=test).accuracy)
        rows.append([name, len(own), before, without, after, f"{100 * (np.mean(accuracies) - before_mnist):+.3f}"])
        print(*rows[-1], flush=True)
    rows.append(["all", *(sum(row[column] for row in rows) for column in (1, 2, 3, 4)), ""])
    mnist_told = f"MNIST's test accuracy is {before_mnist:.2%} before, {after_mnist:.2%} after MNIST alone"
    print_table(
        f"Read correctly, {options.folds} folds; {mnist_told}",
        ["group", "pictures", "before", "after MNIST alone", "after own pictures, too", "MNIST then, points"],
        rows,
    )


if __name__ == "__main__":
    main()
