"""A test server with its models opened, and what tests ask them."""

import pytest
from ollama_server import running_server

from evalharness.backends.ollama import OllamaBackend
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    GenerationConfig,
    GenerationRequest,
    Message,
    Notice,
)

SIDES = ("--base", "ollama/gemma3-base", "--instruct", "ollama/smollm2", "--suite", "smoke", "--max-tokens", "20")
FAST = {"backoff": 0.01}


@pytest.fixture
def server():
    with running_server() as server:
        yield server


@pytest.fixture
def open_model(server):
    """Opens models of the server; they are closed at the end."""
    opened = []

    def open_one(model="smollm2", **options):
        options = {"host": server.url, **FAST, **options}
        checkpoint = Checkpoint(name="side", model=f"ollama/{model}", variant="instruct", options=options)
        opened.append(OllamaBackend(checkpoint))
        return opened[-1]

    yield open_one
    for backend in opened:
        backend.close()


def chat(text, system=None):
    turns = ([("system", system)] if system else []) + [("user", text)]
    return ChatPrompt(messages=tuple(Message(role=role, content=content) for role, content in turns))


def requests_for(backend, prompts, **config):
    resolved = backend.resolve()
    config = backend.resolve_config(prompts, GenerationConfig(**{"max_tokens": 20, **config}))
    return [
        GenerationRequest.of(resolved, f"s{number}", prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]


def outcomes(backend, prompts, **config):
    """Outcomes in the order of the prompts, each there once."""
    requests = requests_for(backend, prompts, **config)
    events = [event for event in backend.generate(requests) if not isinstance(event, Notice)]
    assert sorted(outcome.request_id for outcome in events) == sorted(request.id for request in requests)
    by_id = {outcome.request_id: outcome for outcome in events}
    return [by_id[request.id] for request in requests]


def completions(backend, prompts, **config):
    """Outcomes that must be completions; where one is not, the test shows what the server said."""
    result = outcomes(backend, prompts, **config)
    for item in result:
        assert isinstance(item, Completion), f"{item.kind}: {item.message}"
    return result


def sent(server):
    """The bodies of the requests that asked for a completion."""
    bodies = [request["body"] for path in ("/api/generate", "/api/chat") for request in server.requests(path)]
    return [body for body in bodies if ("prompt" in body or "messages" in body) and "_debug_render_only" not in body]
