"""Applies a function to each text in a run's records, with its kind and sample."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from evalharness.records import (
    ChatPrompt,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    JudgeFailure,
    LabelRating,
    Message,
    Notice,
    Preference,
    RawPrompt,
    Record,
    Sample,
    Score,
    slim,
    text_kinds,
)
from evalharness.records.privacy import Kind
from evalharness.store import Run
from evalharness.store.lines import StoredOutcomes, StoredScores, StoredTokens

Treat = Callable[[str, Kind, str, Sample | None], str]
"""Text, kind, field (such as `Completion.text`) and sample to the text that takes its place."""
Besides = Callable[[Record, dict[str, Any], Sample | None], dict[str, Any]]
"""Record and its changed fields to further fields to change."""

REPEATED = (ChatPrompt, GenerationConfig, Message, RawPrompt)
"""Records of which little is left, often the same: equal ones become one."""


def nothing_besides(record: Record, update: dict[str, Any], sample: Sample | None) -> dict[str, Any]:
    """No further fields."""
    return {}


class Walk:
    """Applies a function to every text of a run; unchanged records are not copied."""

    def __init__(self, run: Run, treat: Treat, besides: Besides = nothing_besides) -> None:
        self.treat, self.besides = treat, besides
        self.samples = run.plan.samples
        self.sample_of = {request.id: request.sample_id for request in run.plan.requests}
        self._shared: dict[Record, Record] = {}

    def walked(self, run: Run) -> Run:
        """The run with each text treated, field by field; stored outcomes and scores whenever they are read."""
        return Run(path=run.path, **{name: self._inside(value, None) for name, value in _parts(run)})

    def visit(self, run: Run) -> None:
        """Apply the function to each text of the run, record by record; what it returns is not used."""
        for _, value in _parts(run):
            match value:
                case StoredOutcomes():
                    for outcome in value.values():
                        self._record(outcome, None)
                case StoredScores():
                    for score in value:
                        self._record(score, None)
                case _:
                    self._inside(value, None)

    def _inside(self, value: Any, sample: Sample | None) -> Any:
        """Any value with the records in it treated."""
        match value:
            case Record():
                return self._record(value, sample)
            case tuple():
                return _same(value, tuple(self._inside(item, sample) for item in value))
            case StoredTokens():  # Ids and numbers.
                return value
            case StoredOutcomes() | StoredScores():
                return value.through(lambda item: self._record(item, None))
            case Mapping():
                return {key: self._inside(item, sample) for key, item in value.items()}
            case Collection() if not isinstance(value, str):
                return tuple(self._inside(item, sample) for item in value)
        return value

    def _record(self, record: Record, sample: Sample | None) -> Record:
        sample = self._about(record) or sample
        update: dict[str, Any] = {}
        for name, kind in _fields(type(record)):
            value = record.__dict__[name]
            if value:
                new = self._inside(value, sample) if kind is None else self._text(record, name, kind, value, sample)
                if new is not value:
                    update[name] = new
        update |= self.besides(record, update, sample)
        if not update:
            return record
        changed = slim(record.model_copy(update=update))
        # Of many requests the same is left.
        return self._shared.setdefault(changed, changed) if isinstance(record, REPEATED) else changed

    def _text(self, record: Record, name: str, kind: Kind, value: Any, sample: Sample | None) -> Any:
        # The server's rendering of the first prompt.
        is_rendered = isinstance(record, Notice) and record.kind == "rendered" and name == "message"
        field = f"{type(record).__name__}.{name}"
        return self._value(value, "rendered" if is_rendered else kind, field, sample)

    def _value(self, value: Any, kind: Kind, field: str, sample: Sample | None) -> Any:
        """A field's value with each text in it treated; keys of tables are names of settings and stay."""
        match value:
            case str():
                return self.treat(value, kind, field, sample)
            case tuple() | list():
                return _same(value, type(value)(self._value(item, kind, field, sample) for item in value))
            case dict():
                new = {key: self._value(item, kind, field, sample) for key, item in value.items()}
                return value if all(new[key] is item for key, item in value.items()) else new
        return value

    def _about(self, record: Record) -> Sample | None:
        match record:
            case Sample():
                return record
            case (
                GenerationRequest(sample_id=sample_id)
                | LabelRating(sample_id=sample_id)
                | Preference(sample_id=sample_id)
                | JudgeFailure(sample_id=sample_id)
            ):
                return self.samples.get(sample_id)
            case Completion(request_id=request) | Failure(request_id=request) | Score(request_id=request):
                return self.samples.get(self.sample_of.get(request, ""))
        return None


def _parts(run: Run) -> Iterator[tuple[str, Any]]:
    """The fields of a run; the table of observations holds names too, and is made anew."""
    return (
        (field.name, run.__dict__[field.name])
        for field in dataclasses.fields(run)
        if field.name not in ("path", "_observed")
    )


def _same(old: Any, new: Any) -> Any:
    """The old sequence if unchanged."""
    return old if all(item is other for item, other in zip(old, new, strict=True)) else new


@cache
def _fields(record: type[Record]) -> tuple[tuple[str, Kind | None], ...]:
    """The fields that hold text, with its kind, and those that hold records, with None."""
    kinds = text_kinds(record)
    if unknown := [name for name, kind in kinds.items() if kind is None]:
        raise LookupError(f"{record.__name__}.{unknown[0]} has no kind: annotate it (evalharness/records/privacy.py)")
    fields = record.model_fields.items()
    return tuple((name, kinds.get(name)) for name, field in fields if name in kinds or _holds_records(field.annotation))


def _holds_records(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(map(_holds_records, get_args(annotation)))
