"""Backends generate completions. A backend serves one checkpoint; it is a class in `BACKENDS`, or an entry point."""

import difflib
from typing import TypeVar

from pydantic import ValidationError

from evalharness import plugins
from evalharness.backends.backend import Backend
from evalharness.errors import BackendError, ConfigError, MissingExtra, near
from evalharness.records import Checkpoint, Record, explain
from evalharness.weights import bundled

Options = TypeVar("Options", bound=Record)
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
        given = str(error.errors(include_url=False)[0]["loc"][0])
        raise ConfigError(
            f"checkpoint {checkpoint.name!r}: {_of_option(explain(error))}",
            fix=near(given, kind.model_fields, f"the options are {', '.join(kind.model_fields)}"),
        ) from None


def _of_option(explained: str) -> str:
    unknown = "there is no key "
    return explained.replace(unknown, "there is no option ") if explained.startswith(unknown) else f"option {explained}"
