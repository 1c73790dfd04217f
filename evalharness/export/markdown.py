"""A summary in Markdown, for a pull request, a wiki or a mail: findings, differences, warnings."""

import re
from collections.abc import Iterator

from evalharness.export import Choices, Exported
from evalharness.records import Comparison, Metric, PairedDifference
from evalharness.store import Run
from evalharness.text import (
    format_interval,
    format_number,
    format_p,
    format_points,
    format_points_interval,
    format_share,
    one_line,
)

ACTIVE = re.compile(r"[^\w ,;%+=()/.-]|_|(?<!\d)\.(?=\S)")
"""Characters with a meaning in Markdown or HTML."""


def to_markdown(run: Run, choices: Choices) -> Exported:
    """The summary of a compared run.

    Raises:
        StoreError: the run was not compared yet.
    """
    del choices
    compared = run.compared
    parts = [*_head(run, compared), *_findings(compared), *_differences(compared), *_warnings(compared)]
    return Exported(("\n".join([*parts, *_sides(run)]) + "\n").encode("utf-8", "replace"))


def escaped(text: str) -> str:
    """One line of text that cannot become markup, a link or a second table cell.

    >>> escaped("<b>*x*|y\\nz")
    '&#60;b&#62;&#42;x&#42;&#124;y z'
    """
    return ACTIVE.sub(lambda found: f"&#{ord(found[0])};", one_line(text))


def _head(run: Run, compared: Comparison) -> Iterator[str]:
    suites = ", ".join(f"{escaped(suite.name)} {escaped(suite.version)}" for suite in run.plan.suites)
    yield f"# {escaped(compared.candidate)} against {escaped(compared.baseline)}"
    yield ""
    yield "<!-- evalharness export -->"
    yield ""
    yield f"{len(run.plan.samples):,} samples of {suites}, {escaped(run.manifest.created[:10])}."
    yield ""


def _findings(compared: Comparison) -> Iterator[str]:
    yield "## Findings"
    yield ""
    yield from (f"{number}. {escaped(one.sentence)}" for number, one in enumerate(compared.findings, start=1))
    yield ""


def _differences(compared: Comparison) -> Iterator[str]:
    metrics = {metric.name: metric for metric in compared.metrics}
    rows = [one for one in compared.differences if one.category is None and not one.exploratory]
    yield "## Differences"
    yield ""
    yield "| metric | baseline | candidate | difference | interval | p | pairs | verdict |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    yield from (_difference(one, metrics[one.metric]) for one in rows)
    yield ""
    yield "p is multiplied by the number of these metrics (Bonferroni), and their intervals hold together at 95 %."
    yield ""


def _difference(one: PairedDifference, metric: Metric) -> str:
    shown = format_share if metric.kind == "rate" else format_number
    change, interval = format_number(one.difference, signed=True), format_interval(one.interval)
    if metric.kind == "rate" and one.difference is not None:
        change, interval = format_points(one.difference), format_points_interval(one.interval)
    sides = [shown(one.baseline_mean), shown(one.candidate_mean)]
    cells = [escaped(metric.title), *sides, change, interval, format_p(one.p_adjusted), f"{one.n_pairs:,}", one.verdict]
    return f"| {' | '.join(cells)} |"


def _warnings(compared: Comparison) -> Iterator[str]:
    if compared.warnings:
        yield "## Warnings"
        yield ""
        yield from (f"- {escaped(warning)}" for warning in compared.warnings)
        yield ""


def _sides(run: Run) -> Iterator[str]:
    yield "## Checkpoints"
    yield ""
    yield "| checkpoint | model | prompted as | completions | truncated at the token limit |"
    yield "|---|---|---|--:|--:|"
    for one in run.plan.checkpoints:
        counts = run.observations.counts(one.name)
        names = f"{escaped(one.name)} | {escaped(one.checkpoint.model)} | {one.checkpoint.prompt_format}"
        yield f"| {names} | {counts.completed:,} of {counts.asked:,} | {counts.ends['length']:,} |"
