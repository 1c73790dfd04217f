"""The paths that the server knows, and all replies that are no completion."""

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ollama_server.answering import answer
from ollama_server.checks import parsed
from ollama_server.connection import Connection
from ollama_server.errors import ServerError
from ollama_server.models import modelfile, parameters_text
from ollama_server.runners import Runner
from ollama_server.settings import Json


class Endpoints(Connection):
    """Speaks the protocol."""

    def do_GET(self) -> None:
        routes = {
            "/": ("GET", None, self._root),
            "/api/version": ("GET", None, self._version),
            "/api/tags": ("GET", None, self._tags),
            "/api/ps": ("GET", None, self._ps),
            "/api/show": ("POST", "ShowRequest", self._show),
            "/api/generate": ("POST", "GenerateRequest", self._generate),
            "/api/chat": ("POST", "ChatRequest", self._chat),
            "/_test/set": ("POST", None, self._set),
            "/_test/reset": ("POST", None, self._reset),
        }
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path not in routes:
            return self.plain(404, "404 page not found")
        method, kind, reply = routes[self.path]
        if self.command != method and (self.command, method) != ("HEAD", "GET"):
            return self.plain(405, "405 method not allowed", Allow=method)
        try:
            self._serve(raw, kind, reply)
        except ServerError as error:
            self.json(error.status, {"error": error.error})
        return None

    do_HEAD = do_POST = do_DELETE = do_GET

    def _serve(self, raw: bytes, kind: str | None, reply: Callable[[Json, str | None], None]) -> None:
        body = parsed(raw, kind, self.server.settings["strict"]) if kind else json.loads(raw or b"{}")
        fault = self.server.next_fault(raw) if body.get("messages") or body.get("prompt") else None
        if not self.path.startswith("/_test/"):
            self.server.journal.write(kind="request", path=self.path, body=body, fault=fault)
        reply(body, fault)

    def _root(self, body: Json, fault: str | None) -> None:
        self.plain(200, "Ollama is running", charset="; charset=utf-8")

    def _version(self, body: Json, fault: str | None) -> None:
        self.json(200, {"version": "0.32.15"})

    def _set(self, body: Json, fault: str | None) -> None:
        self.server.change(body)
        self.json(200, {})

    def _reset(self, body: Json, fault: str | None) -> None:
        self.server.reset()
        self.json(200, {})

    def _tags(self, body: Json, fault: str | None) -> None:
        self.json(200, {"models": [model.listed() for model in self.server.models.values()]})

    def _ps(self, body: Json, fault: str | None) -> None:
        self.json(200, {"models": [self._loaded(runner) for runner in self.server.runners.listing()]})

    def _loaded(self, runner: Runner) -> Json:
        left = 9.2e9 if math.isinf(runner.expires) else runner.expires - time.monotonic()
        return {
            "name": runner.model.tagged,
            "model": runner.model.tagged,
            "size": runner.model.size,
            "digest": runner.model.digest,
            "details": runner.model.details(),
            "expires_at": f"{(datetime.now(UTC) + timedelta(seconds=left)).isoformat()[:26]}000Z",
            "size_vram": int(runner.model.size * self.server.settings["vram_share"]),
            "context_length": runner.wanted["num_ctx"],
        }

    def _show(self, body: Json, fault: str | None) -> None:
        model = self.server.find(body.get("model") or body.get("name", ""), "model '{tagged}' not found")
        shown = {
            "modelfile": modelfile(model),
            "template": model.template,
            "details": model.details(),
            "model_info": model.model_info,
            "tensors": [{"name": "output_norm.weight", "type": "F32", "shape": [model.width]}] * 20,
            "capabilities": list(model.capabilities),
            "modified_at": model.modified_at,
        }
        optional = {"parameters": parameters_text(model), "system": model.system}
        self.json(200, shown | {name: text for name, text in optional.items() if text})

    def _generate(self, body: Json, fault: str | None) -> None:
        answer(self, body, fault, chat=False)

    def _chat(self, body: Json, fault: str | None) -> None:
        answer(self, body, fault, chat=True)
