"""The protocol between evalharness and an OpenAI-compatible server, and the meaning of each error."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from evalharness.backends.wire import (
    Busy,
    Connection,
    PromptTooLong,
    Refused,
    Reply,
    ServerError,
    Transient,
    UnknownName,
)
from evalharness.errors import BackendError
from evalharness.records import FinishReason, TokenLogprob

URL_VARIABLE = "OPENAI_BASE_URL"
TOO_LONG = re.compile(
    r"context[ _](length|size|window)|longer than the (model|maximum)|input is too long", re.IGNORECASE
)
SHARED = re.compile("Context size has been exceeded")
"""The slots of a llama-server share one context by default, and those in use together have filled it."""
ONLY = re.compile("Server is pinned to '(.+?)'; requested")
"""A `transformers serve` that was started with one model."""
SPENT = re.compile("insufficient_quota|exceeded your current quota")
ENDS: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "stop",
    "length": "length",
    "repetition": "loop_abort",
}
"""What servers say of an end, as a finish reason."""


@dataclass
class ServerReply(Reply):
    """A reply with the prompt that the server says it has read."""

    prompt_text: str | None = None
    prompt_ids: tuple[int, ...] | None = None


class Server(Connection):
    """One server, by the address without `/v1`."""

    start_it = "start it, or give its address with -M url= or OPENAI_BASE_URL; --resume continues a run"
    others = ""
    """The models that it lists, if the one of the run is not among them."""

    def __init__(self, url: str | None, *, key_variable: str, timeout: float) -> None:
        self.key_variable = key_variable
        super().__init__(address(url), timeout=timeout, key=os.environ.get(key_variable))

    def answer(self, path: str, body: dict[str, Any], *, timeout: float | None = None) -> ServerReply:
        """Stream an answer to its end.

        Raises:
            Transient, Refused: see there.
            BackendError: the server refuses the key.
        """
        reply = ServerReply()
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        with self.faults(body):
            for part in _parts(self.lines(path, body, timeout=timeout)):
                _add(reply, part)
        reply.finished()
        return reply

    def meaning(self, error: ServerError, body: dict[str, Any]) -> Exception:
        """What an error of the server means."""
        message = str(error)[:500]
        if error.status in (401, 403):
            said = f"refuses the key in {self.key_variable}" if os.environ.get(self.key_variable) else "asks for a key"
            return BackendError(
                f"the server at {self.url} {said}: {message}", fix=f"set {self.key_variable} to a key of this server"
            )
        if SHARED.search(message):
            return Busy(f"{message} Its slots share one context: start it with a larger -c, or -np 1", error.wait)
        if error.status in (400, 413, 422, 500) and TOO_LONG.search(message):
            return PromptTooLong(message)
        if error.status in (429, 503, 529) and not SPENT.search(error.text):
            return Busy(message, error.wait)
        if not 400 <= error.status < 500 or error.status == 408:
            return Transient("server", message)
        names = error.status == 404 or ("model" in body and body["model"] in message)
        return UnknownName(message) if names else Refused(message)

    def fix_for(self, error: Exception) -> str:
        """What to do about a permanent error."""
        message = str(error)
        if "no answer in time" in message:
            return "wait longer with -M timeout=SECONDS"
        if only := ONLY.search(message):
            return f"name the model server/{only[1]}"
        if self.others and isinstance(error, UnknownName):
            return f"name a model that it serves (it lists {self.others}), or {super().fix_for(error)}"
        return super().fix_for(error)


def _parts(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of an event stream, or the one object of a server that does not stream."""
    for line in lines:
        data = line.removeprefix(b"data:").strip()
        if data.startswith(b"{"):
            yield json.loads(data)


def _add(reply: ServerReply, part: dict[str, Any]) -> None:
    """Add one object of the stream.

    Raises:
        ServerError: the object is an error.
        Transient, Refused: the server ended the answer for a reason of its own.
    """
    if error := part.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        raise ServerError(json.dumps(part), code if isinstance(code, int) else 500)
    if verbose := part.get("__verbose"):
        _add_verbose(reply, verbose)
    if usage := part.get("usage"):
        reply.prompt_tokens, reply.completion_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    for choice in part.get("choices") or ():
        _add_choice(reply, choice)
        ids = choice.get("prompt_token_ids") or part.get("prompt_token_ids")
        reply.prompt_ids = tuple(ids) if ids else reply.prompt_ids
    reply.prompt_text = part.get("prompt_text") or reply.prompt_text


def _add_verbose(reply: ServerReply, verbose: dict[str, Any]) -> None:
    """What only llama-server says; of chats at the end alone, and then without the tokens."""
    reply.prompt_text = verbose.get("prompt")
    reply.token_ids += verbose.get("tokens") or ()
    reply.stopped_by = verbose.get("stopping_word") or None


def _add_choice(reply: ServerReply, choice: dict[str, Any]) -> None:
    turn = choice.get("delta") or choice.get("message") or {}
    piece = choice.get("text") or turn.get("content") or ""
    reply.add(piece, turn.get("reasoning_content") or turn.get("reasoning") or "")
    if logprobs := choice.get("logprobs"):
        reply.logprobs += _logprobs(logprobs)
    reply.token_ids += choice.get("token_ids") or ()
    if end := choice.get("finish_reason"):
        reply.ended, reply.finish_reason = True, _finish(end)
        stop = choice.get("stop_reason") or choice.get("matched_stop") or reply.stopped_by
        reply.stopped_by = stop if isinstance(stop, str) and reply.finish_reason == "stop" else None


def _finish(end: str) -> FinishReason:
    if end in ENDS:
        return ENDS[end]
    if end == "content_filter":
        raise Refused("the server's content filter removed the answer")
    raise Transient("server", f"the server ended the answer: {end}")


def _logprobs(data: dict[str, Any]) -> list[TokenLogprob]:
    """Log-probabilities in the form of chats or in that of completions."""
    if data.get("content"):
        return [
            TokenLogprob(token=token["token"], logprob=token["logprob"], top=_top(token.get("top_logprobs") or ()))
            for token in data["content"]
        ]
    tokens, values = data.get("tokens") or (), data.get("token_logprobs") or ()
    tops = data.get("top_logprobs") or [None] * len(tokens)
    return [
        TokenLogprob(token=token, logprob=value, top=top or {})
        for token, value, top in zip(tokens, values, tops, strict=False)
        if value is not None
    ]


def _top(alternatives: Any) -> dict[str, float]:
    return {token["token"]: token["logprob"] for token in alternatives}


def address(url: str | None) -> str:
    """A server's address from user input, without the path `/v1` and what is under it.

    >>> [address(f"http://gpu:8000{path}") for path in ("/v1/", "/models", "/v1/chat/completions")]
    ['http://gpu:8000', 'http://gpu:8000/models', 'http://gpu:8000']

    Raises:
        BackendError: none is given, it is not an address, or it may hold a key.
    """
    given = (os.environ.get(URL_VARIABLE, "") if url is None else url).strip()
    if not given:
        raise BackendError(
            "the server's address is not known", fix="set OPENAI_BASE_URL=http://HOST:PORT; run takes -M url= too"
        )
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise _no_address(str(error)) from None
    if parts.username or parts.password or parts.query or parts.fragment:
        # Not shown: it would be the key.
        raise BackendError(
            "the server's address holds a user, a password, a query or a fragment",
            fix="leave them out, and set OPENAI_API_KEY to the key",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _no_address(f"{given!r} is not http://HOST:PORT")
    return re.sub(r"/v1(/chat)?(/completions)?$", "", given.rstrip("/")).rstrip("/")


def _no_address(why: str) -> BackendError:
    return BackendError(
        f"the server's address cannot be used: {why}", fix="write it as http://HOST:PORT, such as http://localhost:8000"
    )
