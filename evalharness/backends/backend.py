"""The contract that every backend keeps: ours (`hf`, `ollama`, `server`, `replay`) and those of other packages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from evalharness.errors import BackendError
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
)

if TYPE_CHECKING:
    import torch


class Underway(NamedTuple):
    """How far a backend is: shown, and never stored."""

    tokens: int
    """Generated so far for requests without an outcome."""


class Backend(Protocol):
    """Serves one checkpoint. Making one is cheap; weights are loaded by the first `generate`.

    A class may also state facts of its backend: `asks_a_server` (its requests may be refused by a program that is not
    ours, so that one token is asked for before a run), and `varied`, the option that a calibration changes, with two
    values of which one is not the configured one. One with
    `recorded` generates nothing: it reads completions from a file. Notes for a run's readers are in
    `ResolvedCheckpoint`.
    """

    def __init__(self, checkpoint: Checkpoint) -> None: ...

    def resolve(self) -> ResolvedCheckpoint:
        """Resolve the identity without loading weights. `prompt_format` is passed through as configured."""

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """The exact text and token ids that the model will see, one per prompt, in order."""

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """The configuration of all requests, with values that this backend must fix for the whole run filled in.

        Raises:
            ConfigError: the backend does not support a value.
        """

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice | Underway]:
        """One outcome for each request, in any order, as soon as it is known; notices and `Underway` in between."""

    def close(self) -> None:
        """Free the memory; also called after an error."""


class Known(NamedTuple):
    """What a server says of one position of a text: the token that is there, and the likeliest tokens."""

    logprob: float
    rank: int
    """1 plus the number of tokens that are likelier."""
    likeliest: tuple[tuple[int, float], ...]
    """Token ids with their log-probabilities, the likeliest first."""


class Teacher(Protocol):
    """A checkpoint that reads completions which others may have written (teacher forcing).

    An optional part of a backend, which then has a method `teacher()`, and `check_teacher()` if it can say without
    loading anything that it has none. A teacher also is one of the two below.
    """

    end_tokens: Mapping[int, str]
    batch_size: int
    batch_tokens: int
    top: int | None
    """How many of the likeliest tokens it knows; None: all."""
    width: int | None
    """Tokens that have a logit, if that is known."""

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token with its id, added tokens included."""

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens around it."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""

    def text_of(self, token: int) -> str:
        """The text of one token, as it is within a text."""

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        """Whether a smaller batch may do."""

    def free_memory(self) -> None:
        """Free the memory of a batch that was given up."""


@runtime_checkable
class TellsAll(Protocol):
    """A teacher with whole distributions."""

    def logits(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], columns: int
    ) -> "Iterator[torch.Tensor]":
        """Logits before each token of the completions, the longest first: tensors (rows, at most `columns` positions,
        vocabulary), without the rows that have ended.
        """


@runtime_checkable
class TellsLikeliest(Protocol):
    """A teacher that knows the likeliest tokens alone, such as a server."""

    def log_probabilities(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
    ) -> Iterator[list[Known]]:
        """Of each completion in order, what is known of each token."""


def open_teacher(backend: Backend, name: str) -> Teacher:
    """Load a backend's checkpoint for reading.

    Raises:
        BackendError: this backend gives no probabilities of given tokens.
    """
    refuse_without_teacher(backend, name)
    teacher: Teacher = backend.teacher()  # type: ignore[attr-defined]
    return teacher


def refuse_without_teacher(backend: Backend, name: str) -> None:
    """Refuse a backend that gives no probabilities of given tokens.

    Raises:
        BackendError: it does not.
    """
    if getattr(backend, "teacher", None) is None:
        raise BackendError(
            f"checkpoint {name!r}: its backend gives no probabilities of given tokens",
            fix="use checkpoints that are loaded here, such as hf/org/name, or served by vLLM",
        )
    if check := getattr(backend, "check_teacher", None):
        check()


Continues = Callable[
    [Sequence[GenerationRequest], Sequence[Sequence[int]]], Iterator[Completion | Failure | Notice | Underway]
]
"""Generates completions that are made to begin with given tokens, which are part of them."""


def continuing(backend: Backend, name: str) -> Continues:
    """A backend's optional method `generate_after`.

    Raises:
        BackendError: it cannot continue tokens.
    """
    method: Continues | None = getattr(backend, "generate_after", None)
    if method is None:
        raise BackendError(
            f"checkpoint {name!r}: its backend cannot continue given tokens",
            fix="use checkpoints that are loaded here, such as hf/org/name",
        )
    return method
