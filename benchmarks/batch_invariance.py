"""Does the batch change greedy text? The bundled pair on a suite, in batches and each request alone.

Every difference is listed with its first differing token and the log-probabilities that the model gives to both.

    python benchmarks/batch_invariance.py --suite core --dtype float32
"""

import argparse
from itertools import takewhile
from operator import eq

import torch
from conditions import conditions

from evalharness.backends.demo import DemoBackend
from evalharness.config import read_config
from evalharness.pipeline.planning import make_plan
from evalharness.records import Completion
from evalharness.weights.bundled import demo_folder


def completions(backend, requests):
    events = [event for event in backend.generate(requests) if isinstance(event, Completion)]
    return {event.request_id: event for event in events}


def first_difference(backend, request, one, other):
    """The first differing token of two texts, and its log-probability in both, after the prompt and what they share."""
    tokenizer, model = backend.tokenizer, backend._loaded()
    left, right = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (one, other))
    shared = sum(takewhile(bool, map(eq, left, right)))
    end = min(backend.end_tokens)
    [rendered] = backend.render([request.prompt])
    ids = torch.tensor([[*rendered.token_ids, *left[:shared]]])
    with torch.inference_mode():
        log_probabilities = model(ids).logits[0, -1].float().log_softmax(-1)
    tokens = [ids[shared] if shared < len(ids) else end for ids in (left, right)]
    said = [f"{tokenizer.convert_ids_to_tokens(one)!r} {log_probabilities[one]:.4f}" for one in tokens]
    return f"{request.checkpoint} {request.sample_id}: token {shared}, batched {said[0]}, alone {said[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="core")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--max-tokens", type=int, default=96)
    flags = parser.parse_args()
    overrides = {"suite": flags.suite, "generation": {"max_tokens": flags.max_tokens}}
    config = read_config(demo_folder() / "tuning.toml", overrides)
    sides = tuple(one.model_copy(update={"options": {"dtype": flags.dtype}}) for one in config.checkpoints)
    plan = make_plan(config.model_copy(update={"checkpoints": sides}), DemoBackend)
    print(conditions("torch", "transformers"))
    print(f"suite {flags.suite}, {flags.dtype}, up to {flags.max_tokens} tokens", flush=True)
    for resolved in plan.checkpoints:
        requests = [request for request in plan.requests if request.checkpoint == resolved.name]
        backend = DemoBackend(resolved.checkpoint)
        batched = completions(backend, requests)
        alone = {one.id: completions(backend, [one])[one.id] for one in requests}
        differ = [one for one in requests if batched[one.id].text != alone[one.id].text]
        print(f"{resolved.name}: {len(differ)} of {len(requests)} completions differ")
        for request in differ:
            print("  " + first_difference(backend, request, batched[request.id].text, alone[request.id].text))
        backend.close()


if __name__ == "__main__":
    main()
