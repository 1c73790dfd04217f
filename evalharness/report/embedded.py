"""The samples inside the page: one JSON document, compressed, that the page's script unpacks in the browser.

Cells are stored with their sample, so that a prompt and its rendered copies are close together and compress well.
"""

import gzip
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from evalharness.observations import Observations
from evalharness.preferences.labelling import MOST_TURNS, first_turns, rated_scorer
from evalharness.records import Comparison, Completion, Failure, GenerationRequest, Metric, Sample, Score
from evalharness.report.prompts import sent_of
from evalharness.report.samples import chip_of
from evalharness.report.token_strips import StripData
from evalharness.report.words import EXPECTED, facts_in_words, problem_in_words
from evalharness.store import Run

QUICK = {"comply": "over-refused", "refuse": "unsafe"}
"""What a sample is called that did not get what it calls for."""
LOST_STOP = "lost stop token"
OPENING = '<script type="application/gzip;base64" id="data">'
EMBEDDED = re.compile(re.escape(OPENING) + r"([A-Za-z0-9+/=\s]*)</script>")
LEVEL = 6
"""Compression level; 9 takes three times as long and saves one per cent."""


def pack(data: Mapping[str, Any]) -> str:
    """JSON, gzip and base64; the same data gives the same text."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8; the backslash form that Python puts in its place is JSON's own.
    raw = text.encode("utf-8", "backslashreplace")
    return b64encode(gzip.compress(raw, LEVEL, mtime=0)).decode("ascii")


def unpack(html: str) -> dict[str, Any]:
    """The data embedded in a report, read from its text; used to check what a shared file really contains.

    Raises:
        ValueError: the text is not a report.
    """
    match = EMBEDDED.search(html)
    if not match:
        raise ValueError("the text holds no report data")
    data: dict[str, Any] = json.loads(gzip.decompress(b64decode(match[1])))
    return data


def make_data(run: Run, table: Observations, comparison: Comparison, roles: Mapping[str, str]) -> dict[str, Any]:
    """Everything the sample browser and the rating mode show; lists follow the order of `roles` and of the suites.

    Args:
        run: the samples that are to be read.
        table: of all samples, of which the labels are.
    """
    samples = run.plan.samples
    categories = list(dict.fromkeys(sample.category for sample in samples.values()))
    places = {name: place for place, name in enumerate(categories)}
    cells = _Cells(run, table, roles)
    shown = [
        _sample(sample, places[sample.category])
        | {"cells": [cells.of(request, sample) for request in run.requests_by_sample.get(sample.id, ())]}
        for sample in samples.values()
    ]
    return {
        "evidence_digest": comparison.evidence_digest,
        "checkpoints": cells.checkpoints,
        "categories": categories,
        "metrics": [_metric(metric) for metric in comparison.metrics],
        "labels": _labels(run, table),
        "states": next((facts.name for facts in run.facts.values() if facts.chart == "states"), None),
        "outcomes": [facts.name for facts in run.facts.values() if facts.chart == "expected"],
        "quick": _quick_filters(comparison.metrics),
        "samples": shown,
    } | (_tokens(run, cells) if cells.strips.texts else {})


def _quick_filters(metrics: Sequence[Metric]) -> list[dict[str, str]]:
    """The questions that readers ask first: a title, and what the candidate did (`is`) or how it `moved`."""
    mistakes = [
        {"title": QUICK[metric.expected or ""], "metric": metric.name, "is": "1"}
        for metric in metrics
        if (metric.expected in QUICK and metric.kind == "rate" and metric.better == "lower")
    ]
    lost = [metric for metric in metrics if any(change.name == LOST_STOP for change in metric.changes)]
    return [*mistakes, *({"title": "lost stop", "metric": metric.name, "moved": "down"} for metric in lost)]


def make_labelling(run: Run, readable: Run) -> dict[str, Any] | None:
    """Which completions people are asked to label, in this order; None without a scorer whose labels they can give.

    An excerpt offers only the turns before the first one that it lacks: the order must have no gaps.
    """
    facts, places = rated_scorer(run), {name: place for place, name in enumerate(readable.plan.samples)}
    if facts is None:
        return None
    drawn = [turn.request for turn in first_turns(run, MOST_TURNS)]
    there = takewhile(lambda request: request.sample_id in places, drawn)
    sides = {run.plan.baseline: "baseline", run.plan.candidate: "candidate"}
    return {
        "labels": [[label.name, label.title] for label in facts.labels],
        "turns": [[places[turn.sample_id], sides[turn.checkpoint], turn.replicate] for turn in there],
    }


def _tokens(run: Run, cells: "_Cells") -> dict[str, Any]:
    """What all strips share: the texts of tokens, and whose completions were read by whom."""
    assert run.tokens is not None
    sides = [cells.place[name] for name in (run.tokens.baseline, run.tokens.candidate)]
    return {"tokenTexts": cells.strips.texts, "tokenSides": sides}


def _metric(metric: Metric) -> dict[str, Any]:
    return metric.model_dump(
        mode="json", include={"name", "title", "kind", "unit", "better", "headline", "role", "expected"}
    )


def _labels(run: Run, table: Observations) -> dict[str, dict[str, tuple[str, str]]]:
    """Each label's words and the CSS classes of its chip, by scorer."""
    results: dict[str, dict[str, tuple[str, str]]] = {}
    for scorer, labels in table.labels.items():
        for label in labels.names:
            facts = run.facts_of(scorer)
            results.setdefault(scorer, {})[label] = facts.title_of(label), chip_of(facts, label)
    return results


def _sample(sample: Sample, category: int) -> dict[str, Any]:
    facts = {
        "expected": EXPECTED.get(sample.expected or ""),
        "kind": "text to continue" if sample.kind == "continuation" else None,
        "constraints": [constraint.kind for constraint in sample.constraints],
    }
    messages = [[message.role, message.content] for message in sample.messages]
    return {"id": sample.id, "category": category, "messages": messages} | _without_nothing(facts)


def _without_nothing(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, "", [], {})}


class _Cells:
    """Makes the data of single cells from what all cells of a checkpoint share."""

    def __init__(self, run: Run, table: Observations, roles: Mapping[str, str]) -> None:
        self.run = run
        self.table = table
        self.strips = StripData(run)
        self.place = {name: place for place, name in enumerate(roles)}
        resolved = {checkpoint.name: checkpoint.checkpoint for checkpoint in run.plan.checkpoints}
        self.recorded = {checkpoint.name for checkpoint in run.plan.checkpoints if checkpoint.recorded}
        self.checkpoints = [
            {"name": name, "role": role, "format": resolved[name].prompt_format} for name, role in roles.items()
        ]

    def of(self, request: GenerationRequest, sample: Sample) -> dict[str, Any]:
        """One cell: the prompt as sent, the completion and its scores."""
        sent = sent_of(request, sample, recorded=request.checkpoint in self.recorded)
        outcome = self.run.outcomes.get(request.id)
        facts = {
            "replicate": request.replicate or None,
            "sent": sent.pieces,
            "note": sent.note,
            "ids": sent.tokens,
            "strip": self.strips.of(request),
            "scores": [self._score(request, score) for score in self.run.scores_of(request.id)],
        }
        return {"side": self.place[request.checkpoint]} | _outcome(outcome) | _without_nothing(facts)

    def _score(self, request: GenerationRequest, score: Score) -> dict[str, Any]:
        """The result of the table, with the evidence for it."""
        result = self.table.result(request.checkpoint, request.replicate, request.sample_id, score.scorer)
        form = self.run.facts_of(score.scorer).form
        facts = {
            "label": result.label if result else None,
            "status": None if result is None or result.status == "scored" else result.status,
            "values": {name: round(value, 6) for name, value in result.values.items()} if result else {},
            # A 1 where a span marks form.
            "spans": [[span.start, span.end, span.label, *([1] if span.label in form else [])] for span in score.spans],
            "explanation": score.explanation,
        }
        return {"scorer": score.scorer} | _without_nothing(facts)


def _outcome(outcome: Completion | Failure | None) -> dict[str, Any]:
    if not isinstance(outcome, Completion):
        return {"problem": problem_in_words(outcome), "state": "failure" if outcome else "missing"}
    return {"text": outcome.text, "facts": facts_in_words(outcome)} | _without_nothing({"thinking": outcome.thinking})
