"""How a request for a completion is answered, whole or as a stream, and where each fault strikes."""

import os
import re
import signal
import time
from collections.abc import Iterator
from itertools import islice

from ollama_server.completions import Completion
from ollama_server.connection import Connection
from ollama_server.errors import BUSY_ERROR, EOF_ERROR, STOPPED_ERROR, ServerError
from ollama_server.jobs import Job
from ollama_server.settings import Json

IN_MID_STREAM = ("runner_killed", "broken_stream", "ended_stream", "bad_json", "die")


def answer(connection: Connection, body: Json, fault: str | None, *, chat: bool) -> None:
    """Answer a request that asks for a completion, or only for a model to be loaded or unloaded."""
    server = connection.server
    if fault == "no_reply":
        return connection.hang_up()
    _fail_at_once(connection, body, fault)
    model = server.find(body.get("model", ""), "model '{name}' not found")
    job = Job(server.settings, model, body, chat, fault)
    if body.get("_debug_render_only") and not server.settings["old_server"]:
        return _show_rendered(connection, job)
    asks = bool(body.get("messages" if chat else "prompt"))
    if not asks and job.keep == 0:
        server.runners.unload(model)
        return connection.json(200, job.says("", done=True, done_reason="unload"))
    return _run(connection, job, asks)


def _fail_at_once(connection: Connection, body: Json, fault: str | None) -> None:
    """Meet the faults that need no model."""
    if fault == "slow":
        time.sleep(connection.server.settings["slow_seconds"])
    errors = {
        "busy": (503, BUSY_ERROR),
        "error_500": (500, STOPPED_ERROR),
        "not_found": (404, f"model '{body.get('model')}' not found"),
    }
    if fault in errors:
        raise ServerError(*errors[fault])


def _show_rendered(connection: Connection, job: Job) -> None:
    said = job.says("", done=False, _debug_info={"rendered_template": job.rendered(fit=False)})
    if job.chat:
        said["message"]["role"] = ""
    connection.json(200, said)


def _run(connection: Connection, job: Job, asks: bool) -> None:
    runners = connection.server.runners
    runner = runners.borrow(job.model, job.wanted())
    try:
        job.load_duration = time.monotonic_ns() - job.started
        if not asks:
            return connection.json(200, job.says("", done=True, done_reason="load"))
        completion = job.completion()
        if job.fault == "runner_killed":
            runners.crash(runner)
        reply = _reply_whole if job.body.get("stream") is False else _reply_stream
        return reply(connection, job, completion)
    finally:
        runners.give_back(runner, job.keep)


def _reply_whole(connection: Connection, job: Job, completion: Completion) -> None:
    time.sleep(completion.eval_count * connection.server.settings["token_seconds"])
    if job.fault == "runner_killed":
        raise ServerError(500, EOF_ERROR)
    if job.fault == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.fault in ("broken_stream", "ended_stream"):
        return connection.hang_up()
    more = {**job.ending(completion), **job.logprobs(completion.pieces)}
    said = job.says("".join(completion.pieces), job.thought(), **more)
    return connection.json(200, said, cut=job.fault == "bad_json")


def _reply_stream(connection: Connection, job: Job, completion: Completion) -> None:
    connection.head(200, Content_Type="application/x-ndjson", Transfer_Encoding="chunked")
    lines = _lines(job, completion)
    connection.lines(islice(lines, max(1, len(completion.pieces) // 2)) if job.fault in IN_MID_STREAM else lines)
    if job.fault == "runner_killed":
        connection.lines([{"error": EOF_ERROR}])
    elif job.fault == "bad_json":
        connection.chunk(b'{"model": "' + job.body["model"].encode() + b'", "created_at"\n')
        connection.lines(lines)
    elif job.fault == "die":
        connection.wfile.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    elif job.fault == "broken_stream":
        return connection.hang_up()
    return connection.chunk(b"")


def _lines(job: Job, completion: Completion) -> Iterator[Json]:
    for word in re.findall(r" ?\S+", job.thought()):
        yield job.says("", word, done=False)
    for piece in completion.pieces:
        yield job.says(piece, done=False, **job.logprobs([piece]))
    if completion.done_reason is not None:
        yield job.says("", **job.ending(completion))
