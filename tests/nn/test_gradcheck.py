import numpy as np

from mlp_cli.nn import directional_derivative, numerical_gradient, relative_error


def test_numerical_gradient_of_a_polynomial_is_its_derivative_and_x_is_put_back():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    kept = x.copy()
    np.testing.assert_allclose(numerical_gradient(lambda: (x**3).sum(), x), 3 * kept**2, rtol=1e-8)
    np.testing.assert_array_equal(x, kept)


def test_directional_derivative_is_the_gradient_times_the_direction_and_x_is_put_back():
    x, direction = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    # ∇Σx² = 2x = [2, 4]; · [3, −1] = 2
    np.testing.assert_allclose(directional_derivative(lambda: (x**2).sum(), x, direction), 2.0, rtol=1e-9)
    assert x.tolist() == [1.0, 2.0]


def test_relative_error_by_hand():
    assert relative_error([1.0, 10.0], [1.0, 9.0]) == 0.1
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [-1.0]) == 2.0
