"""Walks through records and applies the profiles to every text in them, by what `fields.py` says it is."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from evalharness.backends import backend_names
from evalharness.records import (
    Checkpoint,
    Completion,
    Estimate,
    Failure,
    GenerationRequest,
    JudgeFailure,
    Notice,
    Preference,
    Record,
    ResolvedCheckpoint,
    Sample,
    Score,
)
from evalharness.sharing.redaction.fields import Kind, text_fields
from evalharness.sharing.redaction.names import SETTINGS, Names
from evalharness.sharing.redaction.quotes import CUT, SHORTEST, Quotes
from evalharness.store import Run

AnyRecord = TypeVar("AnyRecord", bound=Record)

GOES: Mapping[str, frozenset[Kind]] = {
    "harmful": frozenset({"completion", "quote"}),
    "completions": frozenset({"completion", "quote"}),
    "prompts": frozenset({"prompt", "rendered", "template", "source", "quote", "lint"}),
    "identity": frozenset({"template", "notes", "command", "machine", "options"}),
}
"""What each profile removes as a whole; `harmful` only of samples that should be refused."""
NAMED: frozenset[Kind] = frozenset({"checkpoint", "model", "digest", "version", "run", "person"})
"""What `identity` gives another name as a whole."""
SAID: frozenset[Kind] = frozenset({"words", "rendered", "lint", "quote", "notes", "source"})
"""Prose about the run; what stays of it must quote nothing that goes, and name no place."""
MARKS: Mapping[str, str] = {
    "prompt": "[prompt removed]",
    "rendered": "[prompt removed]",
    "template": "[template removed]",
    "source": "[source removed]",
    "quote": "[explanation removed]",
    "lint": "[message removed]",
    "notes": "[note removed]",
    "command": "[command removed]",
    "machine": "[hardware removed]",
    "options": "[setting removed]",
}
PLAIN_VERSION = re.compile(r"[\w.+-]{1,12}")
SHORTEST_QUOTED = 8
"""Characters of a prompt that is looked for, as a whole, in the completions to it."""


class Eraser:
    """Applies profiles to the records of one run; counts and remembers what it takes out."""

    def __init__(self, run: Run, profiles: frozenset[str], names: Names, quotes: Quotes) -> None:
        self.profiles = profiles
        self.names = names
        self.quotes = quotes
        self.counts: Counter[str] = Counter()
        self.removed: set[str] = set()
        self.kept: set[str] = set()
        self._samples = run.plan.samples
        self._sample_of = {request.id: request.sample_id for request in run.plan.requests}
        self._ids: dict[str, str] = {}
        self._changed: set[str] = set()
        """Requests whose completion is not what it was."""
        self._said: dict[str, str] = {}
        """Prose that was removed as a whole, which other prose may repeat."""

    def record(self, one: AnyRecord, sample_id: str | None = None) -> AnyRecord:
        """The same record without what goes.

        Raises:
            LookupError: `fields.py` does not say what a text of it is.
        """
        sample_id = self._about(one) or sample_id
        kinds = text_fields(type(one))
        update: dict[str, Any] = {}
        for name in type(one).model_fields:
            value = one.__dict__[name]
            if name in kinds:
                kind = self._kind(one, name, kinds[name])
                update[name] = self._value(value, kind, f"{type(one).__name__}.{name}", sample_id)
            else:
                update[name] = self.inside(value, sample_id)
        return one.model_copy(update=update | self._besides(one, update, sample_id))

    def path(self, path: Path) -> Path:
        """The run directory's name for the report."""
        return Path(self.names.exact("run", str(path))) if "identity" in self.profiles else path

    def _kind(self, one: Record, name: str, kind: Kind | None) -> Kind:
        if kind is None:
            raise LookupError(f"redact/fields.py does not say what {type(one).__name__}.{name} is")
        # The server's rendering of the first prompt.
        return "rendered" if isinstance(one, Notice) and one.kind == "rendered" and name == "message" else kind

    def _about(self, one: Record) -> str | None:
        match one:
            case Sample(id=sample_id):
                return sample_id
            case (
                GenerationRequest(sample_id=sample_id)
                | Preference(sample_id=sample_id)
                | JudgeFailure(sample_id=sample_id)
            ):
                return sample_id
            case Completion(request_id=request) | Failure(request_id=request) | Score(request_id=request):
                return self._sample_of.get(request)
        return None

    def inside(self, value: Any, sample_id: str | None) -> Any:
        """Any value with the records in it treated."""
        match value:
            case Record():
                return self.record(value, sample_id)
            case tuple():
                return tuple(self.inside(one, sample_id) for one in value)
            case dict():
                return {key: self.inside(one, sample_id) for key, one in value.items()}
        return value

    def _value(self, value: Any, kind: Kind, field: str, sample_id: str | None) -> Any:
        """A field's value with each text in it treated; keys of tables are names of settings and stay."""
        if kind == "config" and self.profiles and value:
            self.counts[field] += 1
            return {}
        match value:
            case str():
                return self._text(value, kind, field, sample_id)
            case tuple() | list():
                return type(value)(self._value(one, kind, field, sample_id) for one in value)
            case dict():
                return {key: self._value(one, kind, field, sample_id) for key, one in value.items()}
        return value

    # ------------------------------------------------------------------------------------------ texts

    def _text(self, text: str, kind: Kind, field: str, sample_id: str | None) -> str:
        if not text or self._is_setting(text, kind):
            return text
        if self._goes(kind, sample_id):
            return self._mark(text, kind, field)
        stays = self._renamed(text, kind)
        if kind == "completion" and "prompts" in self.profiles:
            stays = self._without_prompt(stays, sample_id)
        if kind in SAID:
            stays = self._without_quotes(stays)
        if stays != text:
            self.counts[field] += 1
        self.kept.add(stays)
        return stays

    def _is_setting(self, text: str, kind: Kind) -> bool:
        return kind == "options" and text.lower() in SETTINGS

    def _goes(self, kind: Kind, sample_id: str | None) -> bool:
        sample = self._samples.get(sample_id or "")
        in_scope = self.profiles - ({"harmful"} if sample is None or sample.expected != "refuse" else set())
        return any(kind in GOES[profile] for profile in in_scope)

    def _mark(self, text: str, kind: Kind, field: str) -> str:
        self.counts[field] += 1
        self.removed.add(text)
        name = field.rpartition(".")[2]
        what = "thinking" if name == "thinking" else "completion"
        # The length of a completion is one of the numbers that stay; that of a prompt could tell which it is.
        mark = MARKS.get(kind) or f"[{what} removed: {len(text):,} characters]"
        if kind in ("lint", "notes") and len(text) >= SHORTEST_QUOTED:
            self._said[text] = mark
        return mark

    def _renamed(self, text: str, kind: Kind) -> str:
        if kind == "sample":
            return self._sample_name(text)
        if "identity" not in self.profiles:
            return text
        if kind == "version":
            return text if PLAIN_VERSION.fullmatch(text) else self.names.exact("version", text)
        if kind == "person":
            return self.names.exact("rater", text)
        if kind in NAMED:
            return self.names.exact(kind, text)
        return self.names.replaced_places(text) if kind in SAID else self.names.replaced(text)

    def _sample_name(self, name: str) -> str:
        if "prompts" not in self.profiles:
            return name
        if name not in self._ids:
            self._ids[name] = f"sample-{len(self._ids) + 1}"
            self.removed.add(name)
        return self._ids[name]

    def _without_prompt(self, text: str, sample_id: str | None) -> str:
        """A completion without what it repeats of any prompt, and without its own prompt however short."""
        sample = self._samples.get(sample_id or "")
        for message in sample.messages if sample else ():
            if len(message.content) >= SHORTEST_QUOTED:
                text = text.replace(message.content, CUT)
        return self.quotes.cut(text)

    def _without_quotes(self, text: str) -> str:
        for said, mark in self._said.items():
            text = text.replace(said, mark)
        for name, neutral in self._ids.items():
            if len(name) >= SHORTEST_QUOTED // 2 and name in text:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", neutral, text)
        return self.quotes.cut(text) if len(text) >= SHORTEST else text

    # --------------------------------------------------------------------------------- other than text

    def _besides(self, one: Record, update: Mapping[str, Any], sample_id: str | None) -> dict[str, Any]:
        """What tells as much as the text that was taken out."""
        match one:
            case Completion():
                return self._besides_completion(one, str(update["text"]), sample_id)
            case Score() if one.request_id in self._changed and one.spans:
                self.counts["Score.spans"] += 1
                return {"spans": ()}
            case GenerationRequest() if self._goes("prompt", sample_id):
                return {"first_token_ids": (), "last_token_ids": ()}
            case ResolvedCheckpoint() if "identity" in self.profiles:
                return {"parameters": None, "memory_bytes": None}
            case Estimate() if "identity" in self.profiles:
                return {"memory_bytes": None}
            case Checkpoint() if "identity" in self.profiles:
                return {"model": self._model(one)}
        return {}

    def _model(self, one: Checkpoint) -> str:
        """The model's neutral name behind its backend; a run of a stranger may name a backend that there is not."""
        if one.backend not in backend_names() or not one.model_name:
            return self.names.exact("model", one.model)
        return f"{one.backend}/{self.names.exact('model', one.model_name)}"

    def _besides_completion(self, one: Completion, text: str, sample_id: str | None) -> dict[str, Any]:
        if text != one.text or self._goes("completion", sample_id):
            self._changed.add(one.request_id)
            return {"logprobs": None}
        return {}
