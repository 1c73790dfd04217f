"""How large a difference so many pairs can show, and how many pairs a difference needs: both at 80 % power.

Every function raises ValueError if it has no result, and none returns NaN.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from evalharness.statistics import Floats, smallest_p, t_quantile

POWER = 0.8
Z80 = NormalDist().inv_cdf(POWER)
COUNTED = 60
"""Up to so many expected pairs that disagree, the exact test's power is counted out; beyond, it is approximated."""


def detectable_difference(n_groups: int, *, spread: float, level: float = 0.05) -> float:
    """The mean difference that the interval of so many groups shows with 80 % power.

    By the usual approximation to the t-test's power, (t for the level + t for the power) standard errors, at the level
    that the test can reach with so few groups.

    Args:
        n_groups: independent pairs.
        spread: standard deviation of the paired differences.
        level: two-sided.
    """
    if n_groups < 2 or smallest_p(n_groups) >= level:
        raise ValueError("too few pairs for any difference")
    patterns = 2.0 ** min(n_groups - 1, 60)
    reached = math.floor(level * patterns) / patterns
    quantiles = t_quantile(1 - reached / 2, n_groups - 1) + t_quantile(POWER, n_groups - 1)
    return quantiles * spread / math.sqrt(n_groups)


def detectable_shift(n_pairs: int, *, disagreeing: float, level: float = 0.05) -> float:
    """The difference of two paired rates that the exact McNemar test shows with 80 % power.

    As many pairs are taken to disagree as did, or as the difference itself makes, if that is more.

    Args:
        n_pairs: independent pairs.
        disagreeing: share of the pairs that disagree, 0 to 1.
        level: two-sided.

    >>> round(detectable_shift(100, disagreeing=0.2), 3), round(detectable_shift(100, disagreeing=0.0), 3)
    (0.128, 0.078)
    """
    least = fewest_pairs(level)
    if n_pairs < least:
        raise ValueError("too few pairs for any difference")
    one_way = _smallest(lambda shift: _at_least(least, n_pairs, shift), 0.0, 1.0)
    if one_way >= disagreeing:
        return one_way
    if n_pairs * disagreeing > COUNTED:
        return _smallest(lambda shift: _approximate_power(n_pairs, disagreeing, shift, level), 0.0, disagreeing)
    return _smallest(_counted_power(n_pairs, disagreeing, level), 0.0, disagreeing)


def fewest_pairs(level: float) -> int:
    """How many pairs must differ, all one way, before a sign test is below the level.

    >>> [fewest_pairs(0.05), fewest_pairs(0.005)]
    [6, 9]
    """
    return math.floor(1 - math.log2(level)) + 1


def _smallest(power: Callable[[float], float], low: float, high: float) -> float:
    """The smallest difference with the power; power grows with the difference."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _log_choose(largest: int) -> Floats:
    """Logarithms of the binomial coefficients, shape (largest + 1, largest + 1); -inf where there are none."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])
    total, picked = np.arange(largest + 1)[:, None], np.arange(largest + 1)[None, :]
    ways = logs[total] - logs[picked] - logs[np.maximum(total - picked, 0)]
    return np.where(picked <= total, ways, -np.inf)


def _log_binomial(n: int, counts: Floats, share: float) -> Floats:
    """Log-probabilities of `counts` successes among `n`."""
    choose = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts])
    return choose + counts * math.log(share) + (n - counts) * math.log1p(-share)


def _at_least(least: int, n: int, share: float) -> float:
    if share >= 1:
        return 1.0
    return 1 - float(np.exp(_log_binomial(n, np.arange(float(least)), share)).sum())


def _counted_power(n_pairs: int, disagreeing: float, level: float) -> Callable[[float], float]:
    """The power of the exact test at a difference, over all numbers of pairs that may disagree."""
    expected = n_pairs * disagreeing
    largest = min(n_pairs, math.ceil(expected + 8 * math.sqrt(expected) + 8))
    choose = _log_choose(largest)
    totals = np.arange(largest + 1.0)
    if disagreeing < 1:
        of_total = np.exp(_log_binomial(n_pairs, totals, disagreeing))
    else:
        of_total = (totals == n_pairs).astype(np.float64)
    tails = np.cumsum(np.exp(choose - totals[:, None] * math.log(2)), axis=1)
    rejecting = (2 * tails < level) & (totals[None, :] <= totals[:, None])
    losses, wins = totals[None, :], totals[:, None] - totals[None, :]

    def power(shift: float) -> float:
        share = min(0.5 + shift / (2 * disagreeing), 1 - 1e-15)
        way = np.where(rejecting, np.exp(choose + losses * math.log1p(-share) + wins * math.log(share)), 0.0)
        other = np.where(rejecting, np.exp(choose + wins * math.log1p(-share) + losses * math.log(share)), 0.0)
        return float((of_total[:, None] * (way + other)).sum())

    return power


def _approximate_power(n_pairs: int, disagreeing: float, shift: float, level: float) -> float:
    """Connor 1987, Biometrics 43:207, with the continuity correction that the exact test amounts to."""
    z = NormalDist().inv_cdf(1 - level / 2)
    spread = math.sqrt(max(disagreeing - shift**2, 1e-300))
    return NormalDist().cdf(((n_pairs * shift - 1) / math.sqrt(n_pairs) - z * math.sqrt(disagreeing)) / spread)


def pairs_to_detect(difference: float, *, spread: float, n_tests: int = 1) -> int:
    """How many independent pairs show a mean difference with 80 % power, as `detectable_difference` counts it.

    The test is two-sided at 5 %, shared by `n_tests` tests (Bonferroni).

    >>> pairs_to_detect(0.05, spread=0.2**0.5)
    630
    >>> [pairs_to_detect(1, spread=0.1, n_tests=tests) for tests in (1, 10)]
    [6, 9]
    """
    if difference == 0:
        raise ValueError("a difference of 0 cannot be shown")
    level = 0.05 / n_tests
    return _fewest(
        lambda n: detectable_difference(n, spread=spread, level=level) <= abs(difference), fewest_pairs(level)
    )


def pairs_to_keep(margin: float, *, spread: float, level: float = 0.025, power: float = POWER) -> int:
    """How many independent pairs show that no change is below a margin if nothing changed.

    Args:
        margin: above 0.
        spread: standard deviation of the paired differences.
        level: one-sided. With half of a level and `(1 + power) / 2`, it is both sides: equivalence.
        power: the chance to be wanted.

    >>> pairs_to_keep(0.05, spread=0.2**0.5)
    630
    """
    if margin <= 0:
        raise ValueError("no number of pairs shows a change to be below nothing")

    def shown(n: int) -> bool:
        return (t_quantile(1 - level, n - 1) + t_quantile(power, n - 1)) * spread <= margin * math.sqrt(n)

    return _fewest(shown, 2)


def _fewest(enough: Callable[[int], bool], least: int) -> int:
    """The smallest number from `least` on that is enough, of which all larger ones are."""
    high = least
    while not enough(high):
        high *= 2
    low = least - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= least and enough(middle) else (middle, high)
    return high


def pairs_to_shift(difference: float, *, disagreeing: float, n_tests: int = 1) -> int:
    """How many independent pairs show a difference of two rates with 80 % power by the exact McNemar test.

    Connor 1987, Biometrics 43:207, with a continuity correction; shared by `n_tests` tests as in `pairs_to_detect`.

    >>> pairs_to_shift(0.05, disagreeing=0.2)
    665
    """
    size = abs(difference)
    if size == 0:
        raise ValueError("a difference of 0 cannot be shown")
    level = 0.05 / n_tests
    least = fewest_pairs(level)
    if disagreeing <= size * (1 + 1e-9):
        return _pairs_one_way(least, size)
    z = NormalDist().inv_cdf(1 - level / 2)
    quantiles = z * math.sqrt(disagreeing) + Z80 * math.sqrt(max(disagreeing - size**2, 0.0))
    needed = math.ceil(((quantiles + math.sqrt(quantiles**2 + 4 * size)) / (2 * size)) ** 2)
    return max(needed, least)


def _pairs_one_way(least: int, share: float) -> int:
    """How many pairs have `least` that differ, with 80 % power, where a share of them differs and all one way."""
    return _fewest(lambda n: _at_least(least, n, share) >= POWER, least)
