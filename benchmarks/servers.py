"""Greedy text of a server against the `hf` backend in float32: equal, or the first token where they part.

python benchmarks/servers.py --url http://localhost:8000 --model NAME --weights FOLDER-OR-GGUF [--chat]

Where they part, both sides' log-probabilities of both tokens are printed: two that are nearly as likely are rounding,
anything else is a fault. The weights are those that the server serves.
"""

import argparse
import math
from contextlib import closing
from itertools import takewhile
from operator import eq

from conditions import conditions

from evalharness import load_suite
from evalharness.backends.hf import HfBackend
from evalharness.backends.hf_teacher import HfTeacher
from evalharness.backends.server import ServerBackend
from evalharness.prompting import build_prompt
from evalharness.records import Checkpoint, Completion, Failure, GenerationConfig, GenerationRequest

ALTERNATIVES = 5
NEAR = 0.01
"""Nats between two tokens that rounding may exchange."""


def outcomes(backend, prompts, tokens):
    """One outcome a prompt, in their order."""
    resolved, config = backend.resolve(), GenerationConfig(max_tokens=tokens)
    requests = [
        GenerationRequest.of(resolved, str(number), prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]
    made = {one.request_id: one for one in backend.generate(requests) if isinstance(one, Completion | Failure)}
    return [made[request.id] for request in requests]


def ids_of(completion, teacher):
    """The tokens without an end token; those of the text where the server gave none."""
    ids = completion.token_ids or teacher.encode(completion.text)
    return ids[:-1] if ids and ids[-1] in teacher.end_tokens else ids


def expected_by(teacher: HfTeacher, prompt, before, tokens):
    """The log-probabilities of some tokens behind a prompt and others."""
    *_, last = teacher.logits([prompt], [[*before, tokens[0]]], columns=64)
    logprobs = last[0, -1].float().log_softmax(-1)
    return [logprobs[token].item() for token in tokens]


def told_by(completion, at, texts):
    """What the server said of some tokens at a place; NaN where it said nothing."""
    said = (completion.logprobs or ())[at : at + 1]
    top = {**said[0].top, said[0].token: said[0].logprob} if said else {}
    return [top.get(text, math.nan) for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True, help="its name on the server")
    parser.add_argument("--weights", required=True, help="what the server serves, as a folder or a GGUF file")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--chat", action="store_true", help="through the chat template; else raw")
    flags = parser.parse_args()
    print(conditions("torch", "transformers", "httpx"))
    shown = "chat" if flags.chat else "raw"
    sides = {
        "server": (f"server/{flags.model}", {"url": flags.url, "tokenizer": flags.weights, "logprobs": ALTERNATIVES}),
        "hf": (f"hf/{flags.weights}", {"dtype": "float32"}),
    }
    checkpoints = [
        Checkpoint(name=name, model=model, variant="base", prompt_format=shown, options=options)
        for name, (model, options) in sides.items()
    ]
    prompts = [build_prompt(sample, shown) for sample in load_suite(flags.suite).samples[: flags.prompts]]
    with closing(ServerBackend(checkpoints[0])) as server, closing(HfBackend(checkpoints[1])) as local:
        compare(server, local, prompts, flags.tokens)


def compare(server, local, prompts, tokens):
    """Print where the two part, and how many do not."""
    print(*server.resolve().notes[:1], server.checkpoint.prompt_format, f"{len(prompts)} prompts, {tokens} tokens")
    both = [outcomes(backend, prompts, tokens) for backend in (server, local)]
    teacher, equal, faults = local.teacher(), 0, 0
    for number, (prompt, theirs, ours) in enumerate(zip(local.render(prompts), *both, strict=True)):
        if isinstance(theirs, Failure) or isinstance(ours, Failure):
            print(f"  {number}: no completion: {theirs}, {ours}")
            faults += 1
            continue
        pair = [ids_of(one, teacher) for one in (theirs, ours)]
        at = len(list(takewhile(bool, map(eq, *pair))))
        if theirs.text == ours.text and theirs.finish_reason == ours.finish_reason:
            equal += 1
            continue
        # Where one has ended, the other's next token is compared with the end.
        chosen = [ids[at] if at < len(ids) else next(iter(teacher.end_tokens)) for ids in pair]
        texts = [teacher.text_of(token) for token in chosen]
        here = expected_by(teacher, prompt.token_ids, pair[1][:at], chosen)
        there = told_by(theirs, at, texts)
        faults += here[1] - here[0] > NEAR
        print(
            f"  {number}: parts at token {at + 1}: the server {texts[0]!r}, hf {texts[1]!r}; log-probabilities "
            f"of the two: server {there[0]:.4f}, {there[1]:.4f}; hf {here[0]:.4f}, {here[1]:.4f}"
        )
    print(f"{equal} of {len(prompts)} equal; {faults} part where one token was clearly likelier, or failed")


if __name__ == "__main__":
    main()
