"""An estimate with its two bounds. Interval, p-value and verdict all come from the bounds, so none contradicts another.

Bounds are one-sided: `low(0.025)` and `high(0.025)` together are a 95 % interval.
"""

from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.means import Resampled
from evalharness.statistics.quantiles import Z95, Floats, beta_quantile, incomplete_beta, t_quantile, t_tail
from evalharness.statistics.rates import effective_size, smallest_p, standard_error, tango_score, tango_upper

NORMAL = NormalDist()


class Estimate(Protocol):
    """A number with its uncertainty."""

    @property
    def value(self) -> float:
        """The estimate itself."""

    def low(self, alpha: float) -> float:
        """The lower confidence bound, one-sided at `alpha`."""

    def high(self, alpha: float) -> float:
        """The upper confidence bound, one-sided at `alpha`."""


class Difference(Estimate, Protocol):
    """An estimate with a test of whether it is 0."""

    @property
    def p_value(self) -> float:
        """Two-sided: the smallest level at which the interval leaves out 0."""


@dataclass(frozen=True)
class RateDifference:
    """A paired difference of two rates: Tango's score interval, which contains 0 unless the exact test leaves it out.

    Grouped or averaged pairs count as the number of independent pairs that they are worth.
    """

    higher: float
    """Independent pairs in which only the candidate is 1."""
    lower: float
    """Independent pairs in which only the baseline is 1."""
    pairs: float
    value: float

    def low(self, alpha: float) -> float:
        """The lower bound."""
        end = -tango_upper(self.lower, self.higher, self.pairs, z=NORMAL.inv_cdf(1 - alpha))
        return min(end, 0.0) if self._exact >= 2 * alpha else end

    def high(self, alpha: float) -> float:
        """The upper bound."""
        end = tango_upper(self.higher, self.lower, self.pairs, z=NORMAL.inv_cdf(1 - alpha))
        return max(end, 0.0) if self._exact >= 2 * alpha else end

    def surely_above(self, alpha: float) -> float:
        """A lower bound that also holds for rare events: at most the exact bound of a share with as many events."""
        return min(self.low(alpha), Share(max(self.higher - self.lower, 0.0), self.pairs).low(alpha))

    @cached_property
    def _exact(self) -> float:
        """McNemar's exact p-value (1947), continued to fractions of pairs by the incomplete beta function."""
        fewer, more = sorted((self.higher, self.lower))
        return min(1.0, 2 * incomplete_beta(0.5, more, fewer + 1)) if more else 1.0

    @cached_property
    def p_value(self) -> float:
        """The larger of the exact test's and the score test's."""
        score = 2 * NORMAL.cdf(-abs(tango_score(0.0, self.higher, self.lower, self.pairs)))
        return max(self._exact, score)


def rate_difference(difference: Floats, groups: NDArray[np.int64], *, replicates: int = 1) -> RateDifference:
    """The difference of two rates from pairs, at the number of independent pairs that they are worth.

    The worth is the binomial variance of the difference over its variance between groups, brought down to Student's t
    for few groups, as `effective_size` does for one rate.

    Args:
        difference: candidate minus baseline of each pair, between -1 and 1, shape (n_pairs,).
        groups: each pair's group as a number, same shape.
        replicates: of which each value is the mean; a pair is worth no more than so many.
    """
    n = difference.size
    if not n:
        raise ValueError("no pairs")
    higher, lower = float(difference[difference > 0].sum()), -float(difference[difference < 0].sum())
    counts = np.bincount(groups).astype(np.float64)
    sums = np.bincount(groups, weights=difference)[counts > 0].astype(np.float64)
    counts = counts[counts > 0]
    value = (higher - lower) / n
    worth = 1.0
    if counts.size < n or not np.isin(difference, (-1.0, 0.0, 1.0)).all():
        error = standard_error(sums, counts)
        independent = (higher + lower - (higher - lower) ** 2 / n) / n**2
        worth = counts.size / n
        if error > 0:
            worth = min(independent / error**2 * (Z95 / t_quantile(0.975, counts.size - 1)) ** 2, float(replicates))
        worth = max(worth, 1 / n)
    return RateDifference(higher * worth, lower * worth, n * worth, value)


@dataclass(frozen=True)
class Share:
    """One rate, with the exact bounds of Clopper and Pearson (1934, Biometrika 26:404), which hold for rare events.

    >>> none = Share(0, 100)
    >>> none.low(0.025), round(none.high(0.025), 4)
    (0.0, 0.0362)
    """

    successes: float
    total: float

    @property
    def value(self) -> float:
        """The share."""
        return self.successes / self.total

    def low(self, alpha: float) -> float:
        """The lower bound."""
        failures = self.total - self.successes
        return beta_quantile(alpha, self.successes, failures + 1) if self.successes > 0 else 0.0

    def high(self, alpha: float) -> float:
        """The upper bound."""
        failures = self.total - self.successes
        return beta_quantile(1 - alpha, self.successes + 1, failures) if failures > 0 else 1.0


def share(values: Floats, groups: NDArray[np.int64]) -> Share:
    """One rate at the number of independent values that its groups are worth (Korn and Graubard 1998).

    Args:
        values: between 0 and 1, shape (n,).
        groups: each value's group as a number, same shape.
    """
    counts = np.bincount(groups).astype(np.float64)
    sums = np.bincount(groups, weights=values)[counts > 0].astype(np.float64)
    counts = counts[counts > 0]
    independent = counts.size == values.size and bool(np.isin(values, (0.0, 1.0)).all())
    size = float(counts.size) if independent else effective_size(sums, counts)
    return Share(float(values.mean()) * size, size)


@dataclass(frozen=True)
class Mean:
    """A mean over groups: each bound the further of Student's t and of the studentised bootstrap.

    The bootstrap follows a skewed mean (Davison and Hinkley 1997, 5.2.1) and is too narrow for few even values;
    Student's t is right for those and too narrow on the long side of skewed ones.
    """

    value: float
    error: float
    n_groups: int
    studentised: Floats = field(repr=False)
    """Distances of resampled means to the mean in their own standard errors, sorted."""
    is_difference: bool = False
    """Whether a bound on the far side of 0 is a claim, which needs as many groups as a sign test does."""

    def low(self, alpha: float) -> float:
        """The lower bound."""
        end = self.value - max(t_quantile(1 - alpha, self.n_groups - 1), self._drawn(alpha)) * self.error
        return min(end, 0.0) if self._too_few(alpha) else end

    def high(self, alpha: float) -> float:
        """The upper bound."""
        end = self.value + max(t_quantile(1 - alpha, self.n_groups - 1), self._drawn_below(alpha)) * self.error
        return max(end, 0.0) if self._too_few(alpha) else end

    def _drawn(self, alpha: float) -> float:
        """The bootstrap's quantile at 1 - alpha, counted as `p_value` counts."""
        return float(self.studentised[min(int((1 - alpha) * self.studentised.size), self.studentised.size - 1)])

    def _drawn_below(self, alpha: float) -> float:
        return -float(self.studentised[::-1][min(int((1 - alpha) * self.studentised.size), self.studentised.size - 1)])

    def _too_few(self, alpha: float) -> bool:
        return self.is_difference and smallest_p(self.n_groups) >= 2 * alpha

    @cached_property
    def p_value(self) -> float:
        """That the mean is 0, by inverting the interval."""
        if self.value == 0:
            return 1.0
        t = abs(self.value) / self.error
        sorted_ = self.studentised if self.value > 0 else -self.studentised[::-1]
        beyond = (sorted_.size - np.searchsorted(sorted_, t)) / sorted_.size
        return min(1.0, max(2 * t_tail(t, self.n_groups - 1), 2 * float(beyond), smallest_p(self.n_groups)))


@dataclass(frozen=True)
class Constant:
    """Values that are all the same: no interval, nothing to resample."""

    value: float
    n_groups: int

    def low(self, alpha: float) -> float:
        """The value itself."""
        del alpha
        return self.value

    high = low

    @property
    def p_value(self) -> float:
        """The exact sign test's."""
        return smallest_p(self.n_groups) if self.value else 1.0


def means_of(drawn: Resampled, *, is_difference: bool) -> list[Mean | Constant]:
    """The means of `resample`'s columns. Where no value differs but by rounding, there is a constant."""
    estimates: list[Mean | Constant] = []
    for column, (value, error) in enumerate(zip(drawn.means.tolist(), drawn.errors.tolist(), strict=True)):
        n_groups = int(drawn.n_groups[column])
        if error <= 1e-9 * abs(value):
            estimates.append(Constant(value, n_groups))
        else:
            estimates.append(Mean(value, error, n_groups, np.sort(drawn.studentised[:, column]), is_difference))
    return estimates
