"""Does a regular expression occur in the completion? `[scorer.NAME] pattern = "(?i)as an ai"`."""

import re
from pathlib import Path

from pydantic import Field, JsonValue, field_validator

from evalharness.records import Score, Span
from evalharness.scorers.own.declared import Shown, facts_of_rate, version_of
from evalharness.scorers.scorer import Item, Scorer

MOST_SPANS = 50


class PatternSettings(Shown):
    """A scorer that looks for a regular expression."""

    pattern: str = Field(min_length=1)
    """Python's syntax, found anywhere in the completion; `(?i)` in front ignores case, `\\A` and `\\Z` are its ends."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern


class Pattern(Scorer):
    """Finds a pattern and marks where it is."""

    settings_kind = PatternSettings

    def __init__(self, name: str, settings: PatternSettings, folder: Path | None) -> None:
        del folder
        self.pattern = re.compile(settings.pattern)
        description = "The regular expression occurs in the completion."
        self.facts = facts_of_rate(name, "matches", settings, f"matches {name}", description, flips=f"matched {name}")

    @property
    def version(self) -> str:
        """Another pattern is another version."""
        return version_of(self.pattern.pattern)

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The pattern."""
        return {"pattern": self.pattern.pattern}

    def score_item(self, item: Item) -> Score:
        """1 if it occurs."""
        found = [match.span() for match in self.pattern.finditer(item.completion.text)]
        spans = [Span(start=start, end=end, label="matches") for start, end in found[:MOST_SPANS] if end > start]
        label = "matches" if found else "no"
        return self.scored(item, {"matches": float(bool(found))}, label=label, spans=tuple(spans))
