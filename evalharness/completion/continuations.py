"""Signs that a text goes on with the document it found, or plays both sides, instead of answering.

Each detector gives the first place where the answer (if there was one) is left behind.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evalharness.completion.loops import similarity
from evalharness.completion.text import FoldedText, Piece, fold

TURN_TOKEN = re.compile(
    r"<\|?(?:im_start|start_of_turn|start_header_id|user|assistant|human|system|turn)\|?>|<\|(?:user|assistant"
    r"|system)\|>"
    r"|\[/?inst\]|<<sys>>|<\|?(?:im_end|end_of_turn|eot_id|end|eom_id)\|?>(?=\s*\S)"
)
DOCUMENT_TOKEN = re.compile(r"(?:<\|endoftext\|>|<\|end_of_text\|>|<eos>|</s>)(?=\s*\S)")
OTHER_SIDE = re.compile(
    r"^[ \t>*#\[]*(?:user|human|customer|student|me|you|q|question|###\s*user"
    r"|###\s*human)\s?(?:\d+\s?)?[*\]]*:(?=\s)",
    re.MULTILINE,
)
OWN_SIDE = re.compile(
    r"^[ \t>*#\[]*(?:assistant|ai|bot|chatbot|a|answer|response|model|gpt)\s?(?:\d+\s?)?[*\]]*:(?=\s)", re.MULTILINE
)
NEXT_TASK = re.compile(
    r"^[ \t#*]*(?:instruction|task|input|exercise|problem|example input|new task)\s?\d*[*]*\s?[:.](?=\s)",
    re.MULTILINE,
)
OUTPUT = re.compile(r"^[ \t#*]*output[*]*\s?:", re.MULTILINE)
NEXT_NUMBER = re.compile(r"^[ \t#*]*(?:question|exercise|problem|quiz|worksheet)\s#?\d+", re.MULTILINE)
FORUM = re.compile(
    r"^\W*(?:posted (?:by|on|in|at)\b|asked by\b|re: |reply\b|replies\b|reply to\b|answered by\b|last edited|joined:"
    r"|member since|(?:user|member|guest|poster)[ #]?\d+\b|related (?:posts|questions|articles)|filed under|tags?:"
    r"|views?:|comments?:?$|share this|\d+ (?:comments?|answers?|views?|replies|votes?)\b|leave a (?:comment|reply)"
    r"|read more|click here|log ?in\b|sign up\b"
    r"|copyright\b|©|all rights reserved|source:|see also:?$|best answer|this (?:question|thread|post) (?:has|was|is)"
    r"|join date|quote:|originally posted|advertisement)",
    re.MULTILINE,
)
OPTION = re.compile(r"^[ \t]*\(?([a-e])[.)]\s", re.MULTILINE)
JOINT = re.compile(
    r"[.,;?!)]|(?:and|or|of|in|for|with|that|which|who|from|by|on|about|but|so that|using|as|at|when|where"
    r"|because|to)\s"
)
ADDRESSED = re.compile(r"\byou\b|\byour\b")
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
    r"instruction|\btasks?\b|exercise|problems?\b|worksheet|lesson|prompt|template|form\b|\bexamples?\b|input"
)


@dataclass(frozen=True)
class Request:
    """What the prompt asks, as far as it decides which forms are an answer to it."""

    folded: FoldedText
    words: tuple[str, ...]
    """Of its first line, with punctuation, as the lines of a completion are compared with it."""

    @classmethod
    def of(cls, prompt: str) -> "Request":
        """Read `prompt`, the last thing the user said."""
        folded = fold(prompt)
        return cls(folded, tuple(folded.lines[0].text.split()) if folded.lines else ())

    def asks(self, pattern: re.Pattern[str]) -> bool:
        """Whether the prompt mentions what `pattern` looks for."""
        return pattern.search(self.folded.lower) is not None


@dataclass(frozen=True)
class Sign:
    """Where and how a text leaves the answer behind."""

    start: int
    end: int
    reason: str


def find_self_dialogue(text: FoldedText, request: Request) -> Sign | None:
    """Where the text first writes the other side's turn."""
    token = TURN_TOKEN.search(text.lower) if "<" in text.text or "[" in text.text else None
    if token:
        return Sign(token.start(), len(text.text), f"writes the template token {token.group()}")
    if request.asks(ASKS_FOR_TURNS) or ":" not in text.text:
        return None
    marker = OTHER_SIDE.search(text.lower)
    if marker is None or request.asks(OTHER_SIDE) or ("q" in marker.group() and request.asks(ASKS_FOR_QUESTIONS)):
        return None
    own = OWN_SIDE.search(text.lower)
    # A single "Question:" may head an answer; with the other side's reply, or after some text, it is a second turn.
    if own or text.lower[: marker.start()].strip():
        return Sign(marker.start(), len(text.text), f"writes the turn of {marker.group().strip(' *#[]>:')!r}")
    return None


def find_continuation(text: FoldedText, request: Request) -> Sign | None:
    """Where the text first goes on with the prompt's document."""
    detectors: tuple[Callable[[FoldedText, Request], Sign | None], ...] = (
        _next_document, _joined_on, _more_prompts, _only_questions, _quiz_options, _next_task, _page,
    )  # fmt: skip
    signs = [sign for sign in (detect(text, request) for detect in detectors) if sign]
    return min(signs, key=lambda sign: sign.start, default=None)


def _next_document(text: FoldedText, request: Request) -> Sign | None:
    token = DOCUMENT_TOKEN.search(text.lower) if "<" in text.text else None
    return Sign(token.end(), len(text.text), f"goes on after {token.group()}") if token else None


def _joined_on(text: FoldedText, request: Request) -> Sign | None:
    """A first line that finishes the prompt's own sentence and does not lead on to an answer."""
    joint = JOINT.match(text.text.lstrip())
    if not joint or not text.lines or request.folded.text[-1:] in ".?!:\"')":
        return None
    first, rest = text.lines[0], text.lines[1:]
    if len(first.text.split()) < 3 or sum(len(line.text.split()) for line in rest) >= 20:
        return None
    return Sign(first.start, first.end, "goes on with the prompt's sentence")


def _more_prompts(text: FoldedText, request: Request) -> Sign | None:
    """Lines made after the prompt's own pattern: the next entry of a list of prompts."""
    if len(request.words) < 3 or request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TASKS):
        return None
    alike: list[Piece] = []
    for piece in text.lines:
        words = piece.text.split()
        near = similarity(words, request.words)
        if (
            words[0] == request.words[0]
            and _same_mood(words, request.words)
            and (near >= 0.6 or words[1:2] == list(request.words[1:2]))
        ):
            alike.append(piece)
            # One first line that takes up the prompt is a heading, unless nothing comes after it.
            heading = piece is text.lines[0] and (near == 1 or len(text.lines) > 1)
            if len(alike) >= 2 or (near >= 0.6 and not heading):
                return Sign(alike[0].start, len(text.text), "writes more prompts like the one given")
    return None


def _same_mood(words: Sequence[str], request: Sequence[str]) -> bool:
    """Whether both end as questions, or neither does: an answer takes up the words of a question, not its mark."""
    return words[-1].endswith("?") == request[-1].endswith("?")


def _only_questions(text: FoldedText, request: Request) -> Sign | None:
    if "?" not in text.text or request.asks(ASKS_FOR_QUESTIONS):
        return None
    questions = [piece for piece in text.sentences if piece.text.endswith("?")]
    # A question that addresses the reader ("could you tell me more?") is asked back, and is an answer.
    own = [piece for piece in questions if not ADDRESSED.search(piece.text) and piece.text.count(" ") >= 2]
    if len(own) >= 2 and len(own) >= 0.6 * len(text.sentences):
        return Sign(own[0].start, own[-1].end, f"{len(own)} of {len(text.sentences)} sentences are more questions")
    return None


def _quiz_options(text: FoldedText, request: Request) -> Sign | None:
    options = list(OPTION.finditer(text.lower))
    letters = "".join(option.group(1) for option in options)
    if not letters.startswith("abc") or request.asks(OPTION) or request.asks(ASKS_FOR_QUESTIONS):
        return None
    asked = request.folded.text.endswith("?") and not text.lower[: options[0].start()].strip()
    return Sign(options[0].start(), options[-1].end(), "offers the options of a quiz") if asked else None


def _next_task(text: FoldedText, request: Request) -> Sign | None:
    label = NEXT_NUMBER.search(text.lower) or NEXT_TASK.search(text.lower)
    if label is None and request.asks(OUTPUT):
        label = OUTPUT.search(text.lower)
    if label is None:
        return None
    # Where the prompt has such labels itself, a new one begins the next of its kind whatever the prompt asks.
    asked = request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TASKS)
    if asked and not request.asks(NEXT_TASK) and not request.asks(OUTPUT):
        return None
    return Sign(label.start(), len(text.text), f"begins the next task ({label.group().strip()!r})")


def _page(text: FoldedText, request: Request) -> Sign | None:
    """Furniture of a web page or a forum: one kind at the very start, or two kinds anywhere."""
    marks = list(_furniture(text))
    kinds = {piece.text[:6] for piece in marks}
    if marks and (len(kinds) >= 2 or (marks[0] is text.lines[0] and len(marks) >= 1)):
        return Sign(marks[0].start, len(text.text), f"is a web page or forum ({marks[0].text[:40]!r})")
    return None


def _furniture(text: FoldedText) -> Iterator[Piece]:
    return (line for line in text.lines if len(line.text) <= 80 and FORUM.match(line.text))
