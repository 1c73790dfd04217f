"""What needs a GPU, on random weights of real architectures, so that nothing is downloaded: `make gpu`.

Greedy text against float32 on the CPU, lack of memory, speed against batches of `model.generate`, and quantization, in
at most 25 minutes. Without a GPU, all of it runs on tiny shapes on the CPU, which measures nothing but the script.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import takewhile
from operator import eq
from pathlib import Path
from typing import Any

import torch
import transformers
from conditions import conditions
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, PreTrainedTokenizerFast

from evalharness.backends.hf import HfBackend
from evalharness.records import Checkpoint, Completion, GenerationConfig, GenerationRequest, Notice, RawPrompt
from evalharness.text import format_bytes
from evalharness.weights.devices import free_memory

RESULTS = Path(__file__).parent / "results" / "gpu.md"
MINUTES = 25
END = 25
"""One token in so many ends a completion, so that drawn completions have this mean length."""


@dataclass(frozen=True)
class Shapes:
    """Which architectures, how many prompts, and how long."""

    small: tuple[tuple[str, Any], ...]
    """For comparisons with the CPU."""
    large: tuple[str, Any]
    prompts: int
    tokens: int
    uneven: int
    """Requests of the speed measurement."""
    longest: int
    rows: tuple[int, ...]


def shape(
    kind: type, vocabulary: int, width: int, inner: int, layers: int, heads: int, shared: int, **more: int
) -> Any:
    """A configuration; `shared` counts the heads of keys and values."""
    return kind(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        max_position_embeddings=4096,
        **more,
    )


GEMMA = {"head_dim": 256, "sliding_window": 512}
REAL = Shapes(
    small=(
        ("Llama 3.2 1B", shape(LlamaConfig, 128_256, 2048, 8192, 16, 32, 8)),
        ("Gemma 3 1B", shape(Gemma3TextConfig, 262_144, 1152, 6912, 26, 4, 1, **GEMMA)),
    ),
    large=("Llama 3.1 8B", shape(LlamaConfig, 128_256, 4096, 14_336, 32, 32, 8)),
    prompts=48,
    tokens=64,
    uneven=256,
    longest=192,
    rows=(32, 64, 128),
)
TINY = Shapes(
    small=(
        ("Llama 3.2, tiny", shape(LlamaConfig, 500, 64, 128, 2, 4, 2)),
        (
            "Gemma 3, tiny",
            shape(Gemma3TextConfig, 500, 64, 128, 2, 4, 1, **{**GEMMA, "head_dim": 8, "sliding_window": 16}),
        ),
    ),
    large=("Llama 3.1, tiny", shape(LlamaConfig, 500, 64, 128, 2, 4, 2)),
    prompts=6,
    tokens=8,
    uneven=12,
    longest=16,
    rows=(8,),
)


@dataclass
class Page:
    """The results as Markdown, printed as they come."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str = "") -> None:
        """One more line."""
        print(line, flush=True)
        self.lines.append(line)


# ----------------------------------------------------------------------------------------- checkpoints


def save_random(folder: Path, config: Any, device: str) -> Path:
    """Save a checkpoint with random weights and a tokenizer of one token a word."""
    torch.manual_seed(0)
    config.eos_token_id, config.pad_token_id, config.bos_token_id, config.dtype = 0, 0, None, torch.bfloat16
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(config.vocab_size)}, unk_token="w1"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w0", pad_token="w0").save_pretrained(folder)
    return folder


def opened(folder: Path, **options: Any) -> HfBackend:
    return HfBackend(
        Checkpoint(name="random", model=f"hf/{folder}", variant="base", prompt_format="raw", options=options)
    )


def made_requests(backend: HfBackend, count: int, **settings: Any) -> list[GenerationRequest]:
    """Prompts of 8 to 200 words; always the same."""
    draw, resolved = random.Random(0), backend.resolve()
    most = resolved.tokenizer and backend.settings.vocab_size - 1
    texts = [" ".join(f"w{draw.randint(1, most or 1)}" for _ in range(draw.randint(8, 200))) for _ in range(count)]
    prompts = [RawPrompt(text=text) for text in texts]
    config = GenerationConfig(**settings)
    return [
        GenerationRequest.of(resolved, str(number), prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]


def answered(backend: HfBackend, requests: Sequence[GenerationRequest]) -> tuple[list[Completion], list[str]]:
    """The completions in the order of the requests, and what was said about memory."""
    events = list(backend.generate(requests))
    by_id = {event.request_id: event for event in events if isinstance(event, Completion)}
    said = [event.message for event in events if isinstance(event, Notice) and event.kind == "out_of_memory"]
    return [by_id[request.id] for request in requests if request.id in by_id], said


def tokens_of(completion: Completion) -> tuple[int, ...]:
    return completion.token_ids or ()


def compared(ours: Sequence[Completion], theirs: Sequence[Completion]) -> str:
    """How many completions are the same, and where the first of the others begins to differ."""
    pairs = [(tokens_of(one), tokens_of(other)) for one, other in zip(ours, theirs, strict=True)]
    shared = [sum(takewhile(bool, map(eq, one, other))) for one, other in pairs if one != other]
    first = f", the first at token {min(shared)}" if shared else ""
    return f"{len(pairs) - len(shared)} of {len(pairs)} the same{first}"


# ------------------------------------------------------------------------------------------ the checks


def check_text(page: Page, folder: Path, shapes: Shapes, device: str) -> None:
    """Greedy text on the device against float32 on the CPU, and of batches against each request alone."""
    page.add("\n## Greedy text\n")
    page.add("| weights | float32 against the CPU | float32, batches against alone | bfloat16, batches against alone |")
    page.add("| --- | --- | --- | --- |")
    for name, config in shapes.small:
        place = save_random(folder / "small", config, device)
        results = []
        for options in (
            {"device": "cpu", "dtype": "float32"},
            {"device": device, "dtype": "float32"},
            {"device": device, "dtype": "float32", "batch_size": 1},
            {"device": device, "dtype": "bfloat16"},
            {"device": device, "dtype": "bfloat16", "batch_size": 1},
        ):
            backend = opened(place, **options)
            results.append(answered(backend, made_requests(backend, shapes.prompts, max_tokens=shapes.tokens))[0])
            backend.close()
        cpu, whole, alone, low, low_alone = results
        page.add(f"| {name} | {compared(whole, cpu)} | {compared(whole, alone)} | {compared(low, low_alone)} |")
        shutil.rmtree(place)


def check_memory(page: Page, place: Path, shapes: Shapes, device: str) -> None:
    """A batch that does not fit is halved, and every request is answered with the same text."""
    page.add("\n## Lack of memory\n")
    if device == "cpu":
        page.add("Not tried: a CPU has no limit of its own.")
        return
    backend = opened(place, device=device)
    requests = made_requests(backend, shapes.prompts, max_tokens=shapes.tokens)
    whole, _ = answered(backend, requests)
    used, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
    weights = backend.weight_bytes
    torch.cuda.set_per_process_memory_fraction((weights + (used - weights) / 3) / total)
    try:
        few, said = answered(backend, requests)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        backend.close()
    page.add(f"With a third of the memory above the weights: {len(few)} of {len(requests)} answered.")
    page.add(f"Said: {'; '.join(said) or 'nothing, so that nothing was tried'}.")
    page.add(f"Text: {compared(few, whole) if len(few) == len(whole) else 'some requests failed'} (bfloat16).")


def uneven(backend: HfBackend, shapes: Shapes) -> list[GenerationRequest]:
    """Requests whose drawn completions end after 25 tokens in the mean, and the latest at the limit."""
    backend.tokenizing.end_tokens = dict.fromkeys(range(0, backend.settings.vocab_size, END), "end")
    return made_requests(backend, shapes.uneven, max_tokens=shapes.longest, temperature=1.0)


def passes(model: Any) -> list[int]:
    """Rows of each pass through a model from now on."""
    rows: list[int] = []
    model.register_forward_pre_hook(lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True)
    return rows


def check_speed(page: Page, place: Path, name: str, shapes: Shapes, device: str) -> None:
    """Uneven requests: refilled batches of several sizes against batches of `model.generate`."""
    page.add(f"\n## Speed: {shapes.uneven} uneven requests, {name}, bfloat16\n")
    bandwidth = copied_per_second(device)
    page.add(f"Memory bandwidth, measured by a copy: {bandwidth / 1e9:,.0f} GB/s.\n")
    page.add("| how | rows | seconds | tokens/s | passes | share of the bandwidth for weights |")
    page.add("| --- | --- | --- | --- | --- | --- |")
    best: dict[str, float] = {}
    for rows in shapes.rows:
        backend = opened(place, device=device, dtype="bfloat16", batch_size=rows, batch_tokens=rows * 512)
        requests = uneven(backend, shapes)
        seen = passes(backend._loaded())
        for how in ("evalharness", "model.generate"):
            seen.clear()
            start = time.perf_counter()
            made = sum(_ours(backend, requests) if how == "evalharness" else _bare(backend, requests, rows, shapes))
            synchronize(device)
            seconds = time.perf_counter() - start
            best[how] = max(best.get(how, 0.0), made / seconds)
            share = len(seen) * backend.weight_bytes / seconds / bandwidth
            page.add(f"| {how} | {rows} | {seconds:.1f} | {made / seconds:,.0f} | {len(seen)} | {share:.0%} |")
        backend.close()
    ratio = best["evalharness"] / best["model.generate"]
    page.add(f"\nBest against best: {ratio:.2f} x the tokens per second of batches of `model.generate`.")
    if device != "cpu":
        page.add(f"Peak memory: {format_bytes(torch.cuda.max_memory_allocated())}.")


def check_paged(page: Page, place: Path, shapes: Shapes, device: str) -> None:
    """Continuous batching by transformers' own paged cache against ours: seconds, and greedy text in float32."""
    page.add("\n## Continuous batching by transformers (`generate_batch`)\n")
    if device == "cpu":
        page.add("Not tried: it is for GPUs.")
        return
    page.add("| | evalharness, tokens/s | generate_batch, tokens/s | |")
    page.add("| --- | --- | --- | --- |")
    for dtype, count in (("bfloat16", shapes.uneven), ("float32", shapes.prompts)):
        rate, texts = {}, []
        for how in (_refilled, _paged):
            backend = opened(place, device=device, dtype=dtype, batch_size=max(shapes.rows), batch_tokens=2**16)
            requests = made_requests(backend, count, max_tokens=shapes.longest)
            backend._loaded()
            start = time.perf_counter()
            try:
                texts.append(how(backend, requests))
            except UNUSABLE as error:
                page.add(f"\nNot measured in {dtype}: {type(error).__name__}: {str(error)[:200]}")
                return
            finally:
                backend.close()
            rate[how] = sum(map(len, texts[-1])) / (time.perf_counter() - start)
        numbers = " | ".join(f"{one:,.0f}" for one in rate.values())
        page.add(f"| {dtype}, greedy | {numbers} | {sum(map(eq, *texts))} of {count} texts the same |")


UNUSABLE = (RuntimeError, ImportError, AttributeError, TypeError, ValueError)
"""What another version of transformers, or too little memory, may raise."""


def _refilled(backend: HfBackend, requests: Sequence[GenerationRequest]) -> list[tuple[int, ...]]:
    return [tokens_of(completion) for completion in answered(backend, requests)[0]]


def _paged(backend: HfBackend, requests: Sequence[GenerationRequest]) -> list[tuple[int, ...]]:
    """The tokens of each request by transformers' own scheduler, which logs its errors and returns what it has."""
    ids = [list(one.token_ids or ()) for one in backend.render([request.prompt for request in requests])]
    settings = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=requests[0].config.max_tokens,
        eos_token_id=list(backend.end_tokens),
        pad_token_id=0,
    )
    made = backend._loaded().generate_batch(ids, generation_config=settings)
    if len(made) < len(ids) or any(one.error for one in made.values()):
        raise RuntimeError(f"{len(made)} of {len(ids)} answered; see its log")
    return [tuple(one.generated_tokens) for one in made.values()]


def _ours(backend: HfBackend, requests: Sequence[GenerationRequest]) -> Iterator[int]:
    for completion in answered(backend, requests)[0]:
        yield completion.completion_tokens or 0


def _bare(backend: HfBackend, requests: Sequence[GenerationRequest], rows: int, shapes: Shapes) -> Iterator[int]:
    """Useful tokens of a loop over batches, longest prompts first, each of which waits for its longest row."""
    model, ends = backend._loaded(), list(backend.end_tokens)
    prompts = sorted((list(one.token_ids) for one in backend.render([r.prompt for r in requests])), key=len)[::-1]
    for start in range(0, len(prompts), rows):
        batch = backend.tokenizer.pad({"input_ids": prompts[start : start + rows]}, return_tensors="pt").to(
            model.device
        )
        with torch.inference_mode():
            out = model.generate(
                **batch, do_sample=True, max_new_tokens=shapes.longest, eos_token_id=ends, pad_token_id=0
            )
        for row in out[:, batch["input_ids"].shape[1] :].tolist():
            ended = [place for place, token in enumerate(row) if token in backend.end_tokens]
            yield (ended[0] + 1) if ended else len(row)


def copied_per_second(device: str) -> float:
    """Bytes read and written by a copy of half a gigabyte (of a megabyte on a CPU)."""
    block = torch.empty(2**29 if device != "cpu" else 2**20, dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    other.copy_(block)
    synchronize(device)
    start = time.perf_counter()
    for _ in range(20):
        other.copy_(block)
    synchronize(device)
    return 20 * 2 * block.numel() / (time.perf_counter() - start)


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def check_quantization(page: Page, place: Path, shapes: Shapes, device: str) -> None:
    """Memory and greedy text of weights that bitsandbytes quantizes while loading."""
    page.add("\n## Quantization\n")
    if find_spec("bitsandbytes") is None:
        page.add("Not tried: bitsandbytes is not installed.")
        return
    page.add("| weights | estimated | measured | completions |")
    page.add("| --- | --- | --- | --- |")
    for quantization in (None, "8bit", "4bit"):
        options = {"quantization": quantization} if quantization else {}
        backend = opened(place, device=device, dtype="bfloat16", **options)
        backend._loaded()
        held = backend._model.get_memory_footprint()
        made, _ = answered(backend, made_requests(backend, 8, max_tokens=shapes.tokens))
        estimated = format_bytes(backend.weight_bytes)
        page.add(f"| {quantization or 'bfloat16'} | {estimated} | {format_bytes(held)} | {len(made)} of 8 |")
        backend.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the results are written; without a GPU, they are only printed")
    flags = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = REAL if device == "cuda" else TINY
    began, page = time.monotonic(), Page()
    page.add("# Measured on a GPU\n")
    page.add("Written by `make gpu` (benchmarks/gpu.py), on random weights.\n")
    page.add(f"{conditions('torch', 'transformers')}, {_gpu(device)}.")
    with tempfile.TemporaryDirectory() as scratch:
        check_text(page, Path(scratch), shapes, device)
        name, config = shapes.large
        place = save_random(Path(scratch, "large"), config, device)
        free_memory(device)
        check_memory(page, place, shapes, device)
        check_speed(page, place, name, shapes, device)
        check_paged(page, place, shapes, device)
        check_quantization(page, place, shapes, device)
    page.add(f"\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes; at most {MINUTES} are meant.")
    if out := flags.out or (RESULTS if device == "cuda" else None):
        out.write_text("\n".join(page.lines) + "\n")


def _gpu(device: str) -> str:
    if device == "cpu":
        return "without a GPU.\n\n**It has not run on a GPU.** Tiny shapes on a CPU say nothing about one"
    return f"{torch.cuda.get_device_name()}, {format_bytes(torch.cuda.mem_get_info()[1])}"


if __name__ == "__main__":
    main()
