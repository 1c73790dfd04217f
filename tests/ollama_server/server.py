"""The state that all requests share: what is pulled, what is loaded, and which fault comes next."""

import copy
import hashlib
import random
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ollama_server.errors import ServerError
from ollama_server.models import Model, pulled_models, tagged
from ollama_server.runners import Journal, Runners
from ollama_server.settings import SETTINGS, Json


class OllamaServer(ThreadingHTTPServer):
    """A server whose requests are answered by `endpoints`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port: int, endpoints: type[BaseHTTPRequestHandler], settings: Json, state: Path) -> None:
        self.journal = Journal(state)
        self._initial = settings
        self._lock = threading.Lock()
        self.reset()
        super().__init__(("127.0.0.1", port), endpoints)

    def reset(self) -> None:
        """Be as at the start: nothing loaded, the settings of the start, no fault drawn."""
        self.settings = {**SETTINGS, **copy.deepcopy(self._initial)}
        self.runners = Runners(self.settings, self.journal)
        self.models = pulled_models(self.settings["models"])
        self._attempts: dict[bytes, int] = {}
        self._completions = 0

    def change(self, settings: Json) -> None:
        with self._lock:
            self.settings.update(settings)
            self.models = pulled_models(self.settings["models"])

    def next_fault(self, body: bytes) -> str | None:
        """The fault of this request; with probabilities it follows from seed, body and attempt, not from order."""
        with self._lock:
            self._completions += 1
            attempt = self._attempts[body] = self._attempts.get(body, 0) + 1
            if self.settings["die_after"] is not None and self._completions > self.settings["die_after"]:
                return "die"
            return self._counted_fault() or self._drawn_fault(f"{self.settings['seed']} {attempt} ".encode() + body)

    def _counted_fault(self) -> str | None:
        faults: dict[str, int | float] = self.settings["faults"]
        for name, left in faults.items():
            if isinstance(left, int) and left > 0:
                faults[name] = left - 1
                return name
        return None

    def _drawn_fault(self, seed: bytes) -> str | None:
        drawn = random.Random(hashlib.sha256(seed).digest()).random()
        faults: dict[str, int | float] = self.settings["faults"]
        for name, probability in faults.items():
            drawn -= probability if isinstance(probability, float) else 0
            if drawn < 0:
                return name
        return None

    def find(self, name: Any, error: str) -> Model:
        if not isinstance(name, str) or (name and not re.fullmatch(r"[\w.-]+(/[\w.-]+)*(:[\w.-]+)?", name)):
            raise ServerError(400, "invalid model name")
        if tagged(name) not in self.models:
            raise ServerError(404, error.format(name=name, tagged=tagged(name)))
        return self.models[tagged(name)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
