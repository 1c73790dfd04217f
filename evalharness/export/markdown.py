"""Markdown: a summary for a pull request, a wiki or a mail, and a model card's part on evaluation.

The Hugging Face Hub reads `model-index` from the YAML at the top of a README.md
(https://github.com/huggingface/hub-docs/blob/main/modelcard.md). Strings are written as JSON, which is YAML too.
"""

import json
from collections.abc import Iterator

from evalharness.compare.headline import headline_of
from evalharness.export import Choices, Exported
from evalharness.formatting import format_change, format_mean, format_p, markdown_escaped
from evalharness.records import Comparison, Metric, PairedDifference
from evalharness.store import Run


def to_markdown(run: Run, choices: Choices) -> Exported:
    """The summary of a compared run."""
    del choices
    compared = run.compared
    parts = [*_head(run, compared), *_findings(compared), *differences(compared), *_warnings(compared)]
    return Exported(("\n".join([*parts, *_sides(run)]) + "\n").encode("utf-8", "replace"))


def _head(run: Run, compared: Comparison) -> Iterator[str]:
    suites = ", ".join(f"{markdown_escaped(suite.name)} {markdown_escaped(suite.version)}" for suite in run.plan.suites)
    yield f"# {markdown_escaped(compared.candidate)} against {markdown_escaped(compared.baseline)}"
    yield ""
    yield "<!-- evalharness export -->"
    yield ""
    yield f"{len(run.plan.samples):,} samples of {suites}, {markdown_escaped(run.manifest.created[:10])}."
    yield ""


def _findings(compared: Comparison) -> Iterator[str]:
    yield "## Findings"
    yield ""
    yield from (
        f"{number}. {markdown_escaped(finding.sentence)}" for number, finding in enumerate(compared.findings, start=1)
    )
    yield ""


def differences(compared: Comparison) -> Iterator[str]:
    """A table of the headline metrics."""
    metrics = {metric.name: metric for metric in compared.metrics}
    rows = [
        difference for difference in compared.differences if difference.category is None and not difference.exploratory
    ]
    yield "## Differences"
    yield ""
    yield "| metric | baseline | candidate | difference | interval | p, adjusted | pairs | verdict |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    yield from (_difference(row, metrics[row.metric]) for row in rows)
    yield ""
    yield "p is adjusted for the number of these metrics (Bonferroni), and their intervals hold together at 95 %."
    yield ""


def _difference(difference: PairedDifference, metric: Metric) -> str:
    sides = [format_mean(metric.kind, mean)[0] for mean in (difference.baseline_mean, difference.candidate_mean)]
    change = format_change(metric.kind, difference.difference, difference.interval)
    last = format_p(difference.p_adjusted), f"{difference.n_pairs:,}", difference.verdict
    cells = [markdown_escaped(metric.title), *sides, *change, *last]
    return f"| {' | '.join(cells)} |"


def _warnings(compared: Comparison) -> Iterator[str]:
    if compared.warnings:
        yield "## Warnings"
        yield ""
        yield from (f"- {markdown_escaped(warning.text)}" for warning in compared.warnings)
        yield ""


def _sides(run: Run) -> Iterator[str]:
    yield "## Checkpoints"
    yield ""
    yield "| checkpoint | model | prompted as | completions | truncated at the token limit |"
    yield "|---|---|---|--:|--:|"
    for checkpoint in run.plan.checkpoints:
        counts = run.observations.counts(checkpoint.name)
        configured = checkpoint.checkpoint
        names = (
            f"{markdown_escaped(checkpoint.name)} | {markdown_escaped(configured.model)} | {configured.prompt_format}"
        )
        yield f"| {names} | {counts.completed:,} of {counts.asked:,} | {counts.ends['length']:,} |"


# -------------------------------------------------------------------------------------------- model card

NOTE = "copy what is between the lines of --- into the metadata of your README.md, and the section below its text"


def to_model_card(run: Run, choices: Choices) -> Exported:
    """The candidate's headline metrics as metadata, and their differences from the baseline as a section."""
    del choices
    parts = ["---", *_metadata(run), "---", "", *_section(run)]
    return Exported(("\n".join(parts) + "\n").encode("utf-8", "replace"), NOTE)


def _metadata(run: Run) -> Iterator[str]:
    compared = run.compared
    suites = [f"{suite.name} {suite.version}" for suite in run.plan.suites]
    yield "model-index:"
    yield f"- name: {json.dumps(compared.candidate)}"
    yield "  results:"
    yield "  - task:"
    yield "      type: text-generation"
    yield "    dataset:"
    yield f"      name: {json.dumps(', '.join(suites))}"
    yield f"      type: {json.dumps(run.plan.suites[0].name)}"
    yield "    metrics:"
    titles = {metric.name: metric.title for metric in compared.metrics}
    for row in compared.differences:
        if row.category is None and not row.exploratory and row.candidate_mean is not None:
            yield f"    - type: {json.dumps(row.metric)}"
            yield f"      name: {json.dumps(titles[row.metric])}"
            yield f"      value: {row.candidate_mean:.4g}"


def _section(run: Run) -> Iterator[str]:
    compared = run.compared
    headline = headline_of(compared, run.plan, run.observations)
    yield "## Evaluation"
    yield ""
    yield from (markdown_escaped(verdict) for verdict in headline.verdicts)
    yield ""
    if headline.cautions:
        yield from (f"- Read with care: {markdown_escaped(caution)}" for caution in headline.cautions)
        yield ""
    yield from (line.replace("## ", "### ", 1) for line in differences(compared))
    version, day = markdown_escaped(run.manifest.evalharness_version), markdown_escaped(run.manifest.created[:10])
    yield f"Measured with evalharness {version}, {day}, with {len(run.plan.samples):,} prompts."
