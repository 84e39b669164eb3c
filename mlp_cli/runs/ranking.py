"""Which setting of a sweep is the best, and which differences are larger than the noise of the seeds."""

import math
import statistics
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.95  # of intervals
FEWEST_TO_GIVE_UP = 3  # seeds before a setting may be given up, since two can agree by chance


class Spread(NamedTuple):
    """Mean and sample standard deviation; the latter is None for fewer than two values."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


class Noise(NamedTuple):
    """The variance of the difference of two settings for one seed, and the degrees of freedom it is known with."""

    variance: float
    freedom: int


class Difference(NamedTuple):
    """How far a setting is behind the best in validation accuracy: the mean over the `seeds` that both have, and its
    interval, None if there are too few seeds."""

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def is_larger_than_noise(self) -> bool:
        return self.low is not None and self.low > 0


def order(accuracies: Mapping[int, Mapping[int, float]], diverged: Container[int] = ()) -> list[int]:
    """The settings of {setting: {seed: validation accuracy}} that have any, by their mean, best first; those that
    `diverged` for a seed come last, since their mean leaves out their worst."""
    some = {setting: values for setting, values in accuracies.items() if values}
    return sorted(some, key=lambda setting: (setting in diverged, -statistics.fmean(some[setting].values()), setting))


def behind(
    best: Mapping[int, float], other: Mapping[int, float], pairs: int = 1, noise: Noise | None = None
) -> Difference | None:
    """The Difference of two settings, given as {seed: accuracy}; None if they have no seed in common.

    Paired over seeds: a seed draws the same validation images for every setting, and what is easy about those cancels.
    The interval is Student's, at LEVEL for all of `pairs` intervals together (Bonferroni), with the variance of these
    differences, or that of the `noise` if it is larger.
    """
    common = sorted(best.keys() & other.keys())
    if not common:
        return None
    n = len(common)
    mean, deviation = Spread.of([best[seed] - other[seed] for seed in common])
    if noise is not None:
        variance, freedom = max(noise.variance, (deviation or 0.0) ** 2), noise.freedom
    elif deviation is not None:
        variance, freedom = deviation**2, n - 1
    else:
        return Difference(mean, None, None, n)
    half = student_t((1 - LEVEL) / pairs, freedom) * math.sqrt(variance / n)
    return Difference(mean, mean - half, mean + half, n)


def behind_best(
    accuracies: Mapping[int, Mapping[int, float]], diverged: Container[int] = ()
) -> dict[int, Difference | None]:
    """How far each setting is behind the best, the first of `order`, with simultaneous intervals.

    The best is chosen by the accuracies it is then compared by, so it could be any of them: the intervals are made for
    all k(k−1)/2 pairs. With one for each of the k−1 others, 12 equal settings over 5 seeds would seem to differ in 12%
    of sweeps. docs/scale.md has how often it happens with these.
    """
    ordered = order(accuracies, diverged)
    pairs = len(ordered) * (len(ordered) - 1) // 2
    noise = common_noise([accuracies[setting] for setting in ordered])
    return {setting: behind(accuracies[ordered[0]], accuracies[setting], pairs, noise) for setting in ordered[1:]}


def common_noise(settings: Sequence[Mapping[int, float]]) -> Noise | None:
    """The variance of the difference of two settings for one seed, from all settings with more than one, over the
    seeds that those have in common: what is left of their accuracies less the mean of each setting and of each seed
    (randomised blocks). A pair of settings with two seeds could not tell its noise; a dozen can tell it together.
    """
    several = [values for values in settings if len(values) > 1]
    seeds = sorted(set.intersection(*(set(values) for values in several))) if several else []
    if len(several) < 2 or len(seeds) < 2:
        return None
    freedom = (len(several) - 1) * (len(seeds) - 1)
    of_settings = [statistics.fmean(values[seed] for seed in seeds) for values in several]
    of_seeds = [statistics.fmean(values[seed] for values in several) for seed in seeds]
    mean = statistics.fmean(of_seeds)
    rest = (
        values[seed] - of_setting - of_seed + mean
        for values, of_setting in zip(several, of_settings, strict=True)
        for seed, of_seed in zip(seeds, of_seeds, strict=True)
    )
    return Noise(2 * sum(residual**2 for residual in rest) / freedom, freedom)


def hopeless(best: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """The Difference for which a setting may be given up, else None: its own interval at LEVEL, over at least
    FEWEST_TO_GIVE_UP seeds, lies behind the best. It saves time but proves nothing: it is tested after each run."""
    difference = behind(best, other)
    if difference is None or difference.seeds < FEWEST_TO_GIVE_UP or not difference.is_larger_than_noise:
        return None
    return difference


def student_t(alpha: float, freedom: int) -> float:
    """The t that |T| exceeds with probability `alpha`, for Student's T with `freedom` degrees of freedom.

    By bisection in θ = arctan(t/√ν) of the finite sums of Abramowitz & Stegun, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        theta = (low + high) / 2
        if 1 - _within(theta, freedom) > alpha:
            low = theta
        else:
            high = theta
    return math.tan(low) * math.sqrt(freedom)


def _within(theta: float, freedom: int) -> float:
    """P(|T| ≤ √ν tan θ)."""
    sine, cosine = math.sin(theta), math.cos(theta)
    is_odd = freedom % 2 == 1
    term, total = (cosine, 0.0) if is_odd else (1.0, 0.0)
    for power in range(2 if is_odd else 1, freedom, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    return 2 / math.pi * (theta + sine * total) if is_odd else sine * total
