"""What people and judge models prefer, sample by sample."""

from typing import Literal

from pydantic import Field, model_validator

from evalharness.records.checkpoints import ResolvedCheckpoint
from evalharness.records.privacy import CheckpointName, NoteText, PersonName, QuoteText, SampleId, Sentence
from evalharness.records.record import Record
from evalharness.records.requests import GenerationConfig

Side = Literal["baseline", "candidate"]


class Preference(Record):
    """Which side of one sample a person or a judge model prefers. A verdict that could not be read is none at all."""

    sample_id: SampleId
    replicate: int = Field(0, ge=0)
    baseline: CheckpointName
    candidate: CheckpointName
    """The names of the two checkpoints."""
    source: Literal["human", "judge"]
    rater: PersonName
    """The person's name, or the judge's model and prompt version."""
    preferred: Side | Literal["tie"]
    both_bad: bool = False
    """A tie because neither is any good."""
    by_order: tuple[Side | Literal["tie"], ...] = ()
    """Of a judge: its verdict with the baseline shown first, then with the candidate shown first."""
    explanation: QuoteText = ""

    @model_validator(mode="after")
    def _only_a_tie_is_bad_on_both_sides(self) -> "Preference":
        if self.both_bad and self.preferred != "tie":
            raise ValueError(f"both are bad, so {self.preferred} cannot be preferred")
        return self


class JudgeFailure(Record):
    """A pair of which a judge gave no verdict that could be read."""

    sample_id: SampleId
    replicate: int = Field(0, ge=0)
    reason: QuoteText


class Judging(Record):
    """A judge model's work on a run: who it is, what it was sent, and the pairs on which it failed."""

    rater: PersonName
    """As in its preferences."""
    baseline: CheckpointName
    candidate: CheckpointName
    """The names of the two checkpoints."""
    judge: ResolvedCheckpoint
    prompt_version: int
    prompt_text: Sentence
    """With placeholders for the request and the two answers."""
    generation: GenerationConfig
    """As asked for; the backend may have settled a context length for it."""
    failures: tuple[JudgeFailure, ...] = ()
    notes: tuple[NoteText, ...] = ()
    """What a reader should know, such as that the judge is one of the two that are compared."""
