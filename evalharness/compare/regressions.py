"""Named regressions: the changes that people look for after a fine-tune."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from evalharness.formatting import format_p
from evalharness.observations import Observations
from evalharness.records import Finding, Metric, PairedDifference, Plan, ResolvedCheckpoint
from evalharness.statistics import mcnemar

LEVEL = 0.05
SHOWN = 10


def name_of(
    difference: PairedDifference,
    metrics: Mapping[str, Metric],
    differences: Sequence[PairedDifference],
    plan: Plan,
) -> str | None:
    """The name of a significant difference, if any. `differences` are all overall differences.

    A name is an alarm. An exploratory metric was tested on its own, so its p-value is multiplied by the number of
    named exploratory metrics (Bonferroni): otherwise a checkpoint compared with itself would raise alarms too often.
    """
    if difference.exploratory and (difference.p_value or 0.0) * _n_tests(metrics, differences) >= LEVEL:
        return None
    metric = metrics[difference.metric]
    names = (
        change.name
        for change in metric.changes
        if change.verdict == difference.verdict
        and (is_tuning(plan) or not change.tuning_only)
        and not (change.with_lower and _not_lower(f"{metric.scorer}.{change.with_lower}", differences))
    )
    return next(names, None)


def _not_lower(metric: str, differences: Sequence[PairedDifference]) -> bool:
    return any(row.metric == metric and (row.difference or 0.0) >= 0 for row in differences)


def _n_tests(metrics: Mapping[str, Metric], differences: Sequence[PairedDifference]) -> int:
    tested = [row for row in differences if row.exploratory and row.p_value is not None]
    return sum(bool(metrics[row.metric].changes) for row in tested)


def is_tuning(plan: Plan) -> bool:
    """Whether both sides have the same variant, such as an old checkpoint and its fine-tune."""
    baseline, candidate = sides_of(plan)
    return baseline.checkpoint.variant == candidate.checkpoint.variant


def sides_of(plan: Plan) -> tuple[ResolvedCheckpoint, ResolvedCheckpoint]:
    """The baseline and the candidate."""
    known = {checkpoint.name: checkpoint for checkpoint in plan.checkpoints}
    return known[plan.baseline], known[plan.candidate]


def tuning_findings(table: Observations, metrics: Iterable[Metric], plan: Plan) -> Iterator[Finding]:
    """Changes that no mean shows: a different template or special tokens, and samples that flipped in both
    directions.
    """
    if not is_tuning(plan):
        return
    yield from _template_change(*sides_of(plan))
    # Of greedy completions alone: those drawn at random flip between two draws of one checkpoint too.
    if all(request.config.temperature == 0 for request in plan.requests):
        for metric in metrics:
            if metric.flips:
                yield from _flips(table, metric, plan)


def _template_change(baseline: ResolvedCheckpoint, candidate: ResolvedCheckpoint) -> Iterator[Finding]:
    changes = []
    if baseline.identity.template_digest != candidate.identity.template_digest:
        changes.append("the chat template")
    left, right = baseline.tokenizer, candidate.tokenizer
    if left and right and (left.bos_token, left.adds_bos) != (right.bos_token, right.adds_bos):
        changes.append("the first token")
    if left and right and left.end_tokens != right.end_tokens:
        ends = [" ".join(sorted(side.end_tokens.values())) or "none" for side in (left, right)]
        changes.append(f"the tokens that end a completion ({ends[0]}, now {ends[1]})")
    if changes:
        said = f"{baseline.name} and {candidate.name} differ in {' and in '.join(changes)}"
        yield Finding(name="template change", sentence=f"Template change: {said}.", metric=None)


def _flips(table: Observations, metric: Metric, plan: Plan) -> Iterator[Finding]:
    difference = table.column(plan.candidate, metric.name) - table.column(plan.baseline, metric.name)
    lost, gained = table.ids(difference < 0), table.ids(difference > 0)
    if lost:
        pairs = int((~np.isnan(difference)).sum())
        sentence = (
            f"Capability flips: of {pairs} pairs, {len(lost)} {metric.flips} with {plan.baseline} alone "
            f"and {len(gained)} with {plan.candidate} alone (exact test p {format_p(mcnemar(len(gained), len(lost)))})."
        )
        yield Finding(name="capability flips", sentence=sentence, metric=metric.name, sample_ids=lost[:SHOWN])
