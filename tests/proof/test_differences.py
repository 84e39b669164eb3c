import math

import numpy as np
import pytest

from mlp_cli.proof.differences import directional_derivative, largest_error, numerical_gradient, relative_error


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


def test_the_largest_error_comes_with_its_index():
    # |4 − 3| of the largest entry, 5
    assert largest_error([[1.0, 4.0], [2.0, -5.0]], [[1.0, 3.0], [2.5, -5.0]]) == (0.2, (0, 1))
    assert largest_error(2.0, 1.0) == (0.5, ())


def test_nan_is_never_an_agreement():
    assert math.isnan(relative_error([math.nan, 1.0], [1.0, 1.0]))
    assert largest_error([1.0, math.nan], [1.0, 1.0])[1] == (1,)


def test_other_shapes_are_not_compared():
    with pytest.raises(ValueError, match=r"the shape is \(2,\), but must be \(1, 2\)"):
        relative_error(np.ones(2), np.ones((1, 2)))
