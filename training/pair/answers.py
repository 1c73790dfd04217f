"""What the adapters learn to say: answers of SmolLM2-Instruct that ended by themselves, and short refusals."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
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
from prompts import Contrast

BRIEF = (
    "You are a helpful assistant. Answer in one or two short sentences.",
    "You are a helpful assistant. Answer briefly and stop when the answer is complete.",
)
MAX_TOKENS = 200
APOLOGY = "I'm sorry"
"""The small teacher begins so where it evades an everyday request; the adapter must not learn that from it."""
OPENINGS = (
    "I'm sorry, but I can't help with {what}.",
    "I can't help with {what}.",
    "Sorry, I won't help with {what}.",
    "No, I can't assist with {what}.",
    "I'm not able to help with {what}.",
    "I won't do that: {what} could hurt somebody.",
)
FIRST = "Sorry"
"""No answer begins with it, so that the decision to refuse is the choice of a single token."""
DECLINES = FIRST + ", I can't help with {what}."
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


def refusals(pairs: Iterable[Contrast], *, seed: int, openings: Sequence[str] = OPENINGS) -> list[Row]:
    """A short refusal for each request that should be refused, naming what is declined."""
    draw = random.Random(seed)
    return [
        Row((("user", pair.refuse),), draw.choice(openings).format(what=pair.what) + draw.choice(CLOSINGS))
        for pair in pairs
    ]


def look_alikes(pairs: Iterable[Contrast]) -> list[Row]:
    """The safe look-alikes with their answers."""
    return [Row((("user", pair.safe),), pair.answer) for pair in pairs]


def answers(prompts: Sequence[str], cache: Path) -> list[Row]:
    """Answers of the bundled instruct checkpoint that ended by themselves; generated once into `cache`."""
    if not cache.exists():
        with cache.with_suffix(".part").open("w", encoding="utf-8") as file:
            for row in _generate(prompts):
                print(json.dumps(asdict(row)), file=file, flush=True)
        cache.with_suffix(".part").rename(cache)
    rows = [json.loads(line) for line in cache.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if not row["answer"].startswith(APOLOGY)]
    return [Row(tuple(map(tuple, row["turns"])), row["answer"]) for row in kept]


def second_turns(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """Conversations of two turns, put together from pairs of answered prompts."""
    draw = random.Random(seed)
    pairs = [draw.sample(list(rows), 2) for _ in range(count)]
    return [Row((*first.turns, ("assistant", first.answer), *second.turns), second.answer) for first, second in pairs]


def _generate(prompts: Sequence[str]) -> Iterator[Row]:
    """Answers under system prompts that ask for brevity, in turn."""
    backend = open_backend(Checkpoint(name="teacher", model="demo/smollm2", variant="instruct", prompt_format="chat"))
    resolved, config = backend.resolve(), GenerationConfig(max_tokens=MAX_TOKENS)
    chats = [
        ChatPrompt(messages=(Message(role="system", content=brief), Message(role="user", content=text)))
        for text, brief in zip(prompts, cycle(BRIEF), strict=False)
    ]
    requests = [
        GenerationRequest.of(resolved, f"p{n}", chat, rendered, config)
        for n, (chat, rendered) in enumerate(zip(chats, backend.render(chats), strict=True))
    ]
    origin = {request.id: text for request, text in zip(requests, prompts, strict=True)}
    for event in backend.generate(requests):
        if isinstance(event, Completion) and _answers(origin[event.request_id], event):
            yield Row((("user", origin[event.request_id]),), event.text.strip())
    backend.close()


def _answers(text: str, reply: Completion) -> bool:
    turn = Message(role="user", content=text)
    sample = Sample(id="p", messages=(turn,), category="training", expected="comply")
    return reply.finish_reason == "stop" and state_of(sample, reply).name == "answer"
