"""Recognises quotations of removed texts by hashes of their letters, so that a large run needs little memory."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint32]
WINDOW = 20
"""Letters and digits that are hashed together."""
STEP = 10
"""A window of a removed text is noted at every so many letters, beginning with its first."""
SHORTEST = WINDOW + 2 * STEP - 1
"""Letters of a quotation that is always recognised; of a whole text, `WINDOW + STEP` are enough."""
BATCH = 1_000_000
"""Characters that are hashed at once."""
SEAM = "\ue000"
"""Between two texts of a batch: no quotation extends across it."""
OTHERS = re.compile(r"[\W_]+")
ODD = np.uint64(0x9E3779B97F4A7C15)


class Quotes:
    """What must not be quoted: two windows of a text, one after the other.

    A single one may be chance: a kept prompt that a removed completion repeats, and the letter that follows it.

    Args:
        removed: the texts.
        kept: texts that stay; what they say too is no quotation.
    """

    def __init__(self, removed: Iterable[str], kept: Iterable[str]) -> None:
        noted = [np.unique(_windows(codes)[_places(codes)]) for codes in _batches(removed)]
        self._set(np.unique(np.concatenate(noted)))
        allowed = [found[self._among(found)] for found in map(_windows, _batches(kept))]
        self._set(np.setdiff1d(self._hashes, np.concatenate(allowed)))

    def are_in(self, texts: Iterable[str]) -> bool:
        """Whether any of the texts quotes."""
        found = (self._among(_windows(codes)) for codes in _batches(texts))
        return any((windows[:-STEP] & windows[STEP:]).any() for windows in found)

    def _set(self, hashes: Hashes) -> None:
        self._hashes = hashes
        size = 2 ** min(26, max(12, int(hashes.size * 16).bit_length()))
        self._mask = np.uint64(size - 1)
        self._may_be = np.zeros(size, dtype=np.bool_)
        self._may_be[hashes & self._mask] = True

    def _among(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of the hashes were noted."""
        # Few are: a look at some bits of each spares the search for nearly all others.
        known: NDArray[np.bool_] = self._may_be[hashes & self._mask]
        left = np.flatnonzero(known)
        if left.size:
            at = np.minimum(np.searchsorted(self._hashes, hashes[left]), self._hashes.size - 1)
            known[left] = self._hashes[at] == hashes[left]
        return known


def letters(text: str) -> str:
    """A text without case, forms of letters, blanks, punctuation and markup, so that these hide no quotation.

    >>> letters("**Post**-Art ４")
    'postart4'
    """
    return OTHERS.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def _batches(texts: Iterable[str]) -> Iterator[Codes]:
    """The code points of texts joined to long ones."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(letters(text))
        size += len(text)
        if size >= BATCH:
            yield _codes(batch)
            batch, size = [], 0
    yield _codes(batch)


def _codes(batch: list[str]) -> Codes:
    return np.frombuffer(SEAM.join(batch).encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _windows(codes: Codes) -> Hashes:
    """A hash of each `WINDOW` letters in a row."""
    alone = codes.astype(np.uint64)
    two = _joined(alone, alone, 1)
    four = _joined(two, two, 2)
    eight = _joined(four, four, 4)
    return _joined(_joined(eight, eight, 8), four, 16)


def _joined(first: Hashes, second: Hashes, after: int) -> Hashes:
    """Hashes of stretches, each made of one and of the one that begins `after` places later."""
    count = max(0, len(second) - after)
    mixed = first[:count] * ODD
    mixed ^= mixed >> np.uint64(31)
    mixed += second[after : after + count]
    mixed *= ODD
    return mixed ^ (mixed >> np.uint64(29))


def _places(codes: Codes) -> NDArray[np.bool_]:
    """Which windows are noted: those within one text, at every `STEP` letters from its beginning."""
    at, ends = np.arange(len(codes)), codes == ord(SEAM)
    since = at - np.maximum.accumulate(np.where(ends, at, -1)) - 1
    seams = np.cumsum(np.concatenate([[0], ends]))
    within = seams[WINDOW:] == seams[: max(0, len(seams) - WINDOW)]
    return np.asarray(within & (since[: within.size] % STEP == 0))
