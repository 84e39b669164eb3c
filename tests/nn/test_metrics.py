import numpy as np
import pytest

from mlp_cli.nn import cross_entropy
from mlp_cli.nn.metrics import (
    brier_score,
    confused_pairs,
    confusion_matrix,
    expected_calibration_error,
    per_class,
    wilson_interval,
)


def test_confusion_rows_are_the_truth_and_columns_the_answer():
    confusion = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_precision_recall_and_f1_by_hand():
    precision, recall, f1 = per_class(np.array([[8, 2, 0], [4, 6, 0], [0, 0, 0]]))
    # class 0: 8 of 12 answers right, 8 of 10 found; class 1: 6 of 8, 6 of 10; class 2 neither occurs nor is answered
    assert precision.tolist() == pytest.approx([8 / 12, 6 / 8, 0])
    assert recall.tolist() == pytest.approx([8 / 10, 6 / 10, 0])
    assert f1.tolist() == pytest.approx([16 / 22, 12 / 18, 0])


def test_wilson_interval_holds_the_published_example():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I: 81 of 263 and 0 of 20
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20)[1] == 1.0


def test_confused_pairs_are_the_wrong_answers_the_most_frequent_first():
    assert confused_pairs(np.array([[9, 2, 0], [5, 7, 0], [0, 1, 0]])) == [(1, 0, 5), (0, 1, 2), (2, 1, 1)]
    assert confused_pairs(np.diag([3, 4])) == []


def test_the_brier_score_by_hand():
    # (0.6 − 1)² + 0.3² + 0.1² = 0.26 and 0.5² + (0.5 − 1)² = 0.5; all on a wrong class costs 2
    y = np.array([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0]])
    assert brier_score(y, np.array([0, 1])) == pytest.approx((0.26 + 0.5) / 2)
    assert brier_score(np.array([[0.0, 1.0]]), np.array([0])) == 2.0


def test_the_calibration_error_by_hand():
    # bins of a quarter: two answers in (0.25, 0.5], the upper edge included; three in (0.75, 1]
    confidence = np.array([0.5, 0.4, 0.9, 0.95, 1.0])
    error, bins = expected_calibration_error(confidence, np.array([True, False, True, True, False]), bins=4)
    assert bins.images.tolist() == [0, 2, 0, 3]
    assert bins.confidence.tolist() == pytest.approx([0, 0.45, 0, 0.95])
    assert bins.accuracy.tolist() == pytest.approx([0, 0.5, 0, 2 / 3])
    assert error == pytest.approx((2 * 0.05 + 3 * (0.95 - 2 / 3)) / 5)


def test_everything_agrees_with_scikit_learn_on_the_same_predictions():
    from sklearn import calibration, metrics  # here, since it takes a second

    rng = np.random.default_rng(0)
    n, k = 5000, 10
    labels, z = rng.integers(0, k, n), rng.normal(0, 1.5, (n, k))
    z[np.arange(n), labels] += 3
    y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    answers = y.argmax(axis=1)
    close = {"rtol": 0, "atol": 1e-9}

    confusion = confusion_matrix(labels, answers, k)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(labels, answers))
    expected = metrics.precision_recall_fscore_support(labels, answers)
    for ours, theirs in zip((*per_class(confusion), confusion.sum(axis=1)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **close)
    assert np.trace(confusion) / n == pytest.approx(metrics.accuracy_score(labels, answers), abs=1e-9)
    assert cross_entropy(np.log(y), labels).mean() == pytest.approx(metrics.log_loss(labels, y), abs=1e-9)
    # their score of three classes or more is Brier's own, from 0 to 2; of two they halve it unless told not to
    assert brier_score(y, labels) == pytest.approx(metrics.brier_score_loss(labels, y), abs=1e-9)
    two = y[:, :2] / y[:, :2].sum(axis=1, keepdims=True)
    halved = metrics.brier_score_loss(labels % 2, two, scale_by_half=True)
    assert brier_score(two, labels % 2) == pytest.approx(2 * halved, abs=1e-9)

    _, bins = expected_calibration_error(y.max(axis=1), answers == labels)
    right, confidence = calibration.calibration_curve(answers == labels, y.max(axis=1), n_bins=15)
    np.testing.assert_allclose(bins.accuracy[bins.images > 0], right, **close)
    np.testing.assert_allclose(bins.confidence[bins.images > 0], confidence, **close)
