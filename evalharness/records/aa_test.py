"""How much a checkpoint differs from itself."""

from typing import Annotated, Literal

from pydantic import Field

from evalharness.records.privacy import CheckpointName, Digest, Public
from evalharness.records.record import Record
from evalharness.records.requests import GenerationConfig

DeterminismClass = Literal["identical text", "batch-sensitive", "sampling"]


class AATest(Record):
    """How much a checkpoint differs from itself, for a generation configuration and some suites."""

    checkpoint: CheckpointName
    identity_digest: Digest
    suites: dict[Public, Public]
    """Names with digests."""
    scorers: dict[Public, Public]
    """Names with versions."""
    generation: GenerationConfig
    determinism: DeterminismClass
    """`identical text`: greedy, and unaffected by the batch; `batch-sensitive`: affected by the batch; `sampling`:
    random.
    """
    n: int = Field(ge=0)
    """Completions that were generated in two different batch sizes."""
    n_changed: int = Field(ge=0)
    """Completions among them whose text changed."""
    noise: dict[Public, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]]
    """By metric, how far two runs differ in 95 % of cases beyond what samples explain; 0 where no test finds it."""
