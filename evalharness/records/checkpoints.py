"""Checkpoints: particular weights with a backend and a prompt format."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from evalharness.records.privacy import (
    CheckpointName,
    Digest,
    ModelName,
    NoteText,
    Private,
    Public,
    StopText,
    TemplateText,
)
from evalharness.records.record import Record, digest

Variant = Literal["base", "instruct"]
PromptFormat = Literal["raw", "chat", "icl", "auto"]


class Checkpoint(Record):
    """Particular weights with a backend and a prompt format: one side of a comparison, as configured."""

    name: CheckpointName
    model: ModelName
    """Backend and model: `hf/org/name@revision`, `hf/./file.gguf`, `replay/./file.jsonl`, `demo/base`."""
    variant: Variant
    """The stage of training. A fine-tuned checkpoint is `instruct`."""
    prompt_format: PromptFormat = "auto"
    """`raw` sends the text as it is, `chat` uses the checkpoint's chat template, `icl` puts examples in front; `auto`
    is `raw` for a base and `chat` for an instruct checkpoint."""
    options: Annotated[dict[str, JsonValue], Private("options")] = Field(default_factory=dict)
    """Options specific to the backend, such as `adapter`, `device`, `dtype`, `batch_tokens`."""

    @property
    def backend(self) -> str:
        """The part of `model` before the first slash."""
        return self.model.partition("/")[0]

    @property
    def model_name(self) -> str:
        """The part of `model` after the first slash."""
        return self.model.partition("/")[2]


class CheckpointIdentity(Record):
    """Everything about a checkpoint that can change a completion; equal digests mean equal conditions."""

    backend: Public
    model: ModelName
    """The name as given, without the backend."""
    weights_digest: Digest
    """Hub commit, sha256 of the local weight files, or sha256 of the replayed file."""
    template_digest: Digest | None = None
    """Digest of the chat template's text; None without one."""
    tokenizer_digest: Digest | None = None
    adapter_digest: Digest | None = None
    manifest_digest: Digest | None = None
    """Of a server's model: over its weights, template, system prompt and parameters."""
    quantization: Public | None = None
    """As stored, such as `Q4_K_M`; None if the weights are not quantized."""
    device: Public | None = None
    dtype: Public | None = None
    attention: Public | None = None
    versions: dict[Public, Public] = Field(default_factory=dict)
    """Library or server versions, such as `{"torch": "2.13.0"}`."""
    settings: Annotated[dict[str, JsonValue], Private("options")] = Field(default_factory=dict)
    """Other backend options that can change a completion, such as `{"think": false}`."""

    @property
    def digest(self) -> str:
        """Digest over all fields."""
        return digest(self.model_dump(mode="json"))


class TokenizerFacts(Record):
    """Facts about a tokenizer and its generation settings for the prompt lint."""

    bos_token: StopText | None
    bos_token_id: int | None
    adds_bos: bool
    """Whether tokenizing plain text puts a BOS in front."""
    end_tokens: dict[int, StopText]
    """Token ids that end a generation, with their text."""
    chat_template: TemplateText | None


class Modelfile(Record):
    """What an Ollama model contains besides its weights."""

    template: TemplateText
    renderer: TemplateText = ""
    """The server's renderer, used instead of the template."""
    system: TemplateText = ""
    messages: int = 0
    """Number of turns added before every chat."""
    parameters: tuple[tuple[TemplateText, TemplateText], ...] = ()


class Elsewhere(Record):
    """Of a checkpoint whose completions another program made."""

    program: Public
    """Such as `lm-evaluation-harness 0.4.13`."""
    unknown: tuple[Public, ...] = ()
    """What its files do not say: `weights`, `hardware`, `generation settings`, `prompts as sent`."""
    settings_known: bool = False
    """Whether the settings of its requests are those that it was generated with."""


class ResolvedCheckpoint(Record):
    """A checkpoint whose identity and prompt format are resolved."""

    checkpoint: Checkpoint
    """Its `prompt_format` is never `auto` here."""
    identity: CheckpointIdentity
    tokenizer: TokenizerFacts | None = None
    """None if the backend has no tokenizer of its own (a server, a replayed file)."""
    modelfile: Modelfile | None = None
    """Of an Ollama model."""
    context_length: int | None = None
    """Tokens of prompt and completion together."""
    parameters: int | None = None
    memory_bytes: int | None = None
    """Estimated peak memory on the device: the weights, and the cache of a batch of `batch_tokens`."""
    notes: tuple[NoteText, ...] = ()
    """Notes for the reader of the report, such as the licence of bundled weights."""
    recorded: bool = False
    """Whether its completions are read from a file, with the prompt format only as stated."""
    elsewhere: Elsewhere | None = None
    """Of an imported run."""

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name
