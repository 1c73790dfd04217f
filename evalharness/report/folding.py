"""Loops folded after three repetitions, so that a page is not filled by them; `static/text.js` does the same."""

import re
from collections.abc import Iterator, Sequence

WORD = re.compile(r"\S+")
MOST_WORDS = 60
"""Words of what is repeated; a longer part is not looked for."""
SHOWN_TIMES = 3
FEWEST_FOLDED = 60
"""Characters; less is not worth folding."""


def loops_in(text: str) -> Iterator[tuple[int, int, int]]:
    """Start and end of each part to fold, and how many repetitions it holds beyond the first three.

    >>> list(loops_in("Well. " + "The sky is blue and wide. " * 9))
    [(83, 239, 6)]
    """
    matches = list(WORD.finditer(text))
    words = [match[0] for match in matches]
    at = 0
    while at < len(words):
        length, run = _repeated(words, at)
        times = run // length + 1 if length else 1
        if times > SHOWN_TIMES:
            start, end = (matches[at + count * length - 1].end() for count in (SHOWN_TIMES, times))
            if end - start >= FEWEST_FOLDED:
                yield start, end, times - SHOWN_TIMES
        at += times * length or 1


def _repeated(words: Sequence[str], at: int) -> tuple[int, int]:
    """Length of the shortest part from here that is repeated often enough, and how far it is; zeros if none is."""
    for length in range(1, MOST_WORDS + 1):
        run = 0
        while at + run + length < len(words) and words[at + run] == words[at + run + length]:
            run += 1
        if run >= SHOWN_TIMES * length:
            return length, run
    return 0, 0
