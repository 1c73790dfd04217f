"""Applies the profiles to every text of a run, by the privacy kind of its field."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from evalharness.backends import backend_names
from evalharness.records import (
    Checkpoint,
    Completion,
    Estimate,
    GenerationRequest,
    Manifest,
    RawPrompt,
    Record,
    ResolvedCheckpoint,
    Sample,
    Score,
)
from evalharness.records.privacy import Kind
from evalharness.report.prompts import sent_of
from evalharness.sharing.redaction.aliases import SETTINGS, Names
from evalharness.sharing.redaction.leaks import own_words
from evalharness.sharing.redaction.quotes import Quotes
from evalharness.sharing.redaction.walk import Walk
from evalharness.store import Run

GOES: Mapping[str, frozenset[Kind]] = {
    "harmful": frozenset({"completion", "quote"}),
    "completions": frozenset({"completion", "quote"}),
    "prompts": frozenset({"prompt", "rendered", "template", "stop", "source", "quote", "lint", "completion"}),
    "identity": frozenset({"template", "stop", "notes", "command", "machine", "options"}),
}
"""Kinds that each profile removes completely; `harmful` only for samples that should be refused."""
MODEL = "Checkpoint.model"
"""Renamed behind its backend, which is no name (`_model`)."""
NAMED: frozenset[Kind] = frozenset({"checkpoint", "model", "digest", "run"})
"""Kinds that `identity` replaces by a neutral name."""
PROSE: frozenset[Kind] = frozenset({"words", "lint", "quote", "notes", "source"})
"""Text about the run; what is kept must not quote removed text."""
CONTENT: frozenset[Kind] = frozenset({"prompt", "rendered", "template", "source", "completion", "quote", "public"})
"""Kinds that stay unchanged unless a profile removes them; their presence in the file is not a leak."""
NOTICE = "Notice.message"
"""Prose, which may quote a rendered prompt."""
MARKS: Mapping[str, str] = {
    "prompt": "[prompt removed]",
    "rendered": "[prompt removed]",
    "template": "[template removed]",
    "stop": "[token removed]",
    "source": "[source removed]",
    "quote": "[explanation removed]",
    "lint": "[message removed]",
    "notes": "[note removed]",
    "command": "[command removed]",
    "machine": "[hardware removed]",
    "options": "[setting removed]",
}
QUOTING = "[sentence removed: it quotes what was removed]"
PLAIN_VERSION = re.compile(r"[\w.+-]{1,12}")
ID = re.compile(r"[^\s\"'`,;:()\[\]{}<>]*[^\s\"'`,;:.()\[\]{}<>]")
"""A word that may be a sample's id."""


class Removed:
    """Text that a file must not quote: all that is removed, but for what stays elsewhere or evalharness says itself."""

    def __init__(self, run: Run, profiles: frozenset[str]) -> None:
        removed, kept = set[str](), {own_words()}

        def note(text: str, kind: Kind, field: str, sample: Sample | None) -> str:
            if goes(profiles, kind, sample):
                removed.add(text)
            elif kind in CONTENT and field != NOTICE:
                kept.add(text)
            return text

        Walk(run, note).visit(run)
        self._quotes = Quotes(removed, kept)
        # Scorers say the same of many samples.
        self.is_in = lru_cache(maxsize=4096)(lambda text: self._quotes.are_in([text]))

    def are_in(self, texts: Iterable[str]) -> bool:
        """Whether any of the texts quotes what was removed."""
        return self._quotes.are_in(texts)


def goes(profiles: frozenset[str], kind: Kind, sample: Sample | None) -> bool:
    """Whether a text of a kind, on a sample, is removed as a whole."""
    return kind in _gone(profiles, sample is not None and sample.expected == "refuse")


@cache
def _gone(profiles: frozenset[str], to_refuse: bool) -> frozenset[Kind]:
    return frozenset().union(*(GOES[profile] for profile in profiles if to_refuse or profile != "harmful"))


class Eraser:
    """Applies profiles to the records of a run and counts what it removes."""

    def __init__(self, run: Run, profiles: frozenset[str], names: Names, removed: Removed) -> None:
        self.profiles, self.names, self.removed = profiles, names, removed
        self.counts: Counter[str] = Counter()
        self.ids: dict[str, str] = {}
        for name in run.plan.samples if "prompts" in profiles else ():
            self._sample_name(name)
        self._changed: set[str] = set()
        """Requests whose completion was changed."""

    def erased(self, run: Run) -> Run:
        """The redacted run; its stored outcomes and scores are redacted whenever they are read."""
        erased = Walk(run, self._text, self._besides).walked(run)
        erased = replace(erased, path=self._path(run.path))
        # The table needs every outcome and then every score, so all that is removed has been counted.
        _ = erased.observations
        return erased

    def _path(self, path: Path) -> Path:
        """The run directory's name for the report."""
        return Path(self.names.exact("run", str(path))) if "identity" in self.profiles else path

    # ------------------------------------------------------------------------------------------ texts

    def _text(self, text: str, kind: Kind, field: str, sample: Sample | None) -> str:
        if (kind == "options" and text.lower() in SETTINGS) or (field == MODEL and "identity" in self.profiles):
            return text
        stays = (
            self._mark(text, kind, field)
            if goes(self.profiles, kind, sample)
            else self._kept(text, kind, field, sample)
        )
        if stays != text:
            self.counts[field] += 1
        return stays

    def _mark(self, text: str, kind: Kind, field: str) -> str:
        what = "thinking" if field.endswith(".thinking") else "completion"
        # The length of a completion is one of the numbers that stay; that of a prompt could tell which it is.
        return MARKS.get(kind) or f"[{what} removed: {len(text):,} characters]"

    def _kept(self, text: str, kind: Kind, field: str, sample: Sample | None) -> str:
        if kind == "sample":
            return self._sample_name(text)
        if kind in PROSE or field == NOTICE:
            text = QUOTING if self.removed.is_in(text) else self._without_ids(text)
        return self._renamed(text, kind) if "identity" in self.profiles else text

    def _renamed(self, text: str, kind: Kind) -> str:
        if kind == "version":
            return text if PLAIN_VERSION.fullmatch(text) else self.names.exact("version", text)
        if kind == "person":
            return self.names.exact("rater", text)
        return self.names.exact(kind, text) if kind in NAMED else self.names.replaced(text)

    def _sample_name(self, name: str) -> str:
        if "prompts" not in self.profiles:
            return name
        return self.ids.setdefault(name, f"sample-{len(self.ids) + 1}")

    def _without_ids(self, text: str) -> str:
        """Replace ids of samples wherever they occur as a word."""
        if not self.ids:
            return text
        for name in self._odd_ids:
            text = text.replace(name, self.ids[name])
        return ID.sub(lambda match: self.ids.get(match[0], match[0]), text)

    @cached_property
    def _odd_ids(self) -> list[str]:
        """Those that are more than a word; there are few."""
        return [name for name in self.ids if not ID.fullmatch(name)]

    # --------------------------------------------------------------------------------- other than text

    def _besides(self, record: Record, update: dict[str, Any], sample: Sample | None) -> dict[str, Any]:
        """Text that would reveal as much as the removed text."""
        match record:
            case Completion():
                return self._besides_completion(record, update, sample)
            case Score() if record.request_id in self._changed and record.spans:
                self.counts["Score.spans"] += 1
                return {"spans": ()}
            case GenerationRequest():
                return self._besides_request(record, sample)
            case Manifest() if record.config:
                self.counts["Manifest.config"] += 1
                return {"config": {}}
            case ResolvedCheckpoint() if "identity" in self.profiles:
                return {"parameters": None, "memory_bytes": None}
            case Estimate() if "identity" in self.profiles:
                return {"memory_bytes": None}
            case Checkpoint() if "identity" in self.profiles:
                model = self._model(record)
                self.counts[MODEL] += model != record.model
                return {"model": model}
        return {}

    def _besides_completion(
        self, record: Completion, update: Mapping[str, Any], sample: Sample | None
    ) -> dict[str, Any]:
        if "text" in update or goes(self.profiles, "completion", sample):
            self._changed.add(record.request_id)
            return {"logprobs": None, "token_ids": None}
        return {}

    def _besides_request(self, request: GenerationRequest, sample: Sample | None) -> dict[str, Any]:
        tokens = {"first_token_ids": (), "last_token_ids": ()}
        if "prompts" in self.profiles:
            return tokens
        if "identity" not in self.profiles:
            return {}
        return tokens | {"rendered": self._without_template(request, sample)}

    def _without_template(self, request: GenerationRequest, sample: Sample | None) -> str | None:
        """The prompt without its template, whose system prompt may reveal the model's owner."""
        if request.rendered is None or sample is None:
            return None
        mark = MARKS["template"]
        if isinstance(request.prompt, RawPrompt):
            own = self.names.replaced(request.prompt.text)
            return own if request.rendered == request.prompt.text else f"{mark}{own}"
        self.counts["GenerationRequest.rendered"] += 1
        pieces = sent_of(request, sample, recorded=False).pieces
        kept = (mark if at % 2 == 0 and piece else self.names.replaced(piece) for at, piece in enumerate(pieces))
        return "\n".join(kept)

    def _model(self, checkpoint: Checkpoint) -> str:
        """The model's neutral name after its backend; an untrusted run may name an unknown backend."""
        if checkpoint.backend not in backend_names() or not checkpoint.model_name:
            return self.names.exact("model", checkpoint.model)
        return f"{checkpoint.backend}/{self.names.exact('model', checkpoint.model_name)}"
