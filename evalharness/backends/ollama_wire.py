"""The protocol between evalharness and an Ollama server, and the meaning of each server error.

Written against recordings of Ollama 0.32; the API is described at https://docs.ollama.com/api.
"""

import ipaddress
import json
import os
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from evalharness.backends.wire import (
    Connection,
    Looped,
    PromptTooLong,
    Refused,
    Reply,
    ServerError,
    Transient,
)
from evalharness.errors import BackendError, UnknownModel
from evalharness.records import TokenLogprob

DEFAULT_PORT = 11434
FIXES = {
    "no answer in time": "wait longer with -M timeout=SECONDS",
    "requires more system memory": "use a smaller quantization, or set a smaller context_length in [generation]",
    "does not support thinking": "leave out -M think",
    "not as an Ollama server": "set OLLAMA_HOST to where Ollama runs",
}
"""Server messages with their fixes."""
NOT_OLLAMA = "the server there is not an Ollama server"


def _add(reply: Reply, part: dict[str, Any]) -> None:
    """Add one object of the stream.

    Raises:
        ServerError: the object is an error.
    """
    if "error" in part:
        raise ServerError(part["error"])
    message = part.get("message") or {}
    piece = part.get("response") or message.get("content") or ""
    reply.add(piece, part.get("thinking") or message.get("thinking") or "")
    reply.logprobs += [_logprob(token) for token in part.get("logprobs") or ()]
    if part.get("done"):
        reply.ended, reply.finish_reason = True, part.get("done_reason")
        reply.prompt_tokens, reply.completion_tokens = part.get("prompt_eval_count"), part.get("eval_count")


def _logprob(data: dict[str, Any]) -> TokenLogprob:
    top = {token["token"]: token["logprob"] for token in data.get("top_logprobs") or ()}
    return TokenLogprob(token=data["token"], logprob=data["logprob"], top=top)


class Server(Connection):
    """One Ollama server, at `OLLAMA_HOST` unless another address is given."""

    title = "the Ollama server"
    start_it = "start it with `ollama serve`, or set OLLAMA_HOST to its address; --resume continues a run"

    def __init__(self, host: str | None, *, timeout: float) -> None:
        super().__init__(address(host), timeout=timeout, key=os.environ.get("OLLAMA_API_KEY"))

    def fix_for(self, error: Exception) -> str:
        """What to do about a permanent error."""
        return next((fix for said, fix in FIXES.items() if said in str(error)), super().fix_for(error))

    def answer(self, path: str, body: dict[str, Any]) -> Reply:
        """Stream an answer to its end.

        Raises:
            Transient, Refused: see there.
            UnknownModel: the server does not have the model.
        """
        reply = Reply()
        try:
            with self.faults(body):
                for line in self.lines(path, {**body, "stream": True}):
                    _add(reply, json.loads(line))
        except Looped:
            return reply.finished(aborted=True)
        return reply.finished()

    def meaning(self, error: ServerError, body: dict[str, Any]) -> Exception:
        """What an error of the server means."""
        message = str(error)
        if error.status == 404 and body.get("model") and "model" in message:
            return UnknownModel(
                f"the Ollama server at {self.url} has no model {body['model']}", fix=f"ollama pull {body['model']}"
            )
        if "token repeat limit" in message:
            return Looped(message)
        if too_long := _too_long(error):
            return too_long
        if error.status in (404, 405):
            return Refused(NOT_OLLAMA)
        if error.status == 400:
            return Refused(message)
        if re.search(r"option \"\w+\" must be of type", message):
            return Refused(message)
        return Transient("server", message)


def _too_long(error: ServerError) -> PromptTooLong | None:
    """The two error messages for a prompt that does not fit; `truncate: false` gives the one with counts."""
    counts = dict(re.findall(r'(n_prompt_tokens|n_ctx)\\*": ?(\d+)', error.text))
    if len(counts) == 2:
        return PromptTooLong(f"the prompt has {counts['n_prompt_tokens']} tokens, the context {counts['n_ctx']}")
    return PromptTooLong(str(error)) if "longer than the context length" in str(error) else None


def address(host: str | None) -> str:
    """A server's address from user input, in the forms that Ollama itself accepts.

    >>> address("127.0.0.1"), address(":8080"), address(" https://gpu.example/ollama/ ")
    ('http://127.0.0.1:11434', 'http://127.0.0.1:8080', 'https://gpu.example:443/ollama')

    Raises:
        BackendError: not an address.
    """
    given = (os.environ.get("OLLAMA_HOST", "") if host is None else host).strip().strip("\"'")
    scheme, mark, rest = given.partition("://") if "://" in given else ("http", "", given)
    try:
        parts = urlsplit(f"//{rest}")
        name, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError as error:
        raise _no_address(given, str(error).replace("0-65535", "1-65535")) from None
    if scheme.lower() not in ("http", "https"):
        raise _no_address(given, f"{scheme} is not http or https")
    if port == 0 or not re.fullmatch(r"[\w.:%-]+", name):
        raise _no_address(given, f"{name!r} is not a host" if port != 0 else "Port out of range 1-65535")
    default = {"http": 80, "https": 443}[scheme.lower()] if mark else DEFAULT_PORT
    with suppress(ValueError):
        name = f"[{name}]" if ipaddress.ip_address(name).version == 6 else name
    return f"{scheme.lower()}://{name}:{port or default}{parts.path.rstrip('/')}"


def _no_address(given: str, why: str) -> BackendError:
    return BackendError(
        f"the Ollama server's address {given!r} cannot be used: {why}",
        fix="set OLLAMA_HOST (or -M host=) to HOST:PORT, such as 127.0.0.1:11434",
    )
