"""Backends generate completions. A backend serves one checkpoint; it is a class in `BACKENDS`, or an entry point."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from evalharness import plugins
from evalharness.errors import BackendError, ConfigError, MissingExtra
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
    Record,
    RenderedPrompt,
    ResolvedCheckpoint,
    explain,
)
from evalharness.weights import bundled

if TYPE_CHECKING:
    import torch

Options = TypeVar("Options", bound=Record)


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


class Teacher(Protocol):
    """A loaded checkpoint that reads completions which others may have written (teacher forcing).

    An optional part of a backend: one that can give whole distributions has a method `teacher()`.
    """

    end_tokens: Mapping[int, str]
    batch_size: int
    batch_tokens: int
    width: int
    """Tokens that have a logit."""

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token with its id, added tokens included."""

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens around it."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""

    def text_of(self, token: int) -> str:
        """The text of one token, as it is within a text."""

    def logits(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], columns: int
    ) -> "Iterator[torch.Tensor]":
        """Logits before each token of the completions, the longest first: tensors (rows, at most `columns` positions,
        vocabulary), without the rows that have ended.
        """

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        """Whether a smaller batch may do."""

    def free_memory(self) -> None:
        """Free the memory of a batch that was given up."""


def open_teacher(backend: Backend, name: str) -> Teacher:
    """Load a backend's checkpoint for reading.

    Raises:
        BackendError: this backend gives no distributions over the whole vocabulary.
    """
    refuse_without_teacher(backend, name)
    teacher: Teacher = backend.teacher()  # type: ignore[attr-defined]
    return teacher


def refuse_without_teacher(backend: Backend | type[Backend], name: str) -> None:
    """Refuse a backend, or its class, that gives no distributions over the whole vocabulary.

    Raises:
        BackendError: it does not.
    """
    if getattr(backend, "teacher", None) is None:
        raise BackendError(
            f"checkpoint {name!r}: its backend gives no probabilities of all tokens",
            fix="use checkpoints that are loaded here, such as hf/org/name",
        )


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


GROUP = "evalharness.backends"
BACKENDS = {
    "hf": "evalharness.backends.hf:HfBackend",
    "demo": "evalharness.backends.demo:DemoBackend",
    "ollama": "evalharness.backends.ollama:OllamaBackend",
    "server": "evalharness.backends.server:ServerBackend",
    "replay": "evalharness.backends.replay:ReplayBackend",
}
INSTALL = {
    "hf": ("pip install 'evalharness[hf]'",),
    "ollama": ("pip install 'evalharness[ollama]'",),
    "server": ("pip install 'evalharness[server]'",),
    "demo": bundled.INSTALL,
}


def backend_names() -> tuple[str, ...]:
    """The names of all backends, our own first."""
    return plugins.names(GROUP, BACKENDS)


def open_backend(checkpoint: Checkpoint) -> Backend:
    """Make the backend that `checkpoint.model` names; see `backend_class` for what is raised."""
    return backend_class(checkpoint)(checkpoint)


def backend_class(checkpoint: Checkpoint) -> type[Backend]:
    """The class that serves `checkpoint.model`, with the facts of its backend.

    Raises:
        BackendError: the prefix is not a known backend.
        MissingExtra: what the backend needs is not installed.
    """
    if checkpoint.backend not in backend_names() or not checkpoint.model_name:
        near = _near(checkpoint.model)
        names = ", ".join(backend_names())
        raise BackendError(
            f"checkpoint {checkpoint.name!r}: {checkpoint.model!r} does not name a backend and a model",
            fix=f"write {near!r}; the backends are {names}" if near else f"write BACKEND/MODEL, a backend of {names}",
        )
    try:
        return load_backend(checkpoint.backend)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"checkpoint {checkpoint.name!r} needs {error.name}, which is not installed",
            fix=" and ".join(INSTALL[checkpoint.backend]),
        ) from None


def _near(model: str) -> str:
    """What was probably meant by a model without a backend; empty if that is not clear.

    >>> [_near(model) for model in ("llama3.1:8b", "org/name", "./tuned", "answers.jsonl", "olama/llama3.1:8b", "x")]
    ['ollama/llama3.1:8b', 'hf/org/name', 'hf/./tuned', 'replay/./answers.jsonl', 'ollama/llama3.1:8b', '']
    """
    prefix, slash, name = model.partition("/")
    if close := difflib.get_close_matches(prefix, backend_names(), n=1) if slash and name else []:
        return f"{close[0]}/{name}"
    is_path = model.startswith((".", "/", "~")) or model.endswith((".gguf", ".jsonl"))
    if is_path:
        backend = "replay" if model.endswith(".jsonl") else "hf"
        return f"{backend}/{model if model.startswith(('.', '/', '~')) else f'./{model}'}"
    if ":" in model:
        return f"ollama/{model}"
    return f"hf/{model}" if slash and name and "/" not in name else ""


def load_backend(name: str) -> type[Backend]:
    """Import the class of the backend `name`.

    Raises:
        BackendError: two packages bring that name, or another package's class cannot be imported.
        ModuleNotFoundError: what a backend of ours needs is not installed.
    """
    backend: type[Backend] = plugins.load(GROUP, BACKENDS, name, BackendError)
    return backend


def read_options(checkpoint: Checkpoint, kind: type[Options]) -> Options:
    """The backend's own options of a checkpoint, validated.

    Raises:
        ConfigError: an option is unknown, or its value cannot be.
    """
    try:
        return kind.model_validate(checkpoint.options)
    except ValidationError as error:
        raise ConfigError(
            f"checkpoint {checkpoint.name!r}: {_of_option(explain(error))}",
            fix=_option_near(error, kind) or f"the options are {', '.join(kind.model_fields)}",
        ) from None


def _of_option(explained: str) -> str:
    unknown = "there is no key "
    return explained.replace(unknown, "there is no option ") if explained.startswith(unknown) else f"option {explained}"


def _option_near(error: ValidationError, kind: type[Record]) -> str:
    """What to write for a misspelt option; empty if none is near."""
    given = str(error.errors(include_url=False)[0]["loc"][0])
    close = difflib.get_close_matches(given, kind.model_fields, n=1)
    return f"write {close[0]!r}" if close and close[0] != given else ""
