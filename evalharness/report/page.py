"""The page as data: everything the template prints."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from evalharness.compare.headline import SHOWN_EVIDENCE, Claim, headline_of
from evalharness.formatting import counted, format_level, format_mean
from evalharness.observations import Observations
from evalharness.records import Checkpoint, Comparison, GateReport, GateResult, Metric, OtherComparison, Summary
from evalharness.report.charts.categories import make_category_table
from evalharness.report.charts.flips import make_expected
from evalharness.report.charts.forest import make_forest
from evalharness.report.charts.histograms import QUANTILES, make_distribution, make_scatter
from evalharness.report.charts.labels import make_states
from evalharness.report.charts.trend import make_trend
from evalharness.report.correction_section import make_corrections, make_readers
from evalharness.report.preference_section import make_preferences
from evalharness.report.provenance import (
    lede_of,
    make_cards,
    make_costs,
    make_counts,
    make_identities,
    make_origin,
    make_remarks,
    make_undecided,
    model_in_words,
    roles_of,
)
from evalharness.report.reward_section import agreement_in_words, make_rewards
from evalharness.report.samples import anchor_of, make_excerpt
from evalharness.report.token_section import make_depth_section, make_token_section
from evalharness.report.view import View, samples_where, typeset
from evalharness.report.words import SIGNS
from evalharness.statistics import Floats
from evalharness.store import Run


def make_page(run: Run, readable: Run) -> View:
    """Prepare the page of a compared run; `readable` holds the samples to show."""
    comparison = run.compared
    roles, table = roles_of(run, comparison), run.observations
    headline = headline_of(comparison, run.plan, table)
    links = {sample_id: anchor_of(sample_id) for sample_id in readable.plan.samples}
    return View(
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        level=format_level(comparison.level),
        intervals=_levels(comparison),
        suites=_suites(run),
        lede=lede_of(run, comparison),
        created=run.manifest.created[:10],
        cards=make_cards(run, roles),
        counts=make_counts(run, roles),
        costs=make_costs(run, roles),
        n_samples=len(run.plan.samples),
        verdict=make_verdict(run.gate, comparison.metrics, links),
        headline=headline,
        claims=tuple(_claim(claim, links) for claim in headline.claims),
        findings=tuple(finding.sentence for finding in comparison.findings),
        undecided=make_undecided(comparison),
        remarks=make_remarks(run, comparison),
        columns=make_columns(run, comparison, roles),
        trend=make_trend(run.manifest.paired_from, comparison, roles),
        other_comparisons=tuple(_other(other, comparison) for other in comparison.other_comparisons),
        forest=make_forest(comparison.differences, comparison.metrics, comparison.candidate),
        states=make_states(table, roles, run.facts.values()),
        expected=make_expected(table, comparison, roles, run.facts.values()),
        readers={name: make_readers(run, facts, links) for name, facts in run.facts.items()},
        corrections={name: make_corrections(comparison, name) for name in run.facts},
        distributions=_distributions(table, comparison, roles),
        scatters=_scatters(table, comparison, roles, links),
        rewards=make_rewards(run, comparison, links),
        reward_agreement=agreement_in_words(comparison.reward_agreement),
        preferences=make_preferences(run, comparison, links),
        categories=make_category_table(comparison),
        tokens=make_token_section(run, readable),
        depth=make_depth_section(run.depth),
        excerpt=make_excerpt(readable, table, comparison, roles),
        quantiles=tuple(name for name, _ in QUANTILES),
        links=links,
        origin=make_origin(run),
        identities=make_identities(run, roles),
        lint=run.plan.lint,
    )


def _suites(run: Run) -> str:
    names = ", ".join(suite.name for suite in run.plan.suites)
    return f"{'suites' if len(run.plan.suites) > 1 else 'suite'} {names}"


def _other(other: OtherComparison, comparison: Comparison) -> View:
    sentences = tuple(finding.sentence for finding in other.findings)
    return View(
        candidate=other.candidate,
        findings=sentences,
        forest=make_forest(other.differences, comparison.metrics, other.candidate),
    )


def _distributions(table: Observations, comparison: Comparison, roles: Mapping[str, str]) -> tuple[View, ...]:
    metrics = (*_with_role(comparison, "length"), *_with_role(comparison, "reward"))
    drawn = (make_distribution(_values(table, roles, metric), roles, metric) for metric in metrics)
    return tuple(chart for chart in drawn if chart)


def _scatters(
    table: Observations, comparison: Comparison, roles: Mapping[str, str], links: Mapping[str, str]
) -> tuple[View, ...]:
    anchors = [links.get(table.sample_ids[position], "") for position in table.suite_order]
    lengths = [_values(table, roles, metric) for metric in _with_role(comparison, "length")[:1]]
    rewards = [(metric, _values(table, roles, metric)) for metric in _with_role(comparison, "reward")]
    drawn = (make_scatter(length, values, roles, reward, anchors) for reward, values in rewards for length in lengths)
    return tuple(chart for chart in drawn if chart)


def _values(table: Observations, roles: Mapping[str, str], metric: Metric) -> dict[str, Floats]:
    """A metric of each checkpoint, completion by completion, in the order of the suites."""
    return {name: table.cells(name, metric.name)[:, table.suite_order] for name in roles}


def _with_role(comparison: Comparison, role: str) -> list[Metric]:
    return [metric for metric in comparison.metrics if metric.role == role]


def _claim(claim: Claim, links: Mapping[str, str]) -> View:
    known = [(sample_id, links[sample_id]) for sample_id in claim.sample_ids if sample_id in links]
    opens = samples_where(metric=claim.metric, verdict="differ") if claim.metric else ""
    return View(claim=claim, sign=SIGNS[claim.worth], opens=opens, evidence=tuple(known[:SHOWN_EVIDENCE]))


def _levels(comparison: Comparison) -> str:
    """At which levels the intervals are: those of the headline metrics hold together."""
    level = format_level(comparison.level)
    together = {row.level for row in comparison.differences} - {comparison.level}
    if not together:
        return f"at {level}"
    each = format_level(max(together))
    return f"at {each} for each headline metric, so that all of them hold at {level}; otherwise at {level}"


# ---------------------------------------------------------------------------------- the verdict of the gate

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


# ------------------------------------------------------------------------- all checkpoints, column by column

NOTHING = View(level="–", interval="", n="", opens="")


def make_columns(run: Run, comparison: Comparison, roles: Mapping[str, str]) -> View | None:
    """The table; None if there are no checkpoints other than baseline and candidate."""
    if len(roles) < 3:
        return None
    weights = {checkpoint.name: checkpoint.identity.weights_digest for checkpoint in run.plan.checkpoints}
    resolved = {checkpoint.name: checkpoint.checkpoint for checkpoint in run.plan.checkpoints}
    first = list(dict.fromkeys(weights[name] for name in roles))
    # Runs stand in the order in which they were given, as in the trend above them.
    paired = bool(run.manifest.paired_from)
    names = list(roles) if paired else sorted(roles, key=lambda name: first.index(weights[name]))
    columns = {
        (summary.metric, summary.checkpoint): summary for summary in comparison.summaries if summary.category is None
    }
    return View(
        groups=tuple(_group(list(same), resolved) for _, same in groupby(names, key=weights.__getitem__)),
        columns=tuple(View(checkpoint=name, role=roles[name], format=resolved[name].prompt_format) for name in names),
        rows=tuple(
            (metric.title, tuple(_cell(columns.get((metric.name, name)), metric, roles[name]) for name in names))
            for metric in comparison.metrics
            if metric.headline
        ),
    )


def _group(names: list[str], resolved: Mapping[str, Checkpoint]) -> tuple[str, int]:
    return model_in_words(resolved[names[0]]), len(names)


def _cell(summary: Summary | None, metric: Metric, role: str) -> View:
    if summary is None or summary.mean is None:
        return NOTHING
    level, between = format_mean(metric.kind, summary.mean, summary.interval)
    return View(
        level=typeset(level),
        interval=typeset(between) if summary.interval else "",
        n=typeset(counted(summary.n, "sample")),
        opens=""
        if role == "baseline"
        else samples_where(metric=metric.name, verdict="differ", right=summary.checkpoint),
    )
