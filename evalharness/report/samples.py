"""Every sample side by side: what was sent, what came back, what the scorers made of it and on what evidence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evalharness.records import (
    ChatPrompt,
    Completion,
    Failure,
    GenerationRequest,
    Message,
    Metric,
    RawPrompt,
    Sample,
    Score,
    Span,
)
from evalharness.report.visible import marked
from evalharness.report.words import EXPECTED, FAILURES, ending_in_words, label_in_words
from evalharness.store import Run
from evalharness.text import format_number

LONG_CHARACTERS = 1_100
LONG_LINES = 16
OWN_TEXT = 12
"""A sample's text shorter than this stands in a template by chance too often to be pointed at."""


@dataclass(frozen=True)
class Chip:
    """A scorer's label in words, or that it gave none."""

    kind: str
    """A CSS class."""
    text: str


@dataclass(frozen=True)
class Sent:
    """The prompt as it was sent."""

    title: str
    text: Markup
    note: str
    tokens: str


@dataclass(frozen=True)
class Cell:
    """One side of a sample."""

    checkpoint: str
    role: str
    replicate: int
    chips: tuple[Chip, ...]
    completion: Markup | None
    """None where there is no completion."""
    problem: str
    """Why there is none."""
    expander: str
    """What the control says that shows all of a long completion; empty for a short one."""
    facts: str
    reasons: tuple[tuple[str, str], ...]
    values: str
    sent: Sent


@dataclass(frozen=True)
class SampleRow:
    """One sample with all its sides."""

    anchor: str
    id: str
    category: str
    prompt: Markup
    expected: str
    kind: str
    constraints: tuple[str, ...]
    differs: str
    """How the two sides' labels differ, in words; empty where they do not."""
    troubled: bool
    """A side failed, or was cut by the token limit."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class CategoryRows:
    """The samples of one category."""

    name: str
    anchor: str
    rows: tuple[SampleRow, ...]

    @property
    def n_differ(self) -> int:
        """Samples whose labels differ."""
        return sum(bool(row.differs) for row in self.rows)


def anchors(names: Sequence[str], prefix: str) -> dict[str, str]:
    """A link target for each name: readable, unique, and harmless whatever the name.

    >>> anchors(["a b", "a/b"], "sample")
    {'a b': 'sample-a-b', 'a/b': 'sample-a-b-2'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        slug = f"{prefix}-{re.sub('[^A-Za-z0-9_-]+', '-', name)[:60]}"
        anchor, number = slug, 1
        while anchor in taken:
            number += 1
            anchor = f"{slug}-{number}"
        taken.add(anchor)
        found[name] = anchor
    return found


def make_samples(run: Run, roles: Mapping[str, str], metrics: Sequence[Metric]) -> tuple[CategoryRows, ...]:
    """All samples by category, in the order of the suites."""
    titles = {metric.name: metric for metric in metrics}
    links = anchors(list(run.plan.samples), "sample")
    requests: dict[str, list[GenerationRequest]] = {}
    for request in run.plan.requests:
        requests.setdefault(request.sample_id, []).append(request)
    categories: dict[str, list[SampleRow]] = {}
    for sample in run.plan.samples.values():
        row = _sample_row(run, sample, links[sample.id], requests.get(sample.id, []), roles, titles)
        categories.setdefault(sample.category, []).append(row)
    names = anchors(list(categories), "category")
    return tuple(CategoryRows(name, names[name], tuple(rows)) for name, rows in categories.items())


def _sample_row(
    run: Run,
    sample: Sample,
    anchor: str,
    requests: Sequence[GenerationRequest],
    roles: Mapping[str, str],
    metrics: Mapping[str, Metric],
) -> SampleRow:
    order = {name: position for position, name in enumerate(roles)}
    ordered = sorted(requests, key=lambda request: (request.replicate, order[request.checkpoint]))
    outcomes = [run.outcomes.get(request.id) for request in ordered]
    return SampleRow(
        anchor=anchor,
        id=sample.id,
        category=sample.category,
        prompt=_turns(sample.messages),
        expected=EXPECTED.get(sample.expected or "", ""),
        kind="a text to continue" if sample.kind == "continuation" else "",
        constraints=tuple(constraint.kind for constraint in sample.constraints),
        differs=_difference(run, ordered, list(roles)[:2]),
        troubled=any(not isinstance(one, Completion) or one.finish_reason == "length" for one in outcomes),
        cells=tuple(_cell(run, sample, request, roles[request.checkpoint], metrics) for request in ordered),
    )


def _turns(messages: Sequence[Message]) -> Markup:
    """The sample's own text; with a role before each turn where there are several."""
    if len(messages) == 1:
        return marked(messages[0].content)
    turns = (
        Markup('<span class="turn">{}</span>{}').format(message.role, marked(message.content)) for message in messages
    )
    return Markup("\n\n").join(turns)


# ------------------------------------------------------------------------------------------ difference


def _difference(run: Run, requests: Sequence[GenerationRequest], sides: Sequence[str]) -> str:
    """The labels that differ between baseline and candidate, each replicate with its twin."""
    found: dict[str, None] = {}
    for replicate in dict.fromkeys(request.replicate for request in requests):
        labels = [_labels(run, requests, side, replicate) for side in sides]
        for scorer in dict.fromkeys(scorer for one in labels for scorer in one):
            before, after = (label_in_words(scorer, one.get(scorer, "no outcome")) for one in labels)
            if before != after:
                found[f"{before} → {after}"] = None
    return "; ".join(found)


def _labels(run: Run, requests: Sequence[GenerationRequest], side: str, replicate: int) -> dict[str, str]:
    for request in requests:
        if (request.checkpoint, request.replicate) == (side, replicate):
            return {score.scorer: score.label for score in run.scores_of(request.id) if score.label}
    return {}


# ------------------------------------------------------------------------------------------------ cell


def _cell(run: Run, sample: Sample, request: GenerationRequest, role: str, metrics: Mapping[str, Metric]) -> Cell:
    outcome, scores = run.outcomes.get(request.id), run.scores_of(request.id)
    completion = outcome if isinstance(outcome, Completion) else None
    return Cell(
        checkpoint=request.checkpoint,
        role=role,
        replicate=request.replicate,
        chips=tuple(_chips(outcome, scores)),
        completion=None if completion is None else marked(completion.text, _evidence(scores)),
        problem=_problem(outcome),
        expander="" if completion is None else _expander(completion.text, _evidence(scores)),
        facts="" if completion is None else " · ".join(_facts(completion)),
        reasons=tuple(_reasons(scores)),
        values=" · ".join(_values(scores, metrics)),
        sent=_sent(run, request, sample),
    )


def _evidence(scores: Sequence[Score]) -> list[Span]:
    return [span for score in scores for span in score.spans]


def _chips(outcome: Completion | Failure | None, scores: Sequence[Score]) -> Iterator[Chip]:
    if not isinstance(outcome, Completion):
        yield Chip("chip-failure", "failed" if outcome else "not generated")
        return
    for score in scores:
        if score.status == "failed":
            yield Chip("chip-failure", f"{score.scorer} scorer failed")
        elif score.label:
            yield Chip(
                f"chip-{score.scorer}-{score.label}".replace("_", "-"), label_in_words(score.scorer, score.label)
            )
        elif "prompt_strict" in score.values:
            yield _instruction_chip(score)


def _instruction_chip(score: Score) -> Chip:
    if score.values["prompt_strict"] == 1:
        return Chip("chip-instruction-followed", "instructions followed")
    share = score.values.get("instruction_strict", 0.0)
    return Chip("chip-instruction-missed", "instructions partly followed" if share else "instructions not followed")


def _problem(outcome: Completion | Failure | None) -> str:
    match outcome:
        case Completion():
            return ""
        case Failure(kind=kind, message=message):
            return f"No completion: {FAILURES[kind]}. {message}"
        case None:
            return "Not generated yet: the run was interrupted. `evalharness run --resume` goes on with it."


def _expander(text: str, spans: Sequence[Span]) -> str:
    head = text[:LONG_CHARACTERS]
    if len(text) <= LONG_CHARACTERS and head.count("\n") < LONG_LINES:
        return ""
    below = any(span.start >= len(head) // 2 for span in spans)
    return f"Show all {len(text):,} characters" + (", with evidence further down" if below else "")


def _facts(completion: Completion) -> Iterator[str]:
    if completion.completion_tokens is not None:
        yield f"{completion.completion_tokens:,} tokens"
    if completion.seconds is not None:
        yield f"{format_number(round(completion.seconds, 1))} s"
    yield ending_in_words(completion)


def _reasons(scores: Sequence[Score]) -> Iterator[tuple[str, str]]:
    for score in scores:
        if score.explanation:
            how = "" if score.status == "scored" else f"{score.status}: "
            yield score.scorer, how + score.explanation


def _values(scores: Sequence[Score], metrics: Mapping[str, Metric]) -> Iterator[str]:
    for score in scores:
        for name, value in score.values.items():
            metric = metrics.get(f"{score.scorer}.{name}")
            if metric is None or metric.kind == "mean":
                unit = f" {metric.unit}" if metric and metric.unit else ""
                yield f"{metric.title if metric else name} {format_number(value)}{unit}"
            elif value and score.label != name:
                yield metric.title if value == 1 else f"{metric.title} {format_number(value)}"


# ------------------------------------------------------------------------------------------------ sent


def _sent(run: Run, request: GenerationRequest, sample: Sample) -> Sent:
    tokens = _tokens(request)
    if _recorded(run, request):
        note = "The sample's prompt; the completion was generated elsewhere, and what was sent there is not known."
        return Sent("Prompt", _turns(sample.messages), note, tokens)
    if request.rendered is not None:
        return _sent_text(request.rendered, sample, tokens)
    match request.prompt:
        case RawPrompt(text=text):
            return _sent_text(text, sample, tokens)
        case ChatPrompt(messages=messages):
            note = "The turns as sent to the server; the template that it puts around them is known to it alone."
            return Sent("Prompt as sent", _turns(messages), note, tokens)


def _sent_text(text: str, sample: Sample, tokens: str) -> Sent:
    whole = text == sample.prompt
    added = "Dimmed: what the template, the tokenizer or the scaffold puts around the sample's text."
    note = "Exactly the sample's text; nothing was added." if whole else added
    return Sent("Prompt as sent", _template_shown(text, sample), note, tokens)


def _recorded(run: Run, request: GenerationRequest) -> bool:
    return any(one.name == request.checkpoint and one.checkpoint.backend == "replay" for one in run.plan.checkpoints)


def _template_shown(text: str, sample: Sample) -> Markup:
    """The text with what was put around the sample's own turns set apart."""
    parts: list[Markup] = []
    last = 0
    for message in sample.messages:
        # A template may strip a turn; its own text is then found without the blanks around it.
        own = message.content if message.content in text[last:] else message.content.strip()
        start = text.rfind(own, last) if len(own) < OWN_TEXT else text.find(own, last)
        if start < 0 or not own:
            continue
        parts += [_around(text[last:start]), marked(own)]
        last = start + len(own)
    return Markup("").join([*parts, _around(text[last:]) if parts else marked(text[last:])])


def _around(text: str) -> Markup:
    return Markup('<span class="around">{}</span>').format(marked(text)) if text else Markup("")


def _tokens(request: GenerationRequest) -> str:
    if request.prompt_tokens is None:
        return "Token ids are not known: the backend has no tokenizer of its own."
    first = ", ".join(str(token) for token in request.first_token_ids)
    if request.prompt_tokens <= len(request.first_token_ids):
        return f"{request.prompt_tokens:,} tokens: {first}"
    rest = request.last_token_ids[-(request.prompt_tokens - len(request.first_token_ids)) :]
    gap = " … " if request.prompt_tokens > len(request.first_token_ids) + len(rest) else ", "
    return f"{request.prompt_tokens:,} tokens: {first}{gap}{', '.join(str(token) for token in rest)}"
