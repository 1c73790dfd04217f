"""Whether an answer is about something else: it takes up next to no word of its request, nor speaks to it otherwise."""

import re
from collections.abc import Sequence
from typing import Literal

from evalharness.completion.language import language_of
from evalharness.completion.text import FoldedText, Piece
from evalharness.completion.wanted import Wanted, stems

OFF_TOPIC = 40
"""Words of an answer that has no word of the request from which it is on something else."""
NAMED = 5
"""Stems of a request of which even a short answer takes up one."""
MANY = 8
"""Stems of a request of which a long answer takes up more than one."""
LONG = 60
"""Words of an answer that ought to take up more than one of them."""
FIRST = 2
"""Sentences of which one speaks to the asker."""
SIGNS = r"[^a-z]*(?:[a-z][.)] )?"
TO_THE_ASKER = re.compile(
    rf"{SIGNS}(?:as an? (?:ai|artificial|large language|language model|virtual|assistant)\b|(?:yes|no)\b[,.]"
    r"|the (?:\w+ )?answer (?:is|would be|depends)\b(?! ?:?$))"
)
"""How a sentence begins that can only speak to the request."""
NO_VERB_LISTED = """
    a an the this that these those i you he she it we they one some any all most many several few each every no not
    my your his her its our their and or but if so as because when while where what which who how why there here
    in on at by for from of off over under with within without into onto during after before about above below near
    between through against along across around behind beside despite except inside like outside past since than
    to toward until up upon via is are was were be been being am has have had do does did will would can could shall
    should may might must also then only even still just very too more less once twice both neither either yes
    today tomorrow yesterday tonight
"""
NO_VERB = "|".join(NO_VERB_LISTED.split())
OBJECTS = (
    r"the|an?|your|it|them|him|her|all|some|any|to|together|at|for|out|up|off|on|with|into|about|over|what|how|who"
    r"|whether|if|sure|yourself|only|no|not|more|less|enough|directly|both|each|every|this|that|these|those|one|two"
)
ADVISES = re.compile(
    rf"{SIGNS}(?:(?:first|then|next|always|never|just|simply|please|instead),? )?(?:you (?:can|could|should|need|may"
    r"|might|must|will|have to)\b|(?:do(?: not|n't)|make sure|be sure|try|avoid|consider|talk to|go to|let)\b"
    rf"|(?!(?:{NO_VERB})\b)(?![a-z]{{3,}}(?:[a-rt-z]s|ed|ly)\b)"
    rf"(?!(?!bring\b)[a-z]{{2,}}ing\b)[a-z-]{{2,}} (?:{OBJECTS})\b)"
)
"""How advice begins: a verb with its object, or "you can"."""
OF_THEM = re.compile(rf"{SIGNS}(?:they|she|he)\b|{SIGNS}(?:so|because)\b")
"""How a sentence begins that speaks of those whom the question named, or says why."""


def how_far(
    text: FoldedText, kept: Sequence[Piece], words: int, asked: Wanted, *, loops: bool
) -> Literal["none", "weak"] | None:
    """Whether an answer is about something else: `none`, or `weak` where it may still be one.

    Of the hand-labelled answers of chat models 1 in 80 takes up no word of the request, of the non-answers 1 in 5.

    Args:
        text: the completion.
        kept: its sentences that could be an answer, and how many `words` they have.
        asked: what the request needs.
        loops: it goes round in circles, so that the form of its first sentence says little.
    """
    if asked.given or len(asked.content) < NAMED or words < NAMED or not text.text.isascii():
        return None
    said = " ".join(piece.text for piece in kept)
    if _takes_up(said, words, asked) or _takes_up(text.lower, words, asked) or _speaks_to(kept[:FIRST], asked, loops):
        return None
    if stems(text.lower) & asked.content or words < OFF_TOPIC or asked.piece:
        return "weak"
    # Words of another language are none of the request's.
    return "none" if language_of(text) == "English" else "weak"


def _takes_up(said: str, words: int, asked: Wanted) -> bool:
    """Whether enough words of the request come back."""
    shared = len(asked.content & stems(said))
    return shared > 1 or (shared == 1 and (words < LONG or len(asked.content) <= MANY))


def _speaks_to(first: Sequence[Piece], asked: Wanted, loops: bool) -> bool:
    """Whether one of the first sentences has a form in which only an answer comes."""
    if loops or TO_THE_ASKER.match(first[0].text):
        return not loops
    forms = [form for form, fits in ((ADVISES, asked.advice), (OF_THEM, asked.question)) if fits]
    return any(form.match(piece.text) for form in forms for piece in first)
