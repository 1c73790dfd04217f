"""What each text of a record may give away, written on the field; redaction reads it from there.

    text: CompletionText          what a checkpoint wrote
    label: Public                 a name that stays in every report

Every field of a record that can hold text has a kind; a test fails where one is missing, and so does redaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, JsonValue

Kind = Literal[
    "public", "prompt", "rendered", "template", "stop", "source", "completion", "quote", "lint", "words", "notes",
    "sample", "checkpoint", "model", "digest", "version", "options", "machine", "command", "config", "run", "person",
]  # fmt: skip


@dataclass(frozen=True)
class Private:
    """Marks a text field with what it may give away: `Annotated[str, Private("completion")]`."""

    kind: Kind


PUBLIC = Private("public")

Public = Annotated[str, PUBLIC]
"""A name that evalharness or a suite's author gives, such as a metric, a label, a category."""
PromptText = Annotated[str, Private("prompt")]
"""What is asked, or expected as the answer."""
RenderedText = Annotated[str, Private("rendered")]
"""A prompt with its template around it."""
TemplateText = Annotated[str, Private("template")]
"""What is put around prompts."""
StopText = Annotated[str, Private("stop")]
"""A special token or a stop string: part of a template."""
SourceText = Annotated[str, Private("source")]
"""Where samples were taken from."""
CompletionText = Annotated[str, Private("completion")]
"""What a checkpoint wrote."""
QuoteText = Annotated[str, Private("quote")]
"""Words about one sample, by a scorer, a judge, a server or a person, which may quote it."""
LintText = Annotated[str, Private("lint")]
"""Words about how prompts are built."""
Sentence = Annotated[str, Private("words")]
"""Words about the run."""
NoteText = Annotated[str, Private("notes")]
"""Words about a checkpoint."""
SampleId = Annotated[str, Private("sample")]
CheckpointName = Annotated[str, Private("checkpoint")]
ModelName = Annotated[str, Private("model")]
Digest = Annotated[str, Private("digest")]
ScorerVersion = Annotated[str, Private("version")]
RunName = Annotated[str, Private("run")]
PersonName = Annotated[str, Private("person")]
MachineFact = Annotated[str, Private("machine")]
CommandLine = Annotated[str, Private("command")]


@cache
def text_kinds(record: type[BaseModel]) -> Mapping[str, Kind | None]:
    """The fields of a record class that can hold text of somebody's choosing, each with its kind; None without one.

    Raises:
        TypeError: a field has two kinds.

    >>> from evalharness.records import Message
    >>> text_kinds(Message)
    {'content': 'prompt'}
    """
    hints = get_type_hints(record, include_extras=True)
    kinds = {name: set(_kinds(hints[name], None)) for name in record.model_fields}
    if torn := [name for name, several in kinds.items() if len(several) > 1]:
        raise TypeError(f"{record.__name__}.{torn[0]} has more than one kind: {kinds[torn[0]]}")
    return {name: several.pop() for name, several in kinds.items() if several}


def _kinds(hint: Any, kind: Kind | None) -> list[Kind | None]:
    """The kind of each `str` within a type; a Literal has only words of our own, and records have their own fields."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return _kinds(inner, next((mark.kind for mark in marks if isinstance(mark, Private)), kind))
    if hint in (str, Any, JsonValue):
        return [kind]
    if get_origin(hint) is Literal:
        return []
    return [found for inner in get_args(hint) for found in _kinds(inner, kind)]
