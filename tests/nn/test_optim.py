import math

import numpy as np
import pytest

from mlp_cli.nn import OPTIMIZERS, SCHEDULES, SGD, AdamW, Momentum, Nesterov, Parameters, WeightAverage


def one_weight(value=1.0):
    """A layer of one weight, of `value`, and one bias, 0."""
    parameters = Parameters([1, 1], np.float64)
    parameters.W[0][...] = value
    return parameters


def gradients(W, b=0.0):
    result = Parameters([1, 1], np.float64)
    result.W[0][...], result.b[0][...] = W, b
    return result


def walk(optimizer, steps, learning_rate=0.1):
    """The weight after each step with these gradients of it."""
    path = []
    for g in steps:
        optimizer.step(gradients(g), learning_rate)
        path.append(optimizer.parameters.flat[0])
    return path


def test_sgd_by_hand():
    # 1 − 0.1·2 = 0.8; 0.8 − 0.1·(−1) = 0.9
    assert walk(SGD(one_weight()), [2, -1]) == pytest.approx([0.8, 0.9], rel=1e-15)


def test_momentum_by_hand():
    # v = 2, θ = 1 − 0.1·2 = 0.8; v = 0.5·2 + 1 = 2, θ = 0.8 − 0.1·2 = 0.6; v = 0.5·2 + 0 = 1, θ = 0.5
    assert walk(Momentum(one_weight(), momentum=0.5), [2, 1, 0]) == pytest.approx([0.8, 0.6, 0.5], rel=1e-15)


def test_nesterov_by_hand():
    # v = 2, θ = 1 − 0.1·(2 + 0.5·2) = 0.7; v = 0.5·2 + 1 = 2, θ = 0.7 − 0.1·(1 + 0.5·2) = 0.5
    assert walk(Nesterov(one_weight(), momentum=0.5), [2, 1]) == pytest.approx([0.7, 0.5], rel=1e-15)


def test_adamw_by_hand():
    # Both corrections make the first step ±η, whatever the size of the gradient (ε aside).
    assert walk(AdamW(one_weight()), [1000.0]) == pytest.approx([0.9], rel=1e-9)
    # Second step with g = 0: m = 0.9·0.1·4 = 0.36, m̂ = 0.36/(1 − 0.81); v = 0.999·0.001·16, v̂ = v/(1 − 0.999²)
    m_hat, v_hat = 0.36 / 0.19, 0.999 * 0.001 * 16 / (1 - 0.999**2)
    expected = 1 - 0.1 * 4 / (4 + 1e-8) - 0.1 * m_hat / (math.sqrt(v_hat) + 1e-8)
    assert walk(AdamW(one_weight()), [4.0, 0.0])[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values())
def test_weight_decay_shrinks_weights_by_the_rate_and_leaves_biases(optimizer):
    parameters = one_weight(2.0)
    parameters.b[0][...] = 3.0
    optimizer(parameters, weight_decay=0.5).step(gradients(0.0), 0.1)
    assert parameters.flat.tolist() == pytest.approx([2.0 * (1 - 0.1 * 0.5), 3.0], rel=1e-15)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values())
def test_optimisers_find_the_minimum_of_a_bowl_in_float32(optimizer):
    parameters = Parameters([3, 2])
    target = np.arange(8, dtype=np.float32) / 8
    chosen, slope = optimizer(parameters), Parameters([3, 2])
    for step in range(400):
        slope.flat[:] = parameters.flat - target
        chosen.step(slope, 0.1 * (1 - step / 400))
    np.testing.assert_allclose(parameters.flat, target, atol=1e-3)
    assert parameters.flat.dtype == np.float32


def test_cosine_and_one_cycle_by_hand():
    assert SCHEDULES["one-cycle"](0.1, 0.2) == pytest.approx(0.5)  # half of the warm-up
    assert SCHEDULES["one-cycle"](0.2, 0.2) == 1.0
    assert SCHEDULES["one-cycle"](0.6, 0.2) == pytest.approx(0.5)  # half of the way down
    assert SCHEDULES["cosine"](0.1, 0.2) == pytest.approx(0.5)
    assert SCHEDULES["cosine"](0.2, 0.2) == 1.0
    assert SCHEDULES["cosine"](0.6, 0.2) == pytest.approx(0.5)
    assert SCHEDULES["cosine"](0.4, 0.2) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)  # a quarter of the way
    assert SCHEDULES["constant"](0.1, 0.2) == SCHEDULES["constant"](0.9, 0.2) == 1.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_return_python_floats_between_0_and_1_without_warm_up_too(name):
    for warmup in (0.0, 0.3):
        for progress in np.linspace(0, 1, 101).tolist():
            factor = SCHEDULES[name](progress, warmup)
            assert type(factor) is float
            assert 0 <= factor <= 1


def test_weight_average_by_hand():
    parameters = one_weight(1.0)
    average = WeightAverage(parameters, decay=0.5)
    for step in range(1, 101):
        average.update(step)
    assert average.average[0] == 1.0
    parameters.W[0][...] = 3.0
    average.update(101)  # ½·1 + ½·3 = 2
    average.update(102)  # ½·2 + ½·3 = 2.5
    assert average.average[0] == pytest.approx(2.5, rel=1e-12)


def test_weight_average_forgets_the_first_parameters_fast():
    parameters = one_weight(100.0)
    average = WeightAverage(parameters, decay=0.9999)
    parameters.W[0][...] = 1.0
    average.update(1)  # δ = 1/11
    average.update(2)  # δ = 2/12
    assert average.average[0] == pytest.approx(1 + 99 * (1 / 11) * (2 / 12))


@pytest.mark.parametrize("optimizer", [Momentum, Nesterov, AdamW])
def test_a_state_that_has_decayed_to_nothing_is_flushed_before_it_is_subnormal(optimizer):
    parameters = Parameters([1, 1])
    chosen, slope = optimizer(parameters), Parameters([1, 1])
    slope.flat[:] = 1e-12
    chosen.step(slope, 0.1)
    smallest_normal = np.finfo(np.float32).smallest_normal
    for step in range(1, 2001):
        slope.flat[:] = 0
        chosen.step(slope, 0.1)
        assert all(((array == 0) | (np.abs(array) >= smallest_normal)).all() for array in chosen.state.values())
        if step % 64 == 0:
            before = parameters.flat.copy()
            chosen.flush()
            np.testing.assert_array_equal(parameters.flat, before)
