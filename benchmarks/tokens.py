"""What reading completions token by token costs above bare forward passes: same checkpoint, batches, dtype and run.

python benchmarks/tokens.py demo/smollm2    # a vocabulary of 49,152
python benchmarks/tokens.py demo/instruct   # a vocabulary of 262,144, where the output layer is most of the work

The bare passes project the same positions and keep nothing. Processor time is compared, which another program on the
machine does not change.
"""

import argparse
import time

import torch
from conditions import conditions

from evalharness.backends.backend import Backend
from evalharness.backends.demo import DemoBackend
from evalharness.records import Checkpoint, Completion
from evalharness.store import RunStore
from evalharness.tokens.reading import read_texts
from evalharness.tokens.texts import Text
from evalharness.weights.bundled import demo_folder

ROWS = 8
PROMPT = 40
"""Tokens of a prompt."""


def opened(model: str) -> Backend:
    checkpoint = Checkpoint(
        name=model, model=model, variant="instruct", prompt_format="chat", options={"batch_size": ROWS}
    )
    return DemoBackend(checkpoint)


def texts_to_read(backend, count: int, longest: int) -> list[Text]:
    """Recorded completions, encoded by this tokenizer, after prompts of equal length."""
    outcomes = RunStore(demo_folder() / "recorded" / "tuning").read_outcomes().values()
    written = [outcome.text for outcome in outcomes if isinstance(outcome, Completion)]
    ids = [tuple(backend.tokenizer(text, add_special_tokens=False)["input_ids"])[:longest] for text in written]
    prompt = tuple(range(100, 100 + PROMPT))
    return [
        Text(str(number), "", "candidate", one, False, False, {"baseline": prompt, "candidate": prompt})
        for number, one in enumerate(one for one in ids[::3] if len(one) > 8)
    ][:count]


@torch.inference_mode()
def bare(models, texts: list[Text]) -> None:
    """Both models' logits of all positions of the completions, sorted by length as evalharness does."""
    texts = sorted(texts, key=lambda text: len(text.ids), reverse=True)
    for start in range(0, len(texts), ROWS):
        rows = [[*text.prompts["baseline"], *text.ids[:-1]] for text in texts[start : start + ROWS]]
        width = max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        keep = max(len(text.ids) for text in texts[start : start + ROWS])
        for model in models:
            model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--longest", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()

    backends = {author: opened(flags.model) for author in ("baseline", "candidate")}
    teachers = {author: backend.teacher() for author, backend in backends.items()}
    models = [backend._loaded() for backend in backends.values()]
    texts = texts_to_read(backends["baseline"], flags.count, flags.longest)
    tokens = sum(len(text.ids) for text in texts)
    print(conditions("torch", "transformers"))
    print(
        f"{flags.model}: {len(texts)} completions, {tokens} tokens, vocabulary {teachers['baseline'].width:,}",
        flush=True,
    )
    ratios = []
    for _ in range(flags.rounds):
        start = time.process_time()
        bare(models, texts)
        middle = time.process_time()
        list(read_texts(texts, teachers, shared=False))
        ours, plain = time.process_time() - middle, middle - start
        ratios.append(ours / plain)
        print(f"bare passes {plain:.1f} s, read {ours:.1f} s of processor time: {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f} of {[round(one, 2) for one in ratios]}")


if __name__ == "__main__":
    main()
