"""What the prompt asks, to decide which forms of text are an answer."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from evalharness.completion.language import language_of
from evalharness.completion.text import FoldedText, fold
from evalharness.records import Sample

ASKS_FOR_TURNS = re.compile(
    r"dialog|conversation|script|interview|\bchat|q ?& ?a|q and a|\bfaq|\bplay\b|\bscene|transcript|flash ?card"
    r"|role-?play|\bqa\b|questions?\b.*\banswers|screenplay|skit|sketch"
)
ASKS_FOR_QUESTIONS = re.compile(
    r"questions|quiz|interview|survey|\bask\b|trivia|riddle|exam\b|multiple.choice|questionnaire|rubric"
    r"|criteria|checklist|rephrase|paraphrase"
    r"|rewrite|options|choices|\bq&a|\bfaq"
)
ASKS_FOR_TASKS = re.compile(
    r"instruction|\btasks?\b|exercise|problems?\b|worksheet|lesson|prompt|template"
    r"|\b(?:an?|the|this|entry|order|consent) form\b|\bexamples?\b|input"
)
ASKS_FOR_STEPS = re.compile(
    r"\bhow (?:to|do|can|should)\b|steps?\b|tips\b|plan\b|guide|advice|ways\b|essay|method|syllabus"
)
ASKS_FOR_A_COPY = re.compile(
    r"(?:^|[.!?:,;\n]\s*)(?:\w+ ){0,2}(?:repeat|copy|echo)\b|\b(?:start|begin) (?:by|with) repeating|\bsay after"
    r"|verbatim|word for word"
)
ASKS_FOR_REPETITION = re.compile(
    r"\brepeat|\d+ times|\b(?:three|four|five|ten|twenty|hundred) times|over and over"
    r"|refrain|chorus|\bsong|lyrics|chant|mantra"
)


@dataclass(frozen=True, eq=False)
class Request:
    """The last thing the user said, and its first line as words, to compare the lines of a completion with."""

    folded: FoldedText
    words: tuple[str, ...]
    """Of its first line, with punctuation."""

    def asks(self, pattern: re.Pattern[str]) -> bool:
        """Whether the prompt mentions what `pattern` looks for; looked for once."""
        asks = self._asked.get(pattern.pattern)
        if asks is None:
            asks = self._asked[pattern.pattern] = pattern.search(self.folded.lower) is not None
        return asks

    @cached_property
    def _asked(self) -> dict[str, bool]:
        """By pattern."""
        return {}

    @cached_property
    def asks_for_repetition(self) -> bool:
        """Whether it wants something said again and again, as a song does."""
        return self.asks(ASKS_FOR_REPETITION)

    @cached_property
    def language(self) -> str | None:
        """The language it is written in, if detected."""
        return language_of(self.folded)


def request_of(sample: Sample) -> Request:
    """What the user said last; the whole prompt where no turn is the user's."""
    said = [message.content for message in sample.messages if message.role == "user"]
    return read_request(said[-1] if said else sample.prompt)


@lru_cache(maxsize=1024)
def read_request(prompt: str) -> Request:
    """Read `prompt`; the completions of all checkpoints answer the same ones, so each is read once."""
    folded = fold(prompt)
    return Request(folded, tuple(folded.line_texts[0].split()) if folded.line_texts else ())


@dataclass(frozen=True)
class Sign:
    """Where and how a text leaves the answer behind."""

    start: int
    end: int
    reason: str
