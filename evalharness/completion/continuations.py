"""Detects text that continues the prompt's document instead of answering.

Each detector returns the first position where the answer, if any, ends. They inspect single lines, so that a text
without such lines costs next to nothing.
"""

import re
from collections.abc import Callable, Sequence

from evalharness.completion.dialogues import find_next_document
from evalharness.completion.loops import similarity
from evalharness.completion.request import (
    ASKS_FOR_QUESTIONS,
    ASKS_FOR_STEPS,
    ASKS_FOR_TASKS,
    ASKS_FOR_TURNS,
    Request,
    Sign,
)
from evalharness.completion.text import FoldedText, Piece

NEXT_TASK = re.compile(
    r"[#* \t]*(?:instruction|task|input|exercise|problem|example input|new task)\s?\d*\**\s?[:.](?:\s|$)"
)
LABEL_STARTS = frozenset("#*itepnqw")
"""Possible beginnings of a line that matches either pattern."""
OUTPUT = re.compile(r"[#* \t]*output\**\s?:")
NEXT_NUMBER = re.compile(r"[#* \t]*(?:question|exercise|problem|quiz|worksheet)\s#?\d+")
QUESTION = re.compile(
    r"[>*#\[\s]*(?:q|question|frage|pregunta|domanda|pergunta|问题|问)\s?(?:\d{1,3})?[*\].)]*\s?:[*]*(?=\s|$|[^\x00-\x7f])"
)
ANSWER = re.compile(
    r"[>*#\[\s]*(?:a|answer|antwort|reponse|respuesta|risposta|resposta|答案|答)\s?(?:\d{1,3})?[*\].)]*\s?:[*]*(?=\s|$|[^\x00-\x7f])"
)
FORUM = re.compile(
    r"\W*(?:posted (?:by|on|in|at)\b|asked by\b|re: |reply\b|replies\b|reply to\b|answered by\b|last edited|joined:"
    r"|member since|(?:user|member|guest|poster)[ #]?\d+\b|related (?:posts|questions|articles)|filed under|tags?:"
    r"|views?:|comments?:?$|share this|\d+ (?:comments?|answers?|views?|replies|votes?|upvotes?|likes?)\b"
    r"|leave a (?:comment|reply)|read more|click here|log ?in\b|sign up\b|subscribe (?:to|now)\b"
    r"|copyright\b|©|all rights reserved|source:|see also:?$|best answer|this (?:question|thread|post) (?:has|was|is)"
    r"|join date|quote:|originally posted|advertisement|thread starter|permalink|sort by\b"
    r"|(?:asked|answered|edited) (?:\w{3,9} \d|\d+ \w+ ago|by\b)|on [^\n]{5,60} wrote:$"
    r"|forwarded message|original message)"
)
STARTS = "po as re an la jo me us gu ta vi co sh le cl lo si su al so se be th or ad pe on ed fo fi"
FORUM_STARTS = frozenset(STARTS.split())
"""What a line that begins with a letter begins with where `FORUM` matches."""
EXAM = re.compile(r"[\[(]\d{1,3} (?:marks?|points?|pts)[\])]|^(?:name|date|class):\s?_{3,}|^answer key\b")
EXAM_WORDS = frozenset({"mark", "marks", "point", "points", "pts", "key"})
ORDER = re.compile(
    r"(?:describe|explain|discuss|compare|contrast|define|identify|summari[sz]e|state|name|list|outline|calculate"
    r"|evaluate|justify|analy[sz]e|translate|classify|write|give|draw|complete)\s"
)
EXAM_SIGNS = ("(", "[", "___", "answer key")
"""One of them is in each line that `EXAM` finds."""
OPTION = re.compile(r"\(?([a-e])[.)]\s")
GOES_ON = re.compile(r"\(?(?:2[.)]|b\))\s")
THEN = re.compile(r"\(?(?:3[.)]|c\))\s")
LISTED = re.compile(r"^\s*\(?(?:1[.)]|a\)|[-*•])\s", re.MULTILINE)
JOINT = re.compile(
    r"[.,;?!)]|(?:and|or|of|in|for|with|that|which|who|from|by|on|about|but|so that|using|as|at|when|where"
    r"|because|to)\s"
)
ADDRESSED = re.compile(r"\byou\b|\byour\b")
NEXT_TASKS = re.compile(NEXT_TASK.pattern.replace("[#* \\t]*", r"^[#* \t]*", 1), re.MULTILINE)
OUTPUTS = re.compile(r"^[#* \t]*output\**\s?:", re.MULTILINE)
OPTIONS = re.compile(r"^[ \t]*\(?[a-e][.)]\s", re.MULTILINE)


def find_continuation(text: FoldedText, request: Request) -> Sign | None:
    """Where the text first continues the prompt's document."""
    detectors: tuple[Callable[[FoldedText, Request], Sign | None], ...] = (
        _next_document, _joined_on, _list_goes_on, _more_prompts, _only_questions, _question_and_answer,
        _quiz_options, _next_task, _exam, _page,
    )  # fmt: skip
    signs = [sign for sign in (detect(text, request) for detect in detectors) if sign]
    return min(signs, key=lambda sign: sign.start, default=None)


def _next_document(text: FoldedText, request: Request) -> Sign | None:
    return find_next_document(text)


def _joined_on(text: FoldedText, request: Request) -> Sign | None:
    """A first line that finishes the prompt's own sentence and does not lead on to an answer."""
    joint = JOINT.match(text.text.lstrip())
    if not joint or not text.line_texts or request.folded.text[-1:] in ".?!:\"')":
        return None
    first, rest = text.lines[0], text.lines[1:]
    if len(first.text.split()) < 3 or sum(len(line.text.split()) for line in rest) >= 20:
        return None
    return Sign(first.start, first.end, "continues the prompt's sentence")


def _list_goes_on(text: FoldedText, request: Request) -> Sign | None:
    """A list that begins with its second item: the prompt was taken for the first."""
    lines = text.line_texts
    if not lines or not GOES_ON.match(lines[0]) or LISTED.search(request.folded.lower):
        return None
    if not any(map(THEN.match, lines[1:])):
        return None
    return Sign(text.lines[0].start, len(text.text), "continues a list that begins with the prompt")


def _more_prompts(text: FoldedText, request: Request) -> Sign | None:
    """Lines made after the prompt's own pattern: the next entry of a list of prompts."""
    if len(request.words) < 3:
        return None
    begins = f"{request.words[0]} "
    if begins not in text.lower:
        return None
    alike: list[Piece] = []
    # Prompts that follow each other on one line are sentences there.
    for piece in text.lines if len(text.line_texts) > 1 else text.sentences:
        if not piece.text.startswith(begins):
            continue
        words = piece.text.split()
        near = similarity(words, request.words)
        if _same_mood(words, request.words) and (near >= 0.6 or words[1:2] == list(request.words[1:2])):
            alike.append(piece)
            # One first line that takes up the prompt is a heading, unless nothing comes after it.
            heading = piece.start == text.lines[0].start and (near == 1 or len(text.lines) > 1)
            if len(alike) >= 2 or (near >= 0.6 and not heading):
                asked = request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TASKS)
                return None if asked else Sign(alike[0].start, len(text.text), "writes more prompts like the one given")
    return None


def _same_mood(words: Sequence[str], request: Sequence[str]) -> bool:
    """Whether both end as questions, or neither does: an answer takes up the words of a question, not its mark."""
    return words[-1].endswith("?") == request[-1].endswith("?")


def _only_questions(text: FoldedText, request: Request) -> Sign | None:
    if text.text.count("?") < 2 or sum(each.endswith("?") for each in text.sentence_texts) < 2:
        return None
    questions = [piece for piece in text.sentences if piece.text.endswith("?")]
    # A question that addresses the reader ("could you tell me more?") is asked back, and is an answer.
    own = [piece for piece in questions if not ADDRESSED.search(piece.text) and piece.text.count(" ") >= 2]
    if len(own) >= 2 and len(own) >= 0.6 * len(text.sentences) and not request.asks(ASKS_FOR_QUESTIONS):
        return Sign(own[0].start, own[-1].end, f"{len(own)} of {len(text.sentences)} sentences are more questions")
    return None


def _question_and_answer(text: FoldedText, request: Request) -> Sign | None:
    """The next question of a series; the prompt's own one, said again before its answer, is none."""
    if ":" not in text.text or not any(":" in line and QUESTION.match(line) for line in text.line_texts):
        return None
    for line in text.lines:
        marker = QUESTION.match(line.text) if ":" in line.text else None
        if marker and similarity(line.text[marker.end() :].split(), request.words) < 1:
            after = line is not text.lines[0] or any(ANSWER.match(each.text) for each in text.lines)
            asked = request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TURNS)
            return Sign(line.start, len(text.text), "continues with the next question") if after and not asked else None
    return None


def _quiz_options(text: FoldedText, request: Request) -> Sign | None:
    """Options to choose from, at the very start: the prompt was taken for a quiz."""
    if not text.line_texts or not OPTION.match(text.line_texts[0]):
        return None
    options = [(line, match) for line in text.lines if (match := OPTION.match(line.text))]
    letters = "".join(match.group(1) for _, match in options)
    if not letters.startswith("abc") or request.asks(OPTIONS) or request.asks(ASKS_FOR_QUESTIONS):
        return None
    if not request.folded.text.endswith("?"):
        return None
    return Sign(options[0][0].start, options[-1][0].end, "offers the options of a quiz")


def _next_task(text: FoldedText, request: Request) -> Sign | None:
    places = (place for place, line in enumerate(text.line_texts) if _is_label(line))
    place = next(places, None)
    if place is None and "output" in text.lower and request.asks(OUTPUTS):
        place = next((place for place, line in enumerate(text.line_texts) if OUTPUT.match(line)), None)
    if place is None:
        return None
    label = text.lines[place]
    # Where the prompt has such labels itself, a new one begins the next of its kind whatever the prompt asks.
    asked = request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TASKS)
    if asked and not request.asks(NEXT_TASKS) and not request.asks(OUTPUTS):
        return None
    return Sign(label.start, len(text.text), f"begins the next task ({label.text[:30]!r})")


def _is_label(line: str) -> bool:
    return line[0] in LABEL_STARTS and (NEXT_NUMBER.match(line) or NEXT_TASK.match(line)) is not None


def _exam(text: FoldedText, request: Request) -> Sign | None:
    """An exam sheet: marks to be had, blanks for a name, or nothing but orders like the prompt's own."""
    marks = [line for line in text.lines if _is_exam(line.text)] if _may_be_exam(text) else []
    orders = marks if len(marks) >= 2 else _orders(text, request)
    if not orders or request.asks(ASKS_FOR_QUESTIONS) or request.asks(ASKS_FOR_TASKS):
        return None
    return Sign(orders[0].start, orders[-1].end, "continues like an exam sheet")


def _may_be_exam(text: FoldedText) -> bool:
    signs = "(" in text.text or "[" in text.text or "answer key" in text.lower
    return "___" in text.text or (signs and not EXAM_WORDS.isdisjoint(text.vocabulary))


def _is_exam(line: str) -> bool:
    return any(sign in line for sign in EXAM_SIGNS) and EXAM.search(line) is not None


def _orders(text: FoldedText, request: Request) -> Sequence[Piece]:
    """The sentences, where the prompt gives an order and most of them do so too."""
    if not ORDER.match(request.folded.lower) or not ORDER.match(text.lower.lstrip()):
        return ()
    orders = [sentence for sentence in text.sentences if ORDER.match(sentence.text)]
    enough = len(orders) >= 3 and len(orders) >= 0.7 * len(text.sentences)
    return orders if enough and not request.asks(ASKS_FOR_STEPS) else ()


def _page(text: FoldedText, request: Request) -> Sign | None:
    """Furniture of a web page or a forum: one kind at the very start, or two kinds anywhere."""
    if not any(map(_is_furniture, text.line_texts)):
        return None
    marks = [line for line in text.lines if _is_furniture(line.text)]
    kinds = {piece.text[:6] for piece in marks}
    if marks and (len(kinds) >= 2 or marks[0] is text.lines[0]):
        return Sign(marks[0].start, len(text.text), f"is a web page or forum ({marks[0].text[:40]!r})")
    return None


def _is_furniture(line: str) -> bool:
    if len(line) > 80 or (line[:2] not in FORUM_STARTS and line[0].isalpha()):
        return False
    return FORUM.match(line) is not None
