"""Settings of `[scorer.reward]`."""

from typing import Literal

from pydantic import Field, StrictInt, StrictStr, model_validator

from evalharness.records import Record

BUNDLED = "bundled"
HUB, SERVER = "hf/", "server/"
ONLY_SERVED = ("url", "tokenizer", "weights")
ONLY_LOADED = ("device", "dtype", "trust_remote_code")


class RewardSettings(Record):
    """Which reward model, and how it is prompted; None means chosen automatically."""

    model: str = BUNDLED
    """`hf/org/name`, `hf/org/name@revision`, `hf/./folder`, `server/NAME` of a vLLM, or `bundled`."""
    url: str | None = None
    """The server's address; `OPENAI_BASE_URL` by default. The key comes from `OPENAI_API_KEY` alone."""
    tokenizer: str | None = None
    """The folder or Hub name of a served model, whose tokenizer and labels are read."""
    weights: str | None = None
    """What identifies the weights of a served model, such as a Hub commit; its address by default."""
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

    @model_validator(mode="after")
    def _only_a_served_model_has_an_address(self) -> "RewardSettings":
        served = self.model.startswith(SERVER)
        if idle := sorted(self.model_fields_set.intersection(ONLY_LOADED if served else ONLY_SERVED)):
            raise ValueError(f"{', '.join(idle)}: not for {self.model}")
        return self
