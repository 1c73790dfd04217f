"""Baseline against candidate, pair by pair: summaries, paired differences and findings.

The sample is the unit: replicates are averaged first, and samples of one group are resampled together. Failures are
counted and excluded from all metrics.
"""

from collections.abc import Iterator, Sequence

from evalharness.compare.corrections import corrections_of, with_known_errors
from evalharness.compare.differences import differences_of
from evalharness.compare.findings import findings_of, warnings_of
from evalharness.compare.groups import Groups, order_of_groups
from evalharness.compare.missing import one_sided_warnings
from evalharness.compare.preference_summaries import preferences_of
from evalharness.compare.reward_differences import reward_agreement, rewards_of
from evalharness.compare.summaries import summaries_of
from evalharness.observations import Observations
from evalharness.records import (
    Comparison,
    Judging,
    LabelRating,
    Metric,
    OtherComparison,
    Plan,
    Preference,
    RunWarning,
    ScorerFacts,
)

__all__ = ["compare"]


def compare(
    plan: Plan,
    table: Observations,
    metrics: Sequence[Metric],
    *,
    seed: int,
    scorers: Sequence[ScorerFacts] = (),
    preferences: Sequence[Preference] = (),
    judgings: Sequence[Judging] = (),
    ratings: Sequence[LabelRating] = (),
    may_stop: bool = False,
) -> Comparison:
    """Summarise each checkpoint, and compare the candidate and any other checkpoint with the baseline.

    Args:
        metrics: what the scores' values mean, with their margins; each candidate's headline intervals hold together.
        scorers: facts of the scorers; without them no rewards are compared.
        may_stop: whether samples were generated in random order, to stop when settled; intervals then allow for that.

    Raises:
        StoreError: one scorer's rewards come from two reward models.
    """
    rank = order_of_groups(plan, seed)[1] if may_stop else None
    # First, because rewards of two models must not get as far as a column of values.
    rewards = [tuple(rewards_of(table, plan.baseline, name, scorers, seed=seed)) for name in plan.candidates]
    main, *more = (
        _against_baseline(table, metrics, plan, name, seed, rank, scorers).model_copy(update={"rewards": by_reward})
        for name, by_reward in zip(plan.candidates, rewards, strict=True)
    )
    return Comparison(
        baseline=plan.baseline,
        candidate=plan.candidate,
        seed=seed,
        metrics=tuple(metrics),
        summaries=tuple(summaries_of(table, metrics, seed=seed)),
        differences=main.differences,
        findings=main.findings,
        warnings=(*warnings_of(plan, table), *_lost_on_one_side(table, metrics, plan, (main, *more))),
        other_comparisons=tuple(more),
        rewards=main.rewards,
        reward_agreement=tuple(reward_agreement(table, plan.baseline, plan.candidate, scorers, seed=seed)),
        preferences=tuple(preferences_of(plan, preferences, judgings)),
        corrections=tuple(corrections_of(plan, table, scorers, ratings)),
    )


def _lost_on_one_side(
    table: Observations, metrics: Sequence[Metric], plan: Plan, compared: Sequence[OtherComparison]
) -> Iterator[RunWarning]:
    for other in compared:
        yield from one_sided_warnings(table, metrics, other.differences, plan.baseline, other.candidate)


def _against_baseline(
    table: Observations,
    metrics: Sequence[Metric],
    plan: Plan,
    candidate: str,
    seed: int,
    rank: Groups | None,
    scorers: Sequence[ScorerFacts],
) -> OtherComparison:
    measured = differences_of(table, metrics, plan.baseline, candidate, seed=seed, rank=rank)
    differences = tuple(with_known_errors(measured, plan, candidate, table, scorers))
    findings = findings_of(table, metrics, differences, plan.model_copy(update={"candidate": candidate}))
    return OtherComparison(candidate=candidate, differences=differences, findings=tuple(findings))
