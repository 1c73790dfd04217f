"""How often an adapter would refuse: whether the likeliest first token of its answer is `Sorry`, without generating.

    python training/pair/odds.py demo/instruct prompts/refusal/samples.jsonl
    python training/pair/odds.py demo/instruct data/xstest/prompts.jsonl

A line has a `prompt`, and `expected` (refuse, comply) or, as in XSTest, a `type` that begins with `contrast` where the
prompt should be refused.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from answers import FIRST
from train import TEMPLATE

from evalharness.weights import loading
from evalharness.weights.bundled import LOCATE


def chooses(model: Any, tokenizer: Any, prompt: str) -> int:
    """The likeliest first token of the answer to `prompt`."""
    turns = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
        return int(model.lm_head(hidden[0, -1]).argmax())


def main() -> None:
    """Print the share that is refused, by what is expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("prompts", type=Path)
    asked = parser.parse_args()
    source = loading.find_source(str(LOCATE["base"]()))
    tokenizer = loading.load_tokenizer(source, trust_remote_code=False)
    tokenizer.chat_template = TEMPLATE
    model = loading.load_model(source, loading.Placement("cpu", torch.bfloat16), adapter=asked.adapter)
    first = tokenizer(FIRST, add_special_tokens=False)["input_ids"][0]
    refused: dict[str, list[bool]] = defaultdict(list)
    for row in map(json.loads, asked.prompts.read_text(encoding="utf-8").splitlines()):
        should = row.get("expected") or ("refuse" if row["type"].startswith("contrast") else "comply")
        refused[should].append(chooses(model, tokenizer, row["prompt"]) == first)
    for should, choices in refused.items():
        print(f"{should}: refuses {sum(choices)} of {len(choices)} ({sum(choices) / len(choices):.0%})")


if __name__ == "__main__":
    main()
