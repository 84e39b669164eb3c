"""The targets of examples: one row y each, wherever it comes from."""

import numpy as np
import pytest

from mlp_cli.config import load_config
from mlp_cli.nn import MLP, label_rows, softmax
from mlp_cli.training.targets import Targets

LABELS = np.array([0, 3, 2, 1])


@pytest.fixture
def inputs():
    return np.random.default_rng(0).random((4, 6), np.float32)


@pytest.fixture
def teacher():
    return MLP([6, 5, 4], rng=1)


def targets(*assignments, **options):
    return Targets(4, load_config("plain", assignments).training, **options)


def test_labels_stay_integers_unless_other_targets_are_configured(inputs):
    assert targets()(inputs, LABELS) is LABELS


def test_smoothed_labels_become_rows_of_the_target_matrix(inputs):
    y = targets("training.label_smoothing=0.2")(inputs, LABELS)
    np.testing.assert_array_equal(y, label_rows(4, 0.2)[LABELS])


def test_nondigits_have_uniform_targets_and_digits_one_hot_ones(inputs):
    y = targets("training.nondigits=0.1")(inputs, np.array([1, 4, 4, 0]))
    np.testing.assert_array_equal(y, [[0, 1, 0, 0], [0.25] * 4, [0.25] * 4, [1, 0, 0, 0]])


def test_a_teacher_gives_its_probabilities_at_the_temperature(inputs, teacher):
    y = targets("training.teacher_temperature=3", teacher=teacher)(inputs, LABELS)
    z = teacher.forward(inputs.astype(np.float64))[-1]
    np.testing.assert_allclose(y, softmax(z / 3), rtol=1e-5)


def test_rows_of_a_teacher_are_not_overwritten_by_those_of_the_next_batch(inputs, teacher):
    say = targets(teacher=teacher)
    first = say(inputs, LABELS)
    kept = first.copy()
    say(inputs[::-1] + 1, LABELS)
    np.testing.assert_array_equal(first, kept)
    assert len(say(np.concatenate([inputs, inputs]), np.tile(LABELS, 2))) == 8  # a larger batch than the first


def test_a_teacher_sees_the_pixels_of_inputs_in_another_order_and_no_others(inputs, teacher):
    order, before = np.array([3, 1, 5, 0, 2, 4]), teacher.parameters.flat.copy()
    inputs[:, order[4:]] = 0
    ordered = targets(teacher=teacher, order=order)(inputs[:, order[:4]], LABELS)
    np.testing.assert_allclose(ordered, targets(teacher=teacher)(inputs, LABELS), rtol=1e-5)
    np.testing.assert_array_equal(teacher.parameters.flat, before)
