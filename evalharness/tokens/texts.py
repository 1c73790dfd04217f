"""Which completions are read, as the tokens that were generated."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalharness.backends.backend import Backend, Teacher
from evalharness.completion.state import state_of
from evalharness.errors import StoreError
from evalharness.records import Completion, GenerationRequest
from evalharness.records.tokens import Author
from evalharness.store import Run

AUTHORS: tuple[Author, ...] = ("baseline", "candidate")
OTHER: Mapping[Author, Author] = {"baseline": "candidate", "candidate": "baseline"}
Pair = dict[Author, GenerationRequest]
DEGENERATE = {"empty": "empty", "loop": "loops"}
"""States of completions that are left out: nothing to read, or tokens that any model foresees."""


@dataclass(frozen=True)
class Text:
    """A completion with what each checkpoint is shown before it."""

    request_id: str
    other_id: str
    author: Author
    ids: tuple[int, ...]
    ended: bool
    encoded_again: bool
    prompts: Mapping[Author, tuple[int, ...]]

    @property
    def size(self) -> int:
        """Tokens of the longer prompt and the completion."""
        return max(map(len, self.prompts.values())) + len(self.ids)


@dataclass
class Texts:
    """The completions of both sides that can be read, and how many cannot, by reason."""

    texts: list[Text] = field(default_factory=list)
    left_out: dict[Author, Counter[str]] = field(default_factory=lambda: {author: Counter() for author in AUTHORS})
    n_pairs: int = 0


@dataclass(frozen=True)
class Sides:
    """The two checkpoints, loaded or about to be."""

    names: Mapping[Author, str]
    backends: Mapping[Author, Backend]
    teachers: Mapping[Author, Teacher]
    context: Mapping[Author, int | None]
    """Most tokens of prompt and completion."""


def texts_of(run: Run, sides: Sides, limit: int | None) -> Texts:
    """The completions of both sides to the samples that both were asked about, or to some of them, drawn at random.

    Raises:
        StoreError: a prompt is not rendered as it was in the run.
    """
    pairs = pairs_of(run, sides, limit)
    prompts = {author: _prompts(sides, author, [pair[author] for pair in pairs]) for author in AUTHORS}
    texts = Texts(n_pairs=len(pairs))
    for place, pair in enumerate(pairs):
        for author in AUTHORS:
            shown = {of: prompts[of][place] for of in AUTHORS}
            text = _text(run, sides, author, pair, shown)
            if isinstance(text, Text):
                texts.texts.append(text)
            else:
                texts.left_out[author][text] += 1
    return texts


def pairs_of(run: Run, sides: Sides, limit: int | None) -> list[Pair]:
    """Requests of both sides about the same sample and replicate, or some of them, drawn at random."""
    asked = {
        author: {(one.sample_id, one.replicate): one for one in run.requests_of(sides.names[author])}
        for author in AUTHORS
    }
    both = (cell for cell in asked["baseline"] if cell in asked["candidate"])
    pairs: list[Pair] = [{author: asked[author][cell] for author in AUTHORS} for cell in both]
    return _drawn(pairs, limit, run.manifest.seed) if limit else pairs


def _drawn(pairs: Sequence[Pair], limit: int, seed: int) -> list[Pair]:
    """`limit` of the pairs in their order; a larger limit adds to them. A regular step could meet one kind of sample
    alone, where a suite alternates.
    """
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    return [pairs[place] for place in sorted(order[:limit])]


def _prompts(sides: Sides, author: Author, requests: Sequence[GenerationRequest]) -> list[tuple[int, ...]]:
    rendered = sides.backends[author].render([request.prompt for request in requests])
    shown = [one.token_ids or () for one in rendered]
    for request, ids in zip(requests, shown, strict=True):
        if len(ids) != request.prompt_tokens or ids[: len(request.first_token_ids)] != request.first_token_ids:
            raise StoreError(
                f"{sides.names[author]} renders the prompt of sample {request.sample_id!r} differently from the run",
                fix="restore the tokenizer and the chat template of the run, or run again",
            )
    return shown


def _text(
    run: Run,
    sides: Sides,
    author: Author,
    pair: Pair,
    prompts: Mapping[Author, tuple[int, ...]],
) -> Text | str:
    """The text, or the reason why it is left out."""
    request, other = pair[author], pair[OTHER[author]]
    completion = run.outcomes.get(request.id)
    if not isinstance(completion, Completion):
        return "no completion"
    state = state_of(run.plan.samples[request.sample_id], completion).name
    if state in DEGENERATE:
        return DEGENERATE[state]
    if not all(prompts.values()):
        return "empty prompt"
    ids = ids_of(completion, sides.teachers[author])
    if not ids:
        return "text that does not give its tokens again"
    if any(len(prompts[of]) + len(ids) > (sides.context[of] or len(prompts[of]) + len(ids)) for of in AUTHORS):
        return "longer than a context"
    ended = ids[-1] in sides.teachers[author].end_tokens
    return Text(request.id, other.id, author, ids, ended, completion.token_ids is None, prompts)


def ids_of(completion: Completion, teacher: Teacher) -> tuple[int, ...]:
    """The ids that were generated, the end token included.

    Where they were not stored, those of the text; none unless they give the text again and are as many as were
    generated.
    """
    if completion.token_ids:
        return completion.token_ids
    ids = teacher.encode(completion.text)
    if teacher.decode(ids) != completion.text:
        return ()
    ends = {text: token for token, text in teacher.end_tokens.items()}
    by_token = completion.stopped_by in ends
    ids = (*ids, ends[completion.stopped_by]) if completion.stopped_by in ends else ids
    # A stop string was generated too, and is no part of the text.
    known = completion.completion_tokens if by_token or completion.finish_reason == "length" else None
    return ids if known in (None, len(ids)) else ()


def probes_of(run: Run) -> Iterator[str]:
    """Texts that two equal tokenizers encode alike: those of the suites."""
    for sample in run.plan.samples.values():
        for message in sample.messages:
            yield message.content
