"""What people and judge models prefer, sample by sample."""

from typing import Literal

from pydantic import Field, model_validator

from evalharness.records.checkpoints import ResolvedCheckpoint
from evalharness.records.privacy import CheckpointName, NoteText, PersonName, Public, QuoteText, SampleId, Sentence
from evalharness.records.record import Record
from evalharness.records.requests import GenerationConfig

Side = Literal["baseline", "candidate"]


class Preference(Record):
    """Which side of a sample a person or judge model prefers. An unreadable verdict is not a preference."""

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
    """A tie because both are bad."""
    by_order: tuple[Side | Literal["tie"], ...] = ()
    """Of a judge: its verdict with the baseline shown first, then with the candidate shown first."""
    explanation: QuoteText = ""

    @model_validator(mode="after")
    def _only_a_tie_is_bad_on_both_sides(self) -> "Preference":
        if self.both_bad and self.preferred != "tie":
            raise ValueError(f"both are bad, so {self.preferred} cannot be preferred")
        return self


class LabelRating(Record):
    """What one person or judge says that a completion did: a label of a scorer, given without seeing the scorer's."""

    sample_id: SampleId
    replicate: int = Field(0, ge=0)
    checkpoint: CheckpointName
    scorer: Public
    source: Literal["human", "judge"] = "human"
    """Only people's labels correct a rate."""
    rater: PersonName
    label: Public
    probability: float = Field(gt=0, le=1)
    """Of being drawn for rating; see `preferences/labelling.py`."""


class JudgeFailure(Record):
    """A pair without a readable verdict by a judge."""

    sample_id: SampleId
    replicate: int = Field(0, ge=0)
    reason: QuoteText


class Judging(Record):
    """A judge model's work on a run: its identity, its prompt, and the pairs on which it failed."""

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
    """As requested; the backend may have chosen a context length."""
    failures: tuple[JudgeFailure, ...] = ()
    notes: tuple[NoteText, ...] = ()
    """Notes for the reader, such as that the judge is one of the two sides."""
