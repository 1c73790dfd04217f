"""What needs a GPU, on random weights of real architectures, so that nothing is downloaded: `make gpu`.

python benchmarks/gpu.py                          # all parts, the most telling first, in at most 25 minutes
python benchmarks/gpu.py --only speed --minutes 8 # one part or several (speed,paged)

Each part has its time; one that fails or runs out of it is said to, and the next begins. Every line is written at once.
Without a GPU, all of it runs on tiny shapes on the CPU, which measures nothing but the script.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import takewhile
from operator import eq
from pathlib import Path
from typing import Any

NEEDED = ("torch", "transformers", "tokenizers", "accelerate", "pydantic", "psutil")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    sys.exit(f"{', '.join(missing)} is not installed here: pip install '.[hf]'")

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402
from conditions import conditions  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, PreTrainedTokenizerFast  # noqa: E402

from evalharness.backends.backend import Underway  # noqa: E402
from evalharness.backends.hf import HfBackend  # noqa: E402
from evalharness.formatting import format_bytes  # noqa: E402
from evalharness.records import Checkpoint, Completion, GenerationConfig, GenerationRequest, Notice, RawPrompt  # noqa: E402
from evalharness.tokens.reading import read_texts  # noqa: E402
from evalharness.tokens.texts import Text  # noqa: E402
from evalharness.weights import sizes  # noqa: E402
from evalharness.weights.devices import DTYPES, free_memory  # noqa: E402
from evalharness.weights.files import Source  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "gpu.md"
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
    rows=(64, 128, 256),
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
    tokens=6,
    uneven=8,
    longest=8,
    rows=(8,),
)


class Page:
    """The results as Markdown, printed and written as they come."""

    def __init__(self, out: Path | None) -> None:
        self.out, self.text = out, ""

    def add(self, line: str = "") -> None:
        """One more line."""
        print(line, flush=True)
        self.text += line + "\n"
        if self.out:
            self.out.write_text(self.text)


# ----------------------------------------------------------------------------------------- checkpoints


def save_settings(folder: Path, config: Any) -> Path:
    """Save a configuration, and a tokenizer of one token a word."""
    config.eos_token_id, config.pad_token_id, config.bos_token_id, config.dtype = 0, 0, None, torch.bfloat16
    config.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(config.vocab_size)}, unk_token="w1"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w0", pad_token="w0").save_pretrained(folder)
    return folder


def random_model(config: Any, device: str, dtype: torch.dtype) -> Any:
    """Random weights, made on the device."""
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa").eval()


def save_random(folder: Path, config: Any, device: str) -> Path:
    """Save a checkpoint with random weights."""
    save_settings(folder, config)
    random_model(config, device, torch.bfloat16).save_pretrained(folder)
    return folder


class RandomBackend(HfBackend):
    """Weights that are made on the device: to write and read 16 GB would take longer than to measure."""

    def locate(self) -> Source:
        """The folder with the configuration and the tokenizer."""
        return Source(self.checkpoint.model_name, Path(self.checkpoint.model_name), "random")

    @cached_property
    def parameters(self) -> int:
        """How many the configuration describes."""
        return sizes.parameters_of(self.settings, trust_remote_code=False)

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = random_model(self.settings, self.device, DTYPES[self.dtype])
        return self._model


def opened(folder: Path, kind: type[HfBackend] = HfBackend, **options: Any) -> HfBackend:
    """A checkpoint; with `RandomBackend`, of which the folder has no weights."""
    return kind(Checkpoint(name="random", model=f"hf/{folder}", variant="base", prompt_format="raw", options=options))


def again(backend: HfBackend, **options: Any) -> HfBackend:
    """The same weights with other options."""
    other = opened(Path(backend.checkpoint.model_name), type(backend), **options)
    backend._recorded = None
    free_memory(backend.device)
    other._model = backend._loaded()
    return other


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


@dataclass
class Place:
    """Where parts work."""

    page: Page
    scratch: Path
    shapes: Shapes
    device: str

    @cached_property
    def large(self) -> HfBackend:
        """The large architecture in bfloat16, made when it is first needed."""
        folder = save_settings(self.scratch / "large", self.shapes.large[1])
        return opened(folder, RandomBackend, device=self.device, dtype="bfloat16")

    @contextmanager
    def small(self, place: int) -> Iterator[Path]:
        """One of the small architectures, saved."""
        folder = save_random(self.scratch / "small", self.shapes.small[place][1], self.device)
        free_memory(self.device)
        yield folder
        shutil.rmtree(folder)


def check_text(at: Place) -> None:
    """Greedy text on the device against float32 on the CPU, and of batches against each request alone."""
    add, shapes = at.page.add, at.shapes
    add("| weights | float32 against the CPU | float32, batches against alone | bfloat16, batches against alone |")
    add("| --- | --- | --- | --- |")
    for number, (name, _) in enumerate(shapes.small):
        results = []
        with at.small(number) as folder:
            for options in (
                {"device": at.device, "dtype": "float32"},
                {"device": at.device, "dtype": "float32", "batch_size": 1},
                {"device": at.device, "dtype": "bfloat16"},
                {"device": at.device, "dtype": "bfloat16", "batch_size": 1},
                {"device": "cpu", "dtype": "float32", "fixed_steps": False},
            ):
                backend = opened(folder, **options)
                events = list(backend.generate(made_requests(backend, shapes.prompts, max_tokens=shapes.tokens)))
                results.append([event for event in events if isinstance(event, Completion)])
                for event in events:
                    if isinstance(event, Notice) and event.kind != "batch":
                        add(f"\n{name}, {options}: {event.message}\n")
                backend.close()
        whole, alone, low, low_alone, cpu = (sorted(one, key=lambda event: event.request_id) for one in results)
        add(f"| {name} | {compared(whole, cpu)} | {compared(whole, alone)} | {compared(low, low_alone)} |")


def check_memory(at: Place) -> None:
    """A batch that does not fit is halved, and every request is answered with the same text."""
    if at.device == "cpu":
        at.page.add("Not tried: a CPU has no limit of its own.")
        return
    backend = again(at.large, device=at.device, dtype="bfloat16")
    requests = made_requests(backend, at.shapes.prompts, max_tokens=at.shapes.tokens)
    torch.cuda.reset_peak_memory_stats()
    whole, _ = answered(backend, requests)
    used, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
    held, estimated = backend.weight_bytes, backend.resolve().memory_bytes or 0
    backend = again(backend, device=at.device, dtype="bfloat16")
    torch.cuda.set_per_process_memory_fraction((held + (used - held) / 3) / total)
    try:
        few, said = answered(backend, requests)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    add = at.page.add
    add(f"Estimated {format_bytes(estimated)} with a full batch; {len(requests)} requests took {format_bytes(used)}.")
    add(f"With a third of the memory above the weights: {len(few)} of {len(requests)} answered.")
    add(f"Said: {'; '.join(said) or 'nothing, so that nothing was tried'}.")
    add(f"Text: {compared(few, whole) if len(few) == len(whole) else 'some requests failed'} (bfloat16).")


def uneven(backend: HfBackend, shapes: Shapes) -> list[GenerationRequest]:
    """Requests whose drawn completions end after 25 tokens in the mean, and the latest at the limit."""
    backend.tokenizing.end_tokens = dict.fromkeys(range(0, backend.settings.vocab_size, END), "end")
    return made_requests(backend, shapes.uneven, max_tokens=shapes.longest, temperature=1.0)


def check_speed(at: Place) -> None:
    """Uneven requests: recorded steps against steps asked for from Python, `model.generate` and lm-eval's `hf`."""
    add, shapes, device = at.page.add, at.shapes, at.device
    bandwidth = copied_per_second(device)
    floor = at.large.weight_bytes / bandwidth
    add(f"{shapes.uneven} uneven requests, {shapes.large[0]}, bfloat16, drawn at temperature 1. Memory bandwidth, by a")
    add(f"copy: {bandwidth / 1e9:,.0f} GB/s, so that the weights are read in {1000 * floor:.2f} ms.\n")
    add("| how | rows | seconds, first | again | tokens/s | passes | share of the bandwidth for weights |")
    add("| --- | --- | --- | --- | --- | --- | --- |")
    ways: dict[str, Callable[..., tuple[int, int]]] = {"evalharness": _ours, "model.generate": _bare}
    if find_spec("lm_eval"):
        ways["lm-eval hf"] = _lm_eval
    else:
        add("| lm-eval hf: not installed | | | | | | |")
    best: dict[str, float] = {}
    for rows in sorted(shapes.rows, reverse=True):
        for how, way in (*ways.items(), ("evalharness, steps not recorded", _ours)):
            if how not in ways and rows != max(shapes.rows):
                continue
            options = {"device": device, "dtype": "bfloat16", "batch_size": rows, "batch_tokens": rows * 512}
            backend = again(at.large, **options, fixed_steps=how in ways)
            requests = uneven(backend, shapes)
            with said_where_it_fails(add, f"{how}, {rows} rows"):
                seconds = []
                for _ in range(2):
                    start = time.perf_counter()
                    made, steps = way(backend, requests, rows, shapes)
                    synchronize(device)
                    seconds.append(time.perf_counter() - start)
                best[how] = max(best.get(how, 0.0), made / seconds[1])
                share = f"{steps * floor / seconds[1]:.0%}" if steps else ""
                add(
                    f"| {how} | {rows} | {seconds[0]:.2f} | {seconds[1]:.2f} | {made / seconds[1]:,.0f} "
                    f"| {steps or ''} | {share} |"
                )
    add()
    for how, rate in best.items():
        if how != "evalharness" and "evalharness" in best:
            add(f"Best against best: {best['evalharness'] / rate:.2f} x the tokens per second of {how}.")
    if device != "cpu":
        add(f"Peak memory: {format_bytes(torch.cuda.max_memory_allocated())}.")


@contextmanager
def said_where_it_fails(add: Callable[[str], None], what: str) -> Iterator[None]:
    """Any error of a library is a line of the results."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        add(f"\n{what}: not measured, {type(error).__name__}: {' '.join(str(error).split())[:300]}\n")


def check_paged(at: Place) -> None:
    """Continuous batching by transformers' own paged cache (`generate_batch`) against ours: speed, and greedy text."""
    add, shapes = at.page.add, at.shapes
    if at.device == "cpu":
        add("Not tried: it is for GPUs.")
        return
    add("| | evalharness, tokens/s | generate_batch, tokens/s | |")
    add("| --- | --- | --- | --- |")
    for dtype, count in (("bfloat16", shapes.uneven), ("float32", shapes.prompts)):
        rate, texts = {}, []
        for how in (_refilled, _paged):
            options = {"device": at.device, "dtype": dtype, "batch_size": max(shapes.rows), "batch_tokens": 2**16}
            backend = again(at.large, **options)
            if dtype == "float32":
                backend._model = backend._model.float()
            requests = made_requests(backend, count, max_tokens=shapes.longest)
            start = time.perf_counter()
            texts.append(how(backend, requests))
            rate[how] = sum(map(len, texts[-1])) / (time.perf_counter() - start)
        numbers = " | ".join(f"{one:,.0f}" for one in rate.values())
        add(f"| {dtype}, greedy | {numbers} | {sum(map(eq, *texts))} of {count} texts the same |")


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
    model = backend._loaded()
    made = model.generate_batch(ids, generation_config=settings)
    model.set_attn_implementation("sdpa")
    if len(made) < len(ids) or any(one.error for one in made.values()):
        raise RuntimeError(f"{len(made)} of {len(ids)} answered; see its log")
    return [tuple(one.generated_tokens) for one in made.values()]


def _ours(backend: HfBackend, requests: Sequence[GenerationRequest], rows: int, shapes: Shapes) -> tuple[int, int]:
    """Tokens of the completions, and passes through the model."""
    events = list(backend.generate(requests))
    for event in events:
        if isinstance(event, Notice) and event.kind != "batch":
            print(event.message, flush=True)
    made = sum(event.completion_tokens or 0 for event in events if isinstance(event, Completion))
    return made, sum(isinstance(event, Underway) for event in events)


def _bare(backend: HfBackend, requests: Sequence[GenerationRequest], rows: int, shapes: Shapes) -> tuple[int, int]:
    """As `_ours`, of a loop over batches, longest prompts first, each of which waits for its longest row."""
    model, ends, made, steps = backend._loaded(), list(backend.end_tokens), 0, 0
    prompts = sorted((list(one.token_ids or ()) for one in backend.render([r.prompt for r in requests])), key=len)[::-1]
    for start in range(0, len(prompts), rows):
        batch = backend.tokenizer.pad({"input_ids": prompts[start : start + rows]}, return_tensors="pt")
        batch = batch.to(model.device)
        with torch.inference_mode():
            out = model.generate(
                **batch, do_sample=True, max_new_tokens=shapes.longest, eos_token_id=ends, pad_token_id=0
            )
        new = out[:, batch["input_ids"].shape[1] :].tolist()
        made, steps = made + sum(_useful(row, backend) for row in new), steps + len(new[0])
    return made, steps


def _useful(tokens: Sequence[int], backend: HfBackend) -> int:
    """Tokens up to the first that ends a completion."""
    return next((place + 1 for place, token in enumerate(tokens) if token in backend.end_tokens), len(tokens))


def _lm_eval(backend: HfBackend, requests: Sequence[GenerationRequest], rows: int, shapes: Shapes) -> tuple[int, int]:
    """As `_ours`, by lm-evaluation-harness with the same weights; its passes are not counted."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = backend._loaded()
    before, model.generation_config.eos_token_id = model.generation_config.eos_token_id, list(backend.end_tokens)
    theirs = HFLM(pretrained=model, tokenizer=backend.tokenizer, batch_size=rows, max_batch_size=rows)
    settings = {"until": ["w0 w0 w0"], "max_gen_toks": shapes.longest, "do_sample": True, "temperature": 1.0}
    texts = theirs.generate_until(
        [
            Instance("generate_until", {}, (rendered.text, settings), number)
            for number, rendered in enumerate(backend.render([request.prompt for request in requests]))
        ],
        disable_tqdm=True,
    )
    model.generation_config.eos_token_id = before
    return sum(_useful(backend.tokenizer.encode(text), backend) for text in texts), 0


def check_tokens(at: Place) -> None:
    """Teacher-forced log-probabilities against float32 on the CPU, and how many tokens are read in a second."""
    add, shapes = at.page.add, at.shapes
    with at.small(0) as folder:
        made: list[tuple[str, list[float]]] = []
        for device, dtype in (("cpu", "float32"), (at.device, "float32"), (at.device, "bfloat16")):
            backend = opened(folder, device=device, dtype=dtype)
            made.append((dtype, _logprobs(backend, _drawn(backend, 8, shapes.tokens))))
            if dtype == "bfloat16":
                texts = _drawn(backend, shapes.prompts * 4, shapes.tokens)
                synchronize(at.device)
                start = time.perf_counter()
                _logprobs(backend, texts)
                rate = 2 * sum(len(text.ids) for text in texts) / (time.perf_counter() - start)
            backend.close()
    reference = made.pop(0)[1]
    for dtype, numbers in made:
        most = max(abs(one - other) for one, other in zip(reference, numbers, strict=True))
        add(f"{dtype}: log-probabilities differ from those of the CPU in float32 by at most {most:.2g}.")
    add(f"{rate:,.0f} tokens are read in a second, by two checkpoints together, in bfloat16.")


def _drawn(backend: HfBackend, count: int, length: int) -> list[Text]:
    draw, words, made = random.Random(0), backend.settings.vocab_size - 1, []
    for number in range(count):
        prompt = tuple(draw.randint(1, words) for _ in range(draw.randint(8, 60)))
        ids = tuple(draw.randint(1, words) for _ in range(length))
        shown = {"baseline": prompt, "candidate": prompt}
        made.append(Text(str(number), str(number), "candidate", ids, False, False, shown))
    return made


def _logprobs(backend: HfBackend, texts: Sequence[Text]) -> list[float]:
    teacher = backend.teacher()
    facts = [
        one for part in read_texts(texts, {"baseline": teacher, "candidate": teacher}, shared=False) for one in part
    ]
    return [number for one in sorted(facts, key=lambda one: one.request_id) for number in one.candidate.logprobs]


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


def check_quantization(at: Place) -> None:
    """Memory and greedy text of weights that bitsandbytes quantizes while loading."""
    if find_spec("bitsandbytes") is None:
        at.page.add("Not tried: bitsandbytes is not installed.")
        return
    at.page.add("| weights | estimated | measured | completions |")
    at.page.add("| --- | --- | --- | --- |")
    with at.small(0) as folder:
        for quantization in (None, "8bit", "4bit"):
            options = {"quantization": quantization} if quantization else {}
            backend = opened(folder, device=at.device, dtype="bfloat16", **options)
            with said_where_it_fails(at.page.add, str(quantization)):
                held = backend._loaded().get_memory_footprint()
                made, _ = answered(backend, made_requests(backend, 8, max_tokens=at.shapes.tokens))
                estimated = format_bytes(backend.weight_bytes)
                at.page.add(f"| {quantization or 'bfloat16'} | {estimated} | {format_bytes(held)} | {len(made)} of 8 |")
            backend.close()


def check_spread(at: Place) -> None:
    """Layers on all GPUs of the machine (`device_map=auto`)."""
    if at.device == "cpu" or torch.cuda.device_count() < 2:
        at.page.add("Not tried: it needs two GPUs.")
        return
    with at.small(0) as folder:
        texts = []
        for options in ({"device_map": "auto"}, {"fixed_steps": False}):
            backend = opened(folder, device=at.device, dtype="float32", batch_size=8, **options)
            texts.append(answered(backend, made_requests(backend, at.shapes.prompts, max_tokens=at.shapes.tokens))[0])
            backend.close()
    at.page.add(f"float32 against one GPU: {compared(*texts)}.")


# ------------------------------------------------------------------------------------------- the parts

PARTS: dict[str, tuple[str, Callable[[Place], None], float]] = {
    "text": ("Greedy text", check_text, 6),
    "speed": ("Speed", check_speed, 7),
    "memory": ("Lack of memory", check_memory, 2),
    "tokens": ("Token view", check_tokens, 3),
    "paged": ("Continuous batching by transformers", check_paged, 3),
    "quantization": ("Quantization", check_quantization, 3),
    "spread": ("Several GPUs", check_spread, 3),
}
"""Title, check, and the most minutes it may take."""


class OutOfTime(BaseException):
    """A part takes too long; no error that a library would catch."""


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def run_part(at: Place, name: str, ends: float) -> None:
    """One part within its time; what fails is written down with the last lines of its traceback."""
    title, check, minutes = PARTS[name]
    at.page.add(f"\n## {title}\n")
    began, most = time.monotonic(), min(60 * minutes, ends - time.monotonic())
    if most < 1:
        at.page.add("Not tried: no time was left.")
        return
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, most)
    try:
        check(at)
    except OutOfTime:
        at.page.add(f"\n**Not finished** in {most:.0f} s.")
    except Exception:  # noqa: BLE001
        at.page.add("\n**Failed:**\n\n```\n" + "".join(traceback.format_exc().splitlines(True)[-12:]) + "```")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(at.scratch / "small", ignore_errors=True)
        free_memory(at.device)
    at.page.add(f"\n({time.monotonic() - began:.0f} s)")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where results are written; else only those of all parts on a GPU are")
    parser.add_argument("--only", help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=25.0, help="for all parts together")
    flags = parser.parse_args(arguments)
    names = flags.only.split(",") if flags.only else list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    page = Page(flags.out or (RESULTS if device == "cuda" and not flags.only else None))
    page.add("# Measured on a GPU\n")
    page.add("Written by `make gpu` (benchmarks/gpu.py), on random weights.\n")
    page.add(f"{conditions('torch', 'transformers')}, {_gpu(device)}.")
    with tempfile.TemporaryDirectory() as scratch:
        at = Place(page, Path(scratch), REAL if device == "cuda" else TINY, device)
        for name in names:
            run_part(at, name, began + 60 * flags.minutes)
    page.add(f"\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.")


def _gpu(device: str) -> str:
    if device == "cpu":
        return "without a GPU.\n\n**It has not run on a GPU.** Tiny shapes on a CPU say nothing about one"
    return f"{torch.cuda.get_device_name()}, {format_bytes(torch.cuda.mem_get_info()[1])}"


if __name__ == "__main__":
    main()
