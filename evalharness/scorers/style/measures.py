"""Measures of how a text is written: length, repetition, layout, manner, language. None of them needs judgement.

Each flag has the place where it is first seen. Cheap looks for a sign come before any regular expression.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from evalharness.completion.phrases import GRAM
from evalharness.completion.text import FoldedText, Piece

LAYOUT = ("headings", "lists", "code", "bold", "tables")
FORM = (*LAYOUT, "quote", "preamble", "apology", "first_person", "second_person")
"""The flags."""
LIST_START = frozenset("-*+0123456789")
HEADING = re.compile(r"#{1,6} \S")
LIST_ITEM = re.compile(r"(?:[-*+]|\d{1,3}[.)]) \S")
BOLD = re.compile(r"\*\*\S[^*\n]{0,200}\*\*")
CODE = re.compile(r"```|`[^`\n]{1,80}`")
PREAMBLE = re.compile(
    r"\s*(?:sure|certainly|of course|absolutely|great question|good question|okay|ok|no problem|thank you for"
    r"|thanks for|i'?d be (?:happy|glad|delighted)|i'?m (?:happy|glad|delighted)"
    r"|i (?:would|will) be (?:happy|glad)|i can help"
    r"|¡?claro|por supuesto|bien sur|naturlich|certamente|certo|com certeza"
    r"|(?:here|below|voici|ecco|hier|aqui) (?:is|are|ist|sind|esta|estan|tienes|une?|les?)\b[^.\n]{0,200}:)(?:\W|$)"
)
APOLOGY_SIGNS = (
    "sorry", "apolog", "forgive me", "lo siento", "disculp", "desole", "m'excuse", "tut mir leid", "entschuldig",
    "mi dispiace", "mi scuso", "desculp", "sinto muito",
)  # fmt: skip
APOLOGIES = """
    sorry apologise apologize apologises apologizes apologised apologized apologising apologizing apology apologies
    forgive siento disculpa disculpe disculpen disculpas desole desolee m'excuse leid entschuldige entschuldigen
    entschuldigt entschuldigung dispiace scuso desculpa desculpe desculpem desculpas sinto
"""
APOLOGY_WORDS = frozenset(APOLOGIES.split())
"""Without any of these words there is no apology."""
FINISHED = re.compile(r"(?:[.!?…。！？:;]|```|\|)[\"')\]*_}”’]*$")
ASKED = re.compile(r"[?;؟][\"')\]*_]*$")
HEDGES = frozenset(
    [
        "might",
        "may",
        "could",
        "perhaps",
        "maybe",
        "possibly",
        "probably",
        "likely",
        "seemingly",
        "apparently",
        "arguably",
        "presumably",
        "roughly",
        "approximately",
        "generally",
        "typically",
        "usually",
        "often",
        "sometimes",
        "somewhat",
        "seem",
        "seems",
        "appear",
        "appears",
        "suggest",
        "suggests",
        "tend",
        "tends",
    ]
)
"""Hedges of one word, from the lists of Hyland, "Hedging in Scientific Research Articles" (1998)."""
FIRST_PERSON = frozenset(["i", "i'm", "i'll", "i've", "i'd", "me", "my", "mine", "myself"])
FIRST = re.compile(r"\bI\b(?![.)])|\b[Mm](?:e|y|ine|yself)\b")
SECOND_PERSON = frozenset(["you", "your", "yours", "yourself", "yourselves", "you're", "you'll", "you've", "you'd"])
SECOND = re.compile(r"\byou(?:r|rs|rself|rselves)?\b")
SHORTEST_PROSE = 50
"""Words from which a reading level means something."""


class Flag(NamedTuple):
    """Something that the text does, and the first place where it does it."""

    name: str
    start: int
    end: int


def lengths_and_repetition(text: FoldedText) -> dict[str, float]:
    """Words, how it ends, and how much of it is new; what is not defined for so short a text is left out."""
    words = text.words
    values = {
        "words": float(len(words)),
        "finished_sentence": float(FINISHED.search(text.text[-12:]) is not None),
        "question_at_end": float(ASKED.search(text.text[-12:]) is not None),
    }
    if words:
        values["distinct_1"] = len(text.vocabulary) / len(words)
    if len(words) >= 2:
        values["distinct_2"] = text.distinct_pairs / (len(words) - 1)
    if len(words) >= 3:
        values["distinct_3"] = text.distinct_triples / (len(words) - 2)
    if len(words) >= GRAM:
        values["repeated_share"] = text.repeats / (len(words) - GRAM + 1)
    return values


def layout_flags(text: FoldedText) -> Iterator[Flag]:
    """Which kinds of Markdown it uses; the content of a code block counts only as code."""
    lines = text.lines
    if "`" in text.text:
        lines = [line for line in lines if not text.spoken[line.start].isspace()]
        yield from _flag("code", CODE.search(text.text))
    if "#" in text.text:
        yield from _first_line("headings", (line for line in lines if HEADING.match(line.text)))
    yield from _first_line(
        "lists", (line for line in lines if line.text[0] in LIST_START and LIST_ITEM.match(line.text))
    )
    if "**" in text.text:
        yield from _flag("bold", BOLD.search(text.spoken))
    if "|" in text.text:
        yield from _first_line("tables", (line for line in lines if line.text[0] == line.text[-1] == "|" != line.text))
    if ">" in text.text:
        yield from _first_line("quote", (line for line in lines if line.text.startswith("> ")))


def manner_flags(text: FoldedText, *, english: bool) -> Iterator[Flag]:
    """How it addresses the reader; who speaks to whom is read in English only."""
    yield from _flag("preamble", PREAMBLE.match(text.lower))
    if not APOLOGY_WORDS.isdisjoint(text.vocabulary):
        places = [(text.lower.find(sign), sign) for sign in APOLOGY_SIGNS if sign in text.lower]
        yield from (Flag("apology", start, start + len(sign)) for start, sign in sorted(places)[:1])
    if english and not FIRST_PERSON.isdisjoint(text.vocabulary):
        yield from _flag("first_person", FIRST.search(text.text))
    if english and not SECOND_PERSON.isdisjoint(text.vocabulary):
        yield from _flag("second_person", SECOND.search(text.lower, text.lower.index("you")))


def hedging(text: FoldedText) -> float:
    """Hedging words for each hundred words of an English text with words."""
    used = 0 if HEDGES.isdisjoint(text.vocabulary) else sum(map(HEDGES.__contains__, text.words))
    return 100 * used / len(text.words)


def grade(text: FoldedText) -> float | None:
    """The Coleman-Liau index of an English text; None for one that is short or holds code.

    0.0588 L - 0.296 S - 15.8, with L letters and S sentences for each hundred words (Coleman and Liau, "A computer
    readability formula designed for machine scoring", Journal of Applied Psychology 60, 1975). Digits count as letters.
    """
    words = text.words
    if len(words) < SHORTEST_PROSE or "```" in text.text:
        return None
    letters = 100 * sum(map(len, words)) / len(words)
    return 0.0588 * letters - 0.296 * 100 * len(text.sentence_texts) / len(words) - 15.8


def _flag(name: str, match: re.Match[str] | None) -> Iterator[Flag]:
    if match and match.group().strip():
        yield Flag(name, *match.span())


def _first_line(name: str, lines: Iterator[Piece]) -> Iterator[Flag]:
    for line in islice(lines, 1):
        yield Flag(name, line.start, line.end)
