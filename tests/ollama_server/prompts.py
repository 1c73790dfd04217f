"""How the server makes a prompt from a request."""

from ollama_server.completions import tokens_of
from ollama_server.models import BARE, Model
from ollama_server.settings import Json


def chatml(messages: list[Json]) -> str:
    turns = [f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def render_chat(model: Model, messages: list[Json]) -> str:
    """The chat in ChatML, which is also what the server takes where the template knows no messages."""
    if model.system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": model.system}, *messages]
    return chatml(messages)


def render_generate(model: Model, body: Json) -> str:
    """The prompt of /api/generate: as it is when raw, by the template otherwise."""
    prompt, system = str(body.get("prompt") or ""), body.get("system") or model.system
    template = body.get("template") or model.template
    if body.get("raw"):
        return prompt
    if ".Messages" not in template:
        return template.replace(BARE, prompt).replace("{{ .System }}", system)
    turns = [{"role": "system", "content": system}] if system else []
    return chatml([*turns, {"role": "user", "content": prompt}])


def fit_messages(model: Model, messages: list[Json], num_ctx: int) -> list[Json]:
    """The messages that remain when older ones are dropped: system messages and the last one always do."""
    for first in range(len(messages)):
        kept = [m for at, m in enumerate(messages) if at >= first or m["role"] == "system"]
        if len(tokens_of(model, render_chat(model, kept))) < num_ctx:
            return kept
    return [m for m in messages[:-1] if m["role"] == "system"] + messages[-1:]
