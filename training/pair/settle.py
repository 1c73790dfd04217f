"""Move the decision of an adapter from decide.py until it refuses few of the look-alikes that were held back.

Only the first token is trained on, with an offset twice that of decide.py, in small steps.

    python training/pair/settle.py ADAPTER --work /tmp/pair --out OUT
"""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from decide import BATCH, OFFSET, SEED, Measure, decision, train_on
from train import Encoded, answers_of, take_step

LEARNING_RATE, STEPS, CHECKED = 2e-5, 100, 5
OVER_REFUSED = 0.02
"""Of the look-alikes held back, at most."""


def settle(model: Any, data: Sequence[Encoded], held: Measure, first: int) -> Iterator[dict[str, Any]]:
    """AdamW at a constant rate; yields what is refused of `held` after every five steps."""
    draw, start = random.Random(SEED), time.monotonic()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    for step in range(1, STEPS + 1):
        batch = draw.sample(data, BATCH)
        refused = torch.tensor([row[begin] == first for row, begin in batch])
        openings, _ = answers_of(model, [(row[: begin + 1], begin) for row, begin in batch])
        take_step(optimizer, decision(openings, refused, first, 2 * OFFSET), LEARNING_RATE)
        if step % CHECKED == 0:
            measured = held()
            yield {"settling": step, **measured, "seconds": round(time.monotonic() - start)}
            if measured["over_refused"] <= OVER_REFUSED:
                return


if __name__ == "__main__":
    train_on(__doc__, "decide.py", settle)
