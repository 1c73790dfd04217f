"""The loaded models, and the journal that says when each was loaded."""

import json
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ollama_server.errors import BUSY_ERROR, ServerError
from ollama_server.models import Model
from ollama_server.settings import Json


class Journal:
    """Everything that happened, a JSON line each, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


@dataclass
class Runner:
    """A loaded blob."""

    model: Model
    wanted: Json
    slots: threading.Semaphore
    users: int = 0
    expires: float = math.inf


class Runners:
    """Loads and unloads models as the real scheduler does: one request after the other decides what is loaded."""

    def __init__(self, settings: Json, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self.loaded: dict[str, Runner] = {}
        self._deciding = threading.Lock()
        self._changed = threading.Condition()
        self._queued = 0
        self._busy_loading = False

    def borrow(self, model: Model, wanted: Json) -> Runner:
        """A place on a runner that has the model loaded as wanted, loading it first where needed."""
        with self._changed:
            loaded = self.loaded.get(model.blob)
            waits = self._busy_loading or loaded is None or loaded.wanted != wanted
            if waits and self._queued > self.settings["max_queue"]:
                raise ServerError(503, BUSY_ERROR)
            self._queued += 1
        try:
            with self._deciding:
                runner = self._fitting(model, wanted) or self._load(model, wanted)
        finally:
            with self._changed:
                self._queued -= 1
        runner.slots.acquire()
        return runner

    def give_back(self, runner: Runner, keep: float) -> None:
        runner.slots.release()
        with self._changed:
            runner.users -= 1
            runner.expires = time.monotonic() + keep
            self._unload_expired()
            self._changed.notify_all()

    def unload(self, model: Model) -> None:
        with self._changed:
            if runner := self.loaded.get(model.blob):
                runner.expires = 0.0
            self._unload_expired()

    def crash(self, runner: Runner) -> None:
        with self._changed:
            if self.loaded.get(runner.model.blob) is runner:
                self._drop(runner, "crash")
            self._changed.notify_all()

    def listing(self) -> list[Runner]:
        with self._changed:
            self._unload_expired()
            return sorted(self.loaded.values(), key=lambda runner: -runner.expires)

    def _fitting(self, model: Model, wanted: Json) -> Runner | None:
        with self._changed:
            self._unload_expired()
            runner = self.loaded.get(model.blob)
            if runner is None or runner.wanted != wanted:
                return None
            runner.users += 1
            return runner

    def _load(self, model: Model, wanted: Json) -> Runner:
        with self._changed:
            self._busy_loading = True
            self._changed.wait_for(lambda: self._made_room(model))
        time.sleep(self.settings["load_seconds"])
        with self._changed:
            runner = Runner(model, wanted, threading.Semaphore(self.settings["parallel"]), users=1)
            self.loaded[model.blob] = runner
            self.journal.write(kind="load", model=model.name, num_ctx=wanted["num_ctx"])
            self._busy_loading = False
            return runner

    def _made_room(self, model: Model) -> bool:
        """Unload what is in the way and idle; true when nothing is in the way any more."""
        old = self.loaded.get(model.blob)
        if old and old.users == 0:
            self._drop(old, "unload")
        elif old:
            return False
        idle = sorted((r for r in self.loaded.values() if not r.users), key=lambda runner: runner.expires)
        while idle and len(self.loaded) >= self.settings["max_loaded"]:
            self._drop(idle.pop(0), "unload")
        return bool(len(self.loaded) < self.settings["max_loaded"])

    def _unload_expired(self) -> None:
        for runner in list(self.loaded.values()):
            if not runner.users and runner.expires <= time.monotonic():
                self._drop(runner, "unload")

    def _drop(self, runner: Runner, kind: str) -> None:
        del self.loaded[runner.model.blob]
        self.journal.write(kind=kind, model=runner.model.name, num_ctx=runner.wanted["num_ctx"])
