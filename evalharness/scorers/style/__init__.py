"""The style scorer: a completion's state and measures of its form. See `completion/state.py` for the states."""

from collections.abc import Sequence

from evalharness.completion.language import language_of
from evalharness.completion.request import request_of
from evalharness.completion.state import STATES, State
from evalharness.records import Label, Sample, Score, ScorerFacts, Span
from evalharness.scorers import Item, Scorer
from evalharness.scorers.style.measures import (
    FORM,
    LAYOUT,
    Flag,
    grade,
    hedging,
    layout_flags,
    lengths_and_repetition,
    manner_flags,
)
from evalharness.scorers.style.metrics import METRICS

FACTS = ScorerFacts(
    name="style",
    metrics=METRICS,
    labels=(
        Label(name="answer", title="answers", meaning="answers and ends within the token limit"),
        Label(name="cut", title="cut off", meaning="was truncated at the token limit"),
        Label(
            name="continuation",
            title="continues the document",
            meaning="continues the prompt's document instead of answering",
            answers=False,
        ),
        Label(
            name="self_dialogue",
            title="plays both sides",
            meaning="also writes the other side's turns",
            answers=False,
        ),
        Label(name="loop", title="loops", meaning="repeats itself endlessly", answers=False),
        Label(
            name="echo",
            title="repeats the prompt",
            meaning="repeats the prompt and adds almost nothing",
            answers=False,
        ),
        Label(name="empty", title="says nothing", meaning="is blank", answers=False),
    ),
    chart="states",
    heading="States of the completions",
    hint="Each bar shows all requests to a checkpoint, each in exactly one of the states below; the numbers are "
    "requests.",
    form=FORM,
)


class Style(Scorer):
    """Puts each completion in one state, with evidence, and measures its form."""

    facts = FACTS
    version = "4"

    def score_item(self, item: Item) -> Score:
        """Its label is the state; each flag has the place where it is first seen."""
        completion, state = item.completion, item.state
        language = language_of(state.text)
        values = _states(state, item.sample)
        if completion.finish_reason is not None:
            values["stopped"] = float(completion.finish_reason == "stop")
        if completion.completion_tokens is not None:
            values["tokens"] = float(completion.completion_tokens)
        form, flags = _form(state, language)
        foreign = language not in (None, "English")
        return self.scored(
            item,
            values | form | _languages(language, item.sample),
            label=state.name,
            spans=state.spans + _spans(state, flags),
            explanation=f"{state.reason}; in {language}" if foreign else state.reason,
        )


def _spans(state: State, flags: Sequence[Flag]) -> tuple[Span, ...]:
    found = (state.text.span(flag.start, flag.end, flag.name) for flag in flags)
    return tuple(span for span in found if span)


def _states(state: State, sample: Sample) -> dict[str, float]:
    states: dict[str, float] = {name: float(name == state.name) for name in STATES}
    if sample.kind == "continuation":
        # To go on with the text is what was asked there, so it cannot be a fault.
        del states["continuation"]
    return states


def _form(state: State, language: str | None) -> tuple[dict[str, float], list[Flag]]:
    """The measures of the text and the flags they come from; a blank text has none but its length."""
    text, english = state.text, language == "English"
    if not text.text.strip():
        return {"words": 0.0}, []
    layout, manner = list(layout_flags(text)), list(manner_flags(text, english=english))
    values = lengths_and_repetition(text) | dict.fromkeys((*LAYOUT, "preamble", "apology"), 0.0)
    if english:
        values |= {"hedging": hedging(text), "first_person": 0.0, "second_person": 0.0}
        level = grade(text)
        values |= {} if level is None else {"grade": level}
    values |= {flag.name: 1.0 for flag in layout + manner if flag.name != "quote"}
    values["markdown"] = float(bool(layout))
    return values, layout + manner


def _languages(language: str | None, sample: Sample) -> dict[str, float]:
    if language is None:
        return {}
    asked = request_of(sample).language
    same = {} if asked is None else {"same_language": float(asked == language)}
    return {"english": float(language == "English")} | same
