"""Requests: what is sent to a checkpoint, with an identity that covers everything that can change the completion."""

from typing import Annotated, Literal

from pydantic import Field

from evalharness.records.checkpoints import ResolvedCheckpoint
from evalharness.records.privacy import CheckpointName, PromptText, Public, RenderedText, SampleId, StopText
from evalharness.records.record import Record, digest
from evalharness.records.suites import Message


class RawPrompt(Record):
    """Text sent unchanged; `stop` ends the completion where a scaffold's next turn would begin."""

    type: Literal["raw"] = "raw"
    text: PromptText
    stop: tuple[StopText, ...] = ()


class ChatPrompt(Record):
    """Turns to be rendered with the checkpoint's own chat template."""

    type: Literal["chat"] = "chat"
    messages: tuple[Message, ...]


Prompt = Annotated[RawPrompt | ChatPrompt, Field(discriminator="type")]


class RenderedPrompt(Record):
    """The exact text and token ids that a checkpoint sees; None for parts that the backend cannot know."""

    text: str | None = None
    token_ids: tuple[int, ...] | None = None


class GenerationConfig(Record):
    """How completions are drawn; always sent in full. The default is greedy."""

    max_tokens: int = Field(256, ge=1)
    """Longest completion."""
    temperature: float = Field(0.0, ge=0.0, allow_inf_nan=False)
    """0 always takes the most likely token."""
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    """Draw from the most likely tokens that have this probability together; 1 keeps all tokens."""
    top_k: int = Field(0, ge=0)
    """Draw from so many of the most likely tokens; 0 keeps all tokens."""
    repeat_penalty: float = Field(1.0, gt=0.0, allow_inf_nan=False)
    """Above 1, tokens of the prompt and of the completion so far become less likely; 1 is off."""
    seed: int = Field(0, ge=0)
    """Of the draws; the `seed` of the experiment if left out."""
    stop: tuple[Annotated[StopText, Field(min_length=1)], ...] = ()
    """Texts at which a completion ends."""
    context_length: int | None = Field(None, ge=1)
    """Most tokens of prompt and completion together. Left out: with Ollama what the longest prompt needs, else the
    model's own. A prompt that does not fit fails; it is never cut."""


SHOWN_TOKEN_IDS = 8


class GenerationRequest(Record):
    """One completion to be generated. Create it with `GenerationRequest.of`, which computes its `id`."""

    id: Public
    checkpoint: CheckpointName
    sample_id: SampleId
    replicate: int = 0
    prompt: Prompt
    rendered: RenderedText | None = None
    """The text after the chat template, as the model sees it; None if only the server knows it."""
    prompt_tokens: int | None = None
    first_token_ids: tuple[int, ...] = ()
    last_token_ids: tuple[int, ...] = ()
    """Up to `SHOWN_TOKEN_IDS` at each end of the prompt, for display; `id` covers the whole prompt."""
    config: GenerationConfig

    @classmethod
    def of(
        cls,
        resolved: ResolvedCheckpoint,
        sample_id: str,
        prompt: RawPrompt | ChatPrompt,
        rendered: RenderedPrompt,
        config: GenerationConfig,
        replicate: int = 0,
    ) -> "GenerationRequest":
        """Make a request whose `id` is a digest over everything that can change the completion.

        The checkpoint's name and the sample's id are part of it, so that one id is one cell of the
        comparison, also where two samples share a prompt or both sides are the same weights.
        """
        parts = {
            "identity": resolved.identity.digest,
            "checkpoint": resolved.name,
            "sample": sample_id,
            "prompt": prompt.model_dump(mode="json"),
            "rendered": rendered.text,
            "token_ids": rendered.token_ids,
            "config": config.model_dump(mode="json"),
            "replicate": replicate,
        }
        return cls(
            id=digest(parts).removeprefix("sha256:")[:32],
            checkpoint=resolved.name,
            sample_id=sample_id,
            replicate=replicate,
            prompt=prompt,
            rendered=rendered.text,
            prompt_tokens=None if rendered.token_ids is None else len(rendered.token_ids),
            first_token_ids=(rendered.token_ids or ())[:SHOWN_TOKEN_IDS],
            last_token_ids=(rendered.token_ids or ())[-SHOWN_TOKEN_IDS:],
            config=config,
        )
