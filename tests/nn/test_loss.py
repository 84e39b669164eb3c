import math

import numpy as np
import pytest

from mlp_cli.nn import cross_entropy, cross_entropy_dz, label_rows, log_softmax, softmax
from mlp_cli.nn.loss import softmax_jacobian
from mlp_cli.proof.differences import numerical_gradient, relative_error


@pytest.fixture
def z():
    return np.random.default_rng(0).standard_normal((6, 5))


LABELS = np.array([0, 4, 2, 2, 1, 3])


def test_softmax_by_hand():
    # e^(log 1), e^(log 2), e^(log 5) are 1, 2, 5 and sum to 8
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_logits_cost_log_10(dtype):
    loss = cross_entropy(log_softmax(np.zeros((3, 10), dtype)), np.array([0, 5, 9]))
    np.testing.assert_allclose(loss, math.log(10), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_stay_finite_and_right(dtype):
    z = np.array([[1e4, -1e4, 0], [1e4, 1e4, 1e4]], dtype)
    log_y = log_softmax(z)
    # row 1: the class at 1e4 has all the probability, the others lie 2e4 and 1e4 below; row 2: all equal
    np.testing.assert_allclose(log_y, [[0, -2e4, -1e4], [-math.log(3)] * 3], rtol=1e-6)
    assert np.isfinite(cross_entropy_dz(log_y, np.array([1, 2]))).all()


def test_the_softmax_jacobian_is_the_numerical_one(z):
    jacobian = softmax_jacobian(softmax(z))
    for i in range(z.shape[1]):  # row i: the gradient of ŷᵢ, summed over examples, which do not mix
        numerical = numerical_gradient(lambda i=i: softmax(z)[:, i].sum(), z)
        assert relative_error(jacobian[:, i], numerical) <= 1e-7


def test_the_softmax_jacobian_has_the_two_cases_of_the_derivation():
    y_hat = np.array([[0.2, 0.3, 0.5]])
    # ŷᵢ(1 − ŷᵢ) on the diagonal: 0.16, 0.21, 0.25; −ŷᵢŷⱼ off it
    expected = [[0.16, -0.06, -0.10], [-0.06, 0.21, -0.15], [-0.10, -0.15, 0.25]]
    np.testing.assert_allclose(softmax_jacobian(y_hat)[0], expected, rtol=1e-12)


def test_the_jacobian_and_minus_one_over_y_hat_collapse_to_y_hat_minus_y(z):
    y_hat = softmax(z)
    rows = np.arange(len(z))
    # the chain rule of the derivation: ∂L/∂ŷₜ = −1/ŷₜ, times the row t of the Jacobian
    chained = (-1 / y_hat[rows, LABELS])[:, None] * softmax_jacobian(y_hat)[rows, LABELS]
    np.testing.assert_allclose(cross_entropy_dz(np.log(y_hat), LABELS), chained, rtol=1e-12, atol=1e-15)


def test_cross_entropy_dz_has_one_row_per_example_and_no_one_over_m(z):
    numerical = numerical_gradient(lambda: cross_entropy(log_softmax(z), LABELS).sum(), z)
    assert relative_error(cross_entropy_dz(log_softmax(z), LABELS), numerical) <= 1e-7


def test_cross_entropy_is_minus_the_log_probability_of_the_label():
    log_y = np.log([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(cross_entropy(log_y, np.array([1, 0])), [-math.log(0.75), math.log(2)], rtol=1e-15)


def test_any_distribution_may_be_learned(z):
    y = np.random.default_rng(1).dirichlet(np.ones(z.shape[1]), len(z))
    expected = [-sum(p * math.log(q) for p, q in zip(*rows, strict=True)) for rows in zip(y, softmax(z), strict=True)]
    np.testing.assert_allclose(cross_entropy(log_softmax(z), y), expected, rtol=1e-12)

    numerical = numerical_gradient(lambda: cross_entropy(log_softmax(z), y).sum(), z)
    assert relative_error(cross_entropy_dz(log_softmax(z), y), numerical) <= 1e-7


def test_integer_labels_and_one_hot_rows_give_the_same_loss_and_gradient(z):
    log_y, rows = log_softmax(z), label_rows(z.shape[1], dtype=np.float64)[LABELS]
    np.testing.assert_allclose(cross_entropy(log_y, rows), cross_entropy(log_y, LABELS), rtol=1e-15)
    np.testing.assert_allclose(cross_entropy_dz(log_y, rows), cross_entropy_dz(log_y, LABELS), rtol=1e-15, atol=1e-16)


def test_label_smoothing_spreads_its_share_evenly_and_a_nondigit_has_one_kth_of_each():
    # ε = 0.2 of 4 classes: 1 − 0.2 + 0.2/4 = 0.85 at the label, 0.2/4 = 0.05 elsewhere
    a, b = 0.85, 0.05
    expected = [[a, b, b, b], [b, a, b, b], [b, b, a, b], [b, b, b, a], [0.25] * 4]
    np.testing.assert_allclose(label_rows(4, smoothing=0.2), expected, rtol=1e-6)


def test_the_loss_of_a_nondigit_is_least_at_equal_logits():
    y = label_rows(4)[[4, 4]]
    dz = cross_entropy_dz(log_softmax(np.array([[0.0, 0, 0, 0], [9, 0, 0, 0]])), y)
    assert (dz[0] == 0).all()
    assert (np.sign(dz[1]) == [1, -1, -1, -1]).all()  # the step goes the other way: the largest logit down
