"""The server: its paths, what is loaded, the faults that a test asks for, and the journal of what happened."""

import contextlib
import copy
import hashlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ollama_server.jobs import Job
from ollama_server.models import RECORDINGS, Json, Model, ServerError, pulled_models, recorded_error, tagged
from ollama_server.words import Completion

FAULTS = {
    "runner_killed": "some lines and an error line (without streaming HTTP 500); the model must be loaded again",
    "broken_stream": "some lines, then the connection is cut (without streaming: closed with no reply)",
    "ended_stream": "some lines, then the stream ends properly with no last object",
    "no_reply": "the connection is closed with no reply",
    "busy": "HTTP 503",
    "error_500": "HTTP 500",
    "not_found": "HTTP 404, as if the model had been removed",
    "bad_json": "a line in mid-stream is cut JSON",
    "slow": "waits `slow_seconds` before anything is answered",
    "loop_abort": "31 identical tokens and the abort",
    "die": "some lines, then the whole server is gone",
}
SETTINGS: Json = {
    "strict": True,  # refuse what the real server would ignore
    "old_server": False,  # knows neither truncate nor shift nor _debug_render_only
    "parallel": 1,
    "token_seconds": 0.0,
    "slow_seconds": 1.0,
    "vram_share": 0.0,  # size_vram as a share of size in /api/ps
    "seed": 0,  # of the faults that have a probability
    "die_after": None,  # completions after which the server dies in the middle of the next
    "faults": {},  # name -> int: the next so many requests; float: a probability
    "models": [],  # {"name", "like", and what `Model.changed` knows}: as by a pull
}
ERRORS = {
    "busy": ServerError(503, "server busy, please try again.  maximum pending requests exceeded"),
    "error_500": ServerError(500, "model runner has unexpectedly stopped"),
    "not_found": ServerError(404, "model 'it' not found"),
}
EOF_ERROR = recorded_error("kill_runner_midrequest_nostream")


class HungUp(Exception):
    """The connection ends here, whatever was promised."""


class RunningServer:
    """A server, and what happened in it."""

    def __init__(self, settings: Json) -> None:
        self.journal: list[Json] = []
        self.port = 0
        self._initial = _sorted_out(settings)
        self._changing = threading.RLock()
        self._http: Http | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: Any) -> None:
        """Listen, on the port that it had before if it had one."""
        self._initial |= _sorted_out(settings)
        self._be_as_at_the_start()
        self._http = Http(self)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        """End as SIGKILL ends a process: nothing is finished, nothing is said."""
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()
            http.cut()

    def restart(self, **settings: Any) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start(**settings)

    def set(self, **settings: Any) -> None:
        """Change settings and faults while it runs; naming any fault replaces all faults set before."""
        self.settings |= _sorted_out(settings)
        self.models = pulled_models(self.settings["models"])

    def reset(self) -> None:
        """Be as at the start, with an empty journal."""
        if self._http is None:
            self.start()
        self._be_as_at_the_start()
        self.journal.clear()

    def _be_as_at_the_start(self) -> None:
        self.settings = SETTINGS | copy.deepcopy(self._initial)
        self.models = pulled_models(self.settings["models"])
        self.loaded: tuple[Model, Json] | None = None
        self.slots = threading.Semaphore(self.settings["parallel"])
        self._attempts: dict[bytes, int] = {}
        self._completions = 0

    # -------------------------------------------------------------------------------------- journal

    def requests(self, path: str | None = None) -> list[Json]:
        """The requests so far in order: `path`, `body` and `fault`."""
        return [entry for entry in self.journal if entry["kind"] == "request" and path in (None, entry["path"])]

    def events(self) -> list[tuple[str, str, int]]:
        """What happened to models in order: load, unload or crash, the model and its num_ctx."""
        return [
            (entry["kind"], entry["model"], entry["num_ctx"]) for entry in self.journal if entry["kind"] != "request"
        ]

    def loads(self) -> list[tuple[str, int]]:
        """The loads in order: the model and its num_ctx."""
        return [(model, num_ctx) for kind, model, num_ctx in self.events() if kind == "load"]

    # ---------------------------------------------------------------------------------------- models

    def find(self, name: str, recorded: str) -> Model:
        if tagged(name) not in self.models:
            error = recorded_error(recorded)
            raise ServerError(error.status, f"model '{tagged(name) if recorded.endswith('show') else name}' not found")
        return self.models[tagged(name)]

    def load(self, model: Model, wanted: Json) -> None:
        """One model at a time; two names of one blob share what is loaded."""
        with self._changing:
            if self.loaded and (self.loaded[0].blob, self.loaded[1]) == (model.blob, wanted):
                return
            self.unload("unload")
            self.loaded = model, wanted
            self._note("load", model, wanted)

    def unload(self, kind: str) -> None:
        with self._changing:
            if self.loaded:
                self._note(kind, *self.loaded)
            self.loaded = None

    def _note(self, kind: str, model: Model, wanted: Json) -> None:
        self.journal.append({"kind": kind, "model": model.name, "num_ctx": wanted["num_ctx"]})

    # ---------------------------------------------------------------------------------------- faults

    def next_fault(self, body: bytes) -> str | None:
        """The fault of this request; with probabilities it follows from seed, body and attempt, not from order."""
        with self._changing:
            self._completions += 1
            attempt = self._attempts[body] = self._attempts.get(body, 0) + 1
            if self.settings["die_after"] is not None and self._completions > self.settings["die_after"]:
                return "die"
            faults: dict[str, int | float] = self.settings["faults"]
            for name, left in faults.items():
                if isinstance(left, int) and left > 0:
                    faults[name] = left - 1
                    return name
            seed = f"{self.settings['seed']} {attempt} ".encode() + body
            drawn = random.Random(hashlib.sha256(seed).digest()).random()
            for name, probability in faults.items():
                drawn -= probability if isinstance(probability, float) else 0
                if drawn < 0:
                    return name
            return None


class Http(ThreadingHTTPServer):
    """Listens for a `RunningServer`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, owner: RunningServer) -> None:
        self.owner = owner
        self._sockets: set[socket.socket] = set()
        super().__init__(("127.0.0.1", owner.port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def cut(self) -> None:
        """Cut all connections."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error."""


class Handler(BaseHTTPRequestHandler):
    """Speaks the protocol."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Http

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the journal."""

    def do_GET(self) -> None:
        owner, raw = self.server.owner, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
            fault = owner.next_fault(raw) if body.get("messages") or body.get("prompt") else None
            owner.journal.append({"kind": "request", "path": self.path, "body": body, "fault": fault})
            self._answer(owner, body, fault)
        except ServerError as error:
            self._json(error.status, {"error": error.error})
        except HungUp:
            self.wfile.flush()
            self.close_connection = True

    do_POST = do_GET

    def _answer(self, owner: RunningServer, body: Json, fault: str | None) -> None:
        match self.path:
            case "/api/version":
                self._json(200, RECORDINGS["version"]["replies"][0])
            case "/api/tags":
                self._json(200, {"models": [model.tag for model in owner.models.values()]})
            case "/api/ps":
                self._json(200, {"models": [_running(owner, *owner.loaded)] if owner.loaded else []})
            case "/api/show":
                self._json(200, owner.find(body["model"], "err_unknown_model_show").shown)
            case "/api/generate" | "/api/chat":
                self._complete(owner, body, fault, chat=self.path == "/api/chat")
            case _:
                self._json(404, {"error": "404 page not found"})

    def _complete(self, owner: RunningServer, body: Json, fault: str | None, *, chat: bool) -> None:
        if fault == "no_reply":
            raise HungUp
        if fault == "slow":
            time.sleep(owner.settings["slow_seconds"])
        if fault in ERRORS:
            raise ERRORS[fault]
        model = owner.find(body["model"], "err_unknown_model_generate")
        job = Job(owner.settings, model, body, chat, fault)
        if body.get("_debug_render_only") and not owner.settings["old_server"]:
            shown = job.says("", done=False, _debug_info={"rendered_template": job.rendered()})
            shown["message"]["role"] = ""
            return self._json(200, shown)
        asks = bool(body.get("messages" if chat else "prompt"))
        if not asks and body.get("keep_alive") == 0:
            owner.unload("unload")
            return self._json(200, job.says("", done=True, done_reason="unload"))
        owner.load(model, job.wanted)
        if not asks:
            return self._json(200, job.says("", done=True, done_reason="load"))
        with owner.slots:
            return self._reply(owner, job, job.completion())

    def _reply(self, owner: RunningServer, job: Job, completion: Completion) -> None:
        if job.fault == "runner_killed":
            owner.unload("crash")
        if job.body.get("stream") is not False:
            return self._stream(owner, job, completion)
        time.sleep(completion.eval_count * owner.settings["token_seconds"])
        if job.fault == "runner_killed":
            raise EOF_ERROR
        if job.fault in ("broken_stream", "ended_stream"):
            raise HungUp
        pieces = tuple(completion.pieces)
        return self._json(200, job.says("".join(pieces), job.thought(), pieces, **job.ending(completion)))

    def _stream(self, owner: RunningServer, job: Job, completion: Completion) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines = [job.says("", word, done=False) for word in job.thought().split()]
        lines += [job.says(piece, pieces=(piece,), done=False) for piece in completion.pieces]
        lines += [job.says("", **job.ending(completion))] if completion.done_reason else []
        faulty = job.fault in ("runner_killed", "broken_stream", "ended_stream", "bad_json", "die")
        for line in lines[: max(1, len(completion.pieces) // 2)] if faulty else lines:
            time.sleep(owner.settings["token_seconds"])
            self._chunk(json.dumps(line, ensure_ascii=False))
            if owner.settings["token_seconds"]:
                self.wfile.flush()
        if job.fault == "runner_killed":
            self._chunk(json.dumps({"error": EOF_ERROR.error}))
        elif job.fault == "bad_json":
            self._chunk('{"model": "cut')
        elif job.fault == "die":
            self.wfile.flush()
            owner.kill()
        if job.fault in ("broken_stream", "die"):
            raise HungUp
        self._chunk("")

    def _chunk(self, line: str) -> None:
        content = f"{line}\n".encode() if line else b""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def _json(self, status: int, payload: Json) -> None:
        content = json.dumps(payload, ensure_ascii=False).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _running(owner: RunningServer, model: Model, wanted: Json) -> Json:
    recorded = RECORDINGS["ps_loaded"]["replies"][0]["models"][0]
    size = int(recorded["size"])
    return recorded | {
        **{name: model.tag[name] for name in ("name", "model", "digest")},
        "details": model.shown["details"],
        "size_vram": int(size * owner.settings["vram_share"]),
        "context_length": wanted["num_ctx"],
    }


def _sorted_out(settings: Json) -> Json:
    """Settings for the server, with the names of faults gathered under `faults`."""
    faults = {name: value for name, value in settings.items() if name in FAULTS}
    plain = {name: value for name, value in settings.items() if name not in FAULTS}
    if unknown := set(plain) - set(SETTINGS):
        raise TypeError(f"unknown settings {sorted(unknown)}; known are {sorted([*SETTINGS, *FAULTS])}")
    return {**plain, "faults": faults} if faults else plain


@contextlib.contextmanager
def running_server(**settings: Any) -> Iterator[RunningServer]:
    """A server with these settings and faults (see SETTINGS and FAULTS), killed at the end."""
    server = RunningServer(settings)
    try:
        yield server
    finally:
        server.kill()
