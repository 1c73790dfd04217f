"""Models of an Ollama server: `ollama/llama3.1:8b`. Whatever silently changes a completion is reported or rejected."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from evalharness.backends import read_options
from evalharness.backends.asking import Asker, Pace
from evalharness.backends.ollama_requests import Bodies, OllamaOptions
from evalharness.backends.ollama_shown import blobs_of, canonical, messages_of, parameters_of, renderer_of
from evalharness.backends.ollama_wire import Server
from evalharness.backends.wire import PromptTooLong, Refused, Reply, Transient
from evalharness.errors import BackendError, ConfigError, UnknownModel
from evalharness.prompting import plain_text
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Modelfile,
    Notice,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    digest,
)

CONTEXT_STEP = 1024
BYTES_PER_TOKEN = 2
"""Most prompts have more characters per token, so the context is large enough; otherwise the prompt fails with both
counts.
"""
LOAD_SECONDS = 1800.0
"""Loading many gigabytes from a slow disk takes time."""
UNLOAD_SECONDS = 10.0
TURN_TOKENS = 32
"""Tokens reserved for the chat template's markers, per turn."""
CUT_SLACK = 8
"""A cut prompt has at most this many tokens more than half of the context."""


class OllamaBackend:
    """A model on a server, loaded by the first `generate` and unloaded by `close`."""

    asks_a_server = True
    varied = ("concurrency", (4, 2))

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.options = read_options(checkpoint, OllamaOptions)
        self._loaded = self._unload = False

    @cached_property
    def server(self) -> Server:
        """The connection, opened on first use."""
        return Server(self.options.host, timeout=self.options.timeout)

    @cached_property
    def _asker(self) -> Asker:
        options = self.options
        pace = Pace(options.concurrency)
        return Asker(self.checkpoint.name, attempts=options.attempts, backoff=options.backoff, pace=pace)

    # ------------------------------------------------------------------------------------- identity

    def resolve(self) -> ResolvedCheckpoint:
        """What the server reports about the model: digests of manifest, blob and template, quantization, version."""
        shown = self._shown
        details, info = shown.get("details", {}), shown.get("model_info", {})
        blobs = blobs_of(shown)
        identity = CheckpointIdentity(
            backend="ollama",
            model=self.checkpoint.model_name,
            weights_digest=f"sha256:{blobs[0] if blobs else self._tag['digest']}",
            adapter_digest=digest(blobs[1:]) if len(blobs) > 1 else None,
            manifest_digest=f"sha256:{self._tag['digest']}",
            template_digest=digest(shown.get("template", "")),
            quantization=details.get("quantization_level"),
            settings={"think": self.options.think, **self._bodies.threads},
            versions={"ollama": str(self.server.ask("GET", "/api/version").get("version", "unknown"))},
        )
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            identity=identity,
            context_length=info.get(f"{info.get('general.architecture')}.context_length"),
            parameters=info.get("general.parameter_count"),
            modelfile=Modelfile(
                template=shown.get("template", ""),
                renderer=renderer_of(shown),
                system=shown.get("system", ""),
                messages=len(messages_of(shown)),
                parameters=parameters_of(shown),
            ),
        )

    @cached_property
    def _shown(self) -> dict[str, Any]:
        return self.server.ask("POST", "/api/show", {"model": self.checkpoint.model_name})

    @cached_property
    def _bodies(self) -> Bodies:
        return Bodies(self.checkpoint.model_name, self.options, self._shown)

    @cached_property
    def _tag(self) -> dict[str, Any]:
        wanted = canonical(self.checkpoint.model_name)
        for tag in self.server.ask("GET", "/api/tags").get("models", []):
            if canonical(tag["name"]) == wanted:
                return dict(tag)
        raise UnknownModel(
            f"the Ollama server at {self.server.url} does not list {self.checkpoint.model_name}",
            fix="name it as `ollama list` does",
        )

    # --------------------------------------------------------------------------------------- render

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """Raw text is known; only the server knows how its template renders turns. The tokenizer is not available."""
        return [RenderedPrompt(text=prompt.text if isinstance(prompt, RawPrompt) else None) for prompt in prompts]

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """One context for the whole run, large enough for the longest prompt: changing it would reload the model."""
        if config.context_length is None:
            needed = max(self._tokens_at_most(prompt) for prompt in prompts) + config.max_tokens
            config = config.model_copy(update={"context_length": CONTEXT_STEP * math.ceil(needed / CONTEXT_STEP)})
        if problem := self._bodies.problem(config):
            raise ConfigError(f"checkpoint {self.checkpoint.name!r}: {problem}", fix="set another value")
        return config

    def _tokens_at_most(self, prompt: RawPrompt | ChatPrompt) -> int:
        if isinstance(prompt, RawPrompt):
            return len(prompt.text.encode()) // BYTES_PER_TOKEN + TURN_TOKENS
        # A template may bring a system prompt of its own.
        added = [self._shown.get("system", ""), self._shown.get("template", ""), *messages_of(self._shown)]
        texts = [*(message.content for message in prompt.messages), *added]
        return sum(len(text.encode()) // BYTES_PER_TOKEN + TURN_TOKENS for text in texts)

    # ------------------------------------------------------------------------------------- generate

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice]:
        """Generate with one client, or with several at once; outcomes come in the order of the requests."""
        if not requests:
            return
        if not self._loaded:
            yield from self._load(requests[0])
        yield from self._asker.outcomes(requests, self._answer, self.server.gone)

    def close(self) -> None:
        """Unload the model to free memory for the next checkpoint, unless it was loaded before the run.

        A server that has stopped has unloaded it already.
        """
        if self._unload:
            with suppress(BackendError, Transient, Refused):
                body = self._bodies.head(keep_alive=0) | {"stream": False}
                self.server.send("POST", "/api/generate", body, timeout=UNLOAD_SECONDS)
        self._loaded = self._unload = False
        self.server.close()

    def _load(self, request: GenerationRequest) -> Iterator[Notice]:
        """Load the model before anything is measured, and record the conditions."""
        self._unload = not self._running()
        body = self._bodies.load(request.config)
        with self._asker.announced("loading"):
            self._asker.again(
                lambda: self.server.send("POST", "/api/generate", body, timeout=LOAD_SECONDS), self.server.failed
            )
        self._loaded = True
        yield Notice(checkpoint=self.checkpoint.name, kind="batch", message=self._conditions(request.config))
        if rendered := self._rendered(request):
            yield Notice(checkpoint=self.checkpoint.name, kind="rendered", message=rendered)

    def _conditions(self, config: GenerationConfig) -> str:
        clients = "one client, in a fixed order"
        if self.options.concurrency > 1:
            clients = (
                f"{self.options.concurrency} concurrent clients, with which greedy text can change from run to run"
            )
        running = self._running()
        context = running.get("context_length", config.context_length)
        return f"{clients}, a context of {context} tokens, {_place(running)}"

    def _running(self) -> dict[str, Any]:
        """This model among the loaded ones; empty if the server lists its weights under another name."""
        for model in self.server.ask("GET", "/api/ps").get("models", []):
            if model["digest"] == self._tag["digest"]:
                return dict(model)
        return {}

    def _rendered(self, request: GenerationRequest) -> str | None:
        """How the template renders a chat prompt, if the server reports it; otherwise one token is generated."""
        if not isinstance(request.prompt, ChatPrompt):
            return None
        body = self._bodies.of(request) | {"_debug_render_only": True, "stream": False}
        try:
            answer = self.server.ask("POST", "/api/chat", body | {"options": {**body["options"], "num_predict": 1}})
        except BackendError:
            return None
        text: str | None = answer.get("_debug_info", {}).get("rendered_template")
        return text

    # -------------------------------------------------------------------------------------- requests

    def _answer(self, request: GenerationRequest) -> Reply:
        path = "/api/chat" if isinstance(request.prompt, ChatPrompt) else "/api/generate"
        reply = self.server.answer(path, self._bodies.of(request))
        _refuse_cut_prompt(request, reply)
        return reply


def _place(running: dict[str, Any]) -> str:
    if not running.get("size"):
        return "device not reported by the server"
    share = running.get("size_vram", 0) / running["size"]
    return (
        "on the CPU"
        if share == 0
        else "on the GPU"
        if share >= 1
        else f"partly offloaded to the CPU ({share:.0%} on the GPU)"
    )


def _refuse_cut_prompt(request: GenerationRequest, reply: Reply) -> None:
    """An old server ignores `truncate`, cuts a long prompt to about half of the context, and answers as usual."""
    read, context = reply.prompt_tokens, request.config.context_length or 0
    words = len(re.findall(r"\w+", plain_text(request.prompt)))
    if read is not None and read <= context // 2 + CUT_SLACK and words > 2 * read:
        raise PromptTooLong(f"the server read {read} tokens of a prompt of {words} words; its context is {context}")
