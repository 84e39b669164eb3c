"""Statistics of a classifier's answers. Labels and predictions are integers (n,), of k classes."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.nn.arrays import Floats, Integers


def confusion_matrix(labels: Integers, predictions: Integers, k: int) -> NDArray[np.int64]:
    """Counts (k, k): row is the true class, column the predicted one."""
    pairs = np.asarray(labels, np.int64) * k + predictions
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def wilson_interval(correct: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval (low, high) that holds the true share behind `correct` of n, at 95% for the default z.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference": unlike p ± 1.96 σ it
    stays within [0, 1] and keeps its width at 0 and n.
    """
    p = correct / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def per_class(confusion: Integers) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of every class from a confusion matrix (k, k): three arrays (k,).

    Where a class was never predicted, or never occurs, the value is 0.
    """
    hits = np.diag(confusion).astype(float)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(true, 1)
    f1 = 2 * hits / np.maximum(predicted + true, 1)
    return precision, recall, f1


def confused_pairs(confusion: Integers) -> list[tuple[int, int, int]]:
    """The wrong answers of a confusion matrix (k, k), the most frequent first: a list of (truth, answer, count)."""
    wrong = confusion - np.diag(np.diag(confusion))
    pairs = [(int(t), int(a), int(wrong[t, a])) for t, a in np.argwhere(wrong)]
    return sorted(pairs, key=lambda pair: -pair[2])


def brier_score(y: Floats, labels: Integers) -> float:
    """Σⱼ (ŷⱼ − yⱼ)² over all classes, from probabilities ŷ (n, k) and labels t (n,): the mean of it, from 0 to 2.

    Brier 1950, "Verification of forecasts expressed in terms of probability". With two classes that is twice the
    score of the first one alone, which some call by the same name.
    """
    error = np.array(y, np.float64)
    error[np.arange(len(labels)), labels] -= 1
    return float((error * error).sum(axis=1).mean())


class Bins(NamedTuple):
    """Answers by their confidence, in bins of equal width from 0 to 1: how many, how confident and how right they are
    on average. Arrays (bins,); the averages of an empty bin are 0."""

    images: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def expected_calibration_error(confidence: Floats, is_right: NDArray[np.bool_], bins: int = 15) -> tuple[float, Bins]:
    """The mean of |accuracy − confidence| over bins of confidence, weighted by their share of answers; and the Bins.

    Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", arXiv 1706.04599. From the
    confidences (n,) of n answers and whether each of them is right. A bin holds its upper edge, not its lower one.
    """
    confidence = np.asarray(confidence, np.float64)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.searchsorted(edges[1:-1], confidence)
    images = np.bincount(bin_of, minlength=bins)
    confidence = np.bincount(bin_of, confidence, bins) / np.maximum(images, 1)
    accuracy = np.bincount(bin_of, is_right, bins) / np.maximum(images, 1)
    error = float(images @ np.abs(accuracy - confidence) / len(bin_of))
    return error, Bins(images, confidence, accuracy)
