"""A gate's verdict in the formats of CI systems. `fail` and `undecided` stop a job; neither is ever green."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from evalharness.formatting import format_change, format_mean, format_number, markdown_escaped, one_line
from evalharness.records import Comparison, GateReport, GateResult, GateSample, PairedDifference

SENTENCE = {
    "pass": "The gate passed: every rule is met.",
    "fail": "The gate failed: {count} broken.",
    "undecided": "The gate is undecided: {count} shown neither to be met nor to be broken.",
}
MARK = {"pass": "✅ pass", "fail": "❌ fail", "undecided": "❔ undecided"}
LONGEST = 300
SHOWN_SAMPLES = 20
"""Most samples against a rule that are listed in CI; `gate.json` has more."""


def named(text: str) -> str:
    """A name, id or sentence on one line, without hidden characters and of limited length.

    >>> named("a\\x1b[31m\\nb")
    'a[U+001B][31m b'
    """
    shown = one_line(text[:LONGEST])
    return f"{shown}…" if len(text) > LONGEST else shown


def values(sample: GateSample) -> tuple[str, str]:
    """Before and after: the baseline's value and the candidate's."""
    return format_number(sample.baseline), format_number(sample.candidate)


# -------------------------------------------------------------------- Markdown, for a job summary or a comment


def markdown(report: GateReport, comparison: Comparison) -> str:
    """The verdict, the rules with their reasons, the samples against them, and the headline differences."""
    return "\n".join([*_head(report), *_rules(report), *_samples(report), *_differences(comparison)]) + "\n"


def escaped(text: str) -> str:
    """A name, id or sentence that cannot become markup."""
    return markdown_escaped(named(text))


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
            yield "| sample | baseline | candidate |"
            yield "|---|--:|--:|"
            shown = result.against[:SHOWN_SAMPLES]
            for sample in shown:
                before, after = values(sample)
                yield f"| {code(sample.sample_id)} | {before} | {after} |"
            if result.n_against > len(shown):
                yield f"| and {result.n_against - len(shown):,} more | | |"
            yield ""
            yield "</details>"
            yield ""


def _differences(comparison: Comparison) -> Iterator[str]:
    kinds = {metric.name: metric.kind for metric in comparison.metrics}
    rows = [row for row in comparison.differences if not row.exploratory and row.difference is not None]
    if rows:
        yield "| metric | baseline | candidate | difference | 95 % interval | pairs | verdict |"
        yield "|---|--:|--:|--:|--:|--:|---|"
        yield from (_difference(row, kinds[row.metric]) for row in rows)


def _difference(row: PairedDifference, kind: str) -> str:
    sides = [format_mean(kind, mean)[0] for mean in (row.baseline_mean, row.candidate_mean)]
    change = format_change(kind, row.difference, row.interval)
    return f"| {' | '.join([code(row.metric), *sides, *change, f'{row.n_pairs:,}', row.verdict])} |"


# ------------------------------------------------------------------------------------- GitHub's annotations
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands

DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY = {**DATA, ":": "%3A", ",": "%2C"}
LEVEL = {"fail": "error", "undecided": "warning"}


def annotations(report: GateReport) -> Iterator[str]:
    """One line for each rule that failed (`::error`) or is undecided (`::warning`)."""
    for result in report.results:
        if result.verdict != "pass":
            title = _escaped(f"gate {result.verdict}: {named(result.title)}", PROPERTY)
            yield f"::{LEVEL[result.verdict]} title={title}::{_escaped(named(result.reason), DATA)}"


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


# ----------------------------------------------- JUnit XML, for GitLab, Jenkins, Azure and GitHub's reporters

SUITE = "evalharness.gate"


def junit(report: GateReport) -> str:
    """The report as an XML document.

    An undecided rule is a failure of type `undecided`: a skipped test is green in most CI systems, and an undecided
    rule must not be.
    """
    root = ET.Element("testsuites", {"name": SUITE, **_counts(report)})
    suite = ET.SubElement(root, "testsuite", {"name": SUITE, **_counts(report)})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict), ("baseline", report.baseline), ("candidate", report.candidate)):
        ET.SubElement(properties, "property", name=name, value=named(value))
    for result in report.results:
        where = f"{SUITE}.{named(result.rule.metric)}"
        case = ET.SubElement(suite, "testcase", classname=where, name=named(result.title), time="0")
        if result.verdict == "pass":
            ET.SubElement(case, "system-out").text = _text(result)
        else:
            message = f"{result.verdict}: {named(result.reason)}"
            ET.SubElement(case, "failure", type=result.verdict, message=message).text = _text(result)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(report: GateReport) -> dict[str, str]:
    failures = sum(result.verdict != "pass" for result in report.results)
    return {"tests": str(len(report.results)), "failures": str(failures), "errors": "0", "skipped": "0", "time": "0"}


def _text(result: GateResult) -> str:
    lines = [named(result.reason)]
    if result.against:
        lines.append(f"{result.headline}:")
    for sample in result.against[:SHOWN_SAMPLES]:
        before, after = values(sample)
        lines.append(f"  {named(sample.sample_id)}: {before} -> {after}")
    rest = result.n_against - len(result.against[:SHOWN_SAMPLES])
    return "\n".join([*lines, f"  and {rest:,} more"] if rest else lines)
