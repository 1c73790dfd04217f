"""Scorers that a configuration declares without code: a pattern, a JSON schema, or values recorded by others."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, field_validator

from evalharness.errors import ScorerError
from evalharness.parsing import Unparsable, parse_json, read_regular
from evalharness.records import Label, Metric, Record, Score, ScorerFacts, Span, digest
from evalharness.scorers.scorer import Item, Scorer

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


class Shown(Record):
    """Keys of every declared scorer."""

    title: str = Field("", max_length=100)
    """What a completion does (`names a source`), in the words of the report."""
    better: Literal["higher", "lower"] | None = None
    """Which direction is better; without it no difference is called better or worse."""


def facts_of_rate(
    name: str, value: str, shown: Shown, default_title: str, description: str, *, flips: str
) -> ScorerFacts:
    """Facts of a scorer that says yes (the label `value`) or no of each completion; `flips` as in `Metric`."""
    title = shown.title or default_title
    metric = Metric(
        name=f"{name}.{value}",
        title=title,
        description=description,
        kind="rate",
        better=shown.better,
        headline=True,
        flips=flips,
    )
    labels = (Label(name=value, title=title), Label(name="no", title=f"not: {title}"))
    return ScorerFacts(name=name, metrics=(metric,), labels=labels if shown.better != "lower" else labels[::-1])


def version_of(content: object) -> str:
    """The version of a scorer that is determined by its content: another content, another version."""
    return digest(content)[: len("sha256:") + 12]


# ---------------------------------------------------------------------- pattern = "(?i)as an ai"

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


# ------------------------------------------ recorded: such as `exact_match` of an imported benchmark


class RecordedValue(Record):
    """One of their metrics."""

    title: str = ""
    kind: Literal["rate", "mean"]
    better: Literal["higher", "lower"] | None = None


class RecordedSettings(Record):
    """Which recorded values are metrics; `evalharness import` writes it."""

    recorded: dict[str, RecordedValue] = Field(min_length=1)
    program: str = "the program that made the completions"


class Recorded(Scorer):
    """Takes the values with the completion; nothing is measured again."""

    settings_kind = RecordedSettings

    def __init__(self, name: str, settings: RecordedSettings, folder: Path | None) -> None:
        del folder
        self.settings = settings
        self.rate = next((key for key, value in settings.recorded.items() if value.kind == "rate"), None)
        self.facts = ScorerFacts(
            name=name,
            metrics=tuple(self._metric(name, key, value) for key, value in settings.recorded.items()),
            labels=self._labels(settings),
            unscored="samples without a recorded value",
        )

    def _labels(self, settings: RecordedSettings) -> tuple[Label, ...]:
        """A completion has a label by the first rate, so that it can be seen and filtered by it."""
        if self.rate is None:
            return ()
        value = settings.recorded[self.rate]
        title = value.title or self.rate
        labels = (Label(name="yes", title=title), Label(name="no", title=f"not: {title}"))
        return labels[::-1] if value.better == "lower" else labels

    def _metric(self, name: str, key: str, value: RecordedValue) -> Metric:
        return Metric(
            name=f"{name}.{key}",
            title=value.title or key,
            description=f"As {self.settings.program} scored it; not measured again.",
            kind=value.kind,
            better=value.better,
            headline=True,
            flips=f"had {key}" if value.kind == "rate" else "",
        )

    @property
    def version(self) -> str:
        """Of the program, as far as it says."""
        return version_of(self.settings.program)

    def score_item(self, item: Item) -> Score:
        """The values of its own metrics."""
        named = {metric.value: item.completion.values.get(metric.name) for metric in self.metrics}
        values = {name: value for name, value in named.items() if value is not None}
        if not values:
            return self.unscored(item, "no value was recorded")
        first = values.get(self.rate or "")
        label = None if first is None else ("yes" if first else "no")
        return self.scored(item, values, label=label)


# ------------------------------------------- schema = "answer.schema.json", or the schema as a table


class SchemaSettings(Shown):
    """A scorer that checks JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    json_schema: str | dict[str, JsonValue] = Field(alias="schema")
    """A JSON schema: a file, relative to the configuration's folder, or a table."""


class JsonSchema(Scorer):
    """Reads the whole completion as JSON, without a code fence around it, and checks it."""

    settings_kind = SchemaSettings

    def __init__(self, name: str, settings: SchemaSettings, folder: Path | None) -> None:
        self.schema = _schema(settings.json_schema, folder, f"[scorer.{name}]")
        self.validator = validator_of(self.schema, f"[scorer.{name}]")
        description = "The completion is JSON, all of it, and fits the schema."
        title, flips = f"is JSON as {name} wants it", f"were JSON as {name} wants it"
        self.facts = facts_of_rate(name, "valid", settings, title, description, flips=flips)

    @property
    def version(self) -> str:
        """Another schema is another version."""
        return version_of(self.schema)

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The schema."""
        return {"schema": self.schema}

    def score_item(self, item: Item) -> Score:
        """1 if it fits."""
        problem = self._problem(item.completion.text)
        label = "no" if problem else "valid"
        return self.scored(item, {"valid": float(not problem)}, label=label, explanation=problem)

    def _problem(self, text: str) -> str:
        try:
            value = parse_json(text.strip())
        except Unparsable as error:
            return f"not JSON: {error}"
        misfit = next(self.validator.iter_errors(value), None)
        return f"{misfit.json_path}: {misfit.message}"[:200] if misfit else ""


def _schema(given: Any, folder: Path | None, where: str) -> Any:
    if not isinstance(given, str):
        return given
    if folder is None:
        raise ScorerError(
            f"{where}: {given} is only read for a configuration that you name",
            fix="evalharness score RUN --config evalharness.toml",
        )
    try:
        return parse_json(read_regular(folder / given).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ScorerError(f"{where}: {folder / given} cannot be read: {error}", fix="give a file of JSON") from None


def validator_of(schema: Any, where: str) -> "Validator":
    """What checks values against a schema: of 2020-12, or of the draft that its `$schema` names.

    Raises:
        ScorerError: it is no such schema. In one of 2020-12 a keyword that the standard does not know is an error too:
            a misspelt one would allow everything.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    named = schema.get("$schema") if isinstance(schema, dict) else None
    kind = validator_for({"$schema": str(named)}, default=Draft202012Validator)
    rules = _strict(kind) if kind is Draft202012Validator else kind(kind.META_SCHEMA)
    for error in rules.evolve(format_checker=kind.FORMAT_CHECKER).iter_errors(schema):
        raise ScorerError(f"{where}, schema: {error.json_path}: {error.message}"[:300], fix="correct the schema")
    # A registry of its own: the library's default would fetch what a `$ref` names.
    return kind(schema, registry=Registry())


@cache
def _strict(kind: Any) -> "Validator":
    """The rules of JSON Schema 2020-12, and no keyword besides theirs, at any depth (`$dynamicAnchor`)."""
    standard = kind.META_SCHEMA["$id"]
    rules = {"$id": "urn:strict", "$dynamicAnchor": "meta", "$ref": standard, "unevaluatedProperties": False}
    strict: Validator = kind({"$schema": standard, **rules})
    return strict
