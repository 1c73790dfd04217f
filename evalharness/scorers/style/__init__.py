"""How a completion is written: its state, and measures of its form. See `completion/state.py` for the states."""

from collections.abc import Sequence

from pydantic import JsonValue

from evalharness.completion.language import language_of
from evalharness.completion.request import request_of
from evalharness.completion.state import STATES, State
from evalharness.records import Sample, Score, Span
from evalharness.scorers import Item
from evalharness.scorers.style.measures import (
    LAYOUT,
    Flag,
    grade,
    hedging,
    layout_flags,
    lengths_and_repetition,
    manner_flags,
)
from evalharness.scorers.style.metrics import METRICS


class Style:
    """Puts each completion in one state, with evidence, and measures its form."""

    name = "style"
    version = "3"
    metrics = METRICS

    @property
    def identity(self) -> dict[str, JsonValue]:
        """Nothing but the code decides."""
        return {}

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order; `label` is the state, and each flag has the place it is first seen at."""
        return [self._score_one(item) for item in items]

    def _score_one(self, item: Item) -> Score:
        completion, state = item.completion, item.state
        language = language_of(state.text)
        values = _states(state, item.sample)
        if completion.finish_reason is not None:
            values["stopped"] = float(completion.finish_reason == "stop")
        if completion.completion_tokens is not None:
            values["tokens"] = float(completion.completion_tokens)
        form, flags = _form(state, language)
        foreign = language not in (None, "English")
        return Score(
            request_id=completion.request_id,
            scorer=self.name,
            version=self.version,
            status="scored",
            label=state.name,
            values=values | form | _languages(language, item.sample),
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
