"""Intervals of a share of pairs in which a tie counts half, and who is ahead."""

from evalharness.compare.groups import Groups
from evalharness.records import Interval
from evalharness.records.rewards import WinVerdict
from evalharness.statistics import Floats, rate_difference


def share_interval(values: Floats, groups: Groups) -> Interval:
    """The interval of the mean of values between 0 and 1, at the number of independent pairs that groups are worth.

    Wins minus losses are a paired difference of rates, and ties are the pairs that agree: an interval of one proportion
    would be far too wide with many ties.

    Args:
        values: 1, 0, or 0.5 for a tie, shape (n_pairs,).
        groups: each pair's group as a number, same shape.
    """
    won = rate_difference(2 * values - 1, groups)
    return Interval(low=(1 + won.low(0.025)) / 2, high=(1 + won.high(0.025)) / 2)


def winner(interval: Interval) -> WinVerdict:
    """The side that wins more than half of the pairs, if that is shown."""
    return "candidate" if interval.low > 0.5 else "baseline" if interval.high < 0.5 else "undecided"
