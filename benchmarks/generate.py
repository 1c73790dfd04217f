"""What the hf backend costs above a bare loop over batched `model.generate`: same checkpoint, batches, dtype and run.

python benchmarks/generate.py              # completions end by themselves, at different lengths
python benchmarks/generate.py --endless    # no token ends a completion, all run to the limit: the loop alone
python benchmarks/generate.py --uneven     # 96 prompts, a few run to 192 tokens: refilled batches against closed ones
"""

import argparse
import time

import torch
from conditions import conditions
from transformers import AutoModelForCausalLM, AutoTokenizer

from evalharness.backends import hf_drafts
from evalharness.backends.demo import DemoBackend
from evalharness.backends.hf import HfBackend
from evalharness.config import read_config
from evalharness.pipeline.planning import make_plan
from evalharness.records import Checkpoint, Completion, GenerationRequest
from evalharness.weights.bundled import demo_folder

PROMPTS = 128
PAD = 0
CHECKPOINT = Checkpoint(name="instruct", model="demo/smollm2", variant="instruct", prompt_format="chat")


def made_requests(max_tokens: int) -> list[GenerationRequest]:
    """`PROMPTS` requests to the instruct checkpoint: the core suite's, again and again."""
    config = read_config(demo_folder() / "tuning.toml", {"suite": "core", "generation": {"max_tokens": max_tokens}})
    sides = (config.checkpoints[0], CHECKPOINT)
    plan = make_plan(config.model_copy(update={"checkpoints": sides}), DemoBackend)
    asked = [request for request in plan.requests if request.checkpoint == "instruct"]
    return [asked[number % len(asked)].model_copy(update={"id": str(number)}) for number in range(PROMPTS)]


def bare_loop(model, tokenizer, texts: list[str], batch_size: int, max_tokens: int) -> list[str]:
    """Completions of a loop as one would write it by hand, sorted by length as the backend does."""
    texts = sorted(texts, key=len, reverse=True)
    completions = []
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        inputs = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(**inputs, do_sample=False, max_new_tokens=max_tokens, pad_token_id=PAD)
        completions += tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return completions


def style_requests() -> tuple[HfBackend, list[GenerationRequest]]:
    """The 96 prompts of the suite `style` to the demo's tuned checkpoint, of which a few never end by themselves."""
    config = read_config(demo_folder() / "tuning.toml", {"suite": "style", "generation": {"max_tokens": 192}})
    plan = make_plan(config, DemoBackend)
    return DemoBackend(config.checkpoints[1]), [one for one in plan.requests if one.checkpoint == config.candidate]


def answered(backend: HfBackend, requests: list[GenerationRequest]) -> tuple[dict[str, str], list[int]]:
    """The texts by request id, and the rows of each pass through the model."""
    rows: list[int] = []
    with backend._loaded().register_forward_pre_hook(
        lambda _, args, given: rows.append(len(given["input_ids"])), with_kwargs=True
    ):
        events = [event for event in backend.generate(requests) if isinstance(event, Completion)]
    return {event.request_id: event.text for event in events}, rows


def in_closed_batches(backend: HfBackend, requests: list[GenerationRequest]) -> tuple[dict[str, str], list[int]]:
    """As before rows joined: 32 at a time, each batch waits for its longest row, and loops are read token by token."""
    longest = sorted(requests, key=lambda request: request.prompt_tokens or 0, reverse=True)
    drafted, hf_drafts.MOST_DRAFTED = hf_drafts.MOST_DRAFTED, 0
    parts = [answered(backend, longest[start : start + 32]) for start in range(0, len(longest), 32)]
    hf_drafts.MOST_DRAFTED = drafted
    return {name: text for texts, _ in parts for name, text in texts.items()}, [
        one for _, rows in parts for one in rows
    ]


def uneven(rounds: int) -> None:
    """Print the time of refilled and of closed batches, one after the other."""
    backend, requests = style_requests()
    answered(backend, requests[:1])
    ratios = []
    for _ in range(rounds):
        start = time.perf_counter()
        before, closed = in_closed_batches(backend, requests)
        middle = time.perf_counter()
        after, refilled = answered(backend, requests)
        end = time.perf_counter()
        ratios.append((end - middle) / (middle - start))
        same = sum(before[name] == after[name] for name in before)
        print(
            f"closed {len(closed)} passes, {middle - start:.1f} s; refilled {len(refilled)} passes, "
            f"{end - middle:.1f} s; {same} of {len(before)} texts are the same",
            flush=True,
        )
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f} of {[round(one, 2) for one in ratios]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endless", action="store_true")
    parser.add_argument("--uneven", action="store_true")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    if flags.uneven:
        print(conditions("torch", "transformers"))
        uneven(flags.rounds)
        return

    requests = made_requests(flags.max_tokens)
    backend = DemoBackend(CHECKPOINT)
    folder, batch_size = backend.source.folder, backend.batch_size
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token_id = PAD
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    if flags.endless:
        backend.tokenizing.end_tokens, model.generation_config.eos_token_id = {}, None
    texts = [rendered.text for rendered in backend.render([request.prompt for request in requests])]

    list(backend.generate(requests[:1]))
    bare_loop(model, tokenizer, texts[:1], 1, 4)
    print(conditions("torch", "transformers"))
    print(f"{PROMPTS} prompts, batches of {batch_size}, up to {flags.max_tokens} tokens, float32", flush=True)
    ratios = []
    for _ in range(flags.rounds):
        start = time.perf_counter()
        events = [event for event in backend.generate(requests) if isinstance(event, Completion)]
        ours = time.perf_counter() - start
        start = time.perf_counter()
        bare_texts = bare_loop(model, tokenizer, texts, batch_size, flags.max_tokens)
        bare = time.perf_counter() - start
        ratios.append(ours / bare)
        tokens = sum(event.completion_tokens for event in events)
        same = len({event.text for event in events} & set(bare_texts))
        print(f"hf backend {ours:.1f} s, {tokens} tokens; model.generate {bare:.1f} s; {same} distinct texts in both")
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f} of {[round(one, 2) for one in ratios]}")


if __name__ == "__main__":
    main()
