"""Answers of the bundled instruct checkpoint to this repository's own prompts, generated once into a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from preferences import Answer

from evalharness.backends import open_backend
from evalharness.completion.state import state_of
from evalharness.records import ChatPrompt, Checkpoint, Completion, GenerationConfig, GenerationRequest, Sample
from evalharness.suites import load_suite

SUITES = ("core", "smoke")
MAX_TOKENS = 160
OURS = "our prompts"


def our_answers(folder: Path) -> list[Answer]:
    """Greedy completions that answer, of instructions that ask for compliance; what loops or echoes is left out."""
    path = folder / "completions.jsonl"
    if not path.exists():
        path.write_text("".join(f"{one.model_dump_json()}\n" for one in _generate()), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    completions = [Completion.model_validate(json.loads(line)) for line in lines]
    pairs = zip(_samples(), completions, strict=True)
    return [Answer(OURS, f"ours: {s.group}", s.prompt, c.text) for s, c in pairs if _answers(s, c)]


def _samples() -> list[Sample]:
    samples = [sample for name in SUITES for sample in load_suite(name).samples]
    return [sample for sample in samples if sample.kind == "instruction" and sample.expected == "comply"]


def _answers(sample: Sample, completion: Completion) -> bool:
    return state_of(sample, completion).name in ("answer", "cut")


def _generate() -> Iterator[Completion]:
    backend = open_backend(Checkpoint(name="instruct", model="demo/smollm2", variant="instruct", prompt_format="chat"))
    resolved = backend.resolve()
    prompts = [ChatPrompt(messages=sample.messages) for sample in _samples()]
    config = GenerationConfig(max_tokens=MAX_TOKENS)
    requests = [
        GenerationRequest.of(resolved, sample.id, prompt, rendered, config)
        for sample, prompt, rendered in zip(_samples(), prompts, backend.render(prompts), strict=True)
    ]
    events = {event.request_id: event for event in backend.generate(requests) if isinstance(event, Completion)}
    backend.close()
    yield from (events[request.id] for request in requests)
