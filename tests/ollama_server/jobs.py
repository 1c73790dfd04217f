"""A request for a completion: what is refused in it, and what is said to it."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evalharness.backends.ollama_options import OPTIONS
from ollama_server.models import Json, Model, ServerError, recorded_error
from ollama_server.words import Completion, complete, logprobs_of, tokens_of

FIELDS = {"model", "options", "stream", "truncate", "shift", "keep_alive", "think", "logprobs", "top_logprobs"}
FIELDS |= {"prompt", "raw", "messages", "_debug_render_only"}
ROLES = ("system", "user", "assistant", "tool")
LOADED_WITH = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap")
KINDS: Json = {"integer": (int, float), "float32": (int, float), "boolean": bool, "array": list}


def runner_error(message: str, kind: str, **more: int) -> ServerError:
    """An error of the runner: JSON inside the string of the server's own error."""
    error = {"error": {"code": 400, "message": message, "type": kind, **more}}
    return ServerError(400, json.dumps(error, separators=(",", ":")))


@dataclass
class Job:
    """Everything that the reply needs."""

    settings: Json
    model: Model
    body: Json
    chat: bool
    fault: str | None
    started: int = field(default_factory=time.monotonic_ns)
    prompt_tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._refuse()
        asked = {name: self._checked(name, value) for name, value in (self.body.get("options") or {}).items()}
        self.options = self.model.options | asked
        self.num_ctx = min(self.options.get("num_ctx") or 4096, self.model.context_length)

    @property
    def wanted(self) -> Json:
        """The options with which the model must be loaded."""
        options = {name: self.options[name] for name in LOADED_WITH if name in self.options}
        return options | {"num_ctx": self.num_ctx, "shift": self.body.get("shift") is not False}

    def _refuse(self) -> None:
        """What the real server refuses, and where it is strict what that one ignores."""
        body = self.body
        if body.get("raw") and body.get("system"):
            raise recorded_error("err_raw_plus_system")
        if body.get("think") and "thinking" not in self.model.shown["capabilities"]:
            raise ServerError(400, f'"{body["model"]}" does not support thinking')
        if not 0 <= (body.get("top_logprobs") or 0) <= 20:
            raise recorded_error("generate_toplogprobs_21")
        ignored = [f'unknown field "{name}"' for name in body if name not in FIELDS]
        ignored += [f'unknown option "{name}"' for name in body.get("options") or {} if name not in OPTIONS]
        roles = [message.get("role") for message in body.get("messages") or []]
        ignored += [f'unknown role "{role}"' for role in roles if role not in ROLES]
        if body.get("top_logprobs") and not body.get("logprobs"):
            ignored.append("top_logprobs without logprobs")
        if ignored and self.settings["strict"]:
            raise ServerError(400, f"test server: {ignored[0]}")

    def _checked(self, name: str, value: Any) -> Any:
        wanted = OPTIONS[name].type if name in OPTIONS else None
        if wanted and (not isinstance(value, KINDS[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
            raise ServerError(500, f'option "{name}" must be of type {wanted}')
        return int(value) if wanted == "integer" else value

    def completion(self) -> Completion:
        """The completion of the prompt, cut or refused where it does not fit."""
        for name, value in self.options.items():
            if name in OPTIONS and (sentence := refusal(name, value)):
                raise runner_error(sentence, "invalid_request_error")
        old = self.settings["old_server"]
        prompt = self.rendered()
        self.prompt_tokens = tokens_of(self.model, prompt)
        room = -(-self.num_ctx // 256) * 256  # The runner rounds a context up.
        if len(self.prompt_tokens) >= room:
            if not old and self.body.get("truncate") is False:
                self._too_long(room)
            if not old and self.body.get("shift") is False:
                raise recorded_error("trunc_generate_raw_base_ctx512_shift_false")
            keep = 4 + self.model.adds_bos
            self.prompt_tokens = self.prompt_tokens[:keep] + self.prompt_tokens[-((room - 4) // 2) :]
            prompt = "".join(self.prompt_tokens)
        asked = self.options.get("num_predict", -1)
        limit = asked if asked > 0 else 10 * room
        if self.body.get("shift") is False and not old:
            limit = min(limit, room - len(self.prompt_tokens))
        return complete(self.model, "[loop]" if self.fault == "loop_abort" else prompt, self.options, limit)

    def _too_long(self, room: int) -> None:
        count = len(self.prompt_tokens)
        message = f"request ({count} tokens) exceeds the available context size ({room} tokens), try increasing it"
        raise runner_error(message, "exceed_context_size_error", n_prompt_tokens=count, n_ctx=room)

    def rendered(self) -> str:
        """The prompt as the model sees it; ChatML, too, where the template knows no messages."""
        if not self.chat:
            return str(self.body["prompt"])
        turns = list(self.body["messages"])
        if self.model.shown.get("system") and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": self.model.shown["system"]})
        said = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
        return f"{said}<|im_start|>assistant\n"

    def thought(self) -> str:
        thinks = "thinking" in self.model.shown["capabilities"] and self.body.get("think") is not False
        return "The user asks and I think about it." if thinks and not self.body.get("raw") else ""

    def says(self, text: str, thinking: str = "", pieces: tuple[str, ...] = (), **more: Any) -> Json:
        """One object of the reply, with the log-probabilities of its pieces where they were asked for."""
        if self.body.get("logprobs") and pieces:
            more["logprobs"] = [logprobs_of(piece, self.body.get("top_logprobs") or 0) for piece in pieces]
        said = {"content" if self.chat else "response": text, **({"thinking": thinking} if thinking else {})}
        named = {"message": {"role": "assistant", **said}} if self.chat else said
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        return {"model": self.body["model"], "created_at": now, **named, **more}

    def ending(self, completion: Completion) -> Json:
        """The fields of a last object; an aborted generation has none of them."""
        if completion.done_reason is None:
            return {"done": False}
        return {
            "done": True,
            "done_reason": completion.done_reason,
            "total_duration": time.monotonic_ns() - self.started,
            "load_duration": 1000,
            "prompt_eval_count": len(self.prompt_tokens),
            "prompt_eval_duration": 1000 * len(self.prompt_tokens),
            "eval_count": completion.eval_count,
            "eval_duration": int(completion.eval_count * max(self.settings["token_seconds"], 1e-6) * 1e9),
        }


def refusal(name: str, value: Any) -> str | None:
    """The runner's error message for a value; None if it accepts the value."""
    option = OPTIONS[name]
    if option.outside != "refused" or option.low <= value <= option.high:
        return None
    limits = f"{option.low:.0f} <= value <= {option.high:.0f}"
    return f"Field '{option.field or name}': Value must be between {limits}, but got {value}"
