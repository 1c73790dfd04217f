"""Intervals of a share of pairs in which a tie counts half."""

import numpy as np

from evalharness.compare.groups import Groups, grouped
from evalharness.records import Interval
from evalharness.statistics import Floats, effective_size, wilson


def share_interval(values: Floats, groups: Groups) -> Interval:
    """Wilson's interval of the mean of values between 0 and 1, at the effective size of the groups.

    Args:
        values: 1, 0, or 0.5 for a tie, shape (n_pairs,).
        groups: each pair's group as a number, same shape.
    """
    sums, counts = grouped(values, groups)
    independent = len(sums) == len(values)
    # A tie varies less than a win or a loss, so Wilson's interval is wider than it needs to be, never narrower.
    size = float(len(sums)) if independent else effective_size(sums, counts)
    low, high = wilson(float(np.clip(values.mean(), 0, 1)) * size, size)
    return Interval(low=low, high=high)
