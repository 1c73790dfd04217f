"""What the server refuses in a request before any model is asked, and with `strict` what it would ignore."""

import json
import math
import re
from typing import Any

from ollama_server.errors import ServerError, compact, runner_error
from ollama_server.models import Model
from ollama_server.settings import Json

OPTIONS = {
    **dict.fromkeys(("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"), "integer"),
    **dict.fromkeys(("num_keep", "seed", "num_predict", "top_k", "repeat_last_n"), "integer"),
    **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "repeat_penalty"), "float32"),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), "float32"),
    "use_mmap": "boolean",
    "stop": "array",
}
OPTION_TYPES: Json = {"integer": (int, float), "float32": (int, float), "boolean": bool, "array": list}
COMPLETION_FIELDS = {
    **dict.fromkeys(("format", "keep_alive", "think"), None),
    **dict.fromkeys(("stream", "truncate", "shift", "logprobs", "_debug_render_only"), "bool"),
    "model": "string",
    "options": "map[string]interface {}",
    "top_logprobs": "int",
}
FIELDS: dict[str, dict[str, str | None]] = {
    "GenerateRequest": {
        **COMPLETION_FIELDS,
        **dict.fromkeys(("prompt", "suffix", "system", "template"), "string"),
        "context": "[]int",
        "raw": "bool",
        "images": "[]api.ImageData",
    },
    "ChatRequest": {**COMPLETION_FIELDS, "messages": "[]api.Message", "tools": "api.Tools"},
    "ShowRequest": {"model": "string", "name": "string"},
}
JSON_TYPES: Json = {"string": str, "bool": bool, "int": int, "map[string]interface {}": dict}
TYPE_NAMES = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}
DURATION = r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)"
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parsed(raw: bytes, kind: str, strict: bool) -> Json:
    """The body as JSON of the right types; the texts are those of Go's decoder."""
    if not raw.strip():
        raise ServerError(400, "missing request body")
    text = raw.decode()
    try:
        body: Json = json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            raise ServerError(400, "unexpected EOF") from error
        wrong = text[error.pos]
        raise ServerError(400, f"invalid character '{wrong}' looking for beginning of value") from error
    for name, value in body.items():
        if name in FIELDS[kind]:
            _check_type(kind, name, value)
        elif strict:
            raise ServerError(400, f'test server: unknown field "{name}"')
    return body


def _is(value: Any, kinds: Any) -> bool:
    """As isinstance, but true and false are no numbers."""
    return isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))


def _check_type(kind: str, name: str, value: Any) -> None:
    wanted = FIELDS[kind][name]
    if wanted and value is not None and not _is(value, JSON_TYPES.get(wanted, list)):
        given = f"json: cannot unmarshal {TYPE_NAMES[type(value)]} into Go struct field"
        raise ServerError(400, f"{given} {kind}.{name} of type {wanted}")


def check_abilities(model: Model, body: Json, strict: bool) -> None:
    """Refuse what was not asked for rightly or what the model cannot do."""
    full = f"registry.ollama.ai/library/{model.tagged} does not support"
    refused = {
        "raw mode does not support template, system, or context": body.get("raw")
        and (body.get("system") or body.get("template") or body.get("context")),
        f'"{body["model"]}" does not support thinking': body.get("think") and "thinking" not in model.capabilities,
        f"{full} insert": body.get("suffix"),
        f"{full} tools": body.get("tools"),
        "top_logprobs must be between 0 and 20": not 0 <= (body.get("top_logprobs") or 0) <= 20,
    }
    for message, applies in refused.items():
        if applies:
            raise ServerError(400, message)
    if strict:
        _check_not_ignored(body)
    _check_format(body.get("format"))
    if body.get("images"):
        message = "Multimodal data provided, but model does not support multimodal requests."
        raise runner_error(message, "invalid_request_error")


def _check_not_ignored(body: Json) -> None:
    """Refuse what the real server would take and not act on."""
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise ServerError(400, "test server: top_logprobs without logprobs")
    for message in body.get("messages") or []:
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise ServerError(400, f'test server: unknown role "{message.get("role")}"')


def _check_format(wanted: Any) -> None:
    if isinstance(wanted, str) and wanted not in ("", "json"):
        quoted = json.dumps(json.dumps(wanted))
        raise ServerError(500, f'invalid format: {quoted}; expected "json" or a valid JSON Schema object')
    known = ("string", "integer", "number", "boolean", "array", "object", "null", None)
    if isinstance(wanted, dict) and wanted.get("type") not in known:
        message = "Field 'json_schema': \"json_schema\": JSON schema conversion failed:\nUnrecognized schema: "
        raise runner_error(message + compact(wanted), "invalid_request_error")


def options_in_force(model: Model, asked: Json, strict: bool) -> Json:
    """The options of the Modelfile under those of the request."""
    options: Json = {}
    for name, value in model.parameters:
        options[name] = [*options.get(name, []), value] if name == "stop" else value
    for name, value in asked.items():
        if name in OPTIONS and value is not None:
            options[name] = _checked_option(name, value)
        elif name not in OPTIONS and strict:
            raise ServerError(400, f'test server: unknown option "{name}"')
    return options


def _checked_option(name: str, value: Any) -> Any:
    wanted = OPTIONS[name]
    if not _is(value, OPTION_TYPES[wanted]):
        raise ServerError(500, f'option "{name}" must be of type {wanted}')
    if wanted == "array" and not all(isinstance(item, str) for item in value):
        raise ServerError(500, f'option "{name}" must be of an array of strings')
    return int(value) if wanted == "integer" else value


def keep_alive_seconds(value: Any) -> float:
    """Seconds from a number or a Go duration; negative means for ever."""
    if value is None:
        return 300.0
    if isinstance(value, str):
        if not re.fullmatch(f"-?({DURATION})+|0", value):
            raise ServerError(400, f'time: invalid duration "{value}"')
        seconds = sum(float(number) * UNITS[unit] for number, unit in re.findall(DURATION, value))
        value = -seconds if value.startswith("-") else seconds
    return math.inf if value < 0 else float(value)
