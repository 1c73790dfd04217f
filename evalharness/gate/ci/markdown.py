"""Markdown for a job summary or a comment: the verdict first."""

import re
from collections.abc import Iterator

from evalharness.gate.ci.printable import SHOWN_SAMPLES, named, values
from evalharness.records import Comparison, GateReport, GateResult, PairedDifference
from evalharness.text import format_interval, format_number, format_points, format_points_interval, format_share

SENTENCE = {
    "pass": "The gate passed: every rule is met.",
    "fail": "The gate failed: {count} broken.",
    "undecided": "The gate is undecided: {count} shown neither to be met nor to be broken.",
}
MARK = {"pass": "✅ pass", "fail": "❌ fail", "undecided": "❔ undecided"}
ACTIVE = re.compile(r"[^\w ,;%+=()/.-]|_|(?<!\d)\.(?=\S)")
"""Characters with a meaning in Markdown, HTML or GitHub's links."""


def markdown(report: GateReport, comparison: Comparison) -> str:
    """The verdict, the rules with their reasons, the samples against them, and the headline differences."""
    return "\n".join([*_head(report), *_rules(report), *_samples(report), *_differences(comparison)]) + "\n"


def escaped(text: str) -> str:
    """One line of text that cannot become markup, a link, a mention, or a second table cell.

    >>> escaped("<b>*x*|y")
    '&#60;b&#62;&#42;x&#42;&#124;y'
    """
    return ACTIVE.sub(lambda sign: f"&#{ord(sign[0])};", named(text))


def code(text: str) -> str:
    """A name in code style, where GitHub does not look for mentions."""
    return f"<code>{escaped(text)}</code>"


def _head(report: GateReport) -> Iterator[str]:
    count = sum(result.verdict == report.verdict for result in report.results)
    rules = "1 rule is" if count == 1 else f"{count} rules are"
    sentence = SENTENCE[report.verdict].format(count=rules)
    yield f"## {sentence}"
    yield ""
    yield "<!-- evalharness gate -->"
    yield ""
    yield f"Candidate {code(report.candidate)} against baseline {code(report.baseline)}."
    yield ""


def _rules(report: GateReport) -> Iterator[str]:
    yield "| rule | verdict | reason |"
    yield "|---|---|---|"
    for result in report.results:
        yield f"| {code(result.title)} | {MARK[result.verdict]} | {escaped(result.reason)} |"
    yield ""


def _samples(report: GateReport) -> Iterator[str]:
    for result in report.results:
        if result.against:
            yield f"<details><summary>{code(result.title)}: {result.headline}</summary>"
            yield ""
            yield from _sample_table(result)
            yield ""
            yield "</details>"
            yield ""


def _sample_table(result: GateResult) -> Iterator[str]:
    yield "| sample | baseline | candidate |"
    yield "|---|--:|--:|"
    shown = result.against[:SHOWN_SAMPLES]
    for sample in shown:
        before, after = values(sample)
        yield f"| {code(sample.sample_id)} | {before} | {after} |"
    if result.n_against > len(shown):
        yield f"| and {result.n_against - len(shown):,} more | | |"


def _differences(comparison: Comparison) -> Iterator[str]:
    kinds = {metric.name: metric.kind for metric in comparison.metrics}
    rows = [row for row in comparison.differences if not row.exploratory and row.difference is not None]
    if rows:
        yield "| metric | baseline | candidate | difference | 95 % interval | pairs | verdict |"
        yield "|---|--:|--:|--:|--:|--:|---|"
        yield from (_difference(row, kinds[row.metric]) for row in rows)


def _difference(row: PairedDifference, kind: str) -> str:
    if kind == "rate":
        sides = [format_share(row.baseline_mean), format_share(row.candidate_mean)]
        change = [format_points(row.difference or 0.0), format_points_interval(row.interval)]
    else:
        sides = [format_number(row.baseline_mean), format_number(row.candidate_mean)]
        change = [format_number(row.difference, signed=True), format_interval(row.interval)]
    return f"| {' | '.join([code(row.metric), *sides, *change, f'{row.n_pairs:,}', row.verdict])} |"
