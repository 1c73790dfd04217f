"""The gate's verdict at the top of the report."""

from collections.abc import Mapping, Sequence

from evalharness.records import GateReport, GateResult, Metric
from evalharness.report.view import View

WORDS = {"pass": "Passed", "fail": "Failed", "undecided": "Undecided"}
MEANINGS = {
    "pass": "Every rule is shown to be met.",
    "fail": "At least one rule is shown to be broken.",
    "undecided": "No rule is shown to be broken, but the pairs do not show that all are met.",
}
NOISE = (
    "Shared noise is how far a metric moves between two runs of the same checkpoint (evalharness aa-test); the "
    "interval of its rule is widened by that much at each end."
)
SHOWN_AGAINST = 3


def make_verdict(gate: GateReport | None, metrics: Sequence[Metric], links: Mapping[str, str]) -> View | None:
    """The gate in words, failed rules first; None without a gate."""
    if gate is None:
        return None
    known = {metric.name: metric for metric in metrics}
    order = ("fail", "undecided", "pass")
    candidates = len({result.candidate for result in gate.results})
    results = sorted(gate.results, key=lambda result: order.index(result.verdict))
    return View(
        verdict=gate.verdict,
        word=WORDS[gate.verdict],
        meaning=MEANINGS[gate.verdict],
        rules=tuple(_rule(result, known.get(result.rule.metric), links, candidates) for result in results),
        note=NOISE if any(result.noise for result in results) else "",
    )


def _rule(result: GateResult, metric: Metric | None, links: Mapping[str, str], candidates: int) -> View:
    known = [(sample.sample_id, links[sample.sample_id]) for sample in result.against if sample.sample_id in links]
    return View(
        name=_name(result, metric, candidates),
        verdict=result.verdict,
        word=WORDS[result.verdict].lower(),
        reason=result.reason,
        against=tuple(known[:SHOWN_AGAINST]),
    )


def _name(result: GateResult, metric: Metric | None, candidates: int) -> str:
    """A rule in words: metric, samples and requirement."""
    rule = result.rule
    title = metric.title if metric else rule.metric
    where = "".join(f" in {category}" for category in (rule.category, rule.suite) if category)
    whose = f"{result.candidate}: " if candidates > 1 else ""
    return f"{whose}{rule.name or f'{title}{where}, {result.asked}'}"
