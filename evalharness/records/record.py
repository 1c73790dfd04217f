"""The base of all records: frozen, no unknown fields, a digest, and readable errors."""

import hashlib
import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def digest(value: Any) -> str:
    """Sha256 of a JSON value in canonical form (sorted keys, no spaces), as `sha256:` and 64 hex digits.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def explain(error: ValidationError) -> str:
    """The first problem of a validation error, in words, with its field."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no key {field!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def slim(record: AnyRecord) -> AnyRecord:
    """The same record; it and what is in it share with others the set of names that pydantic keeps of what was given.

    Of a small record that set is half of its memory.
    """
    given = record.__pydantic_fields_set__
    object.__setattr__(record, "__pydantic_fields_set__", SETS.setdefault(frozenset(given), given))
    for value in record.__dict__.values():
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                slim(inner)
    return record


SETS: dict[frozenset[str], set[str]] = {}


class Record(BaseModel):
    """Base class of all records."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Interval(Record):
    """A two-sided confidence interval."""

    low: float
    high: float

    def within(self, lowest: float, highest: float) -> "Interval":
        """The same, clipped to the possible range."""
        return Interval(low=max(self.low, lowest), high=min(self.high, highest))
