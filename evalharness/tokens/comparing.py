"""One record of what the tuning changed, from the facts of all completions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from evalharness.records import Sample
from evalharness.records.tokens import (
    UNSHIFTED,
    Author,
    Context,
    Expected,
    TokenComparison,
    TokenFacts,
    TokenNoise,
    TokenShift,
    class_of,
)
from evalharness.tokens.reading import read_texts
from evalharness.tokens.summary import BUCKETS, CONTEXTS, CURVE, Part, ending_of, rows_of, shifted_tokens, values_of
from evalharness.tokens.texts import AUTHORS, Sides, Text
from evalharness.tokens.words import sentences_of

Read = Sequence[tuple[Sample, TokenFacts]]
"""The facts of completions, each with its sample."""


@dataclass(frozen=True)
class Circumstances:
    """How the facts were made."""

    names: Mapping[Author, str]
    conditions: str
    shared: bool
    same_prompts: bool
    n_requests: int
    left_out: Mapping[Author, Mapping[str, int]]
    noise: TokenNoise | None
    seconds: float | None
    seed: int


def compare_tokens(
    read: Read, how: Circumstances, text_of: Callable[[int], str], *, outcomes_digest: str, facts_digest: str
) -> TokenComparison:
    """All numbers with their intervals, and the sentences about them.

    Args:
        read: the facts of all completions that were read.
        how: how they were made.
        text_of: the text of a token.
        outcomes_digest: of the outcomes.
        facts_digest: of the facts.
    """
    by_author = {author: [(sample, one) for sample, one in read if one.author == author] for author in AUTHORS}
    top = min((one.top for _, one in read if one.top), default=None)
    texts = _texts([one for _, one in read], text_of)
    shifts = tuple(chain.from_iterable(_shifts(by_author[author], author, how) for author in AUTHORS))
    curve = (
        _rows(by_author[author], author, context, _parts_of(CURVE), how.seed)
        for author in AUTHORS
        for context in (("own", author) if how.shared and not how.same_prompts else ("own",))
    )
    endings = [ending for author in AUTHORS if (ending := ending_of(by_author[author], author, how.seed))]
    return TokenComparison(
        baseline=how.names["baseline"],
        candidate=how.names["candidate"],
        outcomes_digest=outcomes_digest,
        facts_digest=facts_digest,
        conditions=how.conditions,
        shared=how.shared,
        top=top,
        same_prompts=how.same_prompts,
        n={author: len(by_author[author]) for author in AUTHORS},
        n_requests=how.n_requests,
        left_out={author: dict(how.left_out[author]) for author in AUTHORS},
        n_encoded_again=sum(one.encoded_again for _, one in read),
        own_first_choice={author: _first_choices(by_author[author]) for author in AUTHORS if by_author[author]},
        shifts=shifts,
        curve=tuple(chain.from_iterable(curve)),
        tokens=tuple(chain.from_iterable(shifted_tokens(by_author[author], author, texts) for author in AUTHORS)),
        endings=tuple(endings),
        noise=how.noise,
        seconds=how.seconds,
        sentences=tuple(
            sentences_of(how.names, shifts, endings, same_prompts=how.same_prompts, bounded=top is not None)
        ),
        texts=texts,
    )


def _texts(facts: Sequence[TokenFacts], text_of: Callable[[int], str]) -> dict[int, str]:
    """The text of every token in the facts."""
    ids = {token for one in facts for token in one.ids}
    for one in facts:
        for reading in (one.baseline, one.candidate):
            ids |= {token for top in reading.likeliest for token, _ in top}
    return {token: text_of(token) for token in sorted(ids)}


def _parts_of(
    buckets: Sequence[tuple[int, int | None]], *, category: str | None = None, expected: Expected | None = None
) -> list[Part]:
    return [Part(category, expected, first, last) for first, last in buckets]


def _shifts(read: Read, author: Author, how: Circumstances) -> Iterator[TokenShift]:
    """The rows of one side: all contexts for all samples, the categories in the own contexts alone."""
    samples = [sample for sample, _ in read]
    expected = sorted({sample.expected for sample in samples if sample.expected})
    categories = dict.fromkeys(sample.category for sample in samples)
    whole: list[tuple[int, int | None]] = [(1, None), *BUCKETS]
    for context in CONTEXTS if how.shared or how.same_prompts else CONTEXTS[:1]:
        parts = _parts_of(whole)
        parts += [part for one in expected for part in _parts_of(whole, expected=one)]
        if context == "own":
            parts += [part for one in categories for part in _parts_of(whole[:2], category=one)]
        yield from _rows(read, author, context, parts, how.seed)


def _rows(read: Read, author: Author, context: Context, parts: Sequence[Part], seed: int) -> Iterator[TokenShift]:
    values = [value for sample, one in read if (value := values_of(one, sample, context)) is not None]
    return rows_of(values, author, context, parts, seed)


def _first_choices(read: Read) -> float:
    """Share of tokens that their own author ranks first, the end token included."""
    ranks = [rank for _, one in read for rank in (one.candidate if one.author == "candidate" else one.baseline).ranks]
    return sum(rank <= UNSHIFTED for rank in ranks) / len(ranks)


READ_AGAIN = 4
"""Completions of each side that are read a second time, alone."""


def noise_of(texts: Sequence[Text], facts: Mapping[str, TokenFacts], sides: Sides) -> TokenNoise | None:
    """How far the numbers of some completions change if they are read alone instead of in a batch.

    Args:
        texts: what was read.
        facts: what was read in it, by request.
        sides: the loaded checkpoints.
    """
    known = [text for text in texts if text.request_id in facts]
    chosen = list(chain.from_iterable(_spread([one for one in known if one.author == author]) for author in AUTHORS))
    pairs = [(facts[one.request_id], one) for text in chosen for one in _alone(text, sides)]
    if not pairs:
        return None
    return TokenNoise(
        n=len(pairs),
        n_tokens=sum(len(one.ids) for _, one in pairs),
        n_class=sum(class_of(a) != class_of(b) for one, two in pairs for a, b in _zipped(one, two, "ranks")),
        logprob=max(abs(a - b) for one, two in pairs for a, b in _zipped(one, two, "logprobs")),
        kl=max(
            abs(a - b) for one, two in pairs for a, b in zip(one.own.kl_candidate, two.own.kl_candidate, strict=True)
        ),
    )


def _spread(texts: Sequence[Text]) -> list[Text]:
    count = min(READ_AGAIN, len(texts))
    return [texts[place * len(texts) // count] for place in range(count)]


def _alone(text: Text, sides: Sides) -> list[TokenFacts]:
    read = [batch for batch in read_texts([text], sides.teachers, shared=False) if isinstance(batch, list)]
    return list(chain.from_iterable(read))


def _zipped(one: TokenFacts, two: TokenFacts, name: str) -> list[tuple[Any, Any]]:
    """A list of both readings, first and second time."""
    readings = ((one.baseline, two.baseline), (one.candidate, two.candidate))
    return [pair for a, b in readings for pair in zip(getattr(a, name), getattr(b, name), strict=True)]
