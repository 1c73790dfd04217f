"""The samples that can be read without JavaScript: those linked from findings, then some of every category."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote

from markupsafe import Markup

from evalharness.observations import Observations
from evalharness.records import Comparison, Completion, GenerationRequest, Message, Sample, Score, ScorerFacts, Span
from evalharness.report.charts.labels import colour_of
from evalharness.report.hidden_characters import marked
from evalharness.report.prompts import NOTES, Sent, sent_of
from evalharness.report.view import View
from evalharness.report.words import EXPECTED, WITHOUT_LABEL, facts_in_words, problem_in_words
from evalharness.store import Run

MOST_SAMPLES = 20
MOST_EVIDENCE = 3
"""Most samples linked from one finding."""
MOST_CHARACTERS = 40_000
"""Total length of all texts in the excerpt, so that the page without its embedded data stays small."""
CUT = Markup('<span class="cut">… {}</span>')
LONGEST_SEARCHED = 20_000
"""Characters of one text that are searched for loops."""
LONGEST_TEXT = 1_200
"""Characters of one text in the excerpt."""
MOST_LINES = 60


def anchor_of(sample_id: str) -> str:
    """The id and link target of a sample, the same for the plain page and for its script; harmless whatever the id.

    >>> anchor_of('a b"')
    'sample=a%20b%22'
    """
    return f"sample={quote(sample_id, safe='', errors='surrogatepass')}"


def make_excerpt(run: Run, table: Observations, comparison: Comparison, roles: Mapping[str, str]) -> tuple[View, ...]:
    """The excerpt, in the order of the suites; `table` is of all samples, also if `run` has only some."""
    samples = run.plan.samples
    chosen = set(_within_budget(run, _candidates(samples, comparison)))
    return tuple(_sample_row(run, table, samples[name], roles) for name in samples if name in chosen)


def _candidates(samples: Mapping[str, Sample], comparison: Comparison) -> list[str]:
    """All samples, the most wanted first: evidence of findings, then the first of each category, the second, ..."""
    linked = [name for finding in comparison.findings for name in finding.sample_ids[:MOST_EVIDENCE] if name in samples]
    evidence = list(dict.fromkeys(linked))[: MOST_SAMPLES // 2]
    seen: dict[str, int] = {}
    turns: list[tuple[int, str]] = []
    for sample in samples.values():
        seen[sample.category] = seen.get(sample.category, 0) + 1
        turns.append((seen[sample.category], sample.id))
    in_turn = [sample_id for _, sample_id in sorted(turns, key=lambda turn: turn[0])]
    return list(dict.fromkeys([*evidence, *in_turn]))


def _within_budget(run: Run, wanted: Sequence[str]) -> Iterator[str]:
    room = MOST_CHARACTERS
    for sample_id in wanted[:MOST_SAMPLES]:
        outcomes = [run.outcomes.get(request.id) for request in run.requests_by_sample.get(sample_id, ())]
        room -= sum(min(len(outcome.text), LONGEST_TEXT) for outcome in outcomes if isinstance(outcome, Completion))
        if room < 0:
            return
        yield sample_id


def _sample_row(run: Run, table: Observations, sample: Sample, roles: Mapping[str, str]) -> View:
    order = {name: position for position, name in enumerate(roles)}
    ordered = sorted(
        run.requests_by_sample.get(sample.id, ()), key=lambda request: (request.replicate, order[request.checkpoint])
    )
    return View(
        anchor=anchor_of(sample.id),
        id=sample.id,
        category=sample.category,
        prompt=_turns(sample.messages),
        expected=EXPECTED.get(sample.expected or "", ""),
        kind="text to continue" if sample.kind == "continuation" else "",
        constraints=tuple(constraint.kind for constraint in sample.constraints),
        cells=tuple(_cell(run, table, sample, request, roles[request.checkpoint]) for request in ordered),
    )


def _turns(messages: Sequence[Message]) -> Markup:
    """The sample's own text, with a role before each turn if there are several."""
    if len(messages) == 1:
        return _beginning(messages[0].content)
    turns = (
        Markup('<span class="turn">{}</span>{}').format(message.role, _beginning(message.content))
        for message in messages
    )
    return Markup("\n\n").join(turns)


def _beginning(text: str, spans: Sequence[Span] = (), form: Sequence[Span] = ()) -> Markup:
    """The text as HTML; loops are folded and a long text is cut, each with a note of what is left out."""
    end = len("\n".join(text[:LONGEST_TEXT].split("\n")[:MOST_LINES]))
    shown, last = Markup(""), 0
    for start, after, times in loops_in(text[:LONGEST_SEARCHED]):
        if start < end:
            shown += _part(text, last, start, spans, form) + CUT.format(f"repeated {times:,} more times")
            last = after
    shown += _part(text, last, end, spans, form)
    rest = len(text) - max(last, end)
    return shown + CUT.format(f"{rest:,} more characters") if rest > 0 else shown


def _part(text: str, start: int, end: int, spans: Sequence[Span], form: Sequence[Span]) -> Markup:
    """The text from `start` to `end`, with the spans of the whole text."""
    moved = (
        [
            span.model_copy(update={"start": max(span.start - start, 0), "end": span.end - start})
            for span in some
            if span.start < end and span.end > start
        ]
        for some in (spans, form)
    )
    return marked(text[start:end], *moved)


# ------------------------------------------------------------------------------------------------ cell


def _cell(run: Run, table: Observations, sample: Sample, request: GenerationRequest, role: str) -> View:
    outcome, scores = run.outcomes.get(request.id), run.scores_of(request.id)
    completion = outcome if isinstance(outcome, Completion) else None
    sent = sent_of(request, sample, recorded=_recorded(run, request))
    return View(
        checkpoint=request.checkpoint,
        role=role,
        replicate=request.replicate,
        chips=tuple(_chips(run, table, request)),
        completion=None
        if completion is None
        else _beginning(
            completion.text, _spans(scores, run.facts_of, form=False), _spans(scores, run.facts_of, form=True)
        ),
        problem="" if isinstance(outcome, Completion) else problem_in_words(outcome),
        facts="" if completion is None else facts_in_words(completion),
        sent=_sent_shown(sent),
        sent_title=NOTES[sent.note][0],
        sent_note=f"{NOTES[sent.note][1]} {sent.tokens}",
    )


def _spans(scores: Sequence[Score], facts_of: Callable[[str], ScorerFacts], *, form: bool) -> list[Span]:
    """The evidence of all scorers, or their form marks, within the excerpt."""
    return [
        span
        for score in scores
        for span in score.spans
        if span.start < LONGEST_TEXT and (span.label in facts_of(score.scorer).form) == form
    ]


def _chips(run: Run, table: Observations, request: GenerationRequest) -> Iterator[View]:
    outcome = run.outcomes.get(request.id)
    if not isinstance(outcome, Completion):
        yield View(kind="chip-failure", text=WITHOUT_LABEL["failure" if outcome else "missing"][0])
        return
    for scorer in table.versions:
        result = table.result(request.checkpoint, request.replicate, request.sample_id, scorer)
        if result and result.status == "failed":
            yield View(kind="chip-failure", text=f"{scorer} scorer failed")
        elif result and result.label:
            facts = run.facts_of(scorer)
            yield View(kind=chip_of(facts, result.label), text=facts.title_of(result.label))


def chip_of(facts: ScorerFacts, label: str) -> str:
    """The CSS classes of a label's chip: a dot in its colour for a state, a square for any other."""
    return f"{'chip-state' if facts.chart == 'states' else 'chip-label'} {colour_of(facts, label)}"


def _sent_shown(sent: Sent) -> Markup:
    """The prompt in pieces, with the text added around the sample set apart."""
    return Markup("").join(
        _beginning(piece) if number % 2 else Markup('<span class="around">{}</span>').format(_beginning(piece))
        for number, piece in enumerate(sent.pieces)
        if piece
    )


def _recorded(run: Run, request: GenerationRequest) -> bool:
    return any(checkpoint.name == request.checkpoint and checkpoint.recorded for checkpoint in run.plan.checkpoints)


WORD = re.compile(r"\S+")
MOST_WORDS = 60
"""Words of what is repeated; a longer part is not looked for."""
SHOWN_TIMES = 3
FEWEST_FOLDED = 60
"""Characters; less is not worth folding."""


def loops_in(text: str) -> Iterator[tuple[int, int, int]]:
    """Start and end of each part to fold, and how many repetitions it holds beyond the first three.

    >>> list(loops_in("Well. " + "The sky is blue and wide. " * 9))
    [(83, 239, 6)]
    """
    matches = list(WORD.finditer(text))
    words = [match[0] for match in matches]
    at = 0
    while at < len(words):
        length, run = _repeated(words, at)
        times = run // length + 1 if length else 1
        if times > SHOWN_TIMES:
            start, end = (matches[at + count * length - 1].end() for count in (SHOWN_TIMES, times))
            if end - start >= FEWEST_FOLDED:
                yield start, end, times - SHOWN_TIMES
        at += times * length or 1


def _repeated(words: Sequence[str], at: int) -> tuple[int, int]:
    """Length of the shortest part from here that is repeated often enough, and how far it is; zeros if none is."""
    for length in range(1, MOST_WORDS + 1):
        run = 0
        while at + run + length < len(words) and words[at + run] == words[at + run + length]:
            run += 1
        if run >= SHOWN_TIMES * length:
            return length, run
    return 0, 0
