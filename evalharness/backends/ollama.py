"""Models of an Ollama server: `ollama/llama3.1:8b`. All that silently changes a completion there is said or refused."""

import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import cached_property
from typing import Any

from pydantic import Field

from evalharness.backends import read_options
from evalharness.backends.ollama_wire import (
    PromptTooLong,
    PromptTooLongUncounted,
    Refused,
    Reply,
    Server,
    Transient,
    Unreachable,
)
from evalharness.errors import BackendError
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
    Record,
    RenderedPrompt,
    ResolvedCheckpoint,
    digest,
)

CONTEXT_STEP = 1024
BYTES_PER_TOKEN = 2
"""Prompts are longer than this in every language that tokenizers were made for, so that the context is large enough."""
TURN_TOKENS = 32
"""Room for the chat template's markers, per turn."""
CUT_SLACK = 8
"""A cut prompt has this many tokens more than half of the context, at most."""


class OllamaOptions(Record):
    """What `-M` and `options` may set."""

    host: str | None = None
    """The server's address; `OLLAMA_HOST`, then this machine."""
    think: bool = False
    """Whether a thinking model may think; its thoughts are kept apart and never scored."""
    logprobs: int | None = Field(None, ge=0, le=20)
    """Keep the log-probability of each token, with so many alternatives."""
    concurrency: int = Field(1, ge=1)
    """Clients at once. One, in a fixed order, is what repeats."""
    timeout: float = Field(300.0, gt=0)
    """Longest silence of the server, in seconds; a large prompt is read in silence."""
    attempts: int = Field(6, ge=1)
    """How often a request is sent at most, where the fault may pass."""
    backoff: float = Field(0.5, ge=0)
    """Seconds before the second attempt; twice as many before each further one."""
    keep_alive: str = "10m"
    """How long the server keeps the model after the last request, should the run be killed."""


class OllamaBackend:
    """One model of a server; loaded by the first `generate`, unloaded by `close`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.options = read_options(checkpoint, OllamaOptions)
        self._loaded = False

    @cached_property
    def server(self) -> Server:
        """The connection; nothing is sent before it is used."""
        return Server(self.options.host, timeout=self.options.timeout)

    # ------------------------------------------------------------------------------------- identity

    def resolve(self) -> ResolvedCheckpoint:
        """What the server says of the model: digests of manifest, blob and template, quantization, version."""
        shown = self._shown
        details, info = shown.get("details", {}), shown.get("model_info", {})
        blobs = re.findall(r"^(?:FROM|ADAPTER) \S*sha256-([0-9a-f]{64})", shown.get("modelfile", ""), re.MULTILINE)
        identity = CheckpointIdentity(
            backend="ollama",
            model=self.checkpoint.model_name,
            weights_digest=f"sha256:{blobs[0]}" if blobs else f"manifest:{self._tag['digest']}",
            adapter_digest=digest(blobs[1:]) if len(blobs) > 1 else None,
            manifest_digest=f"sha256:{self._tag['digest']}",
            template_digest=digest(shown.get("template", "")),
            quantization=details.get("quantization_level"),
            settings={"think": self.options.think},
            versions={"ollama": self.server.ask("GET", "/api/version")["version"]},
        )
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            identity=identity,
            context_length=info.get(f"{info.get('general.architecture')}.context_length"),
            parameters=info.get("general.parameter_count"),
            modelfile=Modelfile(
                template=shown.get("template", ""), system=shown.get("system", ""), parameters=self._parameters
            ),
        )

    @cached_property
    def _shown(self) -> dict[str, Any]:
        return self.server.ask("POST", "/api/show", {"model": self.checkpoint.model_name})

    @cached_property
    def _tag(self) -> dict[str, Any]:
        wanted = self.checkpoint.model_name
        wanted = wanted if ":" in wanted.rpartition("/")[2] else f"{wanted}:latest"
        [tag] = [one for one in self.server.ask("GET", "/api/tags")["models"] if one["name"] == wanted] or [{}]
        return tag or {"digest": digest(self._shown).removeprefix("sha256:")}

    @cached_property
    def _parameters(self) -> tuple[tuple[str, str], ...]:
        """The Modelfile's parameters in order; `stop` may be there several times."""
        lines = [line.split(maxsplit=1) for line in self._shown.get("parameters", "").splitlines()]
        return tuple((name, json.loads(value) if value.startswith('"') else value) for name, value in lines)

    # --------------------------------------------------------------------------------------- render

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """Raw text is known; what a template makes of turns only the server knows. Nobody here has the tokenizer."""
        return [RenderedPrompt(text=one.text if isinstance(one, RawPrompt) else None) for one in prompts]

    def settle(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """One context for the whole run, large enough for the longest prompt: another would load the model anew."""
        if config.context_length is not None:
            return config
        needed = max(_tokens_at_most(prompt) for prompt in prompts) + config.max_tokens
        return config.model_copy(update={"context_length": CONTEXT_STEP * math.ceil(needed / CONTEXT_STEP)})

    # ------------------------------------------------------------------------------------- generate

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice]:
        """In a fixed order by one client, or by several as they come."""
        if not requests:
            return
        if not self._loaded:
            yield from self._load(requests[0])
        if self.options.concurrency == 1:
            yield from map(self._outcome, requests)
            return
        pool = ThreadPoolExecutor(self.options.concurrency)
        try:
            for future in as_completed([pool.submit(self._outcome, request) for request in requests]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Unload the model, so that the next one has the memory; a server that is gone has unloaded it itself."""
        if self._loaded:
            self._loaded = False
            with suppress(BackendError):
                self.server.ask("POST", "/api/generate", self._head(keep_alive=0) | {"stream": False})
        self.server.close()

    def _load(self, request: GenerationRequest) -> Iterator[Notice]:
        """Load the model before anything is measured, and say under which conditions it answers."""
        context = {"options": {"num_ctx": request.config.context_length}, "stream": False}
        self.server.ask("POST", "/api/generate", self._head() | context)
        self._loaded = True
        yield self._notice("batch", self._conditions(request.config))
        if rendered := self._rendered(request):
            yield self._notice("rendered", rendered)

    def _conditions(self, config: GenerationConfig) -> str:
        clients = "one client, in a fixed order"
        if self.options.concurrency > 1:
            clients = f"{self.options.concurrency} clients at once, in which greedy text can change from run to run"
        [running] = [one for one in self.server.ask("GET", "/api/ps")["models"] if self._is_this(one)] or [{}]
        context = running.get("context_length", config.context_length)
        share = running.get("size_vram", 0) / running.get("size", 1)
        where = (
            "on the CPU"
            if share == 0
            else "on the GPU"
            if share >= 1
            else f"{share:.0%} on the GPU, the rest on the CPU"
        )
        return f"{clients}, a context of {context} tokens, {where}"

    def _is_this(self, running: dict[str, Any]) -> bool:
        """By digest: of two names for the same model, the server lists the first."""
        return bool(running["digest"] == self._tag["digest"] or running["name"] == self._tag.get("name"))

    def _rendered(self, request: GenerationRequest) -> str | None:
        """What the template makes of one chat prompt, where the server can tell; else one token is generated."""
        if not isinstance(request.prompt, ChatPrompt):
            return None
        body = self._body(request) | {"_debug_render_only": True, "stream": False}
        try:
            answer = self.server.ask("POST", "/api/chat", body | {"options": {**body["options"], "num_predict": 1}})
        except BackendError:
            return None
        text: str | None = answer.get("_debug_info", {}).get("rendered_template")
        return text

    def _notice(self, kind: str, message: str) -> Notice:
        return Notice.model_validate({"checkpoint": self.checkpoint.name, "kind": kind, "message": message})

    # -------------------------------------------------------------------------------------- requests

    def _outcome(self, request: GenerationRequest) -> Completion | Failure:
        """Answer one request, with more attempts where the fault may pass.

        Raises:
            BackendError: the server is gone, or does not have the model any more.
        """
        start, fault = time.monotonic(), Transient("server", "never sent")
        for attempt in range(1, self.options.attempts + 1):
            time.sleep(self.options.backoff * 2 ** (attempt - 2) if attempt > 1 else 0)
            try:
                reply = self._answer(request)
            except PromptTooLong as error:
                return _failure(request, "prompt_too_long", error, attempt)
            except Refused as error:
                return _failure(request, "server", error, attempt)
            except Transient as error:
                fault = error
            else:
                return _completion(request, reply, attempt, time.monotonic() - start)
        if isinstance(fault, Unreachable):
            raise self.server.gone(str(fault))
        return _failure(request, fault.kind, fault, self.options.attempts)

    def _answer(self, request: GenerationRequest) -> Reply:
        body = self._body(request)
        path = "/api/chat" if isinstance(request.prompt, ChatPrompt) else "/api/generate"
        try:
            reply = self.server.answer(path, body | {"truncate": False, "shift": False})
        except PromptTooLongUncounted:
            # Without `shift`, the refusal comes from another part of the server, with both counts.
            self.server.answer(path, body | {"truncate": False, "options": {**body["options"], "num_predict": 1}})
            raise
        _refuse_cut_prompt(request, reply)
        return reply

    def _head(self, *, keep_alive: str | int | None = None) -> dict[str, Any]:
        kept = self.options.keep_alive if keep_alive is None else keep_alive
        return {"model": self.checkpoint.model_name, "keep_alive": kept}

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        body = self._head() | {"options": self._all_options(request)}
        if self.options.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": self.options.logprobs}
        match request.prompt:
            case RawPrompt(text=text):
                return body | {"prompt": text, "raw": True}
            case ChatPrompt(messages=messages):
                return body | {"messages": [one.model_dump() for one in messages], "think": self.options.think}

    def _all_options(self, request: GenerationRequest) -> dict[str, Any]:
        """Every option, so that neither the server's defaults nor the Modelfile's parameters count, but for its stops:
        an imported chat model may end its turns by them alone.
        """
        config, prompt = request.config, request.prompt
        stops = [*config.stop, *(prompt.stop if isinstance(prompt, RawPrompt) else ())]
        stops += [value for name, value in self._parameters if name == "stop"]
        return {
            "num_ctx": config.context_length,
            "num_predict": config.max_tokens,
            "temperature": config.temperature,
            "top_k": config.top_k,
            "top_p": config.top_p,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_last_n": -1,
            "repeat_penalty": config.repeat_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": config.seed + request.replicate,
            "stop": list(dict.fromkeys(stops)),
        }


def _tokens_at_most(prompt: RawPrompt | ChatPrompt) -> int:
    match prompt:
        case RawPrompt(text=text):
            return len(text.encode()) // BYTES_PER_TOKEN + TURN_TOKENS
        case ChatPrompt(messages=messages):
            return sum(len(one.content.encode()) // BYTES_PER_TOKEN + TURN_TOKENS for one in messages)


def _refuse_cut_prompt(request: GenerationRequest, reply: Reply) -> None:
    """An old server ignores `truncate` and cuts a long prompt to about half of the context, with an answer as ever."""
    read, context = reply.last.get("prompt_eval_count"), request.config.context_length or 0
    words = len(re.findall(r"\w+", plain_text(request.prompt)))
    if read is not None and read <= context // 2 + CUT_SLACK and words > 2 * read:
        raise PromptTooLong(f"the server read {read} tokens of a prompt of {words} words; its context is {context}")


def _completion(request: GenerationRequest, reply: Reply, attempts: int, seconds: float) -> Completion:
    reason = reply.last.get("done_reason") if reply.last else "loop_abort"
    return Completion.model_validate(
        {
            "request_id": request.id,
            "text": reply.text,
            "finish_reason": reason,
            "thinking": reply.thinking or None,
            "prompt_tokens": reply.last.get("prompt_eval_count"),
            "completion_tokens": reply.last.get("eval_count", len(reply.pieces)),
            "seconds": round(seconds, 3),
            "attempts": attempts,
            "logprobs": tuple(reply.logprobs) or None,
        }
    )


def _failure(request: GenerationRequest, kind: str, error: Exception, attempts: int) -> Failure:
    message = str(error)[:500]
    return Failure.model_validate({"request_id": request.id, "kind": kind, "message": message, "attempts": attempts})
