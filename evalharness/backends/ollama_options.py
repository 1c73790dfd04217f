"""The options that an Ollama server accepts: type, range, and the effect of a value outside the range.

Every value is checked against this table before it is sent, and the test server of this repository rejects the same
values. Ranges are those accepted by both old servers (their own runner) and new ones (0.32, which runs llama.cpp's
server).

Sources: `api/types.go` (types) and `llm/llama_server.go` (what is forwarded, `boundedNumPredict`) of github.com/ollama/
ollama at 00f6d62; `tools/server/server-schema.cpp` of github.com/ggml-org/llama.cpp at 0177c34, where `set_hard_limits`
refuses and `set_limits` clamps; recordings of a 0.32.15 server (`tests/ollama_recordings.jsonl`).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Option:
    """An option: its type, the accepted values, and the effect of any other value."""

    type: Literal["integer", "float32", "boolean", "array"]
    low: float = -math.inf
    high: float = math.inf
    """Both inclusive."""
    outside: Literal["refused", "clamped", "other"] = "other"
    """`other`: taken, with another meaning (-1 as a seed draws one) or none."""
    source: str = "api/types.go"
    field: str = ""
    """Its name in llama.cpp's server, if different."""

    def accepts(self, value: Any) -> bool:
        """Whether the value is of the type and in the range."""
        if self.type == "array":
            return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
        if self.type == "boolean" or isinstance(value, bool):
            return self.type == "boolean" and isinstance(value, bool)
        number = isinstance(value, int) or (self.type == "float32" and isinstance(value, float))
        return number and math.isfinite(value) and self.low <= value <= self.high


OPTIONS = {
    # Settled when the model is loaded.
    "num_ctx": Option("integer", 4, INT32_MAX, "clamped", "server/sched.go: at least 4, at most the training context"),
    "num_thread": Option("integer", 0, INT32_MAX, source="llama_server.go: passed as -t where it is above 0"),
    "num_batch": Option("integer", 1, INT32_MAX),
    "num_gpu": Option("integer", -1, INT32_MAX),
    "main_gpu": Option("integer", 0, INT32_MAX),
    "draft_num_predict": Option("integer", 0, INT32_MAX),
    "use_mmap": Option("boolean"),
    # Settled with each request.
    "num_predict": Option("integer", 1, INT32_MAX, source="boundedNumPredict: 0 and less are no limit"),
    "num_keep": Option("integer", -1, INT32_MAX, "refused", "server-schema.cpp: n_keep, hard", "n_keep"),
    "seed": Option("integer", 0, INT32_MAX, source="server-schema.cpp: a uint32, of which the last draws a seed"),
    "temperature": Option("float32", 0, outside="clamped", source="server-schema.cpp: limits 0 and infinity"),
    "top_k": Option("integer", 0, INT32_MAX, "clamped", "server-schema.cpp: limits; 0 keeps all tokens"),
    "top_p": Option("float32", 0, 1, "clamped", "server-schema.cpp: limits"),
    "min_p": Option("float32", 0, 1, "clamped", "server-schema.cpp: limits"),
    "typical_p": Option("float32", 0, 1, source="server-schema.cpp: no limits; 1 is off"),
    "repeat_last_n": Option("integer", 0, INT32_MAX, "refused", "server-schema.cpp: hard; older servers took -1"),
    "repeat_penalty": Option("float32", 0, source="server-schema.cpp: no limits; 1 is off"),
    "presence_penalty": Option("float32", source="server-schema.cpp: no limits; 0 is off"),
    "frequency_penalty": Option("float32", source="server-schema.cpp: no limits; 0 is off"),
    "stop": Option("array", source="server-schema.cpp: empty strings are skipped"),
}
CONFIGURED = {"num_ctx": "context_length", "num_predict": "max_tokens"}
"""An option's name in evalharness, if different."""


def out_of_range(options: dict[str, Any]) -> str | None:
    """An error message for the first value that some server would not accept as intended; None if all are accepted."""
    for name, value in options.items():
        option = OPTIONS[name]
        if not option.accepts(value):
            shown = CONFIGURED.get(name, name)
            limits = f" from {option.low:,.0f} to {option.high:,.0f}" if math.isfinite(option.high) else ""
            return f"{shown} = {value} is not accepted by Ollama servers; they accept {_kind(option)}{limits}"
    return None


def _kind(option: Option) -> str:
    return {"integer": "whole numbers", "float32": "numbers", "boolean": "true or false", "array": "texts"}[option.type]
