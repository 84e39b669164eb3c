"""mlp eval."""

import click


@click.command("eval")
@click.argument("model", required=False, type=click.Path())
@click.option(
    "--data", type=click.Path(), metavar="DIR", help="Four IDX files to measure on. [default: the MNIST inside]"
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Part of the data; validation and train are those of the model's own run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with code 3 if the accuracy is lower."
)
def command(model, data, split, as_json, fail_under):
    """Measure a network on the test set.

    MODEL is a run directory, of which the best checkpoint counts, or a checkpoint; without one,
    the newest run under runs/, else the trained model in the package.

    \b
    mlp eval
    mlp eval runs/001 --json --fail-under 98
    """
    import json

    import numpy as np

    from mlp_cli.errors import BelowError
    from mlp_cli.nn import metrics
    from mlp_cli.training.blas import limit_threads
    from mlp_cli.training.checkpoint import load_checkpoint
    from mlp_cli.training.evaluate import log_probabilities, loss_and_accuracy
    from mlp_cli.training.files import find_model

    if fail_under is not None and fail_under != fail_under:
        raise click.UsageError("--fail-under takes a number from 0 to 100, not nan.")
    checkpoint = load_checkpoint(find_model(model))
    dataset = _load(checkpoint, data, split)
    classes = checkpoint.metadata.classes
    click.echo(f"model: {checkpoint}\ndata: {dataset.name}, {split}", err=True)
    limit_threads()

    log_y = log_probabilities(checkpoint.network, dataset.images)
    loss, accuracy = loss_and_accuracy(log_y, dataset.labels)
    confusion = metrics.confusion_matrix(dataset.labels, log_y.argmax(axis=1), len(classes))
    interval = metrics.wilson_interval(int(np.trace(confusion)), len(dataset))
    per_class = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "images": int(n)}
        for name, p, r, f, n in zip(classes, *metrics.per_class(confusion), confusion.sum(axis=1), strict=True)
    ]
    if as_json:
        result = {
            "model": str(checkpoint.path),
            "data": dataset.name,
            "split": split,
            "images": len(dataset),
            "accuracy": accuracy,
            "accuracy_interval": interval,
            "loss": loss,
            "per_class": per_class,
            "confusion": confusion.tolist(),
        }
        click.echo(json.dumps(result))
    else:
        click.echo(f"accuracy       {accuracy:.2%}  (95 % interval {interval[0]:.2%} to {interval[1]:.2%})")
        click.echo(f"cross-entropy  {loss:.4f}")
        click.echo(f"images         {len(dataset)}\n")
        click.echo(_table(per_class) + "\n")
        click.echo(_matrix(confusion, classes))
    if fail_under is not None and round(accuracy * 100, 9) < fail_under:  # 0.29 * 100 is 28.999999999999996
        raise BelowError(f"accuracy {accuracy:.2%} is below {fail_under:g} %")


def _load(checkpoint, directory, split):
    """The images to measure on, checked against the model. Raises DataError."""
    from mlp_cli.data.datasets import MNIST, known_name, load_dataset
    from mlp_cli.errors import DataError
    from mlp_cli.training.loop import Data

    metadata = checkpoint.metadata
    if directory is None and known_name(metadata.data_sha256) != MNIST:
        raise DataError(f"{checkpoint.path} was trained on {metadata.data}: say where that is with --data DIR")
    dataset = load_dataset("test" if split == "test" else "train", directory)
    name = directory or "the MNIST inside"
    if dataset.image_shape != metadata.image_shape:
        (h, w), (model_h, model_w) = dataset.image_shape, metadata.image_shape
        raise DataError(f"{name}: has images of {h}×{w} pixels, and {checkpoint.path} takes {model_h}×{model_w}")
    k = len(metadata.classes)
    if dataset.labels.max() >= k:
        raise DataError(
            f"{name}: has the label {dataset.labels.max()}, and {checkpoint.path} knows {k} classes from 0 up"
        )
    if split == "test":
        return dataset
    if dataset.sha256 != metadata.data_sha256:
        raise DataError(f"{name}: is not what {checkpoint.path} was trained on, so its {split} split is not in there")
    data = Data.split(dataset, metadata.config)
    return data.validation if split == "validation" else dataset.subset(data.train_indices)


def _table(per_class):
    width = max(5, *(len(row["class"]) for row in per_class))
    lines = [f"{'class':{width}}  precision  recall       F1  images"]
    lines += [
        f"{row['class']:{width}}  {row['precision']:9.2%}  {row['recall']:6.2%}  {row['f1']:7.2%}  {row['images']:6}"
        for row in per_class
    ]
    return "\n".join(lines)


def _matrix(confusion, classes):
    """The confusion matrix as text, a row per true class; columns by number where names would be too wide."""
    names = [name if len(name) <= 5 else f"{name[:4]}…" for name in classes]
    width = 1 + max(len(str(confusion.max())), *map(len, names))
    left = max(map(len, classes))
    lines = ["confusion: rows are the truth, columns the answer"]
    lines += [" " * left + "".join(f"{name:>{width}}" for name in names)]
    for name, row in zip(classes, confusion, strict=True):
        lines.append(f"{name:{left}}" + "".join(f"{count or '.':>{width}}" for count in row))
    return "\n".join(lines)
