"""Completions made elsewhere, from a JSON Lines file: `replay/./completions.jsonl`.

A line holds `text`, and `sample_id` or `prompt` (the sample's own text, without scaffold or template), and may hold
`finish_reason`. A line for a sample with replicates may hold `replicate`.
"""

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from evalharness.errors import BackendError, UnknownModel
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


Numbered = tuple[int, ReplayLine]


class ReplayBackend:
    """Answers requests from a file; what the file does not answer is a failure."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.path = Path(checkpoint.model_name)
        if checkpoint.options:
            raise BackendError(
                f"checkpoint {checkpoint.name!r}: a replayed file has no option {', '.join(checkpoint.options)}",
                fix="remove it, or give it to the other side alone: -M baseline.KEY=VALUE or -M candidate.KEY=VALUE",
            )

    def resolve(self) -> ResolvedCheckpoint:
        """The file's sha256 is the identity. A wrong line is found here, before anything is generated."""
        self._answers()
        weights = "sha256:" + hashlib.sha256(self._content()).hexdigest()
        name = self.checkpoint.model_name
        identity = CheckpointIdentity(backend="replay", model=name, weights_digest=weights)
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            identity=identity,
            notes=("The completions were made elsewhere; how they were prompted is as stated, not measured.",),
        )

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """Nothing is known of what the completions' maker saw."""
        return [RenderedPrompt() for _ in prompts]

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """Nothing has to be fixed."""
        return config

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice]:
        """One outcome for each request, in order."""
        answers = self._answers()
        for request in requests:
            yield self._answer(request, answers)

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, request: GenerationRequest, answers: dict[Key, Numbered]) -> Completion | Failure:
        keys = (("sample", request.sample_id), ("prompt", plain_text(request.prompt)))
        found = [answers[*key, request.replicate] for key in keys if (*key, request.replicate) in answers]
        if len(found) == 2 and found[0][1].text != found[1][1].text:
            raise self._twice(found[0][0], found[1][0], request.sample_id)
        if not found:
            message = f"{self.path} has no completion for sample {request.sample_id}"
            return Failure(request_id=request.id, kind="missing", message=message)
        line = found[0][1]
        return Completion(request_id=request.id, text=line.text, finish_reason=line.finish_reason)

    def _answers(self) -> dict[Key, Numbered]:
        answers: dict[Key, Numbered] = {}
        for number, text in enumerate(self._content().decode("utf-8-sig").split("\n"), start=1):
            if not text.strip():
                continue
            line = self._parse(text, number)
            if line.key in answers:
                raise self._twice(answers[line.key][0], number, line.sample_id or line.prompt)
            answers[line.key] = number, line
        return answers

    def _twice(self, first: int, second: int, answered: str | None) -> BackendError:
        message = f"{self.path}: lines {first} and {second} both answer {answered!r}"
        return BackendError(message, fix="keep one of the two lines")

    def _parse(self, text: str, number: int) -> ReplayLine:
        try:
            line = LINES.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            close = difflib.get_close_matches(field, ReplayLine.model_fields, n=1)
            fix = f"write {close[0]!r}" if close and close[0] != field else f"use {', '.join(ReplayLine.model_fields)}"
            raise BackendError(
                f"{self.path}:{number}: {field + ': ' if field else ''}{first['msg']}", fix=fix
            ) from None
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
            raise BackendError(f"{self.path} is empty", fix="give a file with one completion a line")
        return content


LINES = TypeAdapter(ReplayLine)
