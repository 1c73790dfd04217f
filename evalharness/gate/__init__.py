"""Gate rules that a candidate must be shown to keep: pass, fail or undecided, each with a reason.

Only what was measured can pass: too few pairs, missing values, silence in the candidate's favour, and an interval that
contains the bound are undecided. A rule that is shown to be broken fails.
"""

from collections.abc import Sequence

from evalharness.compare.groups import Groups, order_of_groups
from evalharness.errors import ConfigError
from evalharness.gate.aa_test import Noise, read_noise
from evalharness.gate.evidence import gather
from evalharness.gate.rules import check_decidable, check_rules
from evalharness.gate.verdicts import MOST_AGAINST, judge
from evalharness.observations import Observations
from evalharness.records import GateReport, GateResult, GateRule, Metric, Plan, overall_verdict
from evalharness.store import Run

__all__ = ["MOST_AGAINST", "check_decidable", "check_gate", "check_rules", "judged", "read_noise"]


def check_gate(rules: Sequence[GateRule], run: Run, *, noise: Noise | None = None, source: str = "") -> GateReport:
    """Judge every candidate of a compared run by rules.

    Args:
        noise: how far a metric moves between two runs of the same checkpoint beyond sampling error, in its unit.
        source: the file that the rules are from, for messages.

    Raises:
        ConfigError: a rule that cannot be judged (see `check_rules`), or a metric without any value.
    """
    comparison = run.compared
    scorers = list(run.observations.versions)
    check_rules(rules, comparison.metrics, run.plan.suites, extra_scorers=scorers, source=source)
    rank = order_of_groups(run.plan, comparison.seed)[1] if run.may_stop else None
    results = judged(
        rules, comparison.metrics, run.plan, run.observations, noise=noise, seed=comparison.seed, rank=rank
    )
    _refuse_without_values(results, source)
    return GateReport(
        verdict=overall_verdict(result.verdict for result in results),
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        results=tuple(results),
        evidence_digest=comparison.evidence_digest,
    )


def judged(
    rules: Sequence[GateRule],
    metrics: Sequence[Metric],
    plan: Plan,
    table: Observations,
    *,
    noise: Noise | None = None,
    seed: int = 0,
    rank: Groups | None = None,
) -> list[GateResult]:
    """Each rule's verdict on each candidate that it judges.

    Args:
        rules: that `check_rules` has passed.
        rank: the order of the groups, if generation stops when the rules are settled.
    """
    known = {metric.name: metric for metric in metrics}
    unlike = {name: _unlike(plan, name) for name in plan.candidates}
    asked = [(rule, name) for name in plan.candidates for rule in rules if rule.candidate in (None, name)]
    return [
        judge(
            gather(rule, known[rule.metric], table, plan.baseline, name),
            title=f"{rule.title} [{name}]" if len(plan.candidates) > 1 else rule.title,
            candidate=name,
            n_rules=len(asked),
            noise=(noise or {}).get(rule.metric, 0.0),
            seed=seed,
            rank=rank,
            unlike=unlike[name],
        )
        for rule, name in asked
    ]


def _unlike(plan: Plan, candidate: str) -> str:
    """Why it is not known that both sides were generated alike; empty for completions that were made here."""
    sides = [checkpoint for checkpoint in plan.checkpoints if checkpoint.name in (plan.baseline, candidate)]
    if all(side.elsewhere is None for side in sides):
        return ""
    if any(side.elsewhere is not None and not side.elsewhere.settings_known for side in sides):
        return "the completions were generated elsewhere, and with which settings is not known"
    configs = [{request.config for request in plan.requests if request.checkpoint == side.name} for side in sides]
    return "" if configs[0] == configs[1] else "the completions were generated elsewhere, with different settings"


def _refuse_without_values(results: Sequence[GateResult], source: str) -> None:
    """If nothing is missing and there is still no value, the metric applies to no sample."""
    for result in results:
        if result.n == 0 and not result.n_missing:
            where = f"{source}: " if source else ""
            raise ConfigError(
                f"{where}rule {result.rule.title!r}: no sample has a value of {result.rule.metric}",
                fix="name a suite or category that the metric applies to, or remove the rule",
            )
