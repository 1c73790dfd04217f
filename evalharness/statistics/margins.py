"""An interval against a margin."""

from typing import Literal


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
