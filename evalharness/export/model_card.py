"""A model card's part on evaluation: the `model-index` of its metadata, and a section with the differences.

The Hugging Face Hub reads `model-index` from the YAML at the top of a README.md
(https://github.com/huggingface/hub-docs/blob/main/modelcard.md). Strings are written as JSON, which is YAML too.
"""

import json
from collections.abc import Iterator

from evalharness.compare.headline import headline_of
from evalharness.export import Choices, Exported
from evalharness.export.markdown import differences, escaped
from evalharness.store import Run

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
    yield from (escaped(verdict) for verdict in headline.verdicts)
    yield ""
    if headline.cautions:
        yield from (f"- Read with care: {escaped(caution)}" for caution in headline.cautions)
        yield ""
    yield from (line.replace("## ", "### ", 1) for line in differences(compared))
    version, day = escaped(run.manifest.evalharness_version), escaped(run.manifest.created[:10])
    yield f"Measured with evalharness {version}, {day}, with {len(run.plan.samples):,} prompts."
