"""Means of a scorer's values, corrected by people's ratings of a random part: prediction-powered inference.

The scorer's mean over everything is moved by its mean error where people rated too, so the interval covers the
scorer's error as well as chance. PPI++ of Angelopoulos, Duchi and Zrnic 2023 (arXiv:2311.01453), whose power `lambda`
says how much the scorer is trusted; with inverse-probability weights of mean 1 for unequal draws (Hajek 1971), as
ppi_py has them. The rated part is a part of the whole here and no second sample, so their
`lambda` is ours times (N - n) / N.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalharness.statistics.quantiles import Floats, t_quantile

ROUNDING = 1e-24
"""A spread of predictions that is no larger is that of equal numbers."""
FEWEST_RATED = 5
"""Ratings of a side below which there is no estimate."""


@dataclass(frozen=True)
class Side:
    """One side's values by the scorer and by people, completion by completion."""

    predicted: Floats
    """By the scorer, shape (n,); NaN where it has none, which then counts as its mean."""
    rated: Floats
    """By people, same shape; NaN without a rating."""
    probability: Floats
    """Of being drawn for rating, same shape; read only where somebody rated."""


@dataclass(frozen=True)
class Rectified:
    """An estimate from the scorer and the ratings together; its bounds hold the error of both."""

    value: float
    error: float
    """Standard error."""
    rated: int
    """Completions that people rated."""
    freedom: float
    """Degrees of freedom of its t quantile."""
    power: tuple[float, ...]
    """How much each side's scorer is trusted, 0 to 1."""
    rating_error: float
    """The part of `error` that more ratings would take away."""
    total: int
    """Completions that people could rate."""

    def low(self, alpha: float) -> float:
        """The lower bound, one-sided at `alpha`."""
        return self.value - t_quantile(1 - alpha, self.freedom) * self.error

    def high(self, alpha: float) -> float:
        """The upper bound."""
        return self.value + t_quantile(1 - alpha, self.freedom) * self.error

    @property
    def to_halve(self) -> int | None:
        """More ratings that would halve the interval's width; None if rating everything would not."""
        left = self.error**2 / 4 - (self.error**2 - self.rating_error**2)
        unrated = 1 / self.rated - 1 / self.total
        if left <= 0 or unrated <= 0:
            return None
        needed = math.ceil(1 / (left / self.rating_error**2 * unrated + 1 / self.total))
        return needed - self.rated


@dataclass(frozen=True)
class _Part:
    value: float
    influence: Floats
    """What each completion adds to the error, shape (n,)."""
    power: float
    rated: int
    effective: float
    """How many ratings of equal probability say as much (Kish 1965)."""
    rating_variance: float


def rectified(sides: Sequence[Side], groups: NDArray[np.int64]) -> Rectified:
    """The mean of one side, or the difference of two on the same completions, the second minus the first.

    Ratings may hold no error by luck, when the true rate is small: one error of the scorer each way is assumed
    besides those that were seen, in the variance alone, as Agresti and Coull (1998) add to both sides of a proportion.

    Args:
        sides: one or two, of n completions each in the same order.
        groups: each completion's group as a number, shape (n,); groups are independent.

    Raises:
        ValueError: a side has fewer than `FEWEST_RATED` ratings.
    """
    parts = [_part(side, groups) for side in sides]
    influence = parts[0].influence if len(parts) == 1 else parts[1].influence - parts[0].influence
    assumed = sum(2 / part.effective**2 for part in parts)
    sums = _sums(influence, groups)
    n_groups = np.unique(groups).size
    variance = float((sums**2).sum()) * n_groups / max(n_groups - 1, 1) + assumed
    ratings = min(sum(part.rating_variance for part in parts) + assumed, variance)
    return Rectified(
        value=parts[-1].value - (parts[0].value if len(parts) > 1 else 0.0),
        error=math.sqrt(variance),
        rated=sum(part.rated for part in parts),
        freedom=min(part.effective for part in parts) - 1,
        power=tuple(part.power for part in parts),
        rating_error=math.sqrt(ratings),
        total=sum(side.rated.size for side in sides),
    )


def _part(side: Side, groups: NDArray[np.int64]) -> _Part:
    there = ~np.isnan(side.rated)
    if there.sum() < FEWEST_RATED:
        raise ValueError(f"only {int(there.sum())} ratings")
    known = side.predicted[~np.isnan(side.predicted)]
    predicted = np.where(np.isnan(side.predicted), known.mean() if known.size else 0.0, side.predicted)
    weights = np.zeros_like(predicted)
    weights[there] = 1 / side.probability[there]
    shares, rated = weights / weights.sum(), np.where(there, side.rated, 0.0)
    people, scorer = float(shares @ rated), float(shares @ predicted)
    # What each completion adds to the error without the scorer, and what trusting it adds to that.
    alone = shares * (rated - people)
    trusted = (predicted - predicted.mean()) / predicted.size - shares * (predicted - scorer)
    power = _power(_sums(alone, groups), _sums(trusted, groups))
    left = rated - people - power * (predicted - scorer)
    return _Part(
        value=people + power * (float(predicted.mean()) - scorer),
        influence=alone + power * trusted,
        power=power,
        rated=int(there.sum()),
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
        rating_variance=float((shares[there] ** 2 * (1 - side.probability[there]) * left[there] ** 2).sum()),
    )


def _sums(values: Floats, groups: NDArray[np.int64]) -> Floats:
    return np.bincount(groups, weights=values).astype(np.float64)


def _power(alone: Floats, trusted: Floats) -> float:
    """The power that makes the variance smallest (PPI++, section 6), between 0 and 1."""
    spread = float(trusted @ trusted)
    return min(max(-float(alone @ trusted) / spread, 0.0), 1.0) if spread > ROUNDING else 0.0
