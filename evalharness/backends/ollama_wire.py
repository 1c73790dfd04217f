"""The protocol between evalharness and an Ollama server, and the meaning of each server error.

Written against recordings of Ollama 0.32; the API is described at https://docs.ollama.com/api.
"""

import ipaddress
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from evalharness.errors import BackendError, UnknownModel
from evalharness.records import TokenLogprob

CONNECT_SECONDS = 5.0
DEFAULT_PORT = 11434
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
FIXES = {
    "no answer in time": "wait longer with -M timeout=SECONDS",
    "requires more system memory": "use a smaller quantization, or set a smaller context_length in [generation]",
    "does not support thinking": "leave out -M think",
    "not as an Ollama server": "set OLLAMA_HOST to where Ollama runs",
}
"""Server messages with their fixes."""
NOT_OLLAMA = "the server there is not an Ollama server"
REPEATED_TOKENS = 25
"""The server aborts after about thirty identical tokens in a row; a stream that ends this way without its last object
is such an abort, any other is a broken stream."""


class ServerError(Exception):
    """An error reported by the server; within a stream it has no status code."""

    def __init__(self, text: str, status: int = 200) -> None:
        with suppress(json.JSONDecodeError, AttributeError):
            text = json.loads(text).get("error", text)
        super().__init__(text if isinstance(text, str) else json.dumps(text))
        self.status = status


class Transient(Exception):
    """A temporary error: the request may be retried."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Unreachable(Transient):
    """The server does not answer."""


class Refused(Exception):
    """The server permanently rejects this request."""


class PromptTooLong(Refused):
    """The prompt does not fit the context."""


class Looped(Exception):
    """The server aborted because the model repeated itself."""


@dataclass
class Reply:
    """A streamed answer, assembled."""

    text: str = ""
    thinking: str = ""
    pieces: list[str] = field(default_factory=list)
    """Visible parts, mostly a token each."""
    seen: list[str] = field(default_factory=list)
    """All received parts, including thinking, stripped of white space, as the server counts repetitions."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    """The object with `done: true`; empty if the server aborted a loop."""

    def add(self, part: dict[str, Any]) -> None:
        """Add one object of the stream."""
        message = part.get("message") or {}
        piece = part.get("response") or message.get("content") or ""
        thought = part.get("thinking") or message.get("thinking") or ""
        self.thinking += thought
        self.pieces += [piece] if piece else []
        self.seen.append((piece or thought).strip())
        self.logprobs += [_logprob(token) for token in part.get("logprobs") or ()]
        if part.get("done"):
            self.last = part

    def finished(self, *, aborted: bool = False) -> "Reply":
        """The whole reply; `aborted` if the server reported that it aborted.

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
        raise ServerError(part["error"])
    return part


def _logprob(data: dict[str, Any]) -> TokenLogprob:
    top = {token["token"]: token["logprob"] for token in data.get("top_logprobs") or ()}
    return TokenLogprob(token=data["token"], logprob=data["logprob"], top=top)


class Server:
    """One Ollama server, at `OLLAMA_HOST` unless another address is given."""

    def __init__(self, host: str | None, *, timeout: float) -> None:
        self.url = address(host)
        self.is_local = (urlsplit(self.url).hostname or "") in LOOPBACK
        # A proxy of the environment is for other machines.
        key = os.environ.get("OLLAMA_API_KEY")
        self._client = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            follow_redirects=True,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            trust_env=not self.is_local,
        )

    def close(self) -> None:
        """Close all connections, those in use too."""
        self._client.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with one answer.

        Raises:
            UnknownModel: the server does not have the model.
            BackendError: the server does not answer or rejects the request.
        """
        try:
            return self.send(method, path, body)
        except (Transient, Refused) as error:
            raise self.failed(error) from None

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """One request with one answer, for a caller that may retry; raises as `answer` does."""
        limit: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        with self._faults(body or {}):
            answer = self._client.request(method, path, json=body, **limit)
            if answer.is_error:
                raise ServerError(answer.text, answer.status_code)
            return _object(answer)

    def failed(self, error: Exception) -> BackendError:
        """An error that ends the run, with its fix."""
        if isinstance(error, Unreachable):
            return self.gone(str(error))
        fix = next((fix for said, fix in FIXES.items() if said in str(error)), "look at the server's log")
        return BackendError(f"the Ollama server at {self.url}: {error}", fix=fix)

    def answer(self, path: str, body: dict[str, Any]) -> Reply:
        """Stream an answer to its end.

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
        with self._client.stream("POST", path, json={**body, "stream": True}) as answer:
            if answer.is_error:
                raise ServerError(answer.read().decode(errors="replace"), answer.status_code)
            rest = b""
            for chunk in answer.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_part(line) for line in lines if line)
            if rest:
                yield _part(rest)

    def gone(self, message: str) -> BackendError:
        """The error of a server that does not answer."""
        return BackendError(
            f"the Ollama server at {self.url} does not answer ({message})",
            fix="write http:// instead of https://, or leave the scheme out"
            if "SSL" in message
            else "start it with `ollama serve`, or set OLLAMA_HOST to its address; --resume continues a run",
        )

    @contextmanager
    def _faults(self, body: dict[str, Any]) -> Iterator[None]:
        try:
            yield
        except ServerError as error:
            raise self._meaning(error, body) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("server", str(error).partition(".")[0]) from None
        except httpx.TimeoutException:
            raise Transient("timeout", "no answer in time") from None
        except (httpx.TransportError, json.JSONDecodeError) as error:
            raise Transient("server", f"the connection was lost during the answer: {error}"[:300]) from None

    def _meaning(self, error: ServerError, body: dict[str, Any]) -> Exception:
        message = str(error)
        if error.status == 404 and body.get("model") and "model" in message:
            return UnknownModel(
                f"the Ollama server at {self.url} has no model {body['model']}", fix=f"ollama pull {body['model']}"
            )
        if "token repeat limit" in message:
            return Looped(message)
        if too_long := _too_long(message):
            return too_long
        message = sentence(message)
        if error.status in (404, 405):
            return Refused(NOT_OLLAMA)
        if error.status == 400:
            return Refused(message)
        if re.search(r"option \"\w+\" must be of type", message):
            return Refused(message)
        return Transient("server", message)


def _too_long(message: str) -> PromptTooLong | None:
    """The two error messages for a prompt that does not fit; `truncate: false` gives the one with counts."""
    counts = dict(re.findall(r'"(n_prompt_tokens|n_ctx)": ?(\d+)', message))
    if len(counts) == 2:
        return PromptTooLong(f"the prompt has {counts['n_prompt_tokens']} tokens, the context {counts['n_ctx']}")
    return PromptTooLong(message) if "longer than the context length" in message else None


def sentence(message: str) -> str:
    r"""A server's message, extracted from the JSON of its runner.

    >>> sentence('{"error":{"code":400,"message":"Field \'x\': too large","type":"invalid_request_error"}}')
    "Field 'x': too large"
    """
    try:
        inner = json.loads(message)
    except json.JSONDecodeError:
        return message
    while isinstance(inner, dict) and ("error" in inner or "message" in inner):
        inner = inner.get("error", inner.get("message"))
    return inner if isinstance(inner, str) else message


def _object(answer: httpx.Response) -> dict[str, Any]:
    """A reply's JSON object.

    Raises:
        Refused: the address belongs to another kind of server.
    """
    try:
        data = answer.json()
    except json.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise Refused(NOT_OLLAMA)
    return data


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
