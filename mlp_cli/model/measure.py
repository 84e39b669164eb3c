"""How good a checkpoint is: its answers on a part of a data set, and their statistics."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.datasets import MNIST, Dataset, Part, Where, is_of_pictures, known_name, load_dataset
from mlp_cli.errors import DataError
from mlp_cli.model.answers import calibrated_answers
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.nn import cross_entropy, metrics

if TYPE_CHECKING:
    from mlp_cli.data.folders import Bar


@dataclass(frozen=True)
class Measurement:
    """The answers of a network on n images of `dataset`, which stand at `indices` in its files.

    `log_y` (n, k) are the logarithms of the calibrated probabilities, at `temperature`, in float64; what else there is
    is computed from them. Reading pictures refuses answers less confident than `threshold`, as not digits; here only
    `accuracy_answered` leaves them out. `mistakes` are positions in these arrays, the most confident first.
    """

    dataset: Dataset
    split: str
    indices: NDArray[np.int64]
    classes: tuple[str, ...]
    temperature: float
    threshold: float
    log_y: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = np.exp(self.log_y)
        return probabilities

    @cached_property
    def answers(self) -> NDArray[np.int64]:
        answers: NDArray[np.int64] = self.log_y.argmax(axis=1)
        return answers

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        confidence: NDArray[np.float64] = self.probabilities.max(axis=1)
        return confidence

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        return metrics.confusion_matrix(self.dataset.labels, self.answers, len(self.classes))

    @property
    def accuracy(self) -> float:
        return int(np.trace(self.confusion)) / len(self)

    @property
    def interval(self) -> tuple[float, float]:
        """95% Wilson interval of the accuracy: (low, high)."""
        return metrics.wilson_interval(int(np.trace(self.confusion)), len(self))

    @property
    def refused(self) -> int:
        """How many answers are less confident than the threshold."""
        return int(np.count_nonzero(self.confidence < self.threshold))

    @property
    def accuracy_answered(self) -> float | None:
        """The accuracy of the answers that are not refused; None if all are."""
        answered = self.confidence >= self.threshold
        if not answered.any():
            return None
        return float((self.answers == self.dataset.labels)[answered].mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(cross_entropy(self.log_y, self.dataset.labels).mean())

    @property
    def brier(self) -> float:
        return metrics.brier_score(self.probabilities, self.dataset.labels)

    @cached_property
    def calibration(self) -> tuple[float, metrics.Bins]:
        """(expected calibration error, Bins)."""
        return metrics.expected_calibration_error(self.confidence, self.answers == self.dataset.labels)

    @cached_property
    def mistakes(self) -> NDArray[np.int64]:
        wrong = np.flatnonzero(self.answers != self.dataset.labels)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]

    def per_class(self) -> list[dict[str, Any]]:
        """A dictionary per class: its name, precision, recall, F1 and number of images."""
        values = zip(self.classes, *metrics.per_class(self.confusion), self.confusion.sum(axis=1), strict=True)
        return [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "images": int(n)}
            for name, p, r, f, n in values
        ]

    def confused(self) -> list[dict[str, Any]]:
        """A dictionary per kind of mistake: truth, answer and count, the most frequent first."""
        return [
            {"truth": self.classes[truth], "answer": self.classes[answer], "images": count}
            for truth, answer, count in metrics.confused_pairs(self.confusion)
        ]

    def worst(self, number: int) -> list[dict[str, Any]]:
        """A dictionary for each of the `number` most confident mistakes: index, truth, answer, confidence and, for a
        picture, the file."""
        pictures = self.dataset.pictures
        return [
            {
                "index": int(self.indices[i]),
                **({"file": pictures[i].file} if pictures else {}),
                "truth": self.classes[self.dataset.labels[i]],
                "answer": self.classes[self.answers[i]],
                "confidence": float(self.confidence[i]),
            }
            for i in self.mistakes[:number]
        ]

    def by(self, column: str) -> list[dict[str, Any]]:
        """A dictionary per value of a column: the value, the number of pictures, and their accuracy."""
        is_right = self.answers == self.dataset.labels
        values = [picture.columns[column] for picture in self.dataset.pictures]
        rights: dict[str, list[bool]] = {}
        for value, right in zip(values, is_right.tolist(), strict=True):
            rights.setdefault(value, []).append(right)
        return [
            {column: value, "images": len(some), "accuracy": sum(some) / len(some)} for value, some in rights.items()
        ]

    def calibration_bins(self) -> list[dict[str, Any]]:
        """A dictionary per non-empty bin: its edges, the number of answers, their mean confidence, their accuracy."""
        _, bins = self.calibration
        edges = np.linspace(0, 1, len(bins.images) + 1)
        return [
            {"above": float(low), "to": float(high), "images": int(n), "confidence": float(c), "accuracy": float(a)}
            for low, high, n, c, a in zip(edges[:-1], edges[1:], *bins, strict=True)
            if n
        ]


def measure(
    checkpoint: Checkpoint,
    where: Where = None,
    split: str | None = None,
    dataset: Dataset | None = None,
    bar: "Bar | None" = None,
) -> Measurement:
    """The Measurement of a Checkpoint on the "test", "validation" or "train" part of the data at a place, or of the
    `dataset` that was loaded from there. For labelled pictures there is also "all": see `load_split`.

    Raises DataError where the data does not fit the model.
    """
    split = split or default_split(checkpoint, where)
    dataset, indices = load_split(checkpoint, where, split, dataset, bar)
    metadata = checkpoint.metadata
    log_y = calibrated_answers(checkpoint, dataset.images)
    return Measurement(dataset, split, indices, metadata.classes, metadata.temperature, metadata.threshold, log_y)


def default_split(checkpoint: Checkpoint, where: Where) -> str:
    """What to measure a model on: the test part; all of a folder of pictures that has no parts, if the model was never
    trained on anything but known data sets."""
    if not isinstance(where, str) or not is_of_pictures(where):
        return "test"
    from mlp_cli.data.folders import has_parts

    is_of_others = all(known_name(sha256) for sha256 in checkpoint.metadata.all_trained_on)
    return "all" if is_of_others and not has_parts(where) else "test"


def load_split(
    checkpoint: Checkpoint, where: Where, split: str, dataset: Dataset | None = None, bar: "Bar | None" = None
) -> tuple[Dataset, NDArray[np.int64]]:
    """The images to measure on, checked against the model, and their indices in their files."""
    metadata = checkpoint.metadata
    if dataset is None and where is None and known_name(metadata.data_sha256) != MNIST:
        raise DataError(f"{checkpoint.path} was trained on {metadata.data}; name its directory with --data DIR")
    if dataset is None:
        part: Part = "test" if split == "test" else "all" if split == "all" else "train"
        dataset = load_dataset(part, where, metadata.classes, bar)
    check_fits(checkpoint, dataset)
    if split in ("test", "all"):
        return dataset, np.arange(len(dataset))
    if dataset.sha256 != metadata.data_sha256:
        problem = f"not the data that {checkpoint.path} was trained on, so it has no {split} split"
        raise DataError(f"{dataset.place}: {problem}")
    train, validation = dataset.split(metadata.config.training.validation, metadata.held_out_by)
    indices = validation if split == "validation" else train
    return dataset.subset(indices), indices


def check_fits(checkpoint: Checkpoint, dataset: Dataset) -> None:
    """Raise DataError if the images or labels of a data set do not fit a model."""
    metadata, k = checkpoint.metadata, len(checkpoint.metadata.classes)
    if dataset.image_shape != metadata.image_shape:
        (h, w), (model_h, model_w) = dataset.image_shape, metadata.image_shape
        raise DataError(
            f"{dataset.place}: has images of {h}×{w} pixels, but {checkpoint.path} takes {model_h}×{model_w}"
        )
    if dataset.labels.max() >= k:
        problem = f"has the label {dataset.labels.max()}, but {checkpoint.path} has only the classes 0 to {k - 1}"
        raise DataError(f"{dataset.place}: {problem}")
