"""A completion as the detectors read it: one spelling for each character, thinking put aside, places kept."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from evalharness.completion.phrases import count_repeats
from evalharness.records import Span

ASCII = frozenset(map(chr, range(128)))
BETWEEN_WORDS = str.maketrans({sign: " " for sign in ASCII if not sign.isalnum() and sign != "'"})
ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
CODE = re.compile(r"```.*?```|```\w+\n.*\Z|`[^`\n]{1,200}`", re.DOTALL)
STRETCH = re.compile(r"[^\r\x80-\U0010ffff]+|\r\n?|[\x80-\U0010ffff]")
BEYOND_ASCII = re.compile(r"[\x80-\U0010ffff]+")
WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:'[^\W_]+)*")
SENTENCE = re.compile(r"[^\n.!?。！？]+[.!?。！？]*|[.!?。！？]+")
ASCII_SENTENCE = re.compile(r"[^\n.!?]+[.!?]*|[.!?]+")
THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL)
THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning)>")
QUOTES = {"‘": "'", "’": "'", "‛": "'", "ʼ": "'", "´": "'", "`": "`", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
DASHES = dict.fromkeys("‐‑‒–—−", "-")
LONG_CHUNK = 40
"""Characters without white space from which a stretch is looked at by characters."""


class Piece(NamedTuple):
    """A stretch of a `FoldedText`: characters `start` up to `end` of its folded text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class FoldedText:
    """A text with accents, curly quotes, invisible characters and line ends levelled, and the way back to it.

    Two texts that differ only in Unicode normal form, line ends or trailing whitespace fold to the same `text`.
    """

    original: str
    text: str
    offsets: tuple[int, ...] | None
    """Position of each folded character in `original`; None if all positions are the same."""

    @cached_property
    def lower(self) -> str:
        """The folded text in lower case, character by character in the same places."""
        lowered = self.text.lower()
        return lowered if len(lowered) == len(self.text) else "".join(_lower(character) for character in self.text)

    @cached_property
    def spoken(self) -> str:
        """`lower` with code and text in backticks blanked out: it is quoted, not said."""
        return CODE.sub(_blank, self.lower) if "`" in self.lower else self.lower

    @cached_property
    def words(self) -> list[str]:
        """Words in lower case; in Chinese and Japanese each character counts as one."""
        return _ascii_words(self.lower) if self.text.isascii() else WORD.findall(self.lower)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Its different words."""
        return frozenset(self.words)

    @cached_property
    def word_spans(self) -> list[tuple[int, int]]:
        """Start and end of each of `words`."""
        return [match.span() for match in (ASCII_WORD if self.text.isascii() else WORD).finditer(self.lower)]

    @cached_property
    def distinct_pairs(self) -> int:
        """How many different pairs of neighbouring words it has."""
        return len(set(pairwise(self.words)))

    @cached_property
    def distinct_triples(self) -> int:
        """How many different sequences of three words it has."""
        words = self.words
        if self.distinct_pairs == len(words) - 1:
            return max(0, len(words) - 2)
        return len(set(zip(words, words[1:], words[2:], strict=False)))

    @cached_property
    def repeats(self) -> int:
        """How many of its sequences of four words occurred earlier: none if no three words did."""
        return 0 if self.distinct_triples == len(self.words) - 2 else count_repeats(self.words)

    @cached_property
    def has_long_chunk(self) -> bool:
        """Whether `LONG_CHUNK` characters stand in it without white space between them."""
        place, last = 0, len(self.text) - LONG_CHUNK
        while place <= last:
            # From space to space, a stretch at a time, is a third of the work of cutting the text in words.
            space = self.text.rfind(" ", place, place + LONG_CHUNK)
            if space < 0:
                return any(len(chunk) >= LONG_CHUNK for chunk in self.text[place:].split())
            place = space + 1
        return False

    @cached_property
    def line_texts(self) -> list[str]:
        """The texts of `lines`, which are had for less than their places."""
        return [bare for line in self.lower.split("\n") if (bare := line.strip())]

    @cached_property
    def lines(self) -> list[Piece]:
        """The lines that are not blank, in lower case and stripped."""
        return list(_placed(self.line_texts, self.lower))

    @cached_property
    def sentences(self) -> list[Piece]:
        """Sentences in lower case; a line break ends one too, and a decimal point may cut one in two."""
        return list(_placed(self.sentence_texts, self.lower))

    @cached_property
    def sentence_texts(self) -> list[str]:
        """The texts of `sentences`, which are had for less than their places."""
        sentences = (ASCII_SENTENCE if self.text.isascii() else SENTENCE).findall(self.lower)
        return [bare for sentence in sentences if (bare := sentence.strip())]

    def upto(self, end: int) -> "FoldedText":
        """Its first `end` characters."""
        return self if end >= len(self.text) else FoldedText(self.original, self.text[:end], self.offsets)

    def span(self, start: int, end: int, label: str) -> Span | None:
        """The place in the original text of the folded characters `start` up to `end`; None where that is empty."""
        end = min(end, len(self.text))
        if end <= start:
            return None
        if self.offsets is None:
            return Span(start=start, end=end, label=label)
        return Span(start=self.offsets[start], end=self.offsets[end - 1] + 1, label=label)


def fold(text: str) -> FoldedText:
    """Level the spelling of `text` without losing track of the places.

    >>> fold("I can’t — cafe\\u0301").text
    "I can't - cafe"
    """
    text = text.rstrip()
    if "\r" not in text:
        if text.isascii():
            return FoldedText(text, text, None)
        if all(len(_fold_character(character)) == 1 for character in set(text) - ASCII):
            levelled = BEYOND_ASCII.sub(_fold_stretch, text)
            return FoldedText(text, levelled.rstrip(), None)
    return _fold_with_offsets(text)


def _placed(texts: Sequence[str], whole: str) -> Iterator[Piece]:
    """Each of `texts` with its place in `whole`, with only white space between them."""
    end = 0
    for text in texts:
        start = whole.index(text, end)
        end = start + len(text)
        yield Piece(text, start, end)


def _fold_stretch(match: re.Match[str]) -> str:
    return "".join(map(_fold_character, match.group()))


def _fold_with_offsets(text: str) -> FoldedText:
    """Fold a text in which characters vanish or become several."""
    folded: list[str] = []
    offsets: list[int] = []
    for match in STRETCH.finditer(text):
        start, end = match.span()
        if text[start] == "\r":
            folded.append("\n")
            offsets.append(end - 1)
        elif text[start] <= "\x7f":
            folded.append(match.group())
            offsets.extend(range(start, end))
        else:
            levelled = _fold_character(text[start])
            folded.append(levelled)
            offsets.extend([start] * len(levelled))
    levelled = "".join(folded).rstrip()
    return FoldedText(text, levelled, tuple(offsets[: len(levelled)]))


def _ascii_words(lowered: str) -> list[str]:
    """What `ASCII_WORD` finds, in two thirds of the time: apostrophes count between two letters only."""
    spaced = lowered.translate(BETWEEN_WORDS)
    if "'" not in spaced:
        return spaced.split()
    if "''" in spaced:
        return ASCII_WORD.findall(lowered)
    return f" {spaced} ".replace("' ", " ").replace(" '", " ").split()


def without_thoughts(folded: FoldedText) -> FoldedText:
    """Blank out reasoning blocks, so that what follows keeps its place.

    A block that was never closed reaches to the end. A lone closing tag (the opening tag is in the prompt)
    ends a block that began with the text.
    """
    if "<" not in folded.text:
        return folded
    visible = THOUGHT.sub(_blank, folded.text)
    end = THOUGHT_END.search(visible)
    if end:
        visible = " " * end.end() + visible[end.end() :]
    if visible == folded.text:
        return folded
    return FoldedText(folded.original, visible.rstrip(), folded.offsets)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _lower(character: str) -> str:
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """The character without accents and compatibility forms; nothing for marks and invisible characters."""
    if character in QUOTES or character in DASHES:
        return QUOTES.get(character) or DASHES[character]
    if character in "\u2028\u2029\u0085":
        return "\n"
    levelled = unicodedata.normalize("NFKD", character)
    return "".join(QUOTES.get(part, part) for part in levelled if unicodedata.category(part) not in ("Mn", "Me", "Cf"))
