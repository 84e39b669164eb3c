"""What to say of a classifier's answers. Labels and predictions are integers (n,), of k classes."""

import math

import numpy as np


def confusion_matrix(labels, predictions, k):
    """Counts (k, k): row is the true class, column the predicted one."""
    pairs = np.asarray(labels, np.int64) * k + predictions
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def wilson_interval(correct, n, z=1.959964):
    """The interval (low, high) that holds the true share behind `correct` of n, at 95 % for the default z.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference": unlike p ± 1.96 σ it
    stays within [0, 1] and keeps its width at 0 and n.
    """
    p = correct / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def per_class(confusion):
    """Precision, recall and F1 of every class from a confusion matrix (k, k): three arrays (k,).

    Where a class was never predicted, or never occurs, the value is 0.
    """
    hits = np.diag(confusion).astype(float)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(true, 1)
    f1 = 2 * hits / np.maximum(predicted + true, 1)
    return precision, recall, f1
