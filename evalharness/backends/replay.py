"""Completions generated elsewhere, from a JSON Lines file: `replay/./completions.jsonl`.

A line holds `text`, and `sample_id` or `prompt` (the sample's own text, without scaffold or template), and may hold
`finish_reason`. A line for a sample with replicates may hold `replicate`.
"""

import hashlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from evalharness.errors import BackendError, UnknownModel, near
from evalharness.parsing import read_regular
from evalharness.prompting import plain_text
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Failure,
    FinishReason,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
    Record,
    RenderedPrompt,
    ResolvedCheckpoint,
    explain,
)

Key = tuple[str, str, int]


class ReplayLine(Record):
    """One completion of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: str
    sample_id: str | None = Field(None, min_length=1)
    prompt: str | None = Field(None, min_length=1)
    finish_reason: FinishReason | None = None
    replicate: int = Field(0, ge=0)

    @property
    def key(self) -> Key:
        """What the line answers."""
        return (
            ("sample", self.sample_id, self.replicate)
            if self.sample_id
            else ("prompt", self.prompt or "", self.replicate)
        )


Place = tuple[int, int, int]
"""A line's number, where it starts in the file, and its length in bytes."""


class ReplayBackend:
    """Answers requests from a file; a request without a line in the file fails."""

    recorded = True

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.path = Path(checkpoint.model_name)
        if checkpoint.options:
            raise BackendError(
                f"checkpoint {checkpoint.name!r}: a replayed file does not support the option "
                f"{', '.join(checkpoint.options)}",
                fix="remove it, or set it for the other side only: -M baseline.KEY=VALUE or -M candidate.KEY=VALUE",
            )

    def resolve(self) -> ResolvedCheckpoint:
        """The file's sha256 is the identity. Invalid lines are reported here, before anything is generated."""
        content = self._content()
        self._places(content)
        weights = "sha256:" + hashlib.sha256(content).hexdigest()
        name = self.checkpoint.model_name
        identity = CheckpointIdentity(backend="replay", model=name, weights_digest=weights)
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            recorded=self.recorded,
            identity=identity,
            notes=("The completions were generated elsewhere; their prompt format is as stated, not measured.",),
        )

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """The prompts that the completions' model saw are not known."""
        return [RenderedPrompt() for _ in prompts]

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """No value has to be fixed."""
        return config

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice]:
        """One outcome for each request, in order."""
        content = self._content()
        places = self._places(content)
        for request in requests:
            yield self._answer(request, content, places)

    def close(self) -> None:
        """Holds no resources."""

    def _answer(self, request: GenerationRequest, content: bytes, places: dict[Key, Place]) -> Completion | Failure:
        keys = (("sample", request.sample_id), ("prompt", plain_text(request.prompt)))
        matching = [places[*key, request.replicate] for key in keys if (*key, request.replicate) in places]
        lines = [self._parse(content[start : start + size], number) for number, start, size in matching]
        if len(lines) == 2 and lines[0].text != lines[1].text:
            raise self._twice(matching[0][0], matching[1][0], request.sample_id)
        if not lines:
            message = f"{self.path} has no completion for sample {request.sample_id}"
            return Failure(request_id=request.id, kind="missing", message=message)
        line = lines[0]
        return Completion(request_id=request.id, text=line.text, finish_reason=line.finish_reason)

    def _places(self, content: bytes) -> dict[Key, Place]:
        """Position of each answer; the texts would take several times the memory of the file."""
        places: dict[Key, Place] = {}
        start = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0
        for number in count(1):
            end = content.find(b"\n", start)
            text = content[start : end if end >= 0 else len(content)]
            if text.strip():
                line = self._parse(text, number)
                if line.key in places:
                    raise self._twice(places[line.key][0], number, line.sample_id or line.prompt)
                places[line.key] = number, start, len(text)
            if end < 0:
                break
            start = end + 1
        return places

    def _twice(self, first: int, second: int, answered: str | None) -> BackendError:
        message = f"{self.path}: lines {first} and {second} both answer {answered!r}"
        return BackendError(message, fix="keep one of the two lines")

    def _parse(self, text: bytes, number: int) -> ReplayLine:
        try:
            line = LINES.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            fix = near(field, ReplayLine.model_fields, f"use {', '.join(ReplayLine.model_fields)}")
            raise BackendError(f"{self.path}:{number}: {explain(error)}", fix=fix) from None
        if (line.sample_id is None) == (line.prompt is None):
            raise BackendError(f"{self.path}:{number} needs either sample_id or prompt", fix="give one of the two")
        return line

    def _content(self) -> bytes:
        try:
            content = read_regular(self.path)
            content.decode("utf-8")
        except FileNotFoundError:
            raise UnknownModel(
                f"there is no file {self.path}", fix="write replay/./file.jsonl or an absolute path"
            ) from None
        except (OSError, ValueError) as error:
            raise BackendError(
                f"{self.path} cannot be read: {error}", fix="give a readable JSON Lines file in UTF-8"
            ) from None
        if not content.strip():
            raise BackendError(f"{self.path} is empty", fix="give a file with one completion per line")
        return content


LINES = TypeAdapter(ReplayLine)
