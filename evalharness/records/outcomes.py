"""Outcomes: a completion or a failure for each request, with notices and determinism checks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalharness.records.privacy import CheckpointName, CompletionText, Public, QuoteText, SampleId, Sentence, StopText
from evalharness.records.record import Record

FinishReason = Literal["stop", "length", "loop_abort"]
FailureKind = Literal["server", "timeout", "out_of_memory", "prompt_too_long", "empty_prompt", "missing", "error"]


class TokenLogprob(Record):
    """One generated token with its natural log-probability."""

    token: CompletionText
    logprob: float
    top: dict[CompletionText, float] = Field(default_factory=dict)
    """The most likely alternatives, if requested."""


class Completion(Record):
    """The text a checkpoint generated for one request."""

    type: Literal["completion"] = "completion"
    request_id: Public
    text: CompletionText
    """Without the end-of-turn token and without the stop string."""
    finish_reason: FinishReason | None
    """None if not recorded (a replayed file may leave it out)."""
    stopped_by: StopText | None = None
    """The end token or stop string that ended it; None unless `finish_reason` is `stop`."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Generated tokens, the end token included."""
    token_ids: tuple[int, ...] | None = None
    """The generated tokens, the end token included, those of a stop string left out; None if the backend has none."""
    seconds: float | None = None
    """Wall time from the start of its batch or request to its end."""
    attempts: int = Field(1, ge=1)
    """How often the request was sent."""
    thinking: CompletionText | None = None
    """A thinking model's text before the answer; never scored."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """One for each generated token, if requested."""
    values: dict[Public, float] = Field(default_factory=dict)
    """By metric, what the program that made an imported completion measured; read by a `recorded` scorer."""

    @model_validator(mode="after")
    def _only_a_stop_has_a_cause(self) -> "Completion":
        if self.stopped_by is not None and self.finish_reason != "stop":
            raise ValueError(f"a completion that ended by {self.finish_reason!r} was not ended by {self.stopped_by!r}")
        return self


class Failure(Record):
    """A request without a completion. Shown and counted, never scored."""

    type: Literal["failure"] = "failure"
    request_id: Public
    kind: FailureKind
    message: QuoteText
    attempts: int = Field(1, ge=1)


class Notice(Record):
    """A message about the generation as a whole, shown in the report."""

    type: Literal["notice"] = "notice"
    checkpoint: CheckpointName
    kind: Literal["batch", "rendered", "out_of_memory", "recovered", "settled", "other"]
    """`settled`: generation stopped because every gate rule was decided; what has no outcome was not asked for."""
    message: Sentence


class DeterminismCheck(Record):
    """How many completions changed when samples were generated again, one at a time (`--check-determinism`)."""

    type: Literal["determinism"] = "determinism"
    checkpoint: CheckpointName
    n: int
    changed: tuple[SampleId, ...]
    """Ids of the samples whose text changed."""
    batch: Sentence
    """The conditions of the first generation, such as `batch of up to 32, bfloat16`."""


class Spent(Record):
    """What it took to generate some of a checkpoint's outcomes; a run that was resumed has several."""

    type: Literal["spent"] = "spent"
    checkpoint: CheckpointName
    requests: int
    """With an outcome."""
    prompt_tokens: int
    tokens: int
    """Generated, as far as the backend counts them."""
    loading_seconds: float
    """Wall time until the backend was ready, where it says so; else part of `seconds`."""
    seconds: float
    """Wall time from then to the last outcome."""


GenerationEvent = Annotated[Completion | Failure | Notice | DeterminismCheck | Spent, Field(discriminator="type")]
