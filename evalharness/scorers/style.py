"""How a completion is written: its state, and a few measures of its form. See `completion/state.py` for the states."""

import re
from collections.abc import Sequence

from evalharness.completion.loops import repeated_share
from evalharness.completion.state import NON_ANSWERS, STATES, State, state_of
from evalharness.completion.text import FoldedText
from evalharness.records import Completion, Metric, Sample, Score, Span

MARKDOWN = re.compile(
    r"^(?:#{1,6} \S|\s{0,3}[-*+] \S|\s{0,3}\d{1,3}[.)] \S|```|\|.*\||> \S)|\*\*\S[^*\n]{0,200}\*\*|`[^`\n]{1,80}`",
    re.MULTILINE,
)
PREAMBLE = re.compile(
    r"\s*(?:sure|certainly|of course|absolutely|great question|good question|okay|ok|no problem|thank you for|thanks for"
    r"|i'?d be (?:happy|glad|delighted)|i'?m (?:happy|glad|delighted)|i (?:would|will) be (?:happy|glad)|i can help"
    r"|(?:here|below) (?:is|are)\b[^.\n]{0,200}:)(?:\W|$)"
)
FINISHED = re.compile(r"(?:[.!?…。！？:;]|```|\|)[\"')\]*_}”’]*$")


def _metric(
    value: str,
    title: str,
    description: str,
    *,
    kind: str = "rate",
    unit: str = "",
    better: str | None = None,
    headline: bool = False,
) -> Metric:
    return Metric.model_validate(
        {"name": f"style.{value}", "title": title, "description": description}
        | {"kind": kind, "unit": unit, "better": better, "headline": headline}
    )


METRICS = (
    _metric("answer", "answers", "The completion answers (or, on a text to continue, continues it) and ends within the token limit.", better="higher", headline=True),
    _metric("loop", "loops", "The completion goes in circles: the same words, lines or pattern again and again.", better="lower", headline=True),
    _metric("continuation", "continues the document instead of answering", "The completion goes on with the prompt's document: more questions, the next task, a forum page. Only on instructions.", better="lower", headline=True),
    _metric("self_dialogue", "writes the other side's turns", "The completion plays both sides of a dialogue or writes the tokens of a chat template.", better="lower", headline=True),
    _metric("stopped", "ends by itself", "The model ended the completion, and not the token limit. Only where it was recorded.", better="higher", headline=True),
    _metric("echo", "repeats the prompt", "The completion is the prompt again, once or twice, and next to nothing else.", better="lower"),
    _metric("empty", "says nothing", "The completion is blank, or nothing but thinking.", better="lower"),
    _metric("cut", "is cut by the token limit", "The token limit ended a completion that was in no other state.", better="lower"),
    _metric("words", "length", "Words of what the reader sees; a Chinese or Japanese character counts as one.", kind="mean", unit="words"),
    _metric("distinct_2", "distinct word pairs", "Share of the neighbouring word pairs that are different ones. Longer texts have fewer.", kind="mean"),
    _metric("repeated_share", "repeated phrases", "Share of the sequences of four words that stood in the text before.", kind="mean", better="lower"),
    _metric("finished_sentence", "ends with a finished sentence", "The last character that is not a quote or bracket ends a sentence, a code block or a table row.", better="higher"),
    _metric("markdown", "uses Markdown", "Any heading, list, table, code, quote or bold text."),
    _metric("preamble", "opens with a preamble", "Begins with a courtesy such as \"Sure!\" or \"Here is ...:\" before the matter itself."),
)  # fmt: skip


class Style:
    """Puts each completion in one state, with evidence, and measures its form."""

    name = "style"
    version = "1"
    metrics = METRICS

    def score(self, items: Sequence[tuple[Sample, Completion]]) -> list[Score]:
        """One score for each item, in order; `label` is the state."""
        return [self._score_one(sample, completion) for sample, completion in items]

    def _score_one(self, sample: Sample, completion: Completion) -> Score:
        state = state_of(sample, completion)
        values = _states(state, sample) | _form(state.text)
        if completion.finish_reason is not None:
            values["stopped"] = float(completion.finish_reason == "stop")
        return Score(
            request_id=completion.request_id,
            scorer=self.name,
            version=self.version,
            status="scored",
            label=state.name,
            values=values,
            spans=state.spans + _form_spans(state.text),
            explanation=state.reason,
        )


def _states(state: State, sample: Sample) -> dict[str, float]:
    states = {name: float(name == state.name) for name in STATES}
    if sample.kind == "continuation":
        # To go on with the text is what was asked there, so it cannot be a fault.
        del states["continuation"]
    return states


def _form(text: FoldedText) -> dict[str, float]:
    """The measures that need no judgement; those of a blank text that are not defined are left out."""
    words = text.words
    values = {"words": float(len(words))}
    if not text.text.strip():
        return values
    values["finished_sentence"] = float(FINISHED.search(text.text[-12:]) is not None)
    values["markdown"] = float(MARKDOWN.search(text.text) is not None)
    values["preamble"] = float(PREAMBLE.match(text.lower) is not None)
    if len(words) >= 2:
        values["distinct_2"] = len(set(zip(words, words[1:], strict=False))) / (len(words) - 1)
    if len(words) >= 4:
        values["repeated_share"] = repeated_share(words)
    return values


def _form_spans(text: FoldedText) -> tuple[Span, ...]:
    """Where the preamble and the first Markdown stand."""
    found = (("preamble", PREAMBLE.match(text.lower)), ("markdown", MARKDOWN.search(text.text)))
    spans = (text.span(match.start(), match.end(), label) for label, match in found if match and match.group().strip())
    return tuple(span for span in spans if span)
