"""Gate rules that a candidate must be shown to keep: pass, fail or undecided, each with a reason.

Only what was measured can pass: too few pairs, missing values, silence in the candidate's favour, and an interval that
contains the bound are undecided. A rule that is shown to be broken fails.
"""

from collections.abc import Sequence

from evalharness.errors import ConfigError
from evalharness.gate.evidence import Evidence, gather
from evalharness.gate.judging import MOST_AGAINST, judge
from evalharness.gate.noise import Noise, read_noise
from evalharness.gate.rules import check_rules
from evalharness.records import GateReport, GateRule, overall_verdict
from evalharness.store import Run

__all__ = ["MOST_AGAINST", "check_gate", "check_rules", "read_noise"]


def check_gate(rules: Sequence[GateRule], run: Run, *, noise: Noise | None = None, source: str = "") -> GateReport:
    """Judge every candidate of a compared run by rules.

    Args:
        rules: one or more.
        run: scored and compared.
        noise: how far a metric moves between two runs of the same checkpoint beyond sampling error, in its unit.
        source: the file that the rules are from, for messages.

    Raises:
        ConfigError: a rule that cannot be judged (see `check_rules`), or a metric without any value.
    """
    comparison = run.compared
    scorers = list(run.observations.versions)
    check_rules(rules, comparison.metrics, run.plan.suites, extra_scorers=scorers, source=source)
    others = [one.name for one in run.plan.checkpoints if one.name not in (comparison.baseline, comparison.candidate)]
    known = {metric.name: metric for metric in comparison.metrics}
    asked = [
        (rule, name) for name in (comparison.candidate, *others) for rule in rules if rule.candidate in (None, name)
    ]
    results = []
    for rule, name in asked:
        evidence = gather(rule, known[rule.metric], run.observations, comparison.baseline, name)
        _refuse_without_values(rule, evidence, source)
        moves = (noise or {}).get(rule.metric, 0.0)
        title = f"{rule.title} [{name}]" if others else rule.title
        results.append(
            judge(evidence, title=title, candidate=name, n_rules=len(asked), noise=moves, seed=comparison.seed)
        )
    return GateReport(
        verdict=overall_verdict(result.verdict for result in results),
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        results=tuple(results),
        evidence_digest=comparison.evidence_digest,
    )


def _refuse_without_values(rule: GateRule, evidence: Evidence, source: str) -> None:
    """If nothing is missing and there is still no value, the metric applies to no sample."""
    if evidence.observed.n == 0 and not evidence.missing.n:
        where = f"{source}: " if source else ""
        raise ConfigError(
            f"{where}rule {rule.title!r}: no sample has a value of {rule.metric}",
            fix="name a suite or category that the metric applies to, or remove the rule",
        )
