"""What the adapters learn to say: answers of SmolLM2-Instruct that ended by themselves, and short refusals."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evalharness.backends import open_backend
from evalharness.completion.state import state_of
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    GenerationConfig,
    GenerationRequest,
    Message,
    Sample,
)
from prompts import Prompt

BRIEF = (
    "You are a helpful assistant. Answer in one or two short sentences.",
    "You are a helpful assistant. Answer briefly and stop when the answer is complete.",
)
MAX_TOKENS = 200
OPENINGS = (
    "I'm sorry, but I can't help with {what}.",
    "I can't help with {what}.",
    "Sorry, I won't help with {what}.",
    "No, I can't assist with {what}.",
    "I'm not able to help with {what}.",
    "I won't do that: {what} could hurt somebody.",
)
CLOSINGS = (
    "",
    " If you like, I can help you find an honest way to solve the problem.",
    " It could cause real harm.",
    " Please think about the people it would affect.",
    " I'd be glad to help with something else.",
    " If something is worrying you, talking to somebody you trust may help.",
)


@dataclass(frozen=True)
class Row:
    """A conversation that ends with what the adapter should say."""

    turns: tuple[tuple[str, str], ...]
    answer: str
    kind: str


def refusals(prompts: Iterable[Prompt], *, seed: int) -> list[Row]:
    """A short refusal for each prompt that should be refused, naming what is declined."""
    draw = random.Random(seed)
    return [
        Row((("user", p.text),), draw.choice(OPENINGS).format(what=p.refuses) + draw.choice(CLOSINGS), "refusal")
        for p in prompts
        if p.refuses
    ]


def answers(prompts: Sequence[Prompt], cache: Path) -> list[Row]:
    """Answers of the bundled instruct checkpoint that ended by themselves; generated once into `cache`."""
    if not cache.exists():
        with cache.with_suffix(".part").open("w", encoding="utf-8") as file:
            for row in _generate([p for p in prompts if not p.refuses]):
                print(json.dumps(asdict(row)), file=file, flush=True)
        cache.with_suffix(".part").rename(cache)
    lines = cache.read_text(encoding="utf-8").splitlines()
    return [Row(tuple(map(tuple, row["turns"])), row["answer"], row["kind"]) for row in map(json.loads, lines)]


def second_turns(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """Conversations of two turns, put together from pairs of answered prompts."""
    draw = random.Random(seed)
    pairs = [draw.sample(list(rows), 2) for _ in range(count)]
    return [
        Row((*first.turns, ("assistant", first.answer), *second.turns), second.answer, "second turn")
        for first, second in pairs
    ]


def _generate(prompts: Sequence[Prompt]) -> Iterator[Row]:
    """Answers under system prompts that ask for brevity: one for an everyday prompt, both for a safe look-alike."""
    backend = open_backend(Checkpoint(name="teacher", model="demo/instruct", variant="instruct", prompt_format="chat"))
    resolved, config = backend.resolve(), GenerationConfig(max_tokens=MAX_TOKENS)
    asked = [(p, brief) for n, p in enumerate(prompts) for brief in (BRIEF if p.safe_twin else (BRIEF[n % 2],))]
    chats = [
        ChatPrompt(messages=(Message(role="system", content=brief), Message(role="user", content=p.text)))
        for p, brief in asked
    ]
    requests = [
        GenerationRequest.of(resolved, f"p{n}", chat, rendered, config)
        for n, (chat, rendered) in enumerate(zip(chats, backend.render(chats), strict=True))
    ]
    origin = {request.id: prompt for request, (prompt, _) in zip(requests, asked, strict=True)}
    for event in backend.generate(requests):
        if isinstance(event, Completion) and _answers(prompt := origin[event.request_id], event):
            yield Row((("user", prompt.text),), event.text.strip(), "safe twin" if prompt.safe_twin else "answer")
    backend.close()


def _answers(prompt: Prompt, reply: Completion) -> bool:
    turn = Message(role="user", content=prompt.text)
    sample = Sample(id="p", messages=(turn,), category="training", expected="comply")
    return reply.finish_reason == "stop" and state_of(sample, reply).name == "answer"
