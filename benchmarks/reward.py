"""What a reward costs beside a bare forward pass over the same tokens, with the bundled head or any reward model.

    python benchmarks/reward.py
    python benchmarks/reward.py --model hf/org/name

Both read the same batches, in turns, in the same process. The bare pass is the backbone without a language-model head,
which would cost a quarter more. Seconds are those of the processor on a CPU, and of the clock on a GPU.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from conditions import conditions
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item
from evalharness.scorers.reward import Reward
from evalharness.scorers.reward.classifier import pad_right
from evalharness.weights import bundled, loading
from evalharness.weights.devices import DTYPES

WORDS = Path(__file__).parent.parent.joinpath("docs", "design.md").read_text(encoding="utf-8").split()


def make_items(count: int, tokens: int, tokenizer: Any) -> list[Item]:
    """Completions of `tokens` tokens each, of words in a random order."""
    random_ = random.Random(0)
    items = []
    for number in range(count):
        text = " ".join(random_.choices(WORDS, k=tokens))
        text = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"][:tokens])
        message = Message(role="user", content=f"Explain number {number} in simple words.")
        sample = Sample(id=f"s{number}", messages=(message,), category="speed")
        items.append(Item(sample, Completion(request_id=f"r{number}", text=text, finish_reason="stop")))
    return items


def bare_pass(model: Any, rows: Sequence[Sequence[int]], budget: int, device: str) -> None:
    """All rows in batches of `budget` tokens, longest first."""
    waiting = sorted(rows, key=len, reverse=True)
    while waiting:
        batch = waiting[: max(1, budget // len(waiting[0]))]
        waiting = waiting[len(batch) :]
        with torch.inference_mode():
            model(**pad_right(batch, 0, device), use_cache=False)


def seconds(work: Callable[[], object], device: str) -> float:
    on_gpu = device.startswith("cuda")
    clock = time.perf_counter if on_gpu else time.process_time
    start = clock()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - start


def load_bare(reward: Reward) -> Any:
    """The same weights as transformers loads them."""
    model, dtype = reward.settings.model, DTYPES[str(reward.identity["dtype"])]
    if model == "bundled":
        source = loading.find_source(str(bundled.LOCATE["smollm2"]()))
        return (
            AutoModelForCausalLM.from_pretrained(source.folder, dtype=dtype).to(reward._model.device).eval().base_model
        )
    source = loading.find_source(model.removeprefix("hf/"))
    kind = AutoModelForSequenceClassification
    # Its own padding is all that the batch needs here.
    return kind.from_pretrained(source.folder, dtype=dtype, pad_token_id=0).to(reward._model.device).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled", help="as [scorer.reward] model")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    reward = Reward(model=options.model)
    items = make_items(options.count, options.tokens, reward._model.encoder.tokenizer)
    bare, device, budget = load_bare(reward), reward._model.device, reward.settings.batch_tokens
    rows = [reward._model.encoder.encode(item.sample.messages, item.completion.text).ids for item in items]
    reward.score(items[:2])
    print(conditions("torch", "transformers"))
    print(f"{options.model}, {reward.identity['dtype']} on {device}: {len(rows)} items, {sum(map(len, rows))} tokens")
    ratios = []
    for _ in range(options.rounds):
        alone = seconds(lambda: bare_pass(bare, rows, budget, device), device)
        scored = seconds(lambda: reward.score(items), device)
        ratios.append(scored / alone)
        print(f"bare forward pass {alone:.1f} s, rewards {scored:.1f} s, {len(rows) / scored:.1f} rewards a second")
    print(f"median ratio {statistics.median(ratios):.2f} of {[round(ratio, 2) for ratio in ratios]}")


if __name__ == "__main__":
    main()
