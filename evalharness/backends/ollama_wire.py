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
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
MENDS = {
    "no answer in time": "wait longer with -M timeout=SECONDS",
    "requires more system memory": "take a smaller quantization, or set a smaller context_length in [generation]",
    "does not support thinking": "leave out -M think",
}
"""What the server says, and what to do."""
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


class Looped(Exception):
    """The server gave up because the model repeated itself."""


@dataclass
class Reply:
    """A streamed answer, put together."""

    text: str = ""
    thinking: str = ""
    pieces: list[str] = field(default_factory=list)
    """Visible parts, mostly a token each."""
    seen: list[str] = field(default_factory=list)
    """Everything that came, thoughts too, without the white space around it: so the server counts repetitions."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    """The object with `done: true`; empty where the server aborted a loop."""

    def add(self, part: dict[str, Any]) -> None:
        """Take in one object of the stream."""
        message = part.get("message") or {}
        piece = part.get("response") or message.get("content") or ""
        thought = part.get("thinking") or message.get("thinking") or ""
        self.thinking += thought
        self.pieces += [piece] if piece else []
        self.seen.append((piece or thought).strip())
        self.logprobs += [_logprob(one) for one in part.get("logprobs") or ()]
        if part.get("done"):
            self.last = part

    def finished(self, *, aborted: bool = False) -> "Reply":
        """The reply as a whole; `aborted` where the server said that it gave up.

        Raises:
            Transient: the stream ended before its last object, and not because of a loop.
        """
        self.text = "".join(self.pieces)
        end = self.seen[-REPEATED_TOKENS:]
        looped = len(end) == REPEATED_TOKENS and len(set(end)) == 1
        if not (self.last or aborted or looped):
            raise Transient("server", "the stream ended without its last object")
        return self


def _part(line: bytes) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(line)
    if "error" in part:
        raise ollama.ResponseError(part["error"])
    return part


def _logprob(data: dict[str, Any]) -> TokenLogprob:
    top = {one["token"]: one["logprob"] for one in data.get("top_logprobs") or ()}
    return TokenLogprob(token=data["token"], logprob=data["logprob"], top=top)


class Server:
    """One Ollama server, at `OLLAMA_HOST` unless another address is given."""

    def __init__(self, host: str | None, *, timeout: float) -> None:
        settings: dict[str, Any] = {
            "timeout": httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=None),
        }
        self._client = ollama.Client(host, **settings)
        self.url = str(self._client._client.base_url).rstrip("/")
        self.is_local = self._client._client.base_url.host in LOOPBACK
        if self.is_local:
            # A proxy of the environment is for other machines.
            self._client = ollama.Client(host, trust_env=False, **settings)

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
            return self.send(method, path, body)
        except (Transient, Refused) as error:
            raise self.failed(error) from None

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """One request with one answer, for a caller who may try again; see `answer` for what is raised."""
        limit: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        with self._faults(body or {}):
            return dict(self._client._request(dict, method, path, json=body, **limit))

    def failed(self, error: Exception) -> BackendError:
        """A fault that ends the run, with its mend."""
        if isinstance(error, Unreachable):
            return self.gone(str(error))
        mend = next((mend for said, mend in MENDS.items() if said in str(error)), "look at the server's log")
        return BackendError(f"the Ollama server at {self.url}: {error}", fix=mend)

    def answer(self, path: str, body: dict[str, Any]) -> Reply:
        """Stream an answer to its end.

        The official client's own methods lack `truncate` and `shift`, and cut lines at characters that a text may hold.

        Raises:
            Transient, Refused: see there.
            UnknownModel: the server does not have the model.
        """
        reply = Reply()
        try:
            with self._faults(body):
                for part in self._stream(path, body):
                    reply.add(part)
        except Looped:
            return reply.finished(aborted=True)
        return reply.finished()

    def _stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with self._client._client.stream("POST", path, json={**body, "stream": True}) as answer:
            if answer.is_error:
                raise ollama.ResponseError(answer.read().decode(errors="replace"), answer.status_code)
            rest = b""
            for chunk in answer.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_part(line) for line in lines if line)
            if rest:
                yield _part(rest)

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
        # The client decodes an error that is JSON inside JSON, as that of a prompt that does not fit.
        message = error.error if isinstance(error.error, str) else json.dumps(error.error)
        if error.status_code == 404 and body.get("model"):
            return UnknownModel(
                f"the Ollama server at {self.url} has no model {body['model']}", fix=f"ollama pull {body['model']}"
            )
        if "token repeat limit" in message:
            return Looped(message)
        if too_long := _too_long(message):
            return too_long
        if error.status_code == 400:
            return Refused(message)
        if re.search(r"option \"\w+\" must be of type", message):
            return Refused(message)
        return Transient("server", message)


def _too_long(message: str) -> PromptTooLong | None:
    """The two ways in which a server says that a prompt does not fit; `truncate: false` gives the one with counts."""
    counts = dict(re.findall(r'"(n_prompt_tokens|n_ctx)": ?(\d+)', message))
    if len(counts) == 2:
        return PromptTooLong(f"the prompt has {counts['n_prompt_tokens']} tokens, the context {counts['n_ctx']}")
    return PromptTooLong(message) if "longer than the context length" in message else None
