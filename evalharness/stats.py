"""Statistics on plain numbers: intervals, paired tests, multiplicity, power. Pure, seeded, and silent about records.

Every function raises ValueError where there is nothing to say, and none returns NaN.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
Z80 = 0.8416212335729143
"""Normal quantiles: 97.5 % (a two-sided 5 % test) and 80 % (the power)."""
EXACT_GROUPS = 12


def wilson(successes: float, total: int, *, z: float = Z95) -> tuple[float, float]:
    """Score interval of one proportion (Wilson 1927, JASA 22:209).

    >>> [round(end, 4) for end in wilson(5, 8)]
    [0.3057, 0.8632]
    """
    if total <= 0:
        raise ValueError("a proportion of nothing has no interval")
    share = successes / total
    centre = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    low, high = (centre - half) / scale, (centre + half) / scale
    return (0.0 if successes == 0 else max(low, 0.0), 1.0 if successes == total else min(high, 1.0))


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided McNemar test: a sign test on the pairs that disagree (McNemar 1947, Psychometrika 12:153).

    >>> [mcnemar(0, 5), mcnemar(3, 3), mcnemar(0, 0)]
    [0.0625, 1.0, 1.0]
    """
    total, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    # Integers divided last: a float power of two overflows beyond a thousand pairs.
    return min(1.0, float(2 * tail / 2**total))


def newcombe(both: int, only_candidate: int, only_baseline: int, neither: int) -> tuple[float, float]:
    """Interval of a paired difference of proportions, candidate minus baseline.

    The square-and-add interval for paired data (Newcombe 1998, Statistics in Medicine 17:2635, method 10).

    >>> [round(end, 4) for end in newcombe(20, 12, 2, 16)]
    [0.0562, 0.3292]
    """
    total = both + only_candidate + only_baseline + neither
    candidate, baseline = (both + only_candidate) / total, (both + only_baseline) / total
    low_c, high_c = wilson(both + only_candidate, total)
    low_b, high_b = wilson(both + only_baseline, total)
    phi = _phi(both, only_candidate, only_baseline, neither)
    below = _square_and_add(candidate - low_c, high_b - baseline, phi)
    above = _square_and_add(high_c - candidate, baseline - low_b, phi)
    return max(-1.0, candidate - baseline - below), min(1.0, candidate - baseline + above)


def _square_and_add(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _phi(both: int, only_candidate: int, only_baseline: int, neither: int) -> float:
    """Correlation of the two sides, with Newcombe's continuity correction where it is positive."""
    total = both + only_candidate + only_baseline + neither
    margins = (both + only_candidate) * (only_baseline + neither) * (both + only_baseline) * (only_candidate + neither)
    if margins == 0:
        return 0.0
    product = both * neither - only_candidate * only_baseline
    return (max(product - total / 2, 0.0) if product > 0 else product) / math.sqrt(margins)


def group_weights(n_groups: int, *, n_resamples: int, seed: int) -> Floats:
    """How often each group is drawn in each bootstrap resample, as an array (n_resamples, n_groups)."""
    if n_groups < 1:
        raise ValueError("no groups to draw from")
    generator = np.random.default_rng(seed)
    return generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples).astype(np.float64)


def bootstrap_means(sums: Floats, counts: Floats, weights: Floats) -> list[tuple[float, float]]:
    """Percentile intervals (95 %) of several means, whole groups resampled together (Davison and Hinkley 1997, 3.8).

    Args:
        sums: the sum of each metric's values in each group, shape (n_groups, n_metrics).
        counts: how many values each metric has in each group, same shape; each metric has at least one.
        weights: from `group_weights`, shape (n_resamples, n_groups).

    The ends are widened by t / z for the number of groups that have values: plain percentiles are too narrow for few.

    >>> weights = group_weights(4, n_resamples=200, seed=0)
    >>> bootstrap_means(np.ones((4, 1)), np.ones((4, 1)), weights)
    [(1.0, 1.0)]
    """
    drawn_sums, drawn_counts = weights @ sums, weights @ counts
    intervals = []
    for column in range(sums.shape[1]):
        there = drawn_counts[:, column] > 0
        low, high = np.quantile(drawn_sums[there, column] / drawn_counts[there, column], [0.025, 0.975])
        mean = float(sums[:, column].sum() / counts[:, column].sum())
        factor = _t_over_z(int((counts[:, column] > 0).sum()))
        intervals.append((mean - factor * (mean - float(low)), mean + factor * (float(high) - mean)))
    return intervals


def _t_over_z(n_groups: int) -> float:
    """How much wider a 95 % interval of so few groups must be; Cornish-Fisher expansion of Student's t.

    >>> [round(_t_over_z(n), 3) for n in (6, 31)]
    [1.424, 1.059]
    """
    df = max(n_groups - 1, 1)
    quantile = Z95 + (Z95**3 + Z95) / (4 * df) + (5 * Z95**5 + 16 * Z95**3 + 3 * Z95) / (96 * df**2)
    # The first-order bootstrap variance lacks the factor n / (n - 1).
    return quantile / Z95 * math.sqrt((df + 1) / df)


def sign_flips(sums: Floats, *, seed: int, n_flips: int = 9_999) -> list[float]:
    """Two-sided permutation tests that the group sums of paired differences are symmetric around 0.

    Args:
        sums: the sum of each metric's paired differences in each group, shape (n_groups, n_metrics).
        seed: of the sign patterns, which all metrics share.
        n_flips: random patterns; up to 12 groups that differ, all patterns are counted instead.

    Fisher 1935; the observed pattern is counted, so that a p-value is never 0 (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585).

    >>> sign_flips(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]), seed=0)
    [0.0625]
    """
    columns = [column[column != 0] for column in sums.T]
    if all(column.size <= EXACT_GROUPS for column in columns):
        return [_all_flips(column) for column in columns]
    signs = np.random.default_rng(seed).integers(0, 2, size=(n_flips, sums.shape[0]), dtype=np.int8)
    flipped = np.abs((2 * signs - 1).astype(np.float64) @ sums)
    extreme = (flipped >= np.abs(sums.sum(axis=0)) * (1 - 1e-12)).sum(axis=0)
    drawn = (extreme + 1) / (n_flips + 1)
    return [
        _all_flips(column) if column.size <= EXACT_GROUPS else float(p)
        for column, p in zip(columns, drawn, strict=True)
    ]


def _all_flips(sums: Floats) -> float:
    if sums.size == 0:
        return 1.0
    patterns = (np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1
    return float(np.mean(np.abs((2.0 * patterns - 1.0) @ sums) >= abs(sums.sum()) * (1 - 1e-12)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values, in the order given (Holm 1979, Scandinavian Journal of Statistics 6:65).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def smallest_p(n_groups: int) -> float:
    """The smallest two-sided p-value that so many groups can give, were all to differ in one direction.

    >>> [smallest_p(n) for n in (5, 6)]
    [0.0625, 0.03125]
    """
    return min(1.0, 2.0 ** (1 - n_groups))


def detectable_difference(n_groups: int, *, spread: float) -> float:
    """The difference that a 5 % test of so many groups shows with 80 % power, by the normal approximation.

    Args:
        n_groups: independent pairs.
        spread: standard deviation of the paired differences; the root of the discordant share for 0/1 values.
    """
    if n_groups < 1:
        raise ValueError("no pairs")
    return (Z95 + Z80) * spread / math.sqrt(n_groups)


def pairs_to_detect(difference: float, *, spread: float, n_tests: int = 1) -> int:
    """How many independent pairs show a difference with 80 % power, by the normal approximation.

    The test is two-sided at 5 %, shared by `n_tests` tests (Bonferroni, which Holm's first step equals); the answer is
    at least the number at which a sign test could show anything.

    >>> pairs_to_detect(0.05, spread=0.2**0.5)
    628
    >>> [pairs_to_detect(1, spread=0.1, n_tests=tests) for tests in (1, 10)]
    [6, 9]
    """
    if difference == 0:
        raise ValueError("a difference of 0 cannot be shown")
    level = 0.05 / n_tests
    quantile = NormalDist().inv_cdf(1 - level / 2)
    needed = math.ceil(((quantile + Z80) * spread / difference) ** 2)
    return max(needed, math.floor(1 - math.log2(level)) + 1)
