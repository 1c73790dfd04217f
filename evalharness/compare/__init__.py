"""Baseline against candidate, pair by pair: summaries, paired differences, and what to say about them.

The sample is the unit: replicates are averaged first, and samples of one group are resampled together. Failures are
counted and never enter a number.
"""

from collections.abc import Mapping, Sequence

from evalharness.compare.differences import differences_of
from evalharness.compare.findings import findings_of, warnings_of
from evalharness.compare.summaries import summaries_of
from evalharness.compare.values import Values, tabulate
from evalharness.records import Comparison, Completion, Failure, FurtherComparison, Metric, Plan, Score

__all__ = ["compare"]


def compare(
    plan: Plan,
    outcomes: Mapping[str, Completion | Failure],
    scores: Sequence[Score],
    metrics: Sequence[Metric],
    *,
    seed: int,
) -> Comparison:
    """Sum up each checkpoint, and compare the candidate and any other checkpoint with the baseline.

    Args:
        plan: names the two sides, the samples and the requests.
        outcomes: by request id.
        scores: of any scorers.
        metrics: what the scores' values mean; the headline ones are tested together (Holm), for each candidate.
        seed: of the bootstrap and the permutations.
    """
    values = tabulate(plan, outcomes, scores)
    others = [one.name for one in plan.checkpoints if one.name not in (plan.baseline, plan.candidate)]
    main, *further = (_against_baseline(values, metrics, plan, name, seed) for name in (plan.candidate, *others))
    return Comparison(
        baseline=plan.baseline,
        candidate=plan.candidate,
        seed=seed,
        metrics=tuple(metrics),
        summaries=tuple(summaries_of(values, metrics, seed=seed)),
        differences=main.differences,
        findings=main.findings,
        warnings=tuple(warnings_of(plan, outcomes)),
        further=tuple(further),
    )


def _against_baseline(
    values: Values, metrics: Sequence[Metric], plan: Plan, candidate: str, seed: int
) -> FurtherComparison:
    differences = differences_of(values, metrics, plan.baseline, candidate, seed=seed)
    findings = findings_of(values, metrics, differences, plan.model_copy(update={"candidate": candidate}))
    return FurtherComparison(candidate=candidate, differences=tuple(differences), findings=tuple(findings))
