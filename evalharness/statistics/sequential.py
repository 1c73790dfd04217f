"""Bounds that hold at every moment of a growing sample at once, so that one may stop whenever they decide.

Betting confidence sequences of a bounded mean (Waudby-Smith and Ramdas 2023, JRSS B 86:1, doi:10.1093/jrsssb/qkad009):
a bet on the mean being above a number makes money only if it is. If it is not, a capital of 1 / alpha is ever earned
with a chance of at most alpha (Ville's inequality).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.quantiles import Floats

MOST_AT_STAKE = 0.5
"""Share of the capital that the worst possible value may cost."""


@dataclass(frozen=True)
class Betting:
    """A mean of bounded values over groups, in the order in which they came.

    Bounds are those of the best moment so far: the running intersection, which is as valid.
    """

    sums: Floats
    """Of each group's values, shape (n_groups,)."""
    counts: Floats
    """How many values each group has, same shape."""
    lowest: float
    highest: float
    """What a value can be at all."""

    @cached_property
    def value(self) -> float:
        """The mean over all values."""
        return float(self.sums.sum() / self.counts.sum())

    def low(self, alpha: float) -> float:
        """The lower bound."""
        return self._end(alpha, self.lowest, above=True)

    def high(self, alpha: float) -> float:
        """The upper bound."""
        return self._end(alpha, self.highest, above=False)

    @cached_property
    def p_value(self) -> float:
        """Two-sided, that the mean is 0; it may be read at any moment."""
        return min(1.0, 2 * math.exp(-max(self.earned(0.0, above=above) for above in (True, False))))

    def _end(self, alpha: float, end: float, *, above: bool) -> float:
        """Between the mean and what is possible, the number furthest from the mean that is not yet ruled out."""
        inside, outside = self.value, end
        if inside == outside:
            return outside
        for _ in range(30):
            middle = (inside + outside) / 2
            if self.earned(middle, above=above) < -math.log(alpha):
                inside = middle
            else:
                outside = middle
        return inside

    def earned(self, mean: float, *, above: bool) -> float:
        """Logarithm of the most that bets on a mean above (or below) a number have earned so far.

        Each bet is the best one for the values before it (aGRAPA, section B.3 of the paper).
        """
        gains = (self.sums - mean * self.counts) / float(self.counts.max())
        worst = mean - self.lowest if above else self.highest - mean
        gains = gains if above else -gains
        if worst <= 0:
            return 0.0
        stakes = np.clip(_best_bets(gains, (self.highest - self.lowest) / 4), 0, MOST_AT_STAKE / worst)
        return max(0.0, float(np.cumsum(np.log1p(stakes * gains)).max()))


def _best_bets(gains: Floats, spread: float) -> Floats:
    """The stake of each moment, from the mean and the variance of the gains before it; `spread` is a first guess."""
    seen = np.arange(1.0, gains.size + 1)
    means = np.cumsum(gains) / (seen + 1)
    variances = (spread**2 + np.cumsum((gains - means) ** 2)) / (seen + 1)
    stakes = means / (variances + means**2)
    bets: Floats = np.append(0.0, stakes[:-1])
    return bets


def betting(values: Floats, groups: NDArray[np.int64], rank: NDArray[np.int64], bounds: tuple[float, float]) -> Betting:
    """The bounds of a mean of values whose groups came in an order.

    Args:
        values: shape (n_values,).
        groups: each value's group as a number, same shape.
        rank: which place each group has in the order, by its number.
        bounds: what a value can be at all.
    """
    places = rank[groups]
    counts = np.bincount(places).astype(np.float64)
    sums = np.bincount(places, weights=values)[counts > 0].astype(np.float64)
    return Betting(sums, counts[counts > 0], *bounds)
