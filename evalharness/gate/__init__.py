"""Rules that a candidate must be shown to keep: pass, fail or undecided, each with its reason.

What was not measured never passes: too few pairs, too many failures, and an interval that contains the bound are
undecided. Every rule is tested at 2.5 % one-sided, and the gate passes only if all do, which needs no adjustment
(intersection-union test; Berger 1982, Technometrics 24:295).
"""

from collections.abc import Mapping, Sequence

from evalharness.errors import ConfigError
from evalharness.gate.evidence import Evidence, gather
from evalharness.gate.noise import Noise, noise_of, read_noise
from evalharness.gate.rules import check_rules
from evalharness.gate.verdicts import MOST_AGAINST, judge
from evalharness.records import Comparison, GateReport, GateResult, GateRule, overall_verdict
from evalharness.store import Run

__all__ = ["MOST_AGAINST", "check_gate", "check_rules", "read_noise"]


def check_gate(
    rules: Sequence[GateRule],
    run: Run,
    *,
    by_suite: Mapping[str, Comparison] | None = None,
    noise: Noise | None = None,
    source: str = "",
) -> GateReport:
    """Judge a compared run by rules.

    Args:
        rules: one or more.
        run: scored and compared.
        by_suite: a comparison of each suite alone that a rule names.
        noise: how far a metric moves between two runs of one checkpoint, in the metric's unit; intervals are widened
            by it both ways.
        source: the file that the rules are from, for messages.

    Raises:
        ConfigError: a rule that cannot be judged (see `check_rules`), or a metric without any value.
    """
    comparison = run.compared
    scorers = [score.scorer for score in run.scores]
    check_rules(rules, comparison.metrics, run.plan.suites, everywhere=scorers, source=source)
    results = [_result(rule, run, comparison, by_suite or {}, noise or {}, source) for rule in rules]
    return GateReport(
        verdict=overall_verdict(result.verdict for result in results),
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        results=tuple(results),
        evidence_digest=comparison.evidence_digest,
    )


def _result(
    rule: GateRule,
    run: Run,
    comparison: Comparison,
    by_suite: Mapping[str, Comparison],
    noise: Noise,
    source: str,
) -> GateResult:
    [metric] = [one for one in comparison.metrics if one.name == rule.metric]
    evidence = gather(rule, metric, run, comparison if rule.suite is None else by_suite[rule.suite])
    _refuse_without_values(rule, evidence, source)
    return judge(rule, evidence, noise=noise_of(rule, noise, run.plan.suites))


def _refuse_without_values(rule: GateRule, evidence: Evidence, source: str) -> None:
    """Where nothing was lost and there is no value all the same, the metric applies to no sample."""
    lost = evidence.losses.failures or evidence.losses.unscored
    if evidence.n == 0 and not lost:
        where = f"{source}: " if source else ""
        raise ConfigError(
            f"{where}rule {rule.title!r}: no sample has a value of {rule.metric}",
            fix="name a suite or category that the metric applies to, or remove the rule",
        )
