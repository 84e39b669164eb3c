import numpy as np
import pytest

from mlp_cli.nn import ACTIVATIONS
from mlp_cli.nn.layers import glorot, he, linear, linear_da, linear_db, linear_dW, sigmoid
from mlp_cli.proof.differences import numerical_gradient, relative_error

M, D, H = 5, 4, 3


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_linear_is_the_product_with_the_bias_added_to_every_row():
    # by hand: [1 2]·[[1 0], [0 3]] + [10 20] = [1+10, 6+20]
    z = linear(np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([10.0, 20.0]))
    assert z.tolist() == [[11, 26], [10, 17]]


def test_linear_dW_and_db_are_the_gradients_of_the_mean_over_the_batch(rng):
    a, W, b, upstream = (rng.standard_normal(shape) for shape in [(M, D), (D, H), (H,), (M, H)])

    def mean_loss():  # of example i: row i of upstream · row i of z, so that upstream is its ∂L/∂z
        return (linear(a, W, b) * upstream).sum(axis=1).mean()

    assert relative_error(linear_dW(a, upstream), numerical_gradient(mean_loss, W)) <= 1e-7
    assert relative_error(linear_db(upstream), numerical_gradient(mean_loss, b)) <= 1e-7


def test_linear_da_is_the_gradient_of_each_example_alone(rng):
    a, W, b, upstream = (rng.standard_normal(shape) for shape in [(M, D), (D, H), (H,), (M, H)])

    def summed_loss():  # the sum leaves row i of the gradient to example i, with no 1/m
        return (linear(a, W, b) * upstream).sum()

    assert relative_error(linear_da(upstream, W), numerical_gradient(summed_loss, a)) <= 1e-7


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_and_its_dz_belong_together(name, rng):
    activation = ACTIVATIONS[name]
    z, upstream = rng.standard_normal((M, H)), rng.standard_normal((M, H))
    numerical = numerical_gradient(lambda: (activation.g(z) * upstream).sum(), z)
    assert relative_error(activation.dz(upstream, activation.g(z)), numerical) <= 1e-7


def test_activations_have_the_values_of_their_definition():
    z = np.array([[-2.0, 0.0, 2.0]])
    assert ACTIVATIONS["relu"].g(z).tolist() == [[0, 0, 2]]
    np.testing.assert_allclose(ACTIVATIONS["sigmoid"].g(z), 1 / (1 + np.exp(-z)), rtol=1e-15)
    np.testing.assert_allclose(ACTIVATIONS["tanh"].g(z), (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1), rtol=1e-15)


def test_relu_at_zero_has_gradient_zero():
    assert ACTIVATIONS["relu"].dz(np.ones(1), ACTIVATIONS["relu"].g(np.zeros(1))).tolist() == [0]


def test_sigmoid_of_huge_inputs_is_zero_and_one_without_a_warning():
    assert sigmoid(np.array([-1e4, 1e4], np.float32)).tolist() == [0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_results_are_written_into_out(name, rng):
    a, W, b = (rng.standard_normal(shape) for shape in [(M, D), (D, H), (H,)])
    z, dW, db, da = np.empty((M, H)), np.empty((D, H)), np.empty(H), np.empty((M, D))
    assert linear(a, W, b, out=z) is z
    assert linear_dW(a, z, out=dW) is dW
    assert linear_db(z, out=db) is db
    assert linear_da(z, W, out=da) is da
    expected = ACTIVATIONS[name].g(z.copy())
    assert ACTIVATIONS[name].g(z, out=z) is z  # in place, as the network does it
    np.testing.assert_array_equal(z, expected)
    dz = np.empty_like(z)
    assert ACTIVATIONS[name].dz(np.ones_like(z), z, out=dz) is dz


def test_initial_standard_deviations_are_those_of_the_papers():
    assert he(784, 128) == pytest.approx((2 / 784) ** 0.5)
    assert glorot(784, 128) == pytest.approx((2 / (784 + 128)) ** 0.5)
