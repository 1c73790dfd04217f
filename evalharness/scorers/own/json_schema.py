"""Is the completion JSON of a schema? `[scorer.NAME] schema = "answer.schema.json"`, or the schema as a table.

A part of JSON Schema (2020-12) that needs no library: a keyword that is not read here is an error, never ignored.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from evalharness.errors import ScorerError
from evalharness.parsing import Unparsable, parse_json, read_regular
from evalharness.records import Score
from evalharness.scorers.own.declared import Shown, facts_of_rate, version_of
from evalharness.scorers.scorer import Item, Scorer

NOTES = ("$schema", "$id", "$comment", "title", "description", "default", "examples")
"""Keywords that allow everything."""


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
        for problem in unread(self.schema):
            raise ScorerError(f"[scorer.{name}]: {problem}", fix=f"use {', '.join(sorted(CHECKS))}")
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
        return next(misfits(value, self.schema), "")


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


# ---------------------------------------------------------------------------------------------- checks


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
Check = Callable[[Any, Any], bool]
CHECKS: Mapping[str, Check | None] = {
    "type": lambda value, kinds: any(TYPES[kind](value) for kind in _listed(kinds)),
    "enum": lambda value, allowed: any(_same(value, one) for one in allowed),
    "const": lambda value, only: _same(value, only),
    "required": lambda value, names: not isinstance(value, dict) or all(name in value for name in names),
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most: not isinstance(value, list) or len(value) <= most,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most: not isinstance(value, str) or len(value) <= most,
    "pattern": lambda value, pattern: not isinstance(value, str) or bool(re.search(pattern, value)),
    "minimum": lambda value, least: not _is_number(value) or value >= least,
    "maximum": lambda value, most: not _is_number(value) or value <= most,
    "properties": None,
    "additionalProperties": None,
    "items": None,
}
"""By keyword: whether a value fits; None for those that look inside."""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON: 1 is 1.0, and neither is true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def misfits(value: Any, schema: Any, place: str = "") -> Iterator[str]:
    """Where a value does not fit a schema, in words.

    >>> list(misfits({"n": "x"}, {"properties": {"n": {"type": "integer"}}, "required": ["m"]}))
    ["required ['m']", "n: type 'integer'"]
    """
    if isinstance(schema, bool):
        if not schema:
            yield f"{place}nothing is allowed here"
        return
    for keyword, wanted in schema.items():
        check = CHECKS.get(keyword)
        if check is not None and not check(value, wanted):
            yield f"{place}{keyword} {wanted!r}"[:200]
    for name, inner, of in _inside(value, schema):
        yield from misfits(inner, of, f"{place}{name}: ")


def _inside(value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[object, Any, Any]]:
    """The parts of a value, each with its schema."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, inner in value.items():
            yield name, inner, known[name] if name in known else schema.get("additionalProperties", True)
    if isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield number, inner, schema.get("items", True)


def unread(schema: Any) -> Iterator[str]:
    """What a schema asks for that is not read here, or that is no schema."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{schema!r} is no schema"[:200]
        return
    for keyword, wanted in schema.items():
        if keyword not in CHECKS and keyword not in NOTES:
            yield f"the schema has {keyword!r}, which is not read here"
        elif problem := _problem_of(keyword, wanted):
            yield f"{keyword} {wanted!r} {problem}"[:200]
    inner = schema.get("properties", {})
    parts = [*(inner.values() if isinstance(inner, dict) else ()), schema.get("items", True)]
    for part in (*parts, schema.get("additionalProperties", True)):
        yield from unread(part)


def _problem_of(keyword: str, wanted: Any) -> str:
    """Why a keyword cannot have this value; empty if it can."""
    if keyword == "type":
        return "" if all(kind in list(TYPES) for kind in _listed(wanted)) else f"is none of {', '.join(TYPES)}"
    if keyword in ("enum", "required"):
        return "" if isinstance(wanted, list) else "is not a list"
    if keyword == "properties":
        return "" if isinstance(wanted, dict) else "is not an object"
    if keyword == "pattern":
        try:
            re.compile(wanted)
        except (re.error, TypeError, OverflowError, RecursionError):
            return "is not a regular expression"
    if keyword.startswith(("min", "max")):
        return "" if _is_number(wanted) else "is not a number"
    return ""
