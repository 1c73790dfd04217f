"""Finds quotations of given texts, and removes them.

Texts are compared folded (`folding.py`). Only hashes are stored, eight bytes per window, so that a large run needs
little memory; 64 bits do not collide by chance.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalharness.sharing.redaction.folding import BARRIER, CUT, WORD, folded, letters, places, words

Hashes = NDArray[np.uint64]
WINDOW = 20
"""Letters and digits; shorter matches may be chance."""
WORDS = 5
"""Consecutive words that count as a quotation of a prompt, however short they are."""
BATCH = 1_000_000
"""Characters that are hashed at once."""
SEAM = f" {CUT} "
"""Between two texts of a batch: no quotation extends across it."""
ODD = np.uint64(0x9E3779B97F4A7C15)


class Windows:
    """A sorted table of hashes with quick look-ups."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = np.unique(hashes)
        size = 2 ** min(26, max(12, int(self.hashes.size * 16).bit_length()))
        self._mask = np.uint64(size - 1)
        self._may_be = np.zeros(size, dtype=np.bool_)
        self._may_be[self.hashes & self._mask] = True

    def among(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of the hashes are in the table."""
        # Few are: a look at some bits of each spares the search for nearly all others.
        known: NDArray[np.bool_] = self._may_be[hashes & self._mask]
        left = np.flatnonzero(known)
        if left.size:
            at = np.minimum(np.searchsorted(self.hashes, hashes[left]), self.hashes.size - 1)
            known[left] = self.hashes[at] == hashes[left]
        return known

    def without(self, others: Hashes) -> "Windows":
        """The same without some hashes."""
        return Windows(np.setdiff1d(self.hashes, others[self.among(others)]))


class Gathered:
    """Texts joined to long ones as they come, each text once.

    Args:
        use: receives each long text.
    """

    def __init__(self, use: Callable[[str], None]) -> None:
        self._use = use
        self._seen: set[int] = set()
        self._waiting: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Take one text."""
        code = hash(text)
        if code not in self._seen:
            self._seen.add(code)
            self._waiting.append(text)
            self._size += len(text)
            if self._size >= BATCH:
                self.end()

    def end(self) -> None:
        """Hand over what waits; called after the last text."""
        if self._waiting:
            self._use(SEAM.join(self._waiting))
        self._waiting, self._size = [], 0


class Quotes:
    """Texts that must not be quoted at length.

    Args:
        texts: what must not be quoted; `take` receives more.
        every: a window is noted at every so many letters: any quotation of `WINDOW + every - 1` letters is found.
        by_words: also find any `WORDS` words in a row.
    """

    def __init__(self, texts: Iterable[str] = (), *, every: int = 1, by_words: bool = False) -> None:
        self.every, self.by_words = every, by_words
        self._found, self._found_words = [_none()], [_none()]
        for batch in batches(texts):
            self.take(batch)

    def take(self, batch: str) -> None:
        """Note what a long text of several must not be quoted for; not after the first look-up."""
        spelling = folded(batch)
        ends = letter_codes(spelling) == ord(BARRIER)
        self._found.append(np.unique(windows(spelling)[:: self.every][_within(ends, WINDOW)[:: self.every]]))
        if self.by_words:
            said = words(spelling)
            ends = np.fromiter((word == BARRIER for word in said), dtype=np.bool_, count=len(said))
            self._found_words.append(np.unique(word_windows(said)[_within(ends, WORDS)]))

    @cached_property
    def windows(self) -> Windows:
        """Hashes of the noted windows."""
        return Windows(np.concatenate(self._found))

    @cached_property
    def word_windows(self) -> Windows | None:
        """Hashes of `WORDS` words in a row; None unless `by_words`."""
        return Windows(np.concatenate(self._found_words)) if self.by_words else None

    def shared(self, batch: str) -> Hashes:
        """The noted windows that a text has."""
        result = windows(folded(batch))
        return np.unique(result[self.windows.among(result)])

    def without(self, allowed: Iterable[Hashes]) -> "Quotes":
        """The same, letters alone, but that what has these hashes may be quoted."""
        rest = Quotes(every=self.every)
        rest.windows = self.windows.without(np.concatenate([_none(), *allowed]))
        return rest

    def cut(self, text: str, whole: Iterable[str] = ()) -> str:
        """The text with each quotation replaced by a mark, and with each of the `whole` folded texts."""
        if not self.windows.hashes.size and self.word_windows is None:
            return text
        spelling = folded(text)
        return _without(text, spelling, [*self._spans(spelling), *_whole_spans(spelling, whole)])

    def _spans(self, spelling: str) -> Iterator[tuple[int, int]]:
        """Stretches of a folded text that are quoted."""
        hits = np.flatnonzero(self.windows.among(windows(spelling)))
        if hits.size:
            at, more = _letter_places(spelling), self.every - 1
            for hit in hits.tolist():
                # Where not every window is known, a quotation may begin and end up to that much further out.
                yield at[max(0, hit - more)], at[min(len(at), hit + WINDOW + more) - 1] + 1
        if self.word_windows is not None:
            hits = np.flatnonzero(self.word_windows.among(word_windows(words(spelling))))
            if hits.size:
                spans = [match.span() for match in WORD.finditer(spelling) if match[0].strip("\0")]
                yield from ((spans[hit][0], spans[hit + WORDS - 1][1]) for hit in hits.tolist())


def batches(texts: Iterable[str]) -> Iterator[str]:
    """Texts joined to long ones."""
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield SEAM.join(batch)
            batch, size = [], 0
    if batch:
        yield SEAM.join(batch)


def windows(spelling: str) -> Hashes:
    """A hash of each `WINDOW` letters in a row of a folded text."""
    codes = letter_codes(spelling).astype(np.uint64)
    two = _joined(codes, codes, 1)
    four = _joined(two, two, 2)
    eight = _joined(four, four, 4)
    return _joined(_joined(eight, eight, 8), four, 16)


def letter_codes(spelling: str) -> NDArray[np.uint32]:
    """The code points of the letters of a folded text."""
    return _codes(letters(spelling))


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def word_windows(texts: list[str]) -> Hashes:
    """A hash of each `WORDS` words in a row."""
    codes = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts)).view(np.uint64)
    two = _joined(codes, codes, 1)
    return _joined(_joined(two, two, 2), codes, 4)


def _joined(first: Hashes, second: Hashes, after: int) -> Hashes:
    """Hashes of stretches, each made of one and of the one that begins `after` places later."""
    count = max(0, len(second) - after)
    mixed = first[:count] * ODD
    mixed ^= mixed >> np.uint64(31)
    mixed += second[after : after + count]
    mixed *= ODD
    return mixed ^ (mixed >> np.uint64(29))


def _within(ends: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Which stretches of a width are within one text: what reaches into the next text is no quotation of either."""
    counts = np.cumsum(np.concatenate([[False], ends]))
    return np.asarray(counts[width:] == counts[: max(0, len(counts) - width)])


def _none() -> Hashes:
    return np.zeros(0, dtype=np.uint64)


def _letter_places(spelling: str) -> list[int]:
    codes = _codes(spelling)
    return np.flatnonzero((codes != ord(" ")) & (codes != 0)).tolist()


def _whole_spans(spelling: str, whole: Iterable[str]) -> Iterator[tuple[int, int]]:
    plain = letters(spelling)
    for wanted in map(letters, whole):
        start = plain.find(wanted)
        at = _letter_places(spelling) if start >= 0 else []
        while start >= 0:
            yield at[start], at[start + len(wanted) - 1] + 1
            start = plain.find(wanted, start + len(wanted))


def _without(text: str, spelling: str, spans: list[tuple[int, int]]) -> str:
    """The text without what the spans of its folded form cover."""
    if not spans:
        return text
    at = range(len(text)) if len(text) == len(spelling) else places(text)
    kept, end = [], 0
    for low, high in _merged(spans):
        kept.append(text[end : at[low]])
        end = at[high - 1] + 1
    return CUT.join([*kept, text[end:]])


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged
