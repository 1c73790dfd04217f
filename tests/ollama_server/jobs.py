"""A request for a completion, checked, and what is to be said to it."""

import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ollama_server.checks import check_abilities, keep_alive_seconds, options_in_force
from ollama_server.completions import Completion, complete, logprobs_of, tokens_of
from ollama_server.errors import SHIFT_ERROR, ServerError, too_long
from ollama_server.models import Model
from ollama_server.prompts import fit_messages, render_chat, render_generate
from ollama_server.settings import Json

RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap")


@dataclass
class Job:
    """Everything that the reply needs."""

    settings: Json
    model: Model
    body: Json
    chat: bool
    fault: str | None
    started: int = field(default_factory=time.monotonic_ns)
    load_duration: int = 0
    prompt_tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        strict = self.settings["strict"]
        self.keep = keep_alive_seconds(self.body.get("keep_alive"))
        check_abilities(self.model, self.body, strict)
        self.options = options_in_force(self.model, self.body.get("options") or {}, strict)
        self.num_ctx = min(self.options.get("num_ctx") or 4096, self.model.context_length)

    def wanted(self) -> Json:
        """The options with which the model must be loaded."""
        options = {name: self.options[name] for name in RUNNER_OPTIONS if name in self.options}
        return options | {"num_ctx": self.num_ctx, "shift": self.body.get("shift") is not False}

    def says(self, text: str, thinking: str = "", **more: Any) -> Json:
        said = {"content" if self.chat else "response": text, **({"thinking": thinking} if thinking else {})}
        named = {"message": {"role": "assistant", **said}} if self.chat else said
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        return {"model": self.body["model"], "created_at": now, **named, **more}

    def thought(self) -> str:
        thinks = "thinking" in self.model.capabilities and self.body.get("think") is not False
        return "The user asks and I think about it." if thinks and not self.body.get("raw") else ""

    def logprobs(self, pieces: list[str]) -> Json:
        """The log-probabilities of the pieces under their name, where they were asked for."""
        top = self.body.get("top_logprobs") or 0
        return {"logprobs": [logprobs_of(piece, top) for piece in pieces]} if self.body.get("logprobs") else {}

    def rendered(self, fit: bool) -> str:
        if not self.chat:
            return render_generate(self.model, self.body)
        messages = [{"role": m.get("role", ""), "content": m.get("content", "")} for m in self.body["messages"]]
        return render_chat(self.model, fit_messages(self.model, messages, self.num_ctx) if fit else messages)

    def completion(self) -> Completion:
        """The completion of the prompt, cut or refused where it does not fit."""
        old = self.settings["old_server"]
        truncate = old or self.body.get("truncate") is not False
        shift = old or self.body.get("shift") is not False
        prompt = self.rendered(fit=truncate)
        self.prompt_tokens = tokens_of(self.model, prompt)
        # The runner rounds a context up to a multiple of 256.
        room = -(-self.num_ctx // 256) * 256
        if len(self.prompt_tokens) >= room:
            if not truncate:
                raise too_long(len(self.prompt_tokens), room)
            if not shift:
                raise ServerError(400, SHIFT_ERROR)
            keep, tail = 4 + self.model.adds_bos, (room - 4) // 2
            self.prompt_tokens = self.prompt_tokens[:keep] + self.prompt_tokens[-tail:]
            prompt = "".join(self.prompt_tokens)
        asked = self.options.get("num_predict", -1)
        limit = asked if asked > 0 else 10 * room
        limit = limit if shift else min(limit, room - len(self.prompt_tokens))
        prompt = "[loop]" if self.fault == "loop_abort" else prompt
        return complete(self.model, prompt, self.options, self.body.get("format"), limit)

    def ending(self, completion: Completion) -> Json:
        """The fields of a final object; an aborted generation has none of them."""
        if completion.done_reason is None:
            return {"done": False}
        ending: Json = {"done": True, "done_reason": completion.done_reason}
        if not self.chat and not self.body.get("raw"):
            tokens = [*self.prompt_tokens, *completion.pieces]
            ending["context"] = [zlib.crc32(token.encode()) % 49152 for token in tokens]
        return {
            **ending,
            "total_duration": time.monotonic_ns() - self.started,
            "load_duration": self.load_duration,
            "prompt_eval_count": len(self.prompt_tokens),
            "prompt_eval_duration": 1000 * len(self.prompt_tokens),
            "eval_count": completion.eval_count,
            "eval_duration": int(completion.eval_count * max(self.settings["token_seconds"], 1e-6) * 1e9),
        }
