"""Is the completion JSON of a schema? `[scorer.NAME] schema = "answer.schema.json"`, or the schema as a table."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, JsonValue

from evalharness.errors import ScorerError
from evalharness.parsing import Unparsable, parse_json, read_regular
from evalharness.records import Score
from evalharness.scorers.own.declared import Shown, facts_of_rate, version_of
from evalharness.scorers.scorer import Item, Scorer

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


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
