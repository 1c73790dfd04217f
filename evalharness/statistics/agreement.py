"""How far two raters agree. Pure and seeded, on plain verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.rates import wilson

FEWEST_PAIRS = 10
"""With fewer groups of pairs, kappa has no interval: too few different resamples."""
DRAWN_AT_ONCE = 2**21


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
    left: Sequence[str],
    right: Sequence[str],
    *,
    groups: Sequence[int | str] | None = None,
    seed: int,
    n_resamples: int = 2_000,
    level: float = 0.95,
) -> Kappa:
    """Agreement of two raters beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

    Args:
        left: a rater's verdicts, such as `candidate`, `tie` and `baseline`.
        right: the other rater's on the same pairs, in the same order.
        groups: which pairs belong together, as replicates of one sample do; every pair is its own group by default.
        n_resamples: groups are drawn with replacement so many times (percentile interval).

    Raises:
        ValueError: the two do not have verdicts on the same pairs, or none.

    >>> cohens_kappa(["a", "b"] * 10, ["a", "b"] * 10, seed=0)  # doctest: +ELLIPSIS
    Kappa(value=1.0, low=0.67..., high=1.0, agreed=1.0)
    """
    if len(left) != len(right) or not left:
        raise ValueError("two raters need verdicts on the same pairs")
    names = {name: place for place, name in enumerate(sorted({*left, *right}))}
    known = {name: place for place, name in enumerate(dict.fromkeys(range(len(left)) if groups is None else groups))}
    tables = np.zeros((len(known), len(names), len(names)))
    for verdict, other, group in zip(left, right, range(len(left)) if groups is None else groups, strict=True):
        tables[known[group], names[verdict], names[other]] += 1
    agreed = float(np.trace(tables.sum(axis=0))) / len(left)
    [value] = _kappas(tables.sum(axis=0)[None])
    if np.isnan(value):
        return Kappa(None, None, None, agreed)
    low, high = (None, None) if len(known) < FEWEST_PAIRS else _interval(tables, seed, n_resamples, level)
    return Kappa(float(value), low, high, agreed)


def _interval(
    tables: NDArray[np.float64], seed: int, n_resamples: int, level: float
) -> tuple[float, float] | tuple[None, None]:
    """Whole groups are drawn with replacement. Where that changes nothing, the agreement's own interval says how sure
    a perfect kappa is; any other kappa then has none.
    """
    n_groups, tail = len(tables), (1 - level) / 2
    generator, flat = np.random.default_rng(seed), tables.reshape(len(tables), -1)
    at_once = max(1, DRAWN_AT_ONCE // n_groups)
    drawn = [
        generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=min(at_once, n_resamples - start)) @ flat
        for start in range(0, n_resamples, at_once)
    ]
    kappas = _kappas(np.vstack(drawn).reshape(-1, *tables.shape[1:]))
    low, high = (float(end) for end in np.nanquantile(kappas, [tail, 1 - tail]))
    if high - low > 1e-9:
        return low, high
    if high < 1:
        return None, None
    totals = tables.sum(axis=0)
    by_chance = float((totals.sum(axis=0) * totals.sum(axis=1)).sum()) / float(totals.sum()) ** 2
    return (wilson(n_groups, n_groups, z=NormalDist().inv_cdf(1 - tail))[0] - by_chance) / (1 - by_chance), 1.0


def _kappas(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of tables of counts, shape (n, k, k); not a number where chance explains all."""
    totals = tables.sum(axis=(1, 2))
    observed = np.trace(tables, axis1=1, axis2=2) / totals
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / totals**2
    left = 1 - expected
    return np.where(left > 1e-12, (observed - expected) / np.where(left > 1e-12, left, 1.0), np.nan)
