"""What is said between evalharness and an Ollama server, and what each of the server's faults means.

Written against recordings of Ollama 0.32; the API is described at https://docs.ollama.com/api.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import ollama

from evalharness.errors import BackendError, UnknownModel
from evalharness.records import TokenLogprob

CONNECT_SECONDS = 5.0
REPEATED_TOKENS = 25
"""The server gives up after about thirty identical tokens in a row; a stream that ends so without its last object is
that abort, any other is a broken one."""


class Transient(Exception):
    """A fault that may pass: the request is worth another attempt."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Unreachable(Transient):
    """Nobody answers at the server's address."""


class Refused(Exception):
    """The server will not answer this request, however often it is asked."""


class PromptTooLong(Refused):
    """The prompt does not fit the context."""


class PromptTooLongUncounted(PromptTooLong):
    """The same, said without the counts."""


@dataclass
class Reply:
    """A streamed answer, put together."""

    text: str = ""
    thinking: str = ""
    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    """The object with `done: true`; empty where the server aborted a loop."""

    def add(self, part: dict[str, Any]) -> None:
        """Take in one object of the stream."""
        message = part.get("message") or {}
        piece = part.get("response") or message.get("content") or ""
        self.thinking += part.get("thinking") or message.get("thinking") or ""
        if piece:
            self.pieces.append(piece)
        self.logprobs += [_logprob(one) for one in part.get("logprobs") or ()]
        if part.get("done"):
            self.last = part

    def finished(self) -> "Reply":
        """The reply as a whole.

        Raises:
            Transient: the stream ended before its last object, and not because of a loop.
        """
        self.text = "".join(self.pieces)
        end = self.pieces[-REPEATED_TOKENS:]
        if not self.last and (len(end) < REPEATED_TOKENS or len(set(end)) > 1):
            raise Transient("server", "the stream ended without its last object")
        return self


def _logprob(data: dict[str, Any]) -> TokenLogprob:
    top = {one["token"]: one["logprob"] for one in data.get("top_logprobs") or ()}
    return TokenLogprob(token=data["token"], logprob=data["logprob"], top=top)


class Server:
    """One Ollama server, at `OLLAMA_HOST` unless another address is given."""

    def __init__(self, host: str | None, *, timeout: float) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        seconds = httpx.Timeout(timeout, connect=CONNECT_SECONDS)
        self._client = ollama.Client(host, timeout=seconds, limits=limits)
        self.url = str(self._client._client.base_url).rstrip("/")

    def close(self) -> None:
        """Close all connections, those in use too."""
        self._client._client.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with one answer.

        Raises:
            UnknownModel: the server does not have the model.
            BackendError: nobody answers, or the server refuses.
        """
        try:
            with self._faults(body or {}):
                return dict(self._client._request(dict, method, path, json=body))
        except Unreachable as error:
            raise self.gone(str(error)) from None
        except (Transient, Refused) as error:
            raise BackendError(f"the Ollama server at {self.url}: {error}", fix="look at the server's log") from None

    def answer(self, path: str, body: dict[str, Any]) -> Reply:
        """Stream an answer to its end.

        The official client's own methods lack `truncate` and `shift`, so its request is used.

        Raises:
            Transient, Refused: see there.
            UnknownModel: the server does not have the model.
        """
        reply = Reply()
        with self._faults(body):
            for part in self._client._request(dict, "POST", path, json={**body, "stream": True}, stream=True):
                reply.add(part)
        return reply.finished()

    def gone(self, message: str) -> BackendError:
        """The error of a server that does not answer."""
        return BackendError(
            f"no Ollama server answers at {self.url} ({message})",
            fix="start it with `ollama serve`, or set OLLAMA_HOST to where it runs; a run goes on with --resume",
        )

    @contextmanager
    def _faults(self, body: dict[str, Any]) -> Iterator[None]:
        try:
            yield
        except ollama.ResponseError as error:
            raise self._meaning(error, body) from None
        except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("server", str(error).partition(".")[0]) from None
        except httpx.TimeoutException:
            raise Transient("timeout", "no answer in time") from None
        except (httpx.TransportError, json.JSONDecodeError) as error:
            raise Transient("server", f"the answer broke off: {error}"[:300]) from None

    def _meaning(self, error: ollama.ResponseError, body: dict[str, Any]) -> Exception:
        message = error.error
        if error.status_code == 404 and body.get("model"):
            return UnknownModel(
                f"the Ollama server at {self.url} has no model {body['model']}", fix=f"ollama pull {body['model']}"
            )
        if error.status_code == 400:
            return _too_long(message) or Refused(message)
        if re.search(r"option \"\w+\" must be of type", message):
            return Refused(message)
        return Transient("server", message)


def _too_long(message: str) -> PromptTooLong | None:
    """The two ways in which a server says that a prompt does not fit; only one of them comes with the counts."""
    counts = dict(re.findall(r'"(n_prompt_tokens|n_ctx)":(\d+)', message))
    if len(counts) == 2:
        return PromptTooLong(f"the prompt has {counts['n_prompt_tokens']} tokens, the context {counts['n_ctx']}")
    return PromptTooLongUncounted(message) if "longer than the context length" in message else None
