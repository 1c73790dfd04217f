"""For tests: a server process of its own, and what happened in it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ollama_server.settings import FAULTS, SETTINGS, Json


def _sorted_out(settings: Json) -> Json:
    """Settings for the server, with the names of faults gathered under `faults`."""
    faults = {name: value for name, value in settings.items() if name in FAULTS}
    plain = {name: value for name, value in settings.items() if name not in FAULTS}
    unknown = set(plain) - set(SETTINGS)
    if unknown:
        raise TypeError(f"unknown settings {sorted(unknown)}; known are {sorted([*SETTINGS, *FAULTS])}")
    return {**plain, "faults": faults} if faults else plain


class RunningServer:
    """A server process of its own, and what happened in it."""

    def __init__(self, state: Path, settings: Json) -> None:
        self.state = state
        self.state.touch()
        self.port = 0
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: Any) -> None:
        """Start the process, on the port that it had before if it had one."""
        self._settings = {**self._settings, **_sorted_out(settings)}
        command = [sys.executable, str(Path(__file__).parent), "--port", str(self.port), "--state", str(self.state)]
        self._process = subprocess.Popen(
            [*command, "--settings", json.dumps(self._settings)], stdout=subprocess.PIPE, text=True
        )
        first_line = self._process.stdout.readline() if self._process.stdout else ""
        if not first_line.startswith("listening on "):
            raise RuntimeError(f"the test server did not start; it said {first_line!r}")
        self.port = int(first_line.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End the process as SIGKILL does: nothing is finished, nothing is said."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self, **settings: Any) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start(**settings)

    def set(self, **settings: Any) -> None:
        """Change settings and faults while it runs; naming any fault replaces all faults set before."""
        self._control("set", _sorted_out(settings))

    def reset(self) -> None:
        """Be as at the start, with an empty journal; quicker than a restart where the process still lives."""
        if self._process is None or self._process.poll() is not None:
            self.restart()
        else:
            self._control("reset", {})
        os.truncate(self.state, 0)

    def requests(self, path: str | None = None) -> list[Json]:
        """The requests so far in order: `path`, `body` and `fault`."""
        return [e for e in self._journal() if e["kind"] == "request" and path in (None, e["path"])]

    def events(self) -> list[tuple[str, str, int]]:
        """What happened to models in order: load, unload or crash, the model and its num_ctx."""
        return [(e["kind"], e["model"], e["num_ctx"]) for e in self._journal() if e["kind"] != "request"]

    def loads(self) -> list[tuple[str, int]]:
        """The loads in order: the model and its num_ctx."""
        return [(model, num_ctx) for kind, model, num_ctx in self.events() if kind == "load"]

    def _control(self, name: str, content: Json) -> None:
        request = urllib.request.Request(f"{self.url}/_test/{name}", json.dumps(content).encode(), method="POST")
        urllib.request.urlopen(request).close()

    def _journal(self) -> list[Json]:
        return [json.loads(line) for line in self.state.read_text(encoding="utf-8").splitlines()]


@contextlib.contextmanager
def running_server(**settings: Any) -> Iterator[RunningServer]:
    """A server with these settings and faults (see SETTINGS and FAULTS), killed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "journal.jsonl", _sorted_out(settings))
        try:
            yield server
        finally:
            server.kill()
