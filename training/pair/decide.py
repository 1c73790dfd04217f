"""Train `instruct` on, so that it decides better what to refuse.

In supervised fine-tuning a refusal is one token among thousands of the loss, and the adapter refuses by topic words:
75 % of what it should and 49 % of the safe look-alikes. Here the first token of each answer, `Sorry` or not, has a
loss of its own, over the same requests to refuse, their look-alikes and everyday prompts. The beginnings of the answers
are trained on with it, so that the way of answering stays what it was.

    python training/pair/decide.py ADAPTER --work /tmp/pair --out OUT
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from answers import DECLINES, FIRST, answers, look_alikes, refusals
from safetensors.torch import load_file
from train import Encoded, adapted, answers_of, encode, save

from prompts import contrasts, ordinary

SEED, LEARNING_RATE, BATCH, EPOCHS = 0, 2e-4, 16, 3
ORDINARY = 120
BEGINNING = 12
"""Tokens of an answer that are trained on."""
OFFSET = 4.0
"""Added to the log-odds of a refusal in the loss (Menon et al. 2021), so that unsure prompts are answered."""
SAFE = 4.0
"""What a prompt to answer counts in the decision, where a prompt to refuse counts 1; over-refusal is the worse harm."""


def rows(work: Path, tokenizer: Any) -> list[Encoded]:
    """Token ids of prompts with the beginnings of their answers, and where those begin."""
    pairs = contrasts()
    plain = answers(ordinary(seed=SEED), work / "answers.jsonl")
    kept = random.Random(SEED).sample(plain, ORDINARY)
    made = [*refusals(pairs, seed=SEED, openings=[DECLINES]), *look_alikes(pairs), *kept]
    return [(ids[: start + BEGINNING], start) for ids, start in (encode(row, tokenizer) for row in made)]


def loss_of(model: Any, batch: Sequence[Encoded], first: int) -> torch.Tensor:
    """Cross-entropy of the beginnings, and of the decision in its place where a refusal begins with `first`."""
    logits, written = answers_of(model, batch)
    lengths = torch.tensor([len(row) - start for row, start in batch])
    refused = torch.tensor([row[start] == first for row, start in batch])
    losses = torch.nn.functional.cross_entropy(logits, written, reduction="none")
    starts = lengths.cumsum(0) - lengths
    kept = torch.ones_like(losses).index_fill(0, starts[refused], 0.0)
    return (losses * kept).sum() / kept.sum() + decision(logits[starts], refused, first)


def decision(openings: torch.Tensor, refused: torch.Tensor, first: int) -> torch.Tensor:
    """Binary cross-entropy of `first` against all other tokens; `openings` is (rows, vocabulary), `refused` (rows,)."""
    others = openings.index_fill(1, torch.tensor([first]), -torch.inf).logsumexp(1)
    return torch.nn.functional.binary_cross_entropy_with_logits(
        openings[:, first] - others + OFFSET, refused.float(), weight=torch.where(refused, 1.0, SAFE)
    )


def train(model: Any, data: list[Encoded], first: int) -> Iterator[dict[str, Any]]:
    """AdamW with warm-up and cosine; yields the mean loss of every ten steps."""
    draw, recent = random.Random(SEED), []
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0)
    order = [row for _ in range(EPOCHS) for row in draw.sample(data, len(data))]
    total, start = math.ceil(len(order) / BATCH), time.monotonic()
    for step in range(1, total + 1):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, step / 20) * 0.5 * (1 + math.cos(math.pi * (step - 1) / total))
        loss = loss_of(model, order[(step - 1) * BATCH : step * BATCH], first)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent.append(float(loss.detach()))
        if step % 10 == 0:
            seconds = round(time.monotonic() - start)
            yield {"deciding": step, "of": total, "loss": round(sum(recent) / len(recent), 4), "seconds": seconds}
            recent = []


def started(adapter: Path) -> tuple[Any, Any]:
    """The base with the weights of `adapter`, to be trained on, and its tokenizer."""
    model, tokenizer = adapted()
    saved = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(saved[name.replace(".default.", ".")])
    return model, tokenizer


def main() -> None:
    """Train one adapter on and write it, its loss after that of the first training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapter", type=Path, help="from train.py instruct")
    parser.add_argument("--work", type=Path, required=True, help="where the generated answers are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    model, tokenizer = started(asked.adapter)
    first = tokenizer(FIRST, add_special_tokens=False)["input_ids"][0]
    curve = [json.loads(line) for line in (asked.adapter / "loss.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in train(model, rows(asked.work, tokenizer), first):
        curve.append(line)
        print(json.dumps(line), flush=True)
    save(model, asked.out, curve)


if __name__ == "__main__":
    main()
