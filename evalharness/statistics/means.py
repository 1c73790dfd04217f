"""Means of independent groups: the bootstrap, its intervals, and sign-flip tests."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.distributions import Z95, Floats, t_quantile
from evalharness.statistics.rates import mcnemar

EXACT_GROUPS = 12
CHUNK_NUMBERS = 2**21
"""Numbers of a resampling held at one time (16 MiB); no result depends on it."""


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
