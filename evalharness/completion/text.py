"""A completion as the detectors read it: one spelling for each character, thinking put aside, places kept."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache

from evalharness.records import Span

WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:'[^\W_]+)*")
SENTENCE = re.compile(r"[^\n.!?。！？]+(?:[.!?。！？]+|(?=\n)|$)|[.!?。！？]+")
THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL)
THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning)>")
QUOTES = {"‘": "'", "’": "'", "‛": "'", "ʼ": "'", "´": "'", "`": "`", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
DASHES = dict.fromkeys("‐‑‒–—−", "-")


@dataclass(frozen=True)
class Piece:
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
    """Where each folded character stood in `original`; None where they stand in the same places."""

    @cached_property
    def lower(self) -> str:
        """The folded text in lower case, character by character in the same places."""
        lowered = self.text.lower()
        return lowered if len(lowered) == len(self.text) else "".join(_lower(character) for character in self.text)

    @cached_property
    def words(self) -> list[str]:
        """Words in lower case; in Chinese and Japanese each character counts as one."""
        return WORD.findall(self.lower)

    @cached_property
    def word_spans(self) -> list[tuple[int, int]]:
        """Start and end of each of `words`."""
        return [match.span() for match in WORD.finditer(self.lower)]

    @cached_property
    def lines(self) -> list[Piece]:
        """The lines that are not blank, in lower case and stripped."""
        pieces, place = [], 0
        for line in self.lower.split("\n"):
            stripped = line.strip()
            if stripped:
                start = place + line.index(stripped)
                pieces.append(Piece(stripped, start, start + len(stripped)))
            place += len(line) + 1
        return pieces

    @cached_property
    def sentences(self) -> list[Piece]:
        """Sentences in lower case; a line break ends one too, and a decimal point may cut one in two."""
        pieces = []
        for match in SENTENCE.finditer(self.lower):
            stripped = match.group().strip()
            if stripped:
                start = match.start() + match.group().index(stripped)
                pieces.append(Piece(stripped, start, start + len(stripped)))
        return pieces

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
    if text.isascii() and "\r" not in text:
        return FoldedText(text, text, None)
    folded: list[str] = []
    offsets: list[int] = []
    for place, character in enumerate(text):
        for level in _fold_character(character) if character != "\r" else _fold_return(text, place):
            folded.append(level)
            offsets.append(place)
    while folded and folded[-1].isspace():
        folded.pop()
        offsets.pop()
    return FoldedText(text, "".join(folded), tuple(offsets))


def without_thoughts(folded: FoldedText) -> FoldedText:
    """Blank out reasoning blocks, so that what follows keeps its place.

    A block that was never closed reaches to the end. A lone closing tag (the opening one stood in the prompt)
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


def _fold_return(text: str, place: int) -> str:
    return "" if text[place + 1 : place + 2] == "\n" else "\n"


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """The character without accents and compatibility forms; nothing for marks and invisible characters."""
    if character in QUOTES or character in DASHES:
        return QUOTES.get(character) or DASHES[character]
    if character in "\u2028\u2029\u0085":
        return "\n"
    levelled = unicodedata.normalize("NFKD", character)
    return "".join(QUOTES.get(part, part) for part in levelled if unicodedata.category(part) not in ("Mn", "Me", "Cf"))
