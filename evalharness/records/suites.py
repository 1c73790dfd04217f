"""Suites and their samples: prompts and expectations."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from evalharness.records.privacy import Private, PromptText, Public, SampleId, Sentence, SourceText
from evalharness.records.record import Record

Role = Literal["system", "user", "assistant"]


class Message(Record):
    """One turn of a prompt."""

    role: Role
    content: PromptText


class Constraint(Record):
    """A verifiable instruction of a sample, under its IFEval id."""

    kind: Public
    """Such as `length_constraints:number_words`."""
    parameters: Annotated[dict[str, JsonValue], Private("prompt")] = Field(default_factory=dict)


class Sample(Record):
    """One item of a suite: the prompt, and what is expected of the completion."""

    id: SampleId
    messages: tuple[Message, ...] = Field(min_length=1)
    category: Public
    """The reporting label."""
    group: SampleId = ""
    """Statistical cluster, resampled together; empty in the file means the sample's own id."""
    kind: Literal["instruction", "continuation"] = "instruction"
    """`continuation`: plain text to continue; continuing is the right behaviour."""
    expected: Literal["comply", "refuse"] | None = None
    constraints: tuple[Constraint, ...] = ()
    target: PromptText | None = None
    source: SourceText | None = None

    @model_validator(mode="before")
    @classmethod
    def _group_defaults_to_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("group"):
            return data | {"group": data.get("id", "")}
        return data

    @property
    def prompt(self) -> str:
        """The turns' text, joined by blank lines; the plain prompt if there is only a user turn."""
        return "\n\n".join(message.content for message in self.messages)


class Suite(Record):
    """A validated set of samples; `digest` covers everything that can change a result."""

    name: Public
    version: Public
    description: Sentence = ""
    license: Public
    source: SourceText
    scorers: tuple[Public, ...]
    samples: tuple[Sample, ...] = Field(min_length=1)
    digest: Public
