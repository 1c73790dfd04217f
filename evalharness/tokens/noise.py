"""The noise floor: what the batch alone changes."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from evalharness.records.tokens import TokenFacts, TokenNoise, class_of
from evalharness.tokens.reading import read_texts
from evalharness.tokens.texts import AUTHORS, Sides, Text

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
