"""The style scorer: how a completion ends, and measures of its form; not what it did with the request."""

from collections.abc import Sequence

from evalharness.completion.language import language_of
from evalharness.completion.request import request_of
from evalharness.completion.state import ENDINGS, EndingName, State, ending_of
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
        Label(name="itself", title="ends by itself", meaning="comes to an end"),
        Label(name="cut", title="truncated", meaning="is ended by the token limit"),
        Label(
            name="continuation",
            title="continues with another document",
            meaning="leaves its turn: more questions, the next task, a web page",
        ),
        Label(name="self_dialogue", title="continues with other turns", meaning="also writes the other side"),
        Label(name="loop", title="loops", meaning="repeats itself endlessly"),
    ),
    chart="states",
    heading="How the completions end",
    hint="Each bar shows all requests to a checkpoint, each with exactly one ending; the numbers are requests. An "
    "ending does not say what was done with the request: an answer may loop afterwards, and a refusal ends too.",
    form=FORM,
)


class Style(Scorer):
    """Says how each completion ends, with evidence, and measures its form."""

    facts = FACTS
    version = "6"

    def score_item(self, item: Item) -> Score:
        """Its label is the ending; each flag has the place where it is first seen."""
        completion, state = item.completion, item.state
        ending = ending_of(state, completion)
        language = language_of(state.text)
        values = _states(state, ending, item.sample)
        if completion.finish_reason is not None:
            values["stopped"] = float(completion.finish_reason == "stop")
        if completion.completion_tokens is not None:
            values["tokens"] = float(completion.completion_tokens)
        form, flags = _form(state, language)
        foreign = language not in (None, "English")
        return self.scored(
            item,
            values | form | _languages(language, item.sample),
            label=ending,
            spans=state.spans + _spans(state, flags),
            explanation=f"{state.reason}; in {language}" if foreign else state.reason,
        )


def _spans(state: State, flags: Sequence[Flag]) -> tuple[Span, ...]:
    spans = (state.text.span(flag.start, flag.end, flag.name) for flag in flags)
    return tuple(span for span in spans if span)


def _states(state: State, ending: EndingName, sample: Sample) -> dict[str, float]:
    states: dict[str, float] = {name: float(name == ending) for name in ENDINGS if name != "itself"}
    states |= {name: float(name == state.name) for name in ("echo", "empty")}
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
