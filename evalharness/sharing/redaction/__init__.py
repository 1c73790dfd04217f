"""Redaction of a run for sharing: texts become placeholders, names become neutral, numbers stay.

Each profile removes:

harmful      completions to samples that should be refused, and what quotes them
completions  all completions, and what quotes them
prompts      all prompts, what is put around them, the completions to them, the ids of samples, and what quotes them
identity     names of models, checkpoints, places, machines and people; the command, settings and digests

Scores, labels, states and counts stay, so that every number of the report still adds up.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from evalharness.errors import SharingError
from evalharness.records import Record, RunWarning
from evalharness.sharing.redaction.aliases import SHORTEST_INSIDE, names_of
from evalharness.sharing.redaction.eraser import Eraser, Removed
from evalharness.sharing.redaction.leaks import sought_names
from evalharness.store import Run

__all__ = ["PROFILES", "STAYS", "Profile", "Redacted", "RedactionManifest", "read_profiles", "redact"]

Profile = Literal["harmful", "completions", "prompts", "identity"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
SHORTEST_ID = 8
"""Shortest id, in characters, that the check looks for."""
STAYS = "names of suites with their versions and licences, categories, labels, metrics and gate rules"
"""What no profile removes."""
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
"""Readable names of fields; others are shown by their own name."""


class RedactionManifest(Record):
    """What was removed from a run, with counts."""

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
            f"This report was redacted ({', '.join(self.profiles)}) before it was shared. Removed or cut: {counts}."
            f"{names} All numbers are those of the whole run."
        )

    def _in_words(self) -> dict[str, int]:
        """The counts by readable name, largest first."""
        result: Counter[str] = Counter()
        for field, count in self.removed.items():
            result[WORDS.get(field, field)] += count
        return dict(result.most_common())


@dataclass(frozen=True)
class Redacted:
    """A redacted run, with what is needed to check files made from it."""

    run: Run
    manifest: RedactionManifest
    removed: Removed | None
    """None where there is no profile."""
    names: tuple[str, ...] = ()
    """Names, in lower case, that must not be in it."""
    ids: frozenset[str] = frozenset()
    """Ids of samples that must not be in it as a word."""

    def leak_in(self, texts: Iterable[str]) -> str:
        """What texts still contain that had to be removed, described without repeating it; empty if nothing."""
        if self.removed is None:
            return ""
        texts = set(texts)
        if self.removed.are_in(texts):
            return "a quotation"
        if any(name in text for text in map(str.lower, texts) for name in self.names):
            return "a name"
        return "the id of a sample" if any(not self.ids.isdisjoint(text.split()) for text in texts) else ""


def read_profiles(text: str) -> tuple[Profile, ...]:
    """Profiles from a list with commas.

    >>> read_profiles("harmful, identity")
    ('harmful', 'identity')

    Raises:
        SharingError: the profile does not exist.
    """
    asked = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in asked if name not in PROFILES]
    if unknown or not asked:
        raise SharingError(
            f"no redaction profile {', '.join(map(repr, unknown)) or 'given'}",
            fix=f"use one or more of {','.join(PROFILES)}",
        )
    return tuple(profile for profile in PROFILES if profile in asked)


def redact(run: Run, profiles: Sequence[Profile], *, also: Iterable[str] = ()) -> Redacted:
    """Remove from all records of a run what the profiles name.

    Args:
        also: further names for `identity`, such as those of the machine and of the user.
    """
    if not profiles:
        return Redacted(run, RedactionManifest(profiles=(), removed={}, names=0), None)
    if {"harmful", "completions", "prompts"}.intersection(profiles):
        # Whoever has the tokenizer reads the texts in the ids of their tokens.
        run = replace(run, tokens=None, token_facts={}, depth=None)
    # What is removed anywhere must not be quoted anywhere, so all of it is noted before anything is written.
    removed = Removed(run, frozenset(profiles))
    eraser = Eraser(run, frozenset(profiles), names_of(run, also), removed)
    erased = eraser.erased(run)
    replaced = len(eraser.names.found) + len(eraser.names.places)
    manifest = RedactionManifest(profiles=tuple(profiles), removed=dict(eraser.counts), names=replaced)
    known = [*eraser.names.neutral, *eraser.names.found] if "identity" in profiles else []
    names = sought_names(known, SHORTEST_INSIDE)
    # An id that is a plain word may be in any text.
    ids = frozenset(name for name in eraser.ids if len(name) >= SHORTEST_ID and not name.isalnum())
    return Redacted(announced(erased, manifest.sentence), manifest, removed, names, ids)


def announced(run: Run, sentence: str) -> Run:
    """The run with a sentence to its reader before all warnings."""
    if run.comparison is None:
        return run
    warnings = (RunWarning(kind="shared", text=sentence), *run.comparison.warnings)
    return replace(run, comparison=run.comparison.model_copy(update={"warnings": warnings}))
