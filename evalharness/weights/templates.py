"""Untrusted chat templates, rendered by transformers in a process with limited time and memory.

Jinja's sandbox prevents access, not endless loops: `range` in two nested loops takes hours. A thread cannot be stopped
in the middle of that; a process can.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from os import environ
from pathlib import Path
from threading import Lock, Timer
from typing import Any
from weakref import finalize

from evalharness.records import Message, digest

SECONDS = 5.0
"""For one chat; a real template takes less than a thousandth of it."""
START_SECONDS = 120.0
"""For importing the libraries, from a cold disk."""
PROGRAM = Path(__file__).with_name("template_process.py")


class TemplateFailed(ValueError):
    """The template renders no prompt; the message is its own error."""


class ChatTemplate:
    """The default chat template of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._setting = {"template": tokenizer.get_chat_template(), "tokens": tokenizer.special_tokens_map}
        self._key = digest(json.loads(json.dumps(self._setting, default=str)))
        self._ended = ""

    def render(self, messages: Sequence[Message], *, reply: bool) -> str:
        """The text of a chat.

        Args:
            reply: whether the head of the assistant's next turn is added.

        Raises:
            TemplateFailed: the template refuses the chat, is wrong, or does not end.
        """
        if self._ended:
            raise TemplateFailed(self._ended)
        chat = {"key": self._key, "reply": reply, "messages": [message.model_dump() for message in messages]}
        try:
            answer = _renderer().ask(chat, self._setting)
        except _Ended as error:
            _renderer.cache_clear()
            self._ended = str(error)
            raise TemplateFailed(self._ended) from None
        if "error" in answer:
            raise TemplateFailed(" ".join(answer["error"].split()))
        text: str = answer["text"]
        return text


class _Ended(Exception):
    """The process is gone, and why."""


@cache
def _renderer() -> "_Renderer":
    """The process that renders all templates; a new one after a template has ended it."""
    return _Renderer()


class _Renderer:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: the modules of this folder must not be imported in the place of others.
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env={**environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        finalize(self, _stop, self._process)
        self._lock = Lock()
        self._known: set[str] = set()
        self._late = ""
        self._exchange({}, START_SECONDS)

    def ask(self, chat: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
        """The answer to a chat; the template is sent with the first one."""
        with self._lock:
            new = chat["key"] not in self._known
            self._known.add(chat["key"])
            return self._exchange({**chat, "setting": setting} if new else chat, SECONDS)

    def _exchange(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        timer = Timer(seconds, self._kill, [seconds])
        timer.start()
        try:
            self._process.stdin.write(json.dumps(question, default=str) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            raise _Ended(self._late or "it ended the process that rendered it")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _kill(self, seconds: float) -> None:
        self._late = f"it does not end within {seconds:g} seconds"
        self._process.kill()


def _stop(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()
