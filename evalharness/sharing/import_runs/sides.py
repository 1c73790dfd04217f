"""What a file says of one side of a comparison: its answers, and how they were made as far as it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalharness.records import FinishReason, GenerationConfig, Message, PromptFormat

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Answer:
    """One completion that was generated elsewhere, or a failure."""

    task: str
    key: str
    """What joins it with the other side's answer within its task."""
    id: str
    messages: tuple[Message, ...]
    """The prompt; empty if the file does not say it."""
    text: str = ""
    replicate: int = 0
    failure: str = ""
    """Why there is no text."""
    rendered: str | None = None
    """The prompt exactly as the model saw it."""
    target: str | None = None
    category: str = ""
    expected: str | None = None
    finish_reason: FinishReason | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    """Their own metrics, by name."""
    config: GenerationConfig | None = None
    """None if the file does not say how it was generated."""

    def __post_init__(self) -> None:
        """Raise UnicodeEncodeError for text that no file can hold."""
        turns = (message.content for message in self.messages)
        "".join((self.id, self.text, self.rendered or "", self.target or "", *turns)).encode()


@dataclass(frozen=True)
class Side:
    """All answers of one model."""

    model: str
    program: str
    """What made them, such as `lm-evaluation-harness 0.4.13`."""
    scorer: str
    """What its own metrics are called after."""
    file: str
    digest: str
    """Sha256 of the file, which is all that identifies the completions."""
    answers: tuple[Answer, ...]
    prompt_format: PromptFormat = "raw"
    better: Mapping[str, Better] = field(default_factory=dict)
    """By name of a metric, where the file or its program says it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    dtype: str | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()
    """For the user, one sentence each."""
