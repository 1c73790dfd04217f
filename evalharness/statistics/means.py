"""Means of independent groups, resampled."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.quantiles import Floats

CHUNK_NUMBERS = 2**21
"""Numbers of a resampling held at one time (16 MiB); no result depends on it."""


@dataclass(frozen=True)
class Resampled:
    """Means of groups, resampled."""

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


def resample(
    sums: Floats, counts: Floats, *, seed: int, n_resamples: int, chunk_numbers: int = CHUNK_NUMBERS
) -> Resampled:
    """Resample whole groups with replacement, all metrics together (Davison and Hinkley 1997, 3.8).

    Args:
        sums: the sum of each metric's values in each group, shape (n_groups, n_metrics).
        counts: how many values each metric has in each group, same shape; each metric has values in two groups.
        chunk_numbers: how many drawn group numbers are held at one time; the result does not depend on it.
    """
    totals = counts.sum(axis=0)
    if sums.shape[0] < 2 or not ((counts > 0).sum(axis=0) > 1).all():
        raise ValueError("fewer than two groups to draw from")
    means = sums.sum(axis=0) / totals
    parts, squares = _parts(sums, counts, means)
    drawn, errors = _drawn_means(parts, _weights(len(sums), n_resamples, seed, chunk_numbers))
    n_groups = (counts > 0).sum(axis=0)
    inflation = np.sqrt(n_groups / (n_groups - 1))
    studentised = _ratio(drawn, errors * inflation)
    own = np.sqrt(squares.sum(axis=0)) / totals * inflation
    return Resampled(means, own, n_groups, means + drawn, studentised)


def _parts(sums: Floats, counts: Floats, means: Floats) -> tuple[Floats, Floats]:
    """What is summed up in each resample, made in place: of a large run each part is as large as the data.

    The squares among them are returned too.
    """
    parts = np.empty((len(sums), 5 * sums.shape[1]))
    centred, plain, squares, cross, square_counts = np.split(parts, 5, axis=1)
    # Centred on the mean, so that sums of squares lose no digits.
    np.subtract(sums, np.multiply(means, counts, out=centred), out=centred)
    plain[:] = counts
    np.square(centred, out=squares)
    np.multiply(centred, counts, out=cross)
    np.square(counts, out=square_counts)
    return parts, squares


MOST_ERRORS = 50.0
"""A resample of equal values has no standard error; its distance counts as this many."""


def _ratio(distance: Floats, error: Floats) -> Floats:
    return np.clip(distance / np.where(error > 0, error, 1e-300), -MOST_ERRORS, MOST_ERRORS)


def _weights(n_groups: int, n_resamples: int, seed: int, chunk_numbers: int) -> Iterator[Floats]:
    """How often each group is drawn in each resample, a few resamples at a time, as arrays (n_some, n_groups)."""
    if n_groups * n_resamples <= chunk_numbers:
        yield _kept_weights(n_groups, n_resamples, seed).astype(np.float64)
        return
    # Here several arrays of that size are in use at one time.
    for counts in _counts(n_groups, n_resamples, seed, chunk_numbers // 4):
        yield counts.astype(np.float64)


@lru_cache(maxsize=16)
def _kept_weights(n_groups: int, n_resamples: int, seed: int) -> NDArray[np.uint16]:
    """Small ones are needed again, for the other side and for the difference; 16 bits hold a count of so few groups."""
    return np.vstack(list(_counts(n_groups, n_resamples, seed, CHUNK_NUMBERS))).astype(np.uint16)


def _counts(n_groups: int, n_resamples: int, seed: int, chunk_numbers: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    at_once = max(1, chunk_numbers // n_groups)
    for start in range(0, n_resamples, at_once):
        rows = min(at_once, n_resamples - start)
        picked = generator.integers(0, n_groups, size=(rows, n_groups))
        picked += n_groups * np.arange(rows)[:, None]
        counts = np.bincount(picked.ravel(), minlength=rows * n_groups).reshape(rows, n_groups)
        del picked  # As large as the counts, and not needed while they are used.
        yield counts


def _drawn_means(parts: Floats, weights: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Each resample's mean, less the mean of all, and its standard error but for the factor of few groups."""
    drawn = np.vstack([some @ parts for some in weights])
    total, count, squares, cross, square_counts = np.split(drawn, 5, axis=1)
    # A resample without any value of a metric says nothing: it keeps the mean.
    there = np.maximum(count, 1e-300)
    means = np.where(count > 0, total / there, 0.0)
    variance = squares - 2 * means * cross + means**2 * square_counts
    return means, np.sqrt(np.maximum(variance, 0.0)) / there
