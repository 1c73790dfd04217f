"""Move the decision of an adapter from decide.py until it refuses few of the look-alikes that were held back.

Only the first token is trained on, with an offset twice that of decide.py, in small steps.

    python training/pair/settle.py ADAPTER --work /tmp/pair --out OUT
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from answers import FIRST
from decide import BATCH, OFFSET, SAFE, SEED, log_odds, measure, rows, split, started
from train import Encoded, answers_of, save

from prompts import WIDER, Contrast, contrasts

LEARNING_RATE, STEPS, CHECKED = 2e-5, 100, 5
OVER_REFUSED = 0.02
"""Of the look-alikes held back, at most."""


def settle(
    model: Any, tokenizer: Any, data: list[Encoded], held: list[Contrast], first: int
) -> Iterator[dict[str, Any]]:
    """AdamW at a constant rate; yields what is refused of `held` after every five steps."""
    draw, start = random.Random(SEED), time.monotonic()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    for step in range(1, STEPS + 1):
        batch = draw.sample(data, BATCH)
        refused = torch.tensor([row[begin] == first for row, begin in batch])
        odds = log_odds(answers_of(model, [(row[: begin + 1], begin) for row, begin in batch])[0], first)
        torch.nn.functional.binary_cross_entropy_with_logits(
            odds + 2 * OFFSET, refused.float(), weight=torch.where(refused, 1.0, SAFE)
        ).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % CHECKED == 0:
            measured = measure(model, tokenizer, held, first)
            yield {"settling": step, **measured, "seconds": round(time.monotonic() - start)}
            if measured["over_refused"] <= OVER_REFUSED:
                return


def main() -> None:
    """Settle one adapter and write it, with what was measured after its losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=Path, help="from decide.py")
    parser.add_argument("--work", type=Path, required=True, help="where the generated answers are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    model, tokenizer = started(asked.adapter)
    first = tokenizer(FIRST, add_special_tokens=False)["input_ids"][0]
    curve = [json.loads(line) for line in (asked.adapter / "loss.jsonl").read_text(encoding="utf-8").splitlines()]
    trained, held = split(contrasts(WIDER))
    for line in settle(model, tokenizer, rows([*contrasts(), *trained], asked.work, tokenizer), held, first):
        curve.append(line)
        print(json.dumps(line), flush=True)
    save(model, asked.out, curve)


if __name__ == "__main__":
    main()
