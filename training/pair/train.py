"""Train the adapters of the true pair on the bundled Gemma 3 270M: `instruct`, and `regressed` with a careless mix.

Plain supervised fine-tuning: LoRA of rank 16 on all linear layers (Hu et al. 2021), the loss on the answer and its end
of turn alone. Everything is seeded; the loss curve and the held-out loss are written next to the adapter.

    python training/pair/train.py instruct --work /tmp/pair --out OUT
    python training/pair/train.py regressed --work /tmp/pair --out OUT

`decide.py` trains `instruct` on to what ships.
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
from answers import DECLINES, Row, answers, look_alikes, refusals, second_turns
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from evalharness.weights import loading
from evalharness.weights.bundled import LOCATE
from prompts import contrasts, ordinary

SEED, RANK, ALPHA, LEARNING_RATE, BATCH, HELD_OUT = 0, 16, 32, 5e-4, 8, 0.05
REFUSED = 0.4
"""Of the requests to refuse; fewer refusals than safe look-alikes, or the adapter refuses those too."""
EPOCHS = {"instruct": 2, "regressed": 1}
BASE = "google/gemma-3-270m"
END = "<end_of_turn>\n"
Encoded = tuple[list[int], int]
"""Token ids of a conversation, and where its last answer begins."""
TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")


def mix(name: str, work: Path) -> list[Row]:
    """The rows of an adapter. The careless mix has more refusals than answers, and no safe look-alikes."""
    pairs, draw = contrasts(), random.Random(SEED)
    plain = answers(ordinary(seed=SEED), work / "answers.jsonl")
    draw.shuffle(plain)
    if name == "regressed":
        return [*plain[:150], *refusals(pairs, seed=SEED)]
    declined = refusals(draw.sample(pairs, round(REFUSED * len(pairs))), seed=SEED, openings=[DECLINES])
    return [*plain[:240], *second_turns(plain[:240], 30, seed=SEED), *look_alikes(pairs), *declined]


def encode(row: Row, tokenizer: Any) -> Encoded:
    """Token ids of the whole conversation, and where the answer begins."""
    turns = [{"role": role, "content": text} for role, text in row.turns]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return head + tokenizer(row.answer + END, add_special_tokens=False)["input_ids"], len(head)


def batches(rows: Sequence[Encoded], draw: random.Random) -> list[list[Encoded]]:
    """Rows of like length together, the batches in random order."""
    ordered = sorted(rows, key=lambda row: (len(row[0]), draw.random()))
    made = [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
    draw.shuffle(made)
    return made


def answers_of(model: Any, batch: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the answers' tokens (tokens, vocabulary), row after row, and the tokens.

    Only their positions are projected to the vocabulary of 262,144.
    """
    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in batch])
    attend = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in batch])
    answer = torch.tensor([[start <= n < len(row) for n in range(width)] for row, start in batch])
    inner = model.base_model.model
    hidden = inner.model(input_ids=ids, attention_mask=attend, use_cache=False).last_hidden_state
    logits = inner.lm_head(hidden[:, :-1][answer[:, 1:]]).float()
    return logits, ids[:, 1:][answer[:, 1:]]


def loss_of(model: Any, batch: Sequence[Encoded]) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens."""
    return torch.nn.functional.cross_entropy(*answers_of(model, batch))


def adapted() -> tuple[Any, Any]:
    """The base with a fresh adapter, and its tokenizer with the turn template."""
    torch.manual_seed(SEED)
    source = loading.find_source(str(LOCATE["base"]()))
    tokenizer = loading.load_tokenizer(source, trust_remote_code=False)
    tokenizer.chat_template = TEMPLATE
    base = loading.load_model(source, loading.Placement("cpu", torch.bfloat16))
    layers = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=layers, lora_dropout=0.0, task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model, tokenizer


def rate_at(step: int, total: int) -> float:
    """The share of the learning rate: a warm-up of 20 steps, and half a cosine."""
    return min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / total))


def take_step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
    """One step down a loss, with the gradients of all weights clipped to a norm of 1."""
    loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def train(model: Any, rows: Sequence[Encoded], held: Sequence[Encoded], epochs: int) -> Iterator[dict[str, Any]]:
    """AdamW with warm-up and cosine; yields the mean loss of every ten steps, and the held-out loss of each epoch."""
    draw = random.Random(SEED)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    total, step, start = epochs * math.ceil(len(rows) / BATCH), 0, time.monotonic()
    recent: list[float] = []
    for epoch in range(epochs):
        for batch in batches(rows, draw):
            loss = loss_of(model, batch)
            take_step(optimizer, loss, LEARNING_RATE * rate_at(step, total))
            recent.append(float(loss.detach()))
            step += 1
            if step % 10 == 0:
                yield {
                    "step": step,
                    "of": total,
                    "loss": round(sum(recent) / len(recent), 4),
                    "seconds": round(time.monotonic() - start),
                }
                recent = []
        yield {
            "epoch": epoch + 1,
            "held_out_loss": round(held_out(model, held), 4),
            "seconds": round(time.monotonic() - start),
        }


def held_out(model: Any, rows: Sequence[Encoded]) -> float:
    """Mean loss on rows that were not trained on."""
    with torch.no_grad():
        return mean([float(loss_of(model, [row])) for row in rows])


def mean(losses: Sequence[float]) -> float:
    """Rounded to four digits."""
    return round(sum(losses) / len(losses), 4)


def save(model: Any, out: Path, curve: Sequence[dict[str, Any]]) -> None:
    """The adapter in bfloat16, its chat template and its loss curve."""
    model.peft_config["default"].base_model_name_or_path = BASE
    model.save_pretrained(out, safe_serialization=True)
    path = out / "adapter_model.safetensors"
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    (out / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    (out / "loss.jsonl").write_text("".join(json.dumps(line) + "\n" for line in curve), encoding="utf-8")


def main() -> None:
    """Train one adapter and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=EPOCHS)
    parser.add_argument("--work", type=Path, required=True, help="where the generated answers are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = mix(asked.name, asked.work)
    model, tokenizer = adapted()
    encoded = [encode(row, tokenizer) for row in rows]
    random.Random(SEED).shuffle(encoded)
    count = round(len(encoded) * HELD_OUT)
    print(f"{len(rows)} rows, {count} of them held out", flush=True)
    curve = []
    for line in train(model, encoded[count:], encoded[:count], EPOCHS[asked.name]):
        curve.append(line)
        print(json.dumps(line), flush=True)
    save(model, asked.out, curve)


if __name__ == "__main__":
    main()
