"""Preferences of people and judges, summarised for each rater."""

from collections.abc import Sequence

import numpy as np

from evalharness.compare.groups import Groups
from evalharness.records import Interval, Judging, Plan, Preference, PreferenceSummary
from evalharness.records.rewards import WinVerdict
from evalharness.statistics import Floats, rate_difference

SHARES = {"baseline": 0.0, "tie": 0.5, "candidate": 1.0}
FIRST_SHOWN = ("baseline", "candidate")


def preferences_of(
    plan: Plan, preferences: Sequence[Preference], judgings: Sequence[Judging] = ()
) -> list[PreferenceSummary]:
    """One summary per person and judge, in the order of first appearance."""
    sides = plan.baseline, plan.candidate
    samples = plan.samples
    by_rater: dict[tuple[str, str], list[Preference]] = {}
    for preference in preferences:
        if (preference.baseline, preference.candidate) == sides and preference.sample_id in samples:
            by_rater.setdefault((preference.source, preference.rater), []).append(preference)
    failed = {
        judging.rater: len(judging.failures) for judging in judgings if (judging.baseline, judging.candidate) == sides
    }
    for rater in failed:
        by_rater.setdefault(("judge", rater), [])
    return [
        _summary(plan, source, rater, given, failed.get(rater, 0) if source == "judge" else 0)
        for (source, rater), given in by_rater.items()
    ]


def _summary(plan: Plan, source: str, rater: str, given: Sequence[Preference], n_failed: int) -> PreferenceSummary:
    counts = {name: sum(preference.preferred == name for preference in given) for name in SHARES}
    values = np.array([SHARES[preference.preferred] for preference in given], dtype=np.float64)
    interval = _interval(plan, given, values) if given else None
    decided = [preference for preference in given if preference.preferred != "tie"]
    of_decided = np.array([SHARES[preference.preferred] for preference in decided], dtype=np.float64)
    return PreferenceSummary.model_validate(
        {
            "source": source,
            "rater": rater,
            "n": len(given),
            "baseline": counts["baseline"],
            "candidate": counts["candidate"],
            "ties": counts["tie"],
            "both_bad": sum(preference.both_bad for preference in given),
            "n_failed": n_failed,
            "n_inconsistent": sum(len(set(preference.by_order)) > 1 for preference in given),
            "first_share": _first_share(given),
            "candidate_share": float(values.mean()) if given else None,
            "interval": interval,
            "decided_share": float(of_decided.mean()) if decided else None,
            "decided_interval": _interval(plan, decided, of_decided) if decided else None,
            "verdict": winner(interval) if interval else "undecided",
        }
    )


def _interval(plan: Plan, given: Sequence[Preference], values: Floats) -> Interval:
    numbers: dict[str, int] = {}
    samples = plan.samples
    groups = [numbers.setdefault(samples[preference.sample_id].group, len(numbers)) for preference in given]
    return share_interval(values, np.array(groups, dtype=np.int64))


def _first_share(given: Sequence[Preference]) -> float | None:
    """Share of a judge's verdicts for the side shown first; None without verdicts."""
    verdicts = [
        verdict == first
        for preference in given
        for verdict, first in zip(preference.by_order, FIRST_SHOWN, strict=False)
        if verdict != "tie"
    ]
    return sum(verdicts) / len(verdicts) if verdicts else None


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
