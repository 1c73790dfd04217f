"""A run without what must not be passed on: texts become marks, names become neutral ones, numbers stay.

A profile says what goes:

harmful      completions to samples that should be refused, and what quotes them
completions  all completions, and what quotes them
prompts      all prompts, what is put around them, the ids of samples, and what quotes them
identity     names of models, checkpoints, places, machines and people; the command, the settings and the digests

Scores, labels, states and counts stay, so that every number of the report still adds up.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from evalharness.errors import SharingError
from evalharness.records import Record
from evalharness.sharing.redaction.eraser import Eraser
from evalharness.sharing.redaction.leaks import find_leaks, own_words
from evalharness.sharing.redaction.names import names_of
from evalharness.sharing.redaction.quotes import Quotes
from evalharness.store import Run

__all__ = ["PROFILES", "Profile", "Redacted", "RedactionManifest", "find_leaks", "own_words", "read_profiles", "redact"]

Profile = Literal["harmful", "completions", "prompts", "identity"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
WORDS = {
    "Completion.text": "completions",
    "Completion.thinking": "thoughts of a thinking model",
    "Score.explanation": "explanations of scores",
    "Score.spans": "scores' marks in the text",
    "Failure.message": "messages of failures",
    "Message.content": "turns of prompts",
    "RawPrompt.text": "raw prompts",
    "GenerationRequest.rendered": "rendered prompts",
    "Sample.id": "ids of samples",
    "Sample.group": "groups of samples",
    "Sample.target": "expected answers",
    "Sample.source": "sources of samples",
    "Manifest.command": "command line",
    "Manifest.config": "configuration",
    "Manifest.hardware": "facts on the hardware",
    "LintFinding.message": "lint messages",
    "LintFinding.fix": "lint messages",
    "Preference.explanation": "explanations of preferences",
    "ResolvedCheckpoint.notes": "notes on checkpoints",
}
"""What a reader calls the fields; others are called by their own name."""


class RedactionManifest(Record):
    """What was taken out of a run, counted."""

    profiles: tuple[Profile, ...]
    removed: dict[str, int]
    """Texts that were removed or cut, by field, such as `Completion.text`."""
    names: int
    """Different names that were replaced by neutral ones."""

    @property
    def sentence(self) -> str:
        """For the report's reader."""
        counts = ", ".join(f"{count:,} {what}" for what, count in self._in_words().items()) or "nothing"
        names = f" {self.names:,} names were replaced by neutral ones." if "identity" in self.profiles else ""
        return (
            f"This report was redacted ({', '.join(self.profiles)}) before it was passed on. Removed or cut: {counts}."
            f"{names} All numbers are those of the whole run."
        )

    def _in_words(self) -> dict[str, int]:
        """The counts by what a reader would call it, the most first."""
        found: Counter[str] = Counter()
        for field, count in self.removed.items():
            found[WORDS.get(field, field)] += count
        return dict(found.most_common())


@dataclass(frozen=True)
class Redacted:
    """A redacted run, with what is needed to check a file that is made from it."""

    run: Run
    manifest: RedactionManifest
    removed: frozenset[str]
    """Every text and name that must not be in the file."""
    kept: frozenset[str]
    """The texts that stay; what is in one of them too is no leak."""


def read_profiles(text: str) -> tuple[Profile, ...]:
    """Profiles from a list with commas.

    >>> read_profiles("harmful, identity")
    ('harmful', 'identity')

    Raises:
        SharingError: there is no such profile.
    """
    asked = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in asked if one not in PROFILES]
    if unknown or not asked:
        raise SharingError(
            f"no redaction profile {', '.join(map(repr, unknown)) or 'given'}",
            fix=f"use one or more of {','.join(PROFILES)}",
        )
    return tuple(one for one in PROFILES if one in asked)


def redact(run: Run, profiles: Sequence[Profile], *, also: Iterable[str] = ()) -> Redacted:
    """Take out of all records of a run what the profiles name.

    Args:
        run: any run; it is not changed.
        profiles: what goes.
        also: further names for `identity`, such as those of the machine and of the user.

    Raises:
        LookupError: a record has a text field of which `fields.py` does not say what it is.
    """
    # What is removed anywhere must not be quoted anywhere, so it is collected before anything is written.
    first = Eraser(run, frozenset(profiles), names_of(run, also), Quotes(()))
    _erased(run, first)
    eraser = Eraser(run, frozenset(profiles), names_of(run, also), Quotes(first.removed))
    erased = _erased(run, eraser)
    manifest = RedactionManifest(profiles=tuple(profiles), removed=dict(eraser.counts), names=len(eraser.names.found))
    erased = _announced(erased, manifest.sentence) if profiles else run
    return Redacted(erased, manifest, frozenset(eraser.removed | eraser.names.found), frozenset(eraser.kept))


def _erased(run: Run, eraser: Eraser) -> Run:
    """Each field of the run in its order, so that a completion is known to be changed before its scores come."""
    whole = dataclasses.replace(run, outcomes=dict(run.outcomes), scores=tuple(run.scores))
    names = [one.name for one in dataclasses.fields(run) if one.name not in ("path", "_observed")]
    parts = {name: eraser.inside(whole.__dict__[name], None) for name in names}
    return Run(path=eraser.path(run.path), **parts)


def _announced(run: Run, sentence: str) -> Run:
    if run.comparison is None:
        return run
    warnings = (sentence, *run.comparison.warnings)
    return replace(run, comparison=run.comparison.model_copy(update={"warnings": warnings}))
