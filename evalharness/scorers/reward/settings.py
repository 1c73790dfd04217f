"""Settings of `[scorer.reward]`."""

from typing import Literal

from pydantic import Field, StrictInt, StrictStr

from evalharness.records import Record

BUNDLED = "bundled"
HUB = "hf/"


class RewardSettings(Record):
    """Which reward model, and how it is prompted; None means chosen automatically."""

    model: str = BUNDLED
    """`hf/org/name`, `hf/org/name@revision`, `hf/./folder`, or `bundled`."""
    head: StrictInt | StrictStr | None = None
    """Which of several logits is the reward: its label in the model's configuration, or its place from 0."""
    encoding: Literal["chat", "pair"] | None = None
    """A chat through the template, or question and answer as a pair of texts."""
    device: str | None = None
    """CUDA, then MPS, then the CPU."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """bfloat16 on CUDA, float32 elsewhere."""
    max_length: int | None = Field(None, ge=2)
    """Most tokens that are read; what the model can read by default."""
    batch_tokens: int = Field(16_384, ge=1)
    """Most tokens of a batch, padding included."""
    trust_remote_code: bool = False
    """Run the modelling code that comes with the model; only for a model that you trust like a program."""
