"""What the backends of servers share: a connection, what its faults mean, and a streamed reply."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from evalharness.errors import BackendError
from evalharness.records import FinishReason, TokenLogprob

CONNECT_SECONDS = 5.0
TLS_SECONDS = 2.0
LONGEST_WAIT = 600.0
"""Seconds for which a server may ask."""
TRIES = 3
"""How often a request is sent whose connection the server closes before it answers."""
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
REPEATED_TOKENS = 25
"""An Ollama server aborts after about thirty identical tokens in a row; a stream that ends this way without its last
object is such an abort, any other is a broken stream."""

PLAIN = re.compile("wrong.version.number|record.layer.failure", re.IGNORECASE)
"""OpenSSL's errors for a server that does not speak TLS, with underscores or, from 3.2 on, with spaces."""
PLACE = re.compile(r" ?\(_ssl\.c:\d+\)|^_ssl\.c:\d+: ")
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


class ServerError(Exception):
    """An error reported by the server; within a stream it has no status code."""

    def __init__(self, text: str, status: int = 200, wait: float = 0.0) -> None:
        super().__init__(sentence(text))
        self.text = text
        """As it came, with the JSON around it."""
        self.status = status
        self.wait = wait
        """Seconds for which the server asks (`Retry-After`)."""


class Transient(Exception):
    """A temporary error: the request may be retried."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Unreachable(Transient):
    """The server does not answer."""


class Lost(Transient):
    """The connection ended during the answer."""


class Busy(Transient):
    """The server has too many requests (429, 503)."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__("server", message)
        self.wait = wait


class Refused(Exception):
    """The server permanently rejects this request."""


class UnknownName(Refused):
    """The server does not have what the request names, or the error names the model."""


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
    """All received parts, including thinking, stripped of white space, as an Ollama server counts repetitions."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    ended: bool = False
    """Whether the server said that this is all; False if it aborted a loop."""
    finish_reason: FinishReason | None = None
    stopped_by: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    token_ids: list[int] = field(default_factory=list)
    """The generated tokens, where the server gives their ids."""

    def add(self, piece: str, thought: str) -> None:
        """Add one part of the stream."""
        self.thinking += thought
        if piece:
            self.pieces.append(piece)
        self.seen.append((piece or thought).strip())

    def finished(self, *, aborted: bool = False) -> "Reply":
        """The whole reply; `aborted` if the server reported that it aborted.

        Raises:
            Transient: the stream ended before its last object, and not because of a loop.
        """
        self.text = "".join(self.pieces)
        end = self.seen[-REPEATED_TOKENS:]
        looped = len(end) == REPEATED_TOKENS and len(set(end)) == 1
        if not (self.ended or aborted or looped):
            raise Transient("server", "the stream ended without its last object")
        if not self.ended:
            self.finish_reason = "loop_abort"
        return self


class Connection:
    """One server. A subclass says what its errors mean."""

    title = "the server"
    start_it = "start it"
    """The fix where the server does not answer."""

    def __init__(self, url: str, *, timeout: float, key: str | None = None) -> None:
        self.url = url
        self._key = (key or "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            # The client's own error would show it.
            raise BackendError(f"the key for {self.title} at {url} is not plain text", fix="set it again, on one line")
        self.is_local = (urlsplit(url).hostname or "") in LOOPBACK
        # A proxy of the environment is for other machines.
        self._client = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            follow_redirects=True,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            trust_env=not self.is_local,
        )

    def close(self) -> None:
        """Close all connections, those in use too."""
        self._client.close()

    def meaning(self, error: ServerError, body: dict[str, Any]) -> Exception:
        """What an error of the server means: one of the classes above, or an error that ends the run."""
        raise NotImplementedError

    def fix_for(self, error: Exception) -> str:
        """What to do about a permanent error."""
        return "look at the server's log"

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
        """One request with one answer, for a caller that may retry; raises as `lines` does."""
        limit: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        with self.faults(body or {}):
            answer = self._sent(self._client.build_request(method, path, json=body, **limit))
            answer.read()
            if answer.is_error:
                raise self._error(answer)
            return self._object(answer)

    def lines(self, path: str, body: dict[str, Any], *, timeout: float | None = None) -> Iterator[bytes]:
        """The lines of a streamed answer, without empty ones; read them within `faults`."""
        limit: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        with closing(self._sent(self._client.build_request("POST", path, json=body, **limit))) as answer:
            if answer.is_error:
                answer.read()
                raise self._error(answer)
            rest = b""
            for chunk in answer.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from filter(None, lines)
            if rest:
                yield rest

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """The beginning of an answer, asked for again on another connection where a kept one was closed.

        uvicorn closes one after an error, and llama-server b11434 after about one streamed answer in eight.
        """
        for _ in range(TRIES - 1):
            with suppress(httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return self._client.send(request, stream=True)
        return self._client.send(request, stream=True)

    def failed(self, error: Exception) -> BackendError:
        """An error that ends the run, with its fix."""
        if isinstance(error, Unreachable):
            return self.gone(str(error))
        if (
            (isinstance(error, Lost) or "HTTPS" in str(error))
            and self.url.startswith("http://")
            and speaks_tls(self.url)
        ):
            return self._of_other_scheme("http", "https")
        return BackendError(f"{self.title} at {self.url}: {error}", fix=self.fix_for(error))

    def gone(self, message: str) -> BackendError:
        """The error of a server that does not answer."""
        if PLAIN.search(message):
            return self._of_other_scheme("https", "http")
        trust = "serve it with a certificate that this machine trusts, or set SSL_CERT_FILE to that of its issuer"
        return BackendError(
            f"{self.title} at {self.url} does not answer ({message})",
            fix=trust if "CERTIFICATE_VERIFY" in message else self.start_it,
        )

    def _of_other_scheme(self, given: str, expected: str) -> BackendError:
        problem = f"{self.title} at {self.url} does not answer {given}; it seems to expect {expected}"
        return BackendError(problem, fix=f"write {expected}:// instead of {given}://")

    @contextmanager
    def faults(self, body: dict[str, Any]) -> Iterator[None]:
        """Turn what goes wrong inside into `Transient`, `Refused` or what `meaning` makes of it."""
        try:
            yield
        except ServerError as error:
            clean = ServerError(self._without_key(error.text), error.status, error.wait)
            raise self.meaning(clean, body) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("server", PLACE.sub("", str(error)).rstrip(".")) from None
        except httpx.TimeoutException:
            raise Transient("timeout", "no answer in time (-M timeout)") from None
        except (httpx.TransportError, json.JSONDecodeError) as error:
            message = self._without_key(f"the connection was lost during the answer: {error}")
            raise Lost("server", message[:300]) from None

    @staticmethod
    def _error(answer: httpx.Response) -> ServerError:
        return ServerError(answer.text, answer.status_code, wait_of(answer.headers.get("retry-after", "")))

    def _without_key(self, text: str) -> str:
        """A server's message without the key, which some servers repeat."""
        return text.replace(self._key, "[key]") if self._key else text

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        """A reply's JSON object; a bare list as its `data`.

        Raises:
            ServerError: the address belongs to another kind of server.
        """
        data = None
        with suppress(json.JSONDecodeError):
            data = answer.json()
        if isinstance(data, list):
            data = {"data": data}
        if not isinstance(data, dict):
            raise ServerError("no JSON object", 404)
        return data


def speaks_tls(url: str) -> bool:
    """Whether an http address does a TLS handshake, or refuses one in its own words."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=TLS_SECONDS) as connection:
            context.wrap_socket(connection).close()
    except OSError as error:
        return "_ALERT_" in str(error)
    return True


def wait_of(header: str) -> float:
    """The seconds of a `Retry-After` header, which holds a number or a date; at most `LONGEST_WAIT`.

    >>> wait_of("2"), wait_of("86400"), wait_of("Wed, 21 Oct 2015 07:28:00 GMT"), wait_of("soon")
    (2.0, 600.0, 0.0, 0.0)
    """
    with suppress(ValueError):
        return max(0.0, min(float(header), LONGEST_WAIT))
    with suppress(ValueError):
        return max(0.0, min((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), LONGEST_WAIT))
    return 0.0


def sentence(message: str) -> str:
    r"""A server's message, out of the JSON around it.

    >>> sentence('{"error":{"code":400,"message":"Field \'x\': too large","type":"invalid_request_error"}}')
    "Field 'x': too large"
    >>> sentence('{"detail":"prompt must be a string."}')
    'prompt must be a string.'

    Of a proxy's page its title.

    >>> sentence("<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body>nginx</body>")
    '429 Too Many Requests'
    """
    if page := TITLE.search(message):
        return page[1].strip()
    try:
        inner = json.loads(message)
    except (json.JSONDecodeError, RecursionError):
        return message
    while isinstance(inner, dict) and (key := next((k for k in ("error", "detail", "message") if k in inner), None)):
        inner = inner[key]
    if not isinstance(inner, str):
        return message
    return sentence(inner) if inner.startswith("{") and inner != message else inner
