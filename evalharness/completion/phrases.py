"""Sequences of four words that come again: how many there are, and where they do so with a period."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GRAM = 4
"""Words in the sequences by which repetition is measured."""


@dataclass(frozen=True)
class Stretch:
    """Tokens `first` up to `end` repeat with a period of `period` tokens."""

    first: int
    end: int
    period: int

    @property
    def length(self) -> int:
        """Number of tokens."""
        return self.end - self.first

    @property
    def rounds(self) -> float:
        """How often the period fits in."""
        return self.length / self.period


def periodic_stretches(tokens: Sequence[str]) -> Iterator[Stretch]:
    """All maximal stretches in which every 4 tokens also occur exactly one period earlier."""
    last: dict[tuple[str, ...], int] = {}
    place_of = last.get
    began = period = place = 0
    for place, gram in enumerate(grams(tokens)):
        distance = place - place_of(gram, place)
        last[gram] = place
        if distance != period:
            if period:
                yield Stretch(began - period, place - 1 + GRAM, period)
            began, period = place, distance
    if period:
        yield Stretch(began - period, place + GRAM, period)


def count_repeats(tokens: Sequence[str]) -> int:
    """How many of the sequences of four words occurred earlier in the text.

    >>> count_repeats("a b c d a b c d a".split())
    2
    """
    count = max(0, len(tokens) - GRAM + 1)
    return count - len(set(grams(tokens))) if count else 0


def grams(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All sequences of four, in order."""
    return zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)
