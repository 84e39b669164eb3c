import math

import numpy as np
import pytest
from scipy import stats

from mlp_cli.runs.ranking import Noise, behind, behind_best, common_noise, hopeless, order, student_t


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


def test_the_noise_is_what_settings_and_seeds_leave_unexplained():
    # rows less their means (2, 5, 8) and columns less theirs (5, 5) plus 5 leave ±1, ±1, 0: 4 over 2 · 1 degrees
    noise = common_noise([{0: 1, 1: 3}, {0: 6, 1: 4}, {0: 8, 1: 8}, {7: 9}])
    assert noise == pytest.approx((2 * 4 / 2, 2))
    assert common_noise([{0: 1, 1: 3}]) is None
    assert common_noise([{0: 1, 1: 3}, {1: 1, 2: 3}]) is None
    assert common_noise([]) is None


def test_an_interval_is_as_wide_as_the_noise_of_all_settings_at_least():
    noise = Noise(variance=0.04, freedom=10)  # Student's t for ten degrees of freedom is 2.2281
    narrow, wide = {0: 0.9, 1: 0.9}, {0: 0.9, 1: 1.9}
    assert behind(narrow, narrow, noise=noise).high == pytest.approx(2.2281 * math.sqrt(0.04 / 2), abs=1e-5)
    assert behind(wide, narrow, noise=noise).high == pytest.approx(0.5 + 2.2281 * math.sqrt(0.5 / 2), abs=1e-4)


def test_two_seeds_of_a_dozen_settings_suffice_for_a_large_difference():
    rng = np.random.default_rng(0)
    good, bad = ({seed: mean + rng.normal(0, 0.001) for seed in range(2)} for mean in (0.98, 0.11))
    others = {number: {seed: 0.979 + rng.normal(0, 0.001) for seed in range(2)} for number in range(3, 13)}
    assert behind_best({1: good, 2: bad} | others)[2].is_larger_than_noise


@pytest.mark.parametrize("seeds", [2, 5])
def test_twelve_equal_settings_seem_to_differ_in_less_than_five_of_a_hundred_sweeps(seeds):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        values = rng.normal(0.99, 0.001, (12, seeds)) + rng.normal(0, 0.001, seeds)
        found = behind_best({setting: dict(enumerate(row)) for setting, row in enumerate(values.tolist())})
        wrong += any(difference.is_larger_than_noise for difference in found.values())
    assert wrong < 0.05 * 200


def test_a_setting_is_hopeless_after_three_seeds_that_agree():
    best = {0: 0.95, 1: 0.951, 2: 0.952}
    assert hopeless({0: 0.95, 1: 0.951}, {0: 0.9, 1: 0.9009}) is None
    assert hopeless(best, {0: 0.9, 1: 0.9009, 2: 0.9021}) is not None
    assert hopeless(best, {0: 0.9, 1: 0.96, 2: 0.9}) is None
