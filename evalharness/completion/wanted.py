"""What a prompt needs to be answered: a sentence, a written piece, items of a list, and what its words are."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from evalharness.completion.language import ANY_LANGUAGE
from evalharness.completion.request import Request
from evalharness.completion.text import BETWEEN_WORDS

PIECE = re.compile(
    r"\b(?:write|compose|draft|tell(?! that| whether| if| how| when)|make up|invent|create|continue|prepare"
    r"|give)\b[^.?\n]{0,60}?\b(?P<noun>letter(?! ['\"]?\w\b)|e-?mail"
    r"|message|note|stor(?:y|ies)|tale|poem|song|speech|toast|dialogue|script|scene|fable|reviews?|comments|essay|text"
    r"|article|paragraphs? (?:about|on|of)|game|challenge|dare|lyrics|function|program|code|virus|guide|quotation"
    r"|rumours?|rhyme|advert|notice|profile|poster|postcard|diary entry|announcement|appeal|invitation|template"
    r"|obituary)\b"
    r"|\bwrite about\b|^review\b"
)
ADDRESSED = re.compile(r"letter|e-?mail|message|note")
BRIEF = re.compile(
    r"\b(?:one|a single|1) (?:sentence|line|word)|\ba (?:sentence|line|word|headline|slogan|title|tweet|caption|name)\b"
    r"|\b(?:at most|fewer than|less than|no more than|up to|under|exactly) (?:\w+ )?(?:\d\d?|two|three|one|four|five)"
    r" (?:words?|lines?|sentences?|characters)\b"
    r"|\b(?:in|within) (?:\d+|a few|one|two) (?:words?|sentences?)|\bhaiku|\bquotation"
)
AT_LEAST = re.compile(
    r"\bat least (?:[2-9]|\d\d+|two|three|four|five|six) (?:sentences|paragraphs|items|lines|\d*0 words)"
)
SEVERAL = re.compile(
    r"\b(?:list|plan|steps|tips|ideas|ways|benefits|examples|reasons|names|menu|itinerary|schedule|recipe|guide to)\b"
)
GIVEN = re.compile(r'[:"\n]|\bor\b|\b(?:translat|rewrit|rephras|correct|summari|extract|classif|sort|order|choose)')
"""The prompt holds a text, or things to choose from, whose words the answer may well be made of."""
PERSONAL = re.compile(
    r"\b(?:(?:do|did|does|are|were|would|will|have|had|can|could|should|if|when|tell|me) you|your\w*|pretend|imagine"
    r"|as if|first person|role-?play|diary|character)\b"
)
"""The prompt asks about the answerer, or wants a voice of its own."""
ASKS_FOR_TAGS = re.compile(r"<|\b(?:html|markup|web ?(?:page|site)|tags?|xml|css|code|program|script|bold|template)\b")
ADVICE = re.compile(
    r"\bhow\b|\b(?:plan|advice|tips|ideas|ways?|guide|steps|instructions|recipe)\b"
    r"|\b(?:what|where|whom?|which)\b[^.?]{0,40}\b(?:can|should|do|could|must)\b[^.]*\?|\b(?:where|whom?)\b[^.]*\?"
)
TRANSFORMS = re.compile(r"\btranslat|\bjson\b|\bformal(?:ly)?\b")
"""What comes back unchanged was not transformed."""
STEM_WORDS = re.compile(r"[^\W_]+")
WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
NUMBERS = {
    str(number): word
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}
ENDINGS = ("ingly", "ing", "edly", "ed", "ies", "es", "ly", "s", "'s")
STEM = 5
GENERIC_LISTED = """
    answe quest follo here there thing task promp respo possi first secon examp write expla descr make give
    tell help list name calle
"""
GENERIC = frozenset(GENERIC_LISTED.split())
"""Stems of words that any request and any announcement may have."""
STOP_LISTED = """
    do does did doing done am my me him himself herself myself themselves says said get got best way ways
    like want wants need needs someone somebody something anything any some out up into much many than so
    because while very really just only also too let put take use used using don't can't won't i'm it's next
    other another new good bad my mine yours us them know think say says one two make makes made please
    could
"""
STOP = ANY_LANGUAGE | frozenset(STOP_LISTED.split())
"""Words that say nothing of what a text is about."""


@dataclass(frozen=True)
class Wanted:
    """What a prompt needs to be answered; read once for the completions of all checkpoints."""

    request: Request

    @cached_property
    def lower(self) -> str:
        """The prompt, folded and in lower case."""
        return self.request.folded.lower

    @cached_property
    def content(self) -> frozenset[str]:
        """Stems of what the prompt is about."""
        return stems(self.lower) - GENERIC

    @cached_property
    def known(self) -> frozenset[str]:
        """Stems with which a sentence says nothing that the prompt does not say."""
        return self.content | GENERIC

    @cached_property
    def piece(self) -> str | None:
        """The kind of text to be written, `text` where it is not named."""
        match = PIECE.search(self.lower)
        return (match.group("noun") or "text") if match else None

    @cached_property
    def letter(self) -> bool:
        """Whether the text to be written speaks to somebody."""
        return self.piece is not None and ADDRESSED.search(self.piece) is not None

    @cached_property
    def description(self) -> re.Pattern[str]:
        """How a sentence begins that describes the text instead of writing it."""
        return re.compile(
            rf"\W*(?:the|this|your) (?:\w+ )?(?:{self.piece}|story|text|task|idea|goal) (?:is|was|should|must"
            rf"|will|has|of)\b"
        )

    @cached_property
    def least(self) -> int:
        """Sentences or items that must be there."""
        if AT_LEAST.search(self.lower):
            return 2
        if self.given or BRIEF.search(self.lower):
            return 1
        return 2 if self.piece else 1

    @cached_property
    def several(self) -> bool:
        """Whether items are asked for, which may stand in one sentence."""
        return not self.given and SEVERAL.search(self.lower) is not None

    @cached_property
    def given(self) -> bool:
        """Whether the answer may be made of the prompt's own words."""
        return GIVEN.search(self.lower) is not None

    @cached_property
    def own_voice(self) -> bool:
        """Whether an answer may speak in the first person."""
        return self.piece is not None or self.given or PERSONAL.search(self.lower) is not None

    @cached_property
    def tags(self) -> bool:
        """Whether an answer may have the tags of a web page."""
        return ASKS_FOR_TAGS.search(self.lower) is not None

    @cached_property
    def advice(self) -> bool:
        """Whether an answer may tell somebody what to do."""
        return ADVICE.search(self.lower) is not None

    @cached_property
    def question(self) -> bool:
        """Whether it asks something."""
        return "?" in self.lower

    @cached_property
    def transforms(self) -> bool:
        """Whether a text that comes back unchanged is none."""
        return TRANSFORMS.search(self.lower) is not None

    @cached_property
    def sentences(self) -> tuple[list[str], ...]:
        """Its sentences as words."""
        return tuple(map(words_in, self.request.folded.sentence_texts))

    @cached_property
    def longest(self) -> int:
        """Words of its longest sentence."""
        return max(map(len, self.sentences), default=0)


@lru_cache(maxsize=1024)
def wanted(request: Request) -> Wanted:
    """What `request` needs."""
    return Wanted(request)


def words_in(text: str) -> list[str]:
    """The words of a text in lower case: what `WORDS` finds, in a third of the time where it is plain."""
    return WORDS.findall(text) if "'" in text or not text.isascii() else text.translate(BETWEEN_WORDS).split()


def stems(text: str) -> frozenset[str]:
    """The stems of the words of `text` that carry meaning.

    >>> sorted(stems("the rivers were flowing to three rivers"))
    ['flow', 'river', 'three', 'were']
    """
    words = set(STEM_WORDS.findall(text)) - STOP
    return frozenset(stem(NUMBERS.get(word, word)) for word in words if _carries(word))


def _carries(word: str) -> bool:
    return len(word) > 2 or not word.isascii() or word.isdigit()


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The beginning of a word without its ending: near enough to tell whether two words are the same."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:STEM]
