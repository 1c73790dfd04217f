"""Ollama's model description (`/api/show`), and its rules for model names."""

import ast
import re
from typing import Any


def blobs_of(shown: dict[str, Any]) -> list[str]:
    """The sha256 digests of the model's blobs: its weights, then any adapters."""
    return re.findall(r"^(?:FROM|ADAPTER) .*sha256-([0-9a-f]{64})", shown.get("modelfile", ""), re.MULTILINE)


def messages_of(shown: dict[str, Any]) -> list[str]:
    """The turns that the Modelfile puts before every chat."""
    return re.findall(r"^MESSAGE .*", shown.get("modelfile", ""), re.MULTILINE)


def parameters_of(shown: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The Modelfile's parameters in order; `stop` may occur several times."""
    lines = [line.split(maxsplit=1) for line in shown.get("parameters", "").splitlines()]
    return tuple((line[0], _unquoted(line[1])) for line in lines if len(line) == 2)


def renderer_of(shown: dict[str, Any]) -> str:
    """The server's built-in renderer, for a model whose Modelfile names a renderer instead of a template."""
    match = re.search(r"^RENDERER (\S+)", shown.get("modelfile", ""), re.MULTILINE)
    return match[1] if match else ""


def canonical(name: str) -> str:
    """A model's full name; the server ignores case, its own registry's name and the tag `latest`.

    >>> {canonical(name) for name in ("SmolLM2", "library/smollm2:latest", "registry.ollama.ai/library/smollm2")}
    {'smollm2:latest'}
    """
    name = name.casefold().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _unquoted(value: str) -> str:
    """A parameter as Go prints it."""
    try:
        return str(ast.literal_eval(value)) if value.startswith('"') else value
    except (ValueError, SyntaxError):
        return value.strip('"')
