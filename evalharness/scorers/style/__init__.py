"""How a completion is written: its state, and a few measures of its form. See `completion/state.py` for the states."""

import re
from collections.abc import Sequence
from itertools import pairwise

from evalharness.completion.loops import repeated_share
from evalharness.completion.state import STATES, State
from evalharness.completion.text import FoldedText
from evalharness.records import Metric, Sample, Score, Span
from evalharness.scorers import Item

MARKDOWN = re.compile(
    r"^(?:#{1,6} \S| {0,3}[-*+] \S| {0,3}\d{1,3}[.)] \S|```|\|.*\||> \S)|\*\*\S[^*\n]{0,200}\*\*|`[^`\n]{1,80}`",
    re.MULTILINE,
)
PREAMBLE = re.compile(
    r"\s*(?:sure|certainly|of course|absolutely|great question|good question|okay|ok|no problem|thank you for"
    r"|thanks for|i'?d be (?:happy|glad|delighted)|i'?m (?:happy|glad|delighted)"
    r"|i (?:would|will) be (?:happy|glad)|i can help"
    r"|(?:here|below) (?:is|are)\b[^.\n]{0,200}:)(?:\W|$)"
)
FINISHED = re.compile(r"(?:[.!?…。！？:;]|```|\|)[\"')\]*_}”’]*$")


METRICS = (
    Metric(
        name="style.answer",
        title="answers",
        description=(
            "The completion answers (or, on a text to continue, continues it) and ends within the token limit."
        ),
        kind="rate",
        better="higher",
        headline=True,
    ),
    Metric(
        name="style.loop",
        title="loops",
        description="The completion goes in circles: the same words, lines or pattern again and again.",
        kind="rate",
        better="lower",
        headline=True,
    ),
    Metric(
        name="style.continuation",
        title="continues the document instead of answering",
        description=(
            "The completion goes on with the prompt's document: more questions, the next task, a "
            "forum page. Only on instructions."
        ),
        kind="rate",
        better="lower",
        headline=True,
    ),
    Metric(
        name="style.self_dialogue",
        title="writes the other side's turns",
        description="The completion plays both sides of a dialogue or writes the tokens of a chat template.",
        kind="rate",
        better="lower",
        headline=True,
    ),
    Metric(
        name="style.stopped",
        title="ends by itself",
        description="The model ended the completion, and not the token limit. Only where it was recorded.",
        kind="rate",
        better="higher",
        headline=True,
    ),
    Metric(
        name="style.echo",
        title="repeats the prompt",
        description="The completion is the prompt again, once or twice, and next to nothing else.",
        kind="rate",
        better="lower",
    ),
    Metric(
        name="style.empty",
        title="says nothing",
        description="The completion is blank, or nothing but thinking.",
        kind="rate",
        better="lower",
    ),
    Metric(
        name="style.cut",
        title="is cut by the token limit",
        description="The token limit ended a completion that was in no other state.",
        kind="rate",
        better="lower",
    ),
    Metric(
        name="style.words",
        title="length",
        description="Words of what the reader sees; a Chinese or Japanese character counts as one.",
        kind="mean",
        unit="words",
    ),
    Metric(
        name="style.distinct_2",
        title="distinct word pairs",
        description="Share of the neighbouring word pairs that are different ones. Longer texts have fewer.",
        kind="mean",
    ),
    Metric(
        name="style.repeated_share",
        title="repeated phrases",
        description="Share of the sequences of four words that stood in the text before.",
        kind="mean",
        better="lower",
    ),
    Metric(
        name="style.finished_sentence",
        title="ends with a finished sentence",
        description=("The last character that is not a quote or bracket ends a sentence, a code block or a table row."),
        kind="rate",
        better="higher",
    ),
    Metric(
        name="style.markdown",
        title="uses Markdown",
        description="Any heading, list, table, code, quote or bold text.",
        kind="rate",
    ),
    Metric(
        name="style.preamble",
        title="opens with a preamble",
        description='Begins with a courtesy such as "Sure!" or "Here is ...:" before the matter itself.',
        kind="rate",
    ),
)


class Style:
    """Puts each completion in one state, with evidence, and measures its form."""

    name = "style"
    version = "1"
    metrics = METRICS

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order; `label` is the state."""
        return [self._score_one(item) for item in items]

    def _score_one(self, item: Item) -> Score:
        sample, completion = item.sample, item.completion
        state = item.state
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
    states: dict[str, float] = {name: float(name == state.name) for name in STATES}
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
        values["distinct_2"] = len(set(pairwise(words))) / (len(words) - 1)
    if len(words) >= 4:
        values["repeated_share"] = repeated_share(words)
    return values


def _form_spans(text: FoldedText) -> tuple[Span, ...]:
    """Where the preamble and the first Markdown stand."""
    found = (("preamble", PREAMBLE.match(text.lower)), ("markdown", MARKDOWN.search(text.text)))
    spans = (text.span(match.start(), match.end(), label) for label, match in found if match and match.group().strip())
    return tuple(span for span in spans if span)
