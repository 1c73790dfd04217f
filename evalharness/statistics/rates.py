"""Rates and paired differences of rates: exact tests and score intervals."""

import math

import numpy as np

from evalharness.statistics.quantiles import Z95, Floats, t_quantile


def wilson(successes: float, total: float, *, z: float = Z95) -> tuple[float, float]:
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


def effective_size(sums: Floats, counts: Floats) -> float:
    """How many independent 0/1 values say as much about a rate as these grouped or averaged ones.

    The share's binomial variance over its variance between groups, brought down to Student's t for few groups (Korn and
    Graubard 1998, Survey Methodology 24:193); it makes Wilson's interval hold for groups (Dean and Pagano 2015,
    doi:10.1093/jssam/smv024). Where the groups do not vary, each counts once; no value ever counts more than once.

    Args:
        sums: the sum of the values in each group, shape (n_groups,).
        counts: how many values each group has, same shape, all positive.

    >>> effective_size(np.array([3.0, 0.0, 3.0, 0.0]), np.array([3.0, 3.0, 3.0, 3.0])) < 4
    True
    """
    n_groups, total = sums.size, float(counts.sum())
    if n_groups < 1:
        raise ValueError("no groups")
    share = float(sums.sum()) / total
    error = standard_error(sums, counts)
    if error == 0:
        return float(n_groups)
    shrink = (Z95 / t_quantile(0.975, n_groups - 1)) ** 2
    return max(min(total, share * (1 - share) / error**2 * shrink), 1.0)


def standard_error(sums: Floats, counts: Floats) -> float:
    """Of a ratio of sums over independent groups, linearised; 0 for one group."""
    n_groups = sums.size
    if n_groups < 2:
        return 0.0
    left = sums - sums.sum() / counts.sum() * counts
    error = math.sqrt(float((left**2).sum()) * n_groups / (n_groups - 1)) / float(counts.sum())
    # What rounding leaves of equal groups is no spread.
    return error if error > 1e-12 * float(np.abs(sums).sum() / counts.sum()) else 0.0


def mcnemar(n_higher: int, n_lower: int) -> float:
    """Exact two-sided McNemar test: a sign test on the pairs that disagree (McNemar 1947, Psychometrika 12:153).

    >>> [mcnemar(0, 5), mcnemar(3, 3), mcnemar(0, 0)]
    [0.0625, 1.0, 1.0]
    """
    total, fewer = n_higher + n_lower, min(n_higher, n_lower)
    tail = ways = 1
    for count in range(fewer):
        ways = ways * (total - count) // (count + 1)
        tail += ways
    # Integers divided last: a float power of two overflows beyond a thousand pairs.
    return min(1.0, float(2 * tail / 2**total))


def tango(n_higher: float, n_lower: float, n_pairs: float, *, z: float = Z95) -> tuple[float, float]:
    """Score interval of a paired difference of proportions, candidate minus baseline.

    Tango 1998, Statistics in Medicine 17:891; each end is the difference at which the score statistic is `z`. Pairs
    that agree say how many there are, and nothing else.

    Args:
        n_higher: pairs in which only the candidate is 1.
        n_lower: pairs in which only the baseline is 1.
        n_pairs: all pairs.
        z: normal quantile of each end.

    >>> [round(end, 3) for end in tango(1, 7, 21)]
    [-0.517, -0.026]
    """
    return -tango_upper(n_lower, n_higher, n_pairs, z=z), tango_upper(n_higher, n_lower, n_pairs, z=z)


def tango_upper(n_higher: float, n_lower: float, n_pairs: float, *, z: float) -> float:
    """The upper end alone, by bisection."""
    if n_pairs <= 0:
        raise ValueError("no pairs")
    inside, outside = (n_higher - n_lower) / n_pairs, 1.0
    for _ in range(60):
        middle = (inside + outside) / 2
        if tango_score(middle, n_higher, n_lower, n_pairs) >= -z:
            inside = middle
        else:
            outside = middle
    return inside if inside < 1 - 1e-12 else 1.0


def tango_score(difference: float, n_higher: float, n_lower: float, n_pairs: float) -> float:
    """Tango's statistic: the distance to a difference, over the standard error that holds were it the true one."""
    linear = -n_higher - n_lower + (2 * n_pairs - n_higher + n_lower) * difference
    constant = -n_lower * difference * (1 - difference)
    losing = (math.sqrt(max(linear**2 - 8 * n_pairs * constant, 0.0)) - linear) / (4 * n_pairs)
    variance = n_pairs * (2 * losing + difference * (1 - difference))
    distance = n_higher - n_lower - n_pairs * difference
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def cohens_g(n_higher: float, n_lower: float) -> float:
    """The share of higher pairs among those that differ, minus a half: -0.5 to 0.5 (Cohen 1988, chapter 5).

    >>> cohens_g(12, 2)
    0.35714285714285715
    """
    if n_higher + n_lower == 0:
        raise ValueError("no pair differs")
    return (n_higher - n_lower) / (2 * (n_higher + n_lower))


def smallest_p(n_groups: int) -> float:
    """The smallest two-sided p-value that so many groups can give, were all to differ in one direction.

    >>> [smallest_p(n) for n in (5, 6)]
    [0.0625, 0.03125]
    """
    return min(1.0, 2.0 ** (1 - n_groups))
