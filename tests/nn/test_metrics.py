import numpy as np
import pytest

from mlp_cli.nn.metrics import confusion_matrix, per_class, wilson_interval


def test_confusion_rows_are_the_truth_and_columns_the_answer():
    confusion = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_precision_recall_and_f1_by_hand():
    precision, recall, f1 = per_class(np.array([[8, 2, 0], [4, 6, 0], [0, 0, 0]]))
    # class 0: 8 of 12 answers right, 8 of 10 found; class 1: 6 of 8, 6 of 10; class 2 never occurs nor is answered
    assert precision.tolist() == pytest.approx([8 / 12, 6 / 8, 0])
    assert recall.tolist() == pytest.approx([8 / 10, 6 / 10, 0])
    assert f1.tolist() == pytest.approx([16 / 22, 12 / 18, 0])


def test_wilson_interval_holds_the_published_example():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I: 81 of 263 and 0 of 20
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20)[1] == 1.0
