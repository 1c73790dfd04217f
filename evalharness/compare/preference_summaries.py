"""Preferences of people and judges, summarised for each rater."""

from collections.abc import Sequence

import numpy as np

from evalharness.compare.shares import share_interval, winner
from evalharness.records import Interval, Judging, Plan, Preference, PreferenceSummary
from evalharness.statistics import Floats

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
