"""Statistics on plain numbers: intervals, paired tests, multiplicity. Pure, seeded, and silent about records.

Every function raises ValueError where there is nothing to say, and none returns NaN.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
"""Normal quantile at 97.5 %: a two-sided 5 % test."""
EXACT_GROUPS = 12
CHUNK_NUMBERS = 2**21
"""Numbers of a resampling held at one time (16 MiB); no result depends on it."""


# ---------------------------------------------------------------------------------------- proportions


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
    error = _standard_error(sums, counts)
    if error == 0:
        return float(n_groups)
    shrink = (Z95 / t_quantile(0.975, n_groups - 1)) ** 2
    return max(min(total, share * (1 - share) / error**2 * shrink), 1.0)


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided McNemar test: a sign test on the pairs that disagree (McNemar 1947, Psychometrika 12:153).

    >>> [mcnemar(0, 5), mcnemar(3, 3), mcnemar(0, 0)]
    [0.0625, 1.0, 1.0]
    """
    total, fewer = wins + losses, min(wins, losses)
    tail = ways = 1
    for count in range(fewer):
        ways = ways * (total - count) // (count + 1)
        tail += ways
    # Integers divided last: a float power of two overflows beyond a thousand pairs.
    return min(1.0, float(2 * tail / 2**total))


def tango(wins: int, losses: int, n_pairs: int) -> tuple[float, float]:
    """Score interval of a paired difference of proportions, candidate minus baseline.

    Tango 1998, Statistics in Medicine 17:891; each end is the difference at which the score statistic is 1.96. Pairs
    that agree say how many there are, and nothing else.

    Args:
        wins: pairs in which only the candidate is 1.
        losses: pairs in which only the baseline is 1.
        n_pairs: all pairs.

    >>> [round(end, 3) for end in tango(1, 7, 21)]
    [-0.517, -0.026]
    """
    if n_pairs < 1:
        raise ValueError("no pairs")
    return -_upper_end(losses, wins, n_pairs), _upper_end(wins, losses, n_pairs)


def _upper_end(wins: int, losses: int, n_pairs: int) -> float:
    inside, outside = (wins - losses) / n_pairs, 1.0
    for _ in range(60):
        middle = (inside + outside) / 2
        if _score(middle, wins, losses, n_pairs) >= -Z95:
            inside = middle
        else:
            outside = middle
    return inside if inside < 1 - 1e-12 else 1.0


def _score(difference: float, wins: int, losses: int, n_pairs: int) -> float:
    """Tango's statistic: the distance to a difference, over the standard error that holds were it the true one."""
    linear = -wins - losses + (2 * n_pairs - wins + losses) * difference
    constant = -losses * difference * (1 - difference)
    losing = (math.sqrt(max(linear**2 - 8 * n_pairs * constant, 0.0)) - linear) / (4 * n_pairs)
    variance = n_pairs * (2 * losing + difference * (1 - difference))
    distance = wins - losses - n_pairs * difference
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


# --------------------------------------------------------------------------------------------- means


def t_quantile(probability: float, df: int) -> float:
    """Quantile of Student's t by its expansion from the normal (Abramowitz and Stegun 1964, 26.7.5).

    Within 0.5 % of the true one from 4 degrees of freedom on at 97.5 %.

    >>> [round(t_quantile(0.975, df), 3) for df in (5, 29)]
    [2.57, 2.045]
    """
    if df < 1:
        raise ValueError("no degree of freedom")
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / float(df) ** power for power, term in enumerate(terms, start=1))


@dataclass(frozen=True)
class Resampled:
    """Means of groups, resampled: what the intervals of `Resampled` are read from."""

    means: Floats
    """Shape (n_metrics,)."""
    errors: Floats
    """Standard error of each mean, same shape."""
    n_groups: NDArray[np.int64]
    """Groups that have a value, same shape."""
    drawn: Floats
    """The mean of each resample, shape (n_resamples, n_metrics)."""
    studentised: Floats
    """Distance of each resample's mean to the mean, in that resample's own standard errors, same shape."""

    def percentile(self, column: int) -> tuple[float, float]:
        """Percentile interval (95 %) of one mean, widened to Student's t for few groups.

        Hesterberg 2015, The American Statistician 69:371, section 4.
        """
        low, high = np.quantile(self.drawn[:, column], [0.025, 0.975])
        mean, n_groups = float(self.means[column]), int(self.n_groups[column])
        factor = t_quantile(0.975, n_groups - 1) / Z95 * math.sqrt(n_groups / (n_groups - 1))
        return mean - factor * (mean - float(low)), mean + factor * (float(high) - mean)

    def widest_t(self, column: int) -> tuple[float, float]:
        """Interval (95 %) of one mean: each end the further of Student's t and of the studentised bootstrap.

        The bootstrap follows a skewed mean (Davison and Hinkley 1997, 5.2.1) and is too narrow for few even values;
        Student's t is right for those and too narrow on the long side of skewed ones.
        """
        mean, error = float(self.means[column]), float(self.errors[column])
        low, high = np.quantile(self.studentised[:, column], [0.025, 0.975], method="nearest")
        t = t_quantile(0.975, int(self.n_groups[column]) - 1)
        return mean - max(t, float(high)) * error, mean + max(t, -float(low)) * error


def resample(
    sums: Floats, counts: Floats, *, seed: int, n_resamples: int, chunk_numbers: int = CHUNK_NUMBERS
) -> Resampled:
    """Resample whole groups with replacement, all metrics together (Davison and Hinkley 1997, 3.8).

    Args:
        sums: the sum of each metric's values in each group, shape (n_groups, n_metrics).
        counts: how many values each metric has in each group, same shape; each metric has values in two groups.
        seed: of the resamples.
        n_resamples: how many.
        chunk_numbers: how many drawn group numbers are held at one time; the result does not depend on it.
    """
    totals = counts.sum(axis=0)
    if sums.shape[0] < 2 or not ((counts > 0).sum(axis=0) > 1).all():
        raise ValueError("fewer than two groups to draw from")
    means = sums.sum(axis=0) / totals
    # Centred on the mean, so that sums of squares lose no digits.
    centred = sums - means * counts
    parts = np.hstack([centred, counts, centred**2, centred * counts, counts**2])
    drawn, errors = _drawn_means(parts, _weights(len(sums), n_resamples, seed, chunk_numbers))
    n_groups = (counts > 0).sum(axis=0)
    inflation = np.sqrt(n_groups / (n_groups - 1))
    studentised = _ratio(drawn, errors * inflation)
    own = np.sqrt((centred**2).sum(axis=0)) / totals * inflation
    return Resampled(means, own, n_groups, means + drawn, studentised)


MOST_ERRORS = 50.0
"""A resample of equal values has no standard error; its distance counts as this many."""


def _ratio(distance: Floats, error: Floats) -> Floats:
    return np.clip(distance / np.where(error > 0, error, 1e-300), -MOST_ERRORS, MOST_ERRORS)


def _weights(n_groups: int, n_resamples: int, seed: int, chunk_numbers: int) -> Iterator[Floats]:
    """How often each group is drawn in each resample, a few resamples at a time, as arrays (n_some, n_groups)."""
    generator = np.random.default_rng(seed)
    at_once = max(1, chunk_numbers // n_groups)
    for start in range(0, n_resamples, at_once):
        rows = min(at_once, n_resamples - start)
        picked = generator.integers(0, n_groups, size=(rows, n_groups))
        picked += n_groups * np.arange(rows)[:, None]
        yield np.bincount(picked.ravel(), minlength=rows * n_groups).reshape(rows, n_groups).astype(np.float64)


def _drawn_means(parts: Floats, weights: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Each resample's mean, less the mean of all, and its standard error but for the factor of few groups."""
    drawn = np.vstack([some @ parts for some in weights])
    total, count, squares, cross, square_counts = np.split(drawn, 5, axis=1)
    # A resample without any value of a metric says nothing: it keeps the mean.
    there = np.maximum(count, 1e-300)
    means = np.where(count > 0, total / there, 0.0)
    variance = squares - 2 * means * cross + means**2 * square_counts
    return means, np.sqrt(np.maximum(variance, 0.0)) / there


def _standard_error(sums: Floats, counts: Floats) -> float:
    """Of a ratio of sums over independent groups, linearised; 0 for one group."""
    n_groups = sums.size
    if n_groups < 2:
        return 0.0
    left = sums - sums.sum() / counts.sum() * counts
    found = math.sqrt(float((left**2).sum()) * n_groups / (n_groups - 1)) / float(counts.sum())
    # What rounding leaves of equal groups is no spread.
    return found if found > 1e-12 * float(np.abs(sums).sum() / counts.sum()) else 0.0


# --------------------------------------------------------------------------------------------- tests


def sign_flips(sums: Floats, *, seed: int, n_flips: int = 9_999, chunk_numbers: int = CHUNK_NUMBERS) -> list[float]:
    """Two-sided permutation tests that the group sums of paired differences are symmetric around 0.

    Groups whose sum is 0 take no part: no tie, however many, changes a p-value. Nor does one metric change another's.

    Args:
        sums: the sum of each metric's paired differences in each group, shape (n_groups, n_metrics).
        seed: of the sign patterns, which all metrics share.
        n_flips: random patterns. Up to 12 groups that differ, all patterns are counted instead; where all differ by
            the same amount, the test is the exact sign test.
        chunk_numbers: how many signs are held at one time; the result does not depend on it.

    Fisher 1935; the observed pattern is counted, so that a p-value is never 0 (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585).

    >>> sign_flips(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]), seed=0)
    [0.0625]
    """
    columns = [column[column != 0] for column in sums.T]
    found = [_exact_flips(column) for column in columns]
    left = [index for index, p_value in enumerate(found) if p_value is None]
    if left:
        drawn = _drawn_flips([columns[index] for index in left], seed, n_flips, chunk_numbers)
        for index, p_value in zip(left, drawn, strict=True):
            found[index] = p_value
    return [p_value for p_value in found if p_value is not None]


def _exact_flips(sums: Floats) -> float | None:
    """None where there are too many different sums to count all patterns."""
    sizes = np.abs(sums)
    if sums.size == 0 or sizes.max() - sizes.min() <= 1e-9 * sizes.max():
        return mcnemar(int((sums > 0).sum()), int((sums < 0).sum()))
    if sums.size > EXACT_GROUPS:
        return None
    patterns = (np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1
    return float(np.mean(_as_extreme((2.0 * patterns - 1.0) @ sums, sums.sum())))


def _as_extreme(flipped: Floats, observed: Floats | np.float64) -> NDArray[np.bool_]:
    return np.abs(flipped) >= np.abs(observed) * (1 - 1e-12)


def _drawn_flips(columns: Sequence[Floats], seed: int, n_flips: int, chunk_numbers: int) -> list[float]:
    """Signs are drawn group after group, so that a column's p-value does not depend on the others' lengths."""
    padded = np.zeros((len(columns), max(column.size for column in columns)))
    for row, column in zip(padded, columns, strict=True):
        row[: column.size] = column
    generator = np.random.default_rng(seed)
    flipped = np.zeros((len(columns), n_flips))
    at_once = max(1, chunk_numbers // n_flips)
    for start in range(0, padded.shape[1], at_once):
        some = padded[:, start : start + at_once]
        words = generator.integers(0, 2**64, size=(some.shape[1], -(-n_flips // 64)), dtype=np.uint64)
        signs = np.unpackbits(words.view(np.uint8), axis=1, count=n_flips)
        # Twice the sum of those that keep their sign, less all: the sum with the others' signs turned.
        flipped += 2 * (some @ signs.astype(np.float64)) - some.sum(axis=1, keepdims=True)
    extreme = _as_extreme(flipped, padded.sum(axis=1, keepdims=True)).sum(axis=1)
    return [(int(count) + 1) / (n_flips + 1) for count in extreme]


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


def non_inferiority(
    low: float, high: float, *, margin: float, better: Literal["higher", "lower"] = "higher"
) -> Literal["shown", "refuted", "open"]:
    """Whether a 95 % interval of candidate minus baseline shows that the candidate is worse by less than the margin.

    A one-sided test at 2.5 % each way: `shown` where the whole interval is better than a loss of `margin`, `refuted`
    where the whole interval is worse than that, `open` in between (Piaggio et al. 2012, JAMA 308:2594, figure 1).

    Args:
        low: lower end of the interval, in the metric's units.
        high: upper end.
        margin: the largest loss that is accepted, in the same units; 0 or more.
        better: the direction of the metric in which a checkpoint is better.

    >>> non_inferiority(-0.03, 0.01, margin=0.05), non_inferiority(-0.03, 0.01, margin=0.02)
    ('shown', 'open')
    >>> non_inferiority(0.03, 0.09, margin=0.02, better="lower")
    'refuted'
    """
    if margin < 0:
        raise ValueError("a margin is 0 or more: the largest loss that is accepted")
    worst, best = (low, high) if better == "higher" else (-high, -low)
    if worst > -margin:
        return "shown"
    return "refuted" if best < -margin else "open"


def cohens_g(wins: int, losses: int) -> float:
    """The share of wins among the pairs that differ, minus a half: -0.5 to 0.5 (Cohen 1988, chapter 5).

    >>> cohens_g(12, 2)
    0.35714285714285715
    """
    if wins + losses == 0:
        raise ValueError("no pair differs")
    return (wins - losses) / (2 * (wins + losses))
