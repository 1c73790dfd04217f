"""The errors of the server, worded as it words them."""

import json
from typing import Any

EOF_ERROR = "an error was encountered while running the model: unexpected EOF"
BUSY_ERROR = "server busy, please try again.  maximum pending requests exceeded"
STOPPED_ERROR = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
SHIFT_ERROR = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, "
    "adjust the context length in settings, or use a model with a longer context length"
)


class ServerError(Exception):
    """A reply other than HTTP 200."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def compact(payload: Any) -> str:
    """JSON as the server writes it."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def runner_error(message: str, kind: str, **more: int) -> ServerError:
    """An error of the runner: JSON inside the string of the server's own error."""
    return ServerError(400, compact({"error": {"code": 400, "message": message, "type": kind, **more}}))


def too_long(tokens: int, room: int) -> ServerError:
    message = f"request ({tokens} tokens) exceeds the available context size ({room} tokens), try increasing it"
    return runner_error(message, "exceed_context_size_error", n_prompt_tokens=tokens, n_ctx=room)
