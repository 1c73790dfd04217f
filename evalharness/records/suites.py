"""Suites and their samples: what is asked, and what is expected."""

from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from evalharness.records.record import Record

Role = Literal["system", "user", "assistant"]


class Message(Record):
    """One turn of a prompt."""

    role: Role
    content: str


class Constraint(Record):
    """A verifiable instruction of a sample, under its IFEval id."""

    kind: str
    """Such as `length_constraints:number_words`."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Sample(Record):
    """One item of a suite: what is asked, and what is expected of the completion."""

    id: str
    messages: tuple[Message, ...] = Field(min_length=1)
    category: str
    """The reporting label."""
    group: str = ""
    """Statistical cluster, resampled together; empty in the file means the sample's own id."""
    kind: Literal["instruction", "continuation"] = "instruction"
    """`continuation`: plain text to go on with, where continuing is the right behaviour."""
    expected: Literal["comply", "refuse"] | None = None
    constraints: tuple[Constraint, ...] = ()
    target: str | None = None
    source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _group_defaults_to_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("group"):
            return data | {"group": data.get("id", "")}
        return data

    @property
    def prompt(self) -> str:
        """The turns' text, joined by blank lines; the plain prompt where there is one user turn."""
        return "\n\n".join(message.content for message in self.messages)


class Suite(Record):
    """A validated set of samples; `digest` covers all that can change a result."""

    name: str
    version: str
    description: str = ""
    license: str
    source: str
    scorers: tuple[str, ...]
    samples: tuple[Sample, ...] = Field(min_length=1)
    digest: str
