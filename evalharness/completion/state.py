"""The state of a completion: what is wrong with its form, if anything, and how it ends.

Exactly one state holds. Where several signs are there, the first of this order decides:

0. `loop`: the server aborted the generation because it looped.
1. `empty`: nothing but whitespace, signs or markup (or only thinking, which the reader does not see). A sign
   that runs on and on is a loop.
2. `echo`: the prompt again, once or twice, and next to nothing else.
3. `loop`: repeats itself endlessly, anywhere; three or more copies of the prompt are a loop.
4. `self_dialogue`: writes the other side's turns or the chat template's tokens.
5. `continuation`: continues the prompt's document. Never on samples of kind `continuation`, where that is asked.
6. `cut`: none of these, but the token limit ended it.
7. `answer`: none of these; what it did with the request is the refusal scorer's business.

A loop comes before the states that tell what it repeats, because it is what a reader sees first; a role marker or
a template token comes before `continuation` because it is the harder evidence.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args
from unicodedata import category

from evalharness.completion.continuations import find_continuation
from evalharness.completion.dialogues import find_self_dialogue
from evalharness.completion.loops import CHARACTER_RUN, Ending, find_loop, similarity
from evalharness.completion.request import ASKS_FOR_A_COPY, Request, Sign, request_of
from evalharness.completion.text import FoldedText, fold, without_thoughts
from evalharness.records import Completion, Sample, Span

StateName = Literal["empty", "echo", "loop", "self_dialogue", "continuation", "cut", "answer"]
STATES: tuple[StateName, ...] = get_args(StateName)
EndingName = Literal["itself", "cut", "continuation", "self_dialogue", "loop"]
ENDINGS: tuple[EndingName, ...] = get_args(EndingName)
NON_ANSWERS = frozenset[StateName]({"empty", "echo", "loop", "self_dialogue", "continuation"})
FENCE = re.compile(r"```\w*\s*")
MARKUP = re.compile(r"<\|?/?\w+/?\|?>|\[/?INST\]")


@dataclass(frozen=True)
class State:
    """A completion's state, what it was read from, and where the answer ends that may stand before it."""

    name: StateName
    reason: str
    spans: tuple[Span, ...]
    text: FoldedText
    """What the reader sees, thinking put aside."""
    answer_end: int
    """Characters of `text` before the first sign of another turn or another document; all without one."""

    @property
    def head(self) -> FoldedText:
        """What was said in the completion's own turn, rounds of a loop included."""
        return self.text.upto(self.answer_end)


def state_of(sample: Sample, completion: Completion) -> State:
    """Read the state of `completion`, given what `sample` asks."""
    text = without_thoughts(fold(completion.text))
    if completion.finish_reason == "loop_abort":
        return _aborted(sample, completion, text)
    if not text.text.strip():
        thought = bool(fold(completion.text).text.strip())
        return State("empty", "only thinking" if thought else "no text at all", (), text, 0)
    if not _has_words(text.text) and not _is_drawing(text.text):
        return _without_words(text)
    request = request_of(sample)
    copies = _copies(text.words, request.folded.words)
    if copies in (1, 2) and not request.asks(ASKS_FOR_A_COPY):
        return _state("echo", Sign(0, len(text.text), "repeats the prompt"), text)
    signs = _signs(sample, completion, text, request, copies)
    answer_end = min((sign.start for name, sign in signs.items() if name != "loop"), default=len(text.text))
    for name, sign in signs.items():
        return _state(name, sign, text, answer_end)
    if completion.finish_reason == "length":
        return State("cut", "the token limit ended it", (), text, answer_end)
    reason = "continues the text, as asked" if sample.kind == "continuation" else "ends by itself"
    return State("answer", reason, (), text, answer_end)


def ending_of(state: State, completion: Completion) -> EndingName:
    """How the completion ends, whatever it did with the request; exactly one of `ENDINGS`."""
    if state.name == "loop" or state.name == "self_dialogue" or state.name == "continuation":
        return state.name
    return "cut" if completion.finish_reason == "length" else "itself"


def _aborted(sample: Sample, completion: Completion, text: FoldedText) -> State:
    """A generation that was aborted for looping is a loop, whatever else it contains."""
    whole = Sign(0, len(text.text), "generation was aborted because it looped")
    sign = _loop(completion, text, request_of(sample), 0) or whole
    return _state("loop", sign, text, len(text.text))


def _has_words(text: str) -> bool:
    """Whether a letter, a digit or a picture is left without tags and special tokens."""
    bare = MARKUP.sub("", text) if "<" in text or "[" in text else text
    return any(character.isalnum() or category(character) == "So" for character in bare)


def _is_drawing(text: str) -> bool:
    """Whether signs are on several lines, apart from empty code fences."""
    return "\n" in FENCE.sub("", text).strip()


def _without_words(text: FoldedText) -> State:
    """A text of signs alone says nothing, unless one of them runs away."""
    run = CHARACTER_RUN.search(text.text)
    if run:
        return _state("loop", Sign(run.start(), run.end(), f"one character {run.end() - run.start()} times"), text)
    return _state("empty", Sign(0, len(text.text), "only signs and markup"), text)


def _signs(
    sample: Sample, completion: Completion, text: FoldedText, request: Request, copies: int
) -> dict[StateName, Sign]:
    """All signs of a non-answer, in the order of precedence."""
    signs: dict[StateName, Sign | None] = {
        "loop": _loop(completion, text, request, copies),
        "self_dialogue": find_self_dialogue(text, request),
        "continuation": None if sample.kind == "continuation" else find_continuation(text, request),
    }
    return {name: sign for name, sign in signs.items() if sign}


def _loop(completion: Completion, text: FoldedText, request: Request, copies: int) -> Sign | None:
    if copies > 2:
        return Sign(0, len(text.text), f"repeats the prompt {copies} times")
    ending = Ending(
        ran_on=completion.finish_reason in ("length", "loop_abort"),
        stopped=completion.finish_reason == "stop",
        repetition_asked=request.asks_for_repetition,
    )
    loop = find_loop(text, ending, request.words)
    return Sign(loop.start, loop.end, loop.reason) if loop else None


def _copies(words: list[str], prompt: list[str]) -> int:
    """How often a text that is nothing but the prompt repeats it; 0 where there is more to it."""
    size, copies = len(prompt), 0
    if size < 3:
        return 0
    while words[copies * size : (copies + 1) * size] == prompt:
        copies += 1
    rest = words[copies * size :]
    # The token limit may have cut the last copy, in the middle of a word even.
    if copies and (not rest or (rest[:-1] == prompt[: len(rest) - 1] and prompt[len(rest) - 1].startswith(rest[-1]))):
        return copies
    return int(len(words) <= size >= 8 and similarity(words, prompt) >= 0.85)


def _state(name: StateName, sign: Sign, text: FoldedText, answer_end: int = 0) -> State:
    span = text.span(sign.start, sign.end, name)
    return State(name, sign.reason, (span,) if span else (), text, answer_end)
