import math

import numpy as np
import pytest
from scipy import stats

from mlp_cli.runs.ranking import behind, behind_best, hopeless, order, student_t


@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.001, 1e-6])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 99])
def test_student_t_is_that_of_scipy(alpha, freedom):
    assert math.isclose(student_t(alpha, freedom), stats.t.isf(alpha / 2, freedom), rel_tol=1e-6)


def test_the_best_mean_comes_first_and_what_diverged_comes_last():
    accuracies = {1: {0: 0.90, 1: 0.92}, 2: {0: 0.95, 1: 0.90}, 3: {0: 0.99}, 4: {}}
    assert order(accuracies) == [3, 2, 1]
    assert order(accuracies, diverged={3}) == [2, 1, 3]


def test_a_difference_is_paired_over_the_seeds_that_both_have():
    # 0.02, 0.03 and 0.04 behind: mean 0.03, deviation 0.01, and Student's t for two degrees of freedom is 4.3027
    difference = behind({0: 0.92, 1: 0.83, 2: 0.74, 9: 0.5}, {0: 0.90, 1: 0.80, 2: 0.70, 8: 0.9})
    assert difference.seeds == 3
    half = 4.3027 * 0.01 / math.sqrt(3)
    assert difference[:3] == pytest.approx((0.03, 0.03 - half, 0.03 + half), abs=1e-6)
    assert difference.is_larger_than_noise


def test_one_common_seed_has_no_interval_and_none_has_no_difference():
    assert behind({0: 0.9}, {0: 0.8, 1: 0.7}).low is None
    assert not behind({0: 0.9}, {0: 0.8}).is_larger_than_noise
    assert behind({0: 0.9}, {1: 0.8}) is None


def test_twelve_equal_settings_seem_to_differ_in_less_than_five_of_a_hundred_sweeps():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        values = rng.normal(0.99, 0.001, (12, 5)) + rng.normal(0, 0.001, 5)
        found = behind_best({setting: dict(enumerate(row)) for setting, row in enumerate(values.tolist())})
        wrong += any(difference.is_larger_than_noise for difference in found.values())
    assert wrong < 0.05 * 400


def test_a_setting_is_hopeless_after_three_seeds_that_agree():
    best = {0: 0.95, 1: 0.951, 2: 0.952}
    assert hopeless({0: 0.95, 1: 0.951}, {0: 0.9, 1: 0.9009}) is None
    assert hopeless(best, {0: 0.9, 1: 0.9009, 2: 0.9021}) is not None
    assert hopeless(best, {0: 0.9, 1: 0.96, 2: 0.9}) is None
