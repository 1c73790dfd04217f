"""Checkpoints loaded with transformers, on a GPU where there is one: `hf/org/name`, `hf/./folder`, `hf/./file.gguf`."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from pydantic import Field

from evalharness.backends import read_options
from evalharness.backends.backend import Underway
from evalharness.backends.hf_decoding import Decoder
from evalharness.backends.hf_rows import Queue, Row
from evalharness.backends.hf_steps import Steps, fits
from evalharness.backends.hf_teacher import HfTeacher
from evalharness.backends.tokenizing import Tokenizing
from evalharness.errors import BackendError, ConfigError, MissingExtra
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
    Record,
    RenderedPrompt,
    ResolvedCheckpoint,
    digest,
)
from evalharness.weights import files, loading, sizes
from evalharness.weights.devices import (
    DTYPES,
    best_device,
    choose_device,
    default_dtype,
    device_name,
    free_memory,
    is_out_of_memory,
    refuse_too_large,
)

ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
"""Not a Hub repository, which transformers would also accept: its code would be executed."""


class HfOptions(Record):
    """Settings for `-M` and `options`; None means chosen automatically."""

    adapter: Path | None = None
    """A PEFT adapter's folder."""
    device: str | None = None
    """CUDA, then MPS, then the CPU."""
    dtype: str | None = None
    """bfloat16 on CUDA, float32 elsewhere: on a CPU, results then do not depend on the batch."""
    attention: str = "sdpa"
    batch_size: int | None = Field(None, ge=1)
    """Most rows of a batch: 256 on CUDA, 64 elsewhere."""
    batch_tokens: int | None = Field(None, ge=1)
    """Most tokens of a batch, prompts and what may be generated: 65,536 on CUDA, 16,384 elsewhere."""
    fixed_steps: bool | None = None
    """Decode over a cache of fixed size, and on CUDA record the kernels of a step as a CUDA graph; so on CUDA alone."""
    quantization: Literal["8bit", "4bit"] | None = None
    """Quantize the weights while loading, with bitsandbytes."""
    device_map: Literal["auto"] | None = None
    """`auto` spreads the layers over all GPUs."""
    trust_remote_code: bool = False


class HfBackend:
    """One checkpoint in memory, loaded by the first `generate`."""

    varied = ("batch_size", (8, 16))

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.options = _options(checkpoint)
        self._model: Any = None
        self._recorded: Steps | None = None

    # ------------------------------------------------------------------------------------- identity

    def resolve(self) -> ResolvedCheckpoint:
        """Resolve the identity from the files, without loading weights."""
        cache = self.batch_tokens * sizes.cache_bytes_per_token(self.settings, DTYPES[self.dtype])
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            identity=self._identity(),
            tokenizer=self.tokenizing.facts(),
            context_length=self.context,
            parameters=self.parameters,
            memory_bytes=self.weight_bytes + cache,
            notes=self.notes(),
        )

    @cached_property
    def parameters(self) -> int:
        """How many the configuration describes."""
        return sizes.count_parameters(self.source, self.settings, trust_remote_code=self.options.trust_remote_code)

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights."""
        whole = sizes.unquantized_parameters(self.settings) if self.options.quantization else 0
        rest = self.parameters - whole
        return int(rest * self.placement.bytes_per_parameter + whole * int(DTYPES[self.dtype].itemsize))

    @property
    def context(self) -> int:
        """Tokens of prompt and completion together."""
        return sizes.positive(self.settings.get_text_config(), "max_position_embeddings")

    def notes(self) -> tuple[str, ...]:
        """Notes for the reader of the report."""
        return ()

    def locate(self) -> files.Source:
        """Where the weights are."""
        return loading.find_source(self.checkpoint.model_name)

    @cached_property
    def source(self) -> files.Source:
        """Location of the weights, resolved once."""
        return self.locate()

    @cached_property
    def settings(self) -> Any:
        """The model's configuration."""
        return loading.load_settings(self.source, trust_remote_code=self.options.trust_remote_code)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with the chat template of the adapter if there is one."""
        tokenizer = loading.load_tokenizer(self.source, trust_remote_code=self.options.trust_remote_code)
        if self.options.adapter and (template := files.adapter_template(self.options.adapter)) is not None:
            tokenizer.chat_template = template
        return tokenizer

    @cached_property
    def tokenizing(self) -> Tokenizing:
        """How prompts are made."""
        configured = self.settings.get_text_config().eos_token_id
        return Tokenizing(self.checkpoint.name, self.source, self.tokenizer, configured)

    @property
    def template(self) -> str | None:
        """The chat template; the default template if there are several."""
        return self.tokenizing.template

    @property
    def end_tokens(self) -> dict[int, str]:
        """Tokens that end a generation."""
        return self.tokenizing.end_tokens

    @cached_property
    def device(self) -> str:
        """The requested device, or the best available."""
        return self.options.device or best_device()

    @property
    def _on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def batch_size(self) -> int:
        """Most rows of a batch."""
        return self.options.batch_size or (256 if self._on_cuda else 64)

    @property
    def batch_tokens(self) -> int:
        """Most tokens of a batch."""
        return self.options.batch_tokens or (65_536 if self._on_cuda else 16_384)

    @property
    def dtype(self) -> str:
        """The name of the floating-point type of the weights."""
        return self.options.dtype or default_dtype(self.device)

    @property
    def placement(self) -> loading.Placement:
        """Where and how the weights are held."""
        options = self.options
        return loading.Placement(
            self.device, DTYPES[self.dtype], options.attention, options.quantization, options.device_map == "auto"
        )

    def _identity(self) -> CheckpointIdentity:
        template = self.template
        adapter, asked = self.options.adapter, self.options.quantization
        quantizer = {"bitsandbytes": version("bitsandbytes")} if asked else {}
        return CheckpointIdentity(
            backend=self.checkpoint.backend,
            model=self.checkpoint.model_name,
            weights_digest=self.source.weights_digest,
            template_digest=digest(template) if template else None,
            tokenizer_digest=self.source.tokenizer_digest,
            adapter_digest=files.check_adapter(adapter) if adapter else None,
            quantization=f"bitsandbytes {asked}" if asked else self.source.quantization,
            device=device_name(self.device),
            dtype=self.dtype,
            attention=self.options.attention,
            versions={"torch": torch.__version__, "transformers": transformers.__version__, **quantizer},
        )

    # --------------------------------------------------------------------------------------- render

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """Tokenize raw text with the tokenizer's own BOS rule; a chat template adds its special tokens itself."""
        return [self.tokenizing.render(prompt) for prompt in prompts]

    # ------------------------------------------------------------------------------------- generate

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """No value has to be fixed."""
        return config

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice | Underway]:
        """Generate the longest first, so that lack of memory shows early; yield each outcome once it is finished."""
        return self.generate_after(requests, [()] * len(requests))

    def generate_after(
        self, requests: Sequence[GenerationRequest], given: Sequence[Sequence[int]]
    ) -> Iterator[Completion | Failure | Notice | Underway]:
        """As `generate`, with completions that are made to begin with given tokens, which are part of them."""
        rows = [self._row(request, tuple(begins)) for request, begins in zip(requests, given, strict=True)]
        yield from (row for row in rows if isinstance(row, Failure))
        waiting = [row for row in rows if isinstance(row, Row)]
        if not waiting:
            return
        model = self._loaded()
        queue = Queue(waiting, most_rows=self.batch_size, most_tokens=self.batch_tokens)
        yield Notice(checkpoint=self.checkpoint.name, kind="batch", message=self._conditions())
        steps = None
        while queue.waiting:
            problem, steps = "", self._steps(model)
            try:
                for finished in Decoder(model, self.tokenizer, self.end_tokens, steps).decode(queue):
                    yield from (row.completion() for row in finished)
                    yield Underway(queue.tokens_underway)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                problem = str(error)
            if problem:
                # Not earlier: the error holds the memory of the batch.
                steps = self._recorded = None
                free_memory(self.device)
                yield self._without_memory(queue, problem)
        if steps is not None and steps.problem:
            message = f"the steps could not be recorded as CUDA graphs, which is slower: {steps.problem}"
            yield Notice(checkpoint=self.checkpoint.name, kind="other", message=message)

    def _steps(self, model: Any) -> Steps | None:
        wanted = self._on_cuda if self.options.fixed_steps is None else self.options.fixed_steps
        if self._recorded is None and wanted and fits(model):
            self._recorded = Steps(model, record=self._on_cuda and not self.options.quantization)
        return self._recorded

    def _without_memory(self, queue: Queue, problem: str) -> Failure | Notice:
        """Halve the batch; a row that does not fit alone fails."""
        rows = queue.begin_again()
        if len(rows) == 1:
            return Failure(request_id=rows[0].request.id, kind="out_of_memory", message=problem[:300])
        return Notice(
            checkpoint=self.checkpoint.name,
            kind="out_of_memory",
            message=f"a batch of {len(rows)} did not fit in memory; reduced to {queue.limit}",
        )

    def teacher(self) -> HfTeacher:
        """The loaded model, to read completions with."""
        self._recorded = None
        return HfTeacher(
            self._loaded(),
            self.tokenizer,
            self.end_tokens,
            batch_size=self.batch_size,
            batch_tokens=self.batch_tokens,
        )

    def close(self) -> None:
        """Free the weights' memory."""
        self._model = self._recorded = None
        free_memory(self.device)

    def _loaded(self) -> Any:
        if self._model is None:
            refuse_too_large(self.source.name, self.weight_bytes, self.device, spread=self.placement.spread)
            self._model = loading.load_model(
                self.source,
                self.placement,
                adapter=self.options.adapter,
                trust_remote_code=self.options.trust_remote_code,
            )
        return self._model

    def _row(self, request: GenerationRequest, given: tuple[int, ...]) -> Row | Failure:
        ids = self.tokenizing.render(request.prompt).token_ids or ()
        if not ids:
            message = "the prompt has no tokens, so there is nothing to predict the first one from"
            return Failure(request_id=request.id, kind="empty_prompt", message=message)
        context = request.config.context_length or self.context
        if len(ids) + len(given) >= context:
            message = f"the prompt has {len(ids) + len(given)} tokens, the context {context}"
            return Failure(request_id=request.id, kind="prompt_too_long", message=message)
        return Row(request, ids, min(request.config.max_tokens, context - len(ids)), given)

    def _conditions(self) -> str:
        options = self.options
        adapter = "" if not options.adapter else ", adapter merged" if self.placement.merges else ", adapter not merged"
        return (
            f"batches of up to {self.batch_size} rows and {self.batch_tokens} tokens, "
            f"{self._held}, {options.attention} attention, on {self.device}{adapter}"
        )

    @property
    def _held(self) -> str:
        return f"{self.options.quantization} ({self.dtype})" if self.options.quantization else self.dtype


def _options(checkpoint: Checkpoint) -> HfOptions:
    options = read_options(checkpoint, HfOptions)
    if options.dtype is not None and options.dtype not in DTYPES:
        raise ConfigError(
            f"checkpoint {checkpoint.name!r}: dtype {options.dtype!r} is not known", fix=f"use {', '.join(DTYPES)}"
        )
    _check_attention(checkpoint.name, options.attention)
    if options.quantization is not None and find_spec("bitsandbytes") is None:
        raise MissingExtra(
            f"checkpoint {checkpoint.name!r}: quantization={options.quantization} needs bitsandbytes",
            fix="pip install bitsandbytes, or leave out quantization",
        )
    if options.device is not None:
        choose_device(options.device, f"checkpoint {checkpoint.name!r}")
    return options


def _check_attention(name: str, attention: str) -> None:
    if attention not in ATTENTIONS:
        raise BackendError(
            f"checkpoint {name!r}: attention {attention!r} is not known", fix=f"use {', '.join(ATTENTIONS)}"
        )
    if attention.startswith("flash") and find_spec("flash_attn") is None:
        raise BackendError(
            f"checkpoint {name!r}: {attention} needs flash-attn", fix="pip install flash-attn, or use sdpa"
        )
