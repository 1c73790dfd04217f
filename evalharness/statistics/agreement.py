"""How far two raters agree. Pure and seeded, on plain verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_PAIRS = 10
"""With fewer pairs, kappa has no interval: too few different resamples."""


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with a 95 % interval; either is None if undefined."""

    value: float | None
    """1 perfect, 0 no better than chance; None if chance explains everything (both gave the same verdict
    throughout).
    """
    low: float | None
    high: float | None
    agreed: float
    """The plain share of equal verdicts."""


def cohens_kappa(
    one: Sequence[str], other: Sequence[str], *, seed: int, n_resamples: int = 2_000, level: float = 0.95
) -> Kappa:
    """Agreement of two raters beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

    Args:
        one: a rater's verdicts, such as `candidate`, `tie` and `baseline`.
        other: the other rater's on the same pairs, in the same order.
        seed: of the bootstrap.
        n_resamples: pairs are drawn with replacement so many times (percentile interval).
        level: of the interval.

    Raises:
        ValueError: the two do not have verdicts on the same pairs, or none.

    >>> cohens_kappa(["a", "b"] * 10, ["a", "b"] * 10, seed=0)
    Kappa(value=1.0, low=1.0, high=1.0, agreed=1.0)
    """
    if len(one) != len(other) or not one:
        raise ValueError("two raters need verdicts on the same pairs")
    names = sorted({*one, *other})
    table = np.zeros((len(names), len(names)))
    for left, right in zip(one, other, strict=True):
        table[names.index(left), names.index(right)] += 1
    agreed = float(np.trace(table)) / len(one)
    [value] = _kappas(table[None])
    if np.isnan(value):
        return Kappa(None, None, None, agreed)
    if len(one) < FEWEST_PAIRS:
        return Kappa(float(value), None, None, agreed)
    low, high = _interval(table, seed, n_resamples, level)
    return Kappa(float(value), low, high, agreed)


def _interval(table: NDArray[np.float64], seed: int, n_resamples: int, level: float) -> tuple[float, float]:
    """Drawing pairs with replacement is drawing the cells of their table."""
    count = int(table.sum())
    drawn = np.random.default_rng(seed).multinomial(count, table.ravel() / count, size=n_resamples)
    kappas = _kappas(drawn.reshape(n_resamples, *table.shape).astype(np.float64))
    tail = (1 - level) / 2
    low, high = np.nanquantile(kappas, [tail, 1 - tail])
    return float(low), float(high)


def _kappas(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of tables of counts, shape (n, k, k); not a number where chance explains all."""
    totals = tables.sum(axis=(1, 2))
    observed = np.trace(tables, axis1=1, axis2=2) / totals
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / totals**2
    left = 1 - expected
    return np.where(left > 1e-12, (observed - expected) / np.where(left > 1e-12, left, 1.0), np.nan)
