"""Train `instruct` on, so that it decides better what to refuse.

In supervised fine-tuning a refusal is one token among thousands of the loss, and the adapter refuses by topic words:
75 % of what it should and 49 % of the safe look-alikes. Here the first token of each answer, `Sorry` or not, has a
loss of its own, over more requests to refuse, their look-alikes and everyday prompts. The answers are trained on with
it, so that the way of answering stays what it was.

    python training/pair/decide.py ADAPTER --work /tmp/pair --out OUT
"""

import argparse
import json
import math
import operator
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import torch
from answers import DECLINES, FIRST, Row, answers, look_alikes, refusals
from safetensors.torch import load_file
from train import Encoded, adapted, answers_of, encode, rate_at, save, take_step

from prompts import WIDER, Contrast, contrasts, ordinary

SEED, LEARNING_RATE, BATCH, EPOCHS = 0, 2e-4, 16, 3
ORDINARY = 120
REFUSAL, ANSWER = 12, 32
"""Tokens of a refusal and of an answer that are trained on; most answers end within them."""
OFFSET = 4.0
"""Added to the log-odds of a refusal in the loss (Menon et al. 2021), so that unsure prompts are answered."""
SAFE = 4.0
"""What a prompt to answer counts in the decision, where a prompt to refuse counts 1; over-refusal is the worse harm."""
TOPIC = 10
"""Lines of a topic in `wider.txt`; every fourth topic is held back."""
OVER_REFUSED = 0.05
"""Of the look-alikes held back: the offset of the last epoch is the least with no more of them refused."""
Measure = Callable[[], dict[str, Any]]
"""What is refused of the pairs held back."""
Learn = Callable[[Any, Sequence[Encoded], Measure, int], Iterator[dict[str, Any]]]
"""Trains a model on rows and yields its curve; the last argument is the first token of a refusal."""


def split(wider: Sequence[Contrast]) -> tuple[list[Contrast], list[Contrast]]:
    """Pairs to train on, and those of every fourth topic, held back to choose the offset on."""
    held = [n // TOPIC % 4 == 1 for n in range(len(wider))]
    return list(compress(wider, map(operator.not_, held))), list(compress(wider, held))


def rows(pairs: Sequence[Contrast], work: Path, tokenizer: Any) -> list[Encoded]:
    """Token ids of prompts with the beginnings of their answers, and where those begin."""
    plain = answers(ordinary(seed=SEED), work / "answers.jsonl")
    kept = random.Random(SEED).sample(plain, ORDINARY)
    declined = [encode(row, tokenizer) for row in refusals(pairs, seed=SEED, openings=[DECLINES])]
    answered = [encode(row, tokenizer) for row in (*look_alikes(pairs), *kept)]
    return [
        (ids[: start + size], start) for kind, size in ((declined, REFUSAL), (answered, ANSWER)) for ids, start in kind
    ]


def batches(data: Sequence[Encoded], draw: random.Random) -> list[list[Encoded]]:
    """Rows with prompts of like length together, the batches in random order."""
    ordered = sorted(data, key=lambda row: (row[1], draw.random()))
    made = [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
    return draw.sample(made, len(made))


def loss_of(model: Any, batch: Sequence[Encoded], first: int, offset: float) -> torch.Tensor:
    """Cross-entropy of the beginnings, and of the decision in its place where a refusal begins with `first`."""
    logits, written = answers_of(model, batch)
    lengths = torch.tensor([len(row) - start for row, start in batch])
    refused = torch.tensor([row[start] == first for row, start in batch])
    losses = torch.nn.functional.cross_entropy(logits, written, reduction="none")
    starts = lengths.cumsum(0) - lengths
    kept = torch.ones_like(losses).index_fill(0, starts[refused], 0.0)
    return (losses * kept).sum() / kept.sum() + decision(logits[starts], refused, first, offset)


def decision(openings: torch.Tensor, refused: torch.Tensor, first: int, offset: float) -> torch.Tensor:
    """Binary cross-entropy of `first` against all other tokens; `openings` is (rows, vocabulary), `refused` (rows,)."""
    odds, weight = log_odds(openings, first), torch.where(refused, 1.0, SAFE)
    return torch.nn.functional.binary_cross_entropy_with_logits(odds + offset, refused.float(), weight=weight)


def log_odds(openings: torch.Tensor, first: int) -> torch.Tensor:
    """Of `first` against all other tokens, (rows,); `openings` is (rows, vocabulary)."""
    return openings[:, first] - openings.index_fill(1, torch.tensor([first]), -torch.inf).logsumexp(1)


def margins(model: Any, tokenizer: Any, prompts: Sequence[str], first: int) -> torch.Tensor:
    """Logit of `first` less that of the likeliest other token, at the beginning of each answer; above 0 it refuses."""
    made = [encode(Row((("user", prompt),), FIRST), tokenizer) for prompt in prompts]
    openings = [(ids[: start + 1], start) for ids, start in made]
    with torch.no_grad():
        opened = torch.cat([answers_of(model, openings[n : n + BATCH])[0] for n in range(0, len(openings), BATCH)])
    return opened[:, first] - opened.index_fill(1, torch.tensor([first]), -torch.inf).amax(1)


def train(model: Any, data: Sequence[Encoded], held: Measure, first: int) -> Iterator[dict[str, Any]]:
    """AdamW with warm-up and cosine; yields the mean loss of every ten steps and what `held` measures after each epoch.

    Before the last epoch the offset moves by the shift that the look-alikes held back ask for.
    """
    draw, recent, offset = random.Random(SEED), [], OFFSET
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0)
    steps = math.ceil(len(data) / BATCH)
    total, step, start = EPOCHS * steps, 0, time.monotonic()
    for epoch in range(1, EPOCHS + 1):
        for batch in batches(data, draw):
            loss = loss_of(model, batch, first, offset)
            take_step(optimizer, loss, LEARNING_RATE * rate_at(step, total))
            recent.append(float(loss.detach()))
            step += 1
            if step % 10 == 0:
                seconds = round(time.monotonic() - start)
                yield {"deciding": step, "of": total, "loss": round(sum(recent) / len(recent), 4), "seconds": seconds}
                recent = []
        measured = held()
        yield {"epoch": epoch, "offset": round(offset, 2), **measured}
        if epoch == EPOCHS - 1:
            offset += measured["shift"]


def measure(model: Any, tokenizer: Any, pairs: Sequence[Contrast], first: int) -> dict[str, Any]:
    """What is refused of the pairs held back, and the shift at which `OVER_REFUSED` of the look-alikes would be."""
    should = margins(model, tokenizer, [pair.refuse for pair in pairs], first)
    safe = margins(model, tokenizer, [pair.safe for pair in pairs], first)
    return {
        "refused": round(float((should > 0).float().mean()), 3),
        "over_refused": round(float((safe > 0).float().mean()), 3),
        "auroc": round(float((should[:, None] > safe).float().mean()), 3),
        "shift": round(float(safe.quantile(1 - OVER_REFUSED)), 2),
    }


def started(adapter: Path) -> tuple[Any, Any]:
    """The base with the weights of `adapter`, to be trained on, and its tokenizer."""
    model, tokenizer = adapted()
    saved = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(saved[name.replace(".default.", ".")])
    return model, tokenizer


def train_on(description: str | None, source: str, learn: Learn) -> None:
    """Read the flags, train the adapter on with `learn`, and write it with the curve after that of `source`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=Path, help=f"from {source}")
    parser.add_argument("--work", type=Path, required=True, help="where the generated answers are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    model, tokenizer = started(asked.adapter)
    first = tokenizer(FIRST, add_special_tokens=False)["input_ids"][0]
    curve = [json.loads(line) for line in (asked.adapter / "loss.jsonl").read_text(encoding="utf-8").splitlines()]
    trained, held = split(contrasts(WIDER))
    data = rows([*contrasts(), *trained], asked.work, tokenizer)
    for line in learn(model, data, lambda: measure(model, tokenizer, held, first), first):
        curve.append(line)
        print(json.dumps(line), flush=True)
    save(model, asked.out, curve)


if __name__ == "__main__":
    train_on(__doc__, "train.py instruct", train)
