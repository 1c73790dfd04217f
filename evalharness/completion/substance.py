"""What of a completion could be an answer, once all that cannot be is put aside.

Put aside are the request again, announcements, questions, options of a quiz, offers of help, the asker's own story, a
description of the text that was asked for, and whatever comes a second time. What is left is counted against what the
request needs: a sentence, two of a written piece, two items of a list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalharness.completion.loops import similarity
from evalharness.completion.relevance import LONG, how_far
from evalharness.completion.request import ASKS_FOR_A_COPY, ASKS_FOR_QUESTIONS, ASKS_FOR_TURNS, Request
from evalharness.completion.text import FoldedText, Piece
from evalharness.completion.wanted import Wanted, stems, wanted, words_in

Verdict = Literal["answer", "none", "weak"]
TO_SOMEBODY = re.compile(
    r"\b(?:you|your|dear|hi|hello|hey|we|our|us|please|thanks?|regards|sincerely|everyone|everybody)\b"
)
PROSE = re.compile(r"\b(?:the|and|of|is) ")
"""English: of a letter in another language it is not known whether it speaks to somebody."""
ANNOUNCES = re.compile(r".{0,160}:[*_\"')\s]*$")
YES_OR_NO = re.compile(r"\b(?:yes|no|not|never|always|true|false|right|wrong|both|neither|none|\d+)\b|n't\b")
SERVICE = re.compile(
    r"\W*(?:\w+, )?(?:(?:i'm|i am) (?:here|happy|glad|ready|always|designed|sorry|so sorry|not a|just a"
    r"|a chatbot|an ai)"
    r"|(?:i|we) (?:can|could|will|would) (?:help|assist|support|offer|love|be happy)|how (?:can|may) i"
    r"|(?:please )?(?:let me know|feel free)|of course\b|certainly\b|sure\b|is there anything|thank you for|"
    r"great question|if you (?:have|need) any)"
)
SHORT = 14
"""Words up to which a sentence that offers help does nothing else."""
STORY = re.compile(
    r"\W*(?:i (?:have(?! no\b)|had|was|want|wanted|need|live|lived|work|bought|got|like|love|met|went|saw|know|just"
    r")\b"
    r"|we (?:have an?|had|are an?|were|live|lived|bought|got|went)\b"
    r"|(?:i'm|i am) (?:a|an|in|not sure|(?:not )?(?!assum|guess|referr|talk|sorry)\w+ing|worried|the)\b"
    r"|i've (?:been|got|never|had)\b"
    r"|i would like\b|i(?:'d| would) like\b|my (?!favou?rite|advice|answer|suggestion|recommendation"
    r"|opinion)\w+ (?:is|was|has|had)\b)"
)
"""The asker's message continued."""
OF_MYSELF = re.compile(
    r"\W*(?:i|my|me and)\b(?!,? (?:can|could|would|will|won't|recommend|suggest|advi[sc]e|think|believe|hope"
    r"|understand|do(?: not|n't)|apologi[sz]e|cannot|can't|must|should"
    r"|am (?:an?|just|not able|unable|here|happy|glad|sorry|afraid)\b"
    r"|favou?rite|answer|opinion|knowledge|training|purpose))"
)
"""How somebody begins who tells of oneself; no disclaimer, advice or opinion."""
OWN_QUESTION = re.compile(r"[^?]*\b(?:i|my|we|our|me)\b[^?]*\?\W*")
ADDRESSES = re.compile(r"\byou\b|\byour\b")
SPEECH = re.compile(r'"[^"]*"?')
TELLING = 4
"""Sentences of which half tell of oneself where the message of the asker is continued."""
TAGS = re.compile(r"</?h[1-6]>|<start_of_image>|<img\b|^\s*<(?:strong|em|b)>", re.MULTILINE)
"""Of headings and pictures, as a page has them; words in bold within a list are an answer's."""
REPLIES = re.compile(
    r"\W*(?:i'm (?:so |very )?(?:glad|happy|sorry|pleased) (?:to hear|that you|you)"
    r"|(?:many )?thanks?\b(?: you)? (?:so much |very much )?for|it sounds like|here(?:'s| is| are)\b"
    r"|that(?:'s| is) (?:a )?(?:great|good|interesting|wonderful)|(?:what|how) (?:an? )?\w+[^.?]{0,30}!"
    r"|sure\b|of course\b|certainly\b)"
)
"""Said to the author of a text that is to be continued."""
OF_THE_QUESTION = re.compile(
    r"\W*(?:this|that|it)(?:'s| is) (?:a|an|the) (?:\w+ ){0,3}question\b|\W*(?:good|great|interesting) question\b"
)
FORM = re.compile(
    r"\W*(?:the|each|every|this|your|all) (?:\w+ ){0,2}"
    r"(?:paragraphs?|sentences?|entry|entries|lines?|titles?|sections?|words?)"
    r" (?:should|must|needs? to|has to|have to)\b(?![^.\n]*[\":])"
)
"""Says what the text that was asked for is to look like."""
RETURNS = "the same again"
STORY_GOES_ON = "the asker's message goes on"
REPLIED = "replies to the text instead of going on with it"
OPTION = re.compile(r"\W*\(?[a-j][.)]\s")
MARKER = re.compile(r"^(?:[-*•+>#\s]+|\(?(?:\d{1,2}|[a-z])[.):]\s)+")
TAG = re.compile(r"[\[(<{][^\n,]{0,30}[\])>}]")
MARKUP = re.compile(r"</?\w+[^>]{0,40}>|\*+|_{2,}")
ROUNDS = 3
FEW = 2
"""Stems below which a sentence that comes again and again says next to nothing."""
WHOLE = 0.8
"""Share of the request's words that are the request again."""
NEW = 4
"""Stems that make a sentence which goes round in circles an answer."""
FEWEST = 6
"""Words of a written piece."""
ENOUGH = 40
"""Words that are as good as two sentences."""
NUMBERED = re.compile(r"\(?\d{1,3}[.)]")


@dataclass(frozen=True)
class Substance:
    """The sentences of a completion that could be an answer, and what they are worth."""

    pieces: tuple[Piece, ...]
    aside: str
    """Why the last piece that does not count was put aside; empty if none was."""
    words: int
    verdict: Verdict
    reason: str
    end: int
    """Characters up to the last sentence that does not return."""

    @property
    def is_story(self) -> bool:
        """Whether the text only continues the asker's message."""
        return self.verdict == "none" and self.aside == STORY_GOES_ON


def substance_of(text: FoldedText, request: Request, *, continuation: bool = False, loops: bool = False) -> Substance:
    """What `text`, the head of a completion, has that could answer `request`, and whether that is enough.

    Args:
        text: its text before a loop, an echo or another turn.
        request: what was asked.
        continuation: the prompt is a text to continue.
        loops: it may repeat itself, so all of it is read to find where that begins.
    """
    asked = wanted(request)
    if request.asks(ASKS_FOR_A_COPY):
        copied: Verdict = "answer" if text.words else "none"
        return Substance(tuple(text.sentences), "", len(text.words), copied, "copies, as asked", len(text.text))
    if _is_quiz(text, asked):
        return Substance((), "offers options", 0, "none", "offers options", len(text.text))
    kept, aside, end = _sift(text, asked, continuation=continuation, loops=loops)
    said = " ".join(piece.text for piece in kept)
    words = len(said.split())
    verdict, reason = _judged(text, said, kept, words, asked, continuation=continuation, loops=loops)
    return Substance(tuple(kept), aside, words, verdict, reason or aside, end)


def _sift(text: FoldedText, asked: Wanted, *, continuation: bool, loops: bool) -> tuple[list[Piece], str, int]:
    """The sentences that count, as many as are needed; why others do not; and where the last new one ends."""
    kept: list[Piece] = []
    said: list[list[str]] = []
    aside = "nothing is said"
    words_kept, end, story = 0, 0, False
    for place, piece in enumerate(text.sentences):
        marked = "<" in piece.text or "*" in piece.text
        bare = _without_marker(MARKUP.sub("", piece.text) if marked else piece.text)
        words = words_in(bare)
        reason = _put_aside(bare, words, said, asked, continuation=continuation)
        if not reason and place == len(text.sentences) - 1 and _begins_again(bare, text.sentences[:-1], asked):
            reason = RETURNS
        if not kept and not continuation and not asked.own_voice:
            story = _tells(bare, place, story)
            reason = reason or (STORY_GOES_ON if story else "")
        end = end if reason == RETURNS else piece.end
        aside = reason or aside
        if not reason:
            kept.append(piece)
            said.append(words_in(_without_marker(piece.text)) if marked else words)
            words_kept += len(words)
            if words_kept >= LONG and not loops:
                break
    return kept, aside, end


def _tells(bare: str, place: int, story: bool) -> bool:
    """Whether a sentence continues the asker's message; `story` says whether the one before it did."""
    begins = STORY.match(bare) is not None or (not place and OWN_QUESTION.fullmatch(bare) is not None)
    return begins or (story and not ADDRESSES.search(SPEECH.sub("", bare)))


def _without_marker(text: str) -> str:
    marker = MARKER.match(text)
    return text[marker.end() :] if marker else text


def _is_quiz(text: FoldedText, asked: Wanted) -> bool:
    """Whether most lines are options with letters, and none of them says which is right."""
    options = [line for line in text.line_texts if OPTION.match(line)]
    return len(options) >= 3 and 2 * len(options) > len(text.line_texts) and not asked.request.asks(ASKS_FOR_QUESTIONS)


def _put_aside(
    bare: str, words: Sequence[str], said: Sequence[Sequence[str]], asked: Wanted, *, continuation: bool
) -> str:
    """Why a sentence cannot be an answer or a part of one; empty where it can. `said` are the words of those kept."""
    if not words or TAG.fullmatch(bare) or NUMBERED.fullmatch(bare):
        return "only signs"
    if _returns(words, said) or _goes_round(words, asked):
        return RETURNS
    if _is_echo(bare, words, asked, continuation=continuation):
        return "repeats the request"
    if continuation:
        return REPLIED if not said and REPLIES.match(bare) else ""
    if bare.endswith("?") and not asked.request.asks(ASKS_FOR_QUESTIONS) and not asked.request.asks(ASKS_FOR_TURNS):
        return "asks questions" if not asked.piece else ""
    if ":" in bare and ANNOUNCES.fullmatch(bare):
        return "announces an answer"
    if not asked.piece and len(words) <= SHORT and SERVICE.match(bare):
        return "offers help"
    if (asked.piece and asked.description.match(bare)) or FORM.match(bare):
        return "describes the text that was asked for"
    if OF_THE_QUESTION.match(bare):
        return "speaks of the question"
    if asked.letter and not said and STORY.match(bare) and not TO_SOMEBODY.search(bare):
        return STORY_GOES_ON
    return ""


def _returns(words: Sequence[str], said: Sequence[Sequence[str]]) -> bool:
    """Whether one of the last sentences kept is nearly the same."""
    first, last = words[0], words[-1]
    return any(
        other and (other[0] == first or other[-1] == last) and similarity(words, other) >= 0.6 for other in said[-4:]
    )


def _goes_round(words: Sequence[str], asked: Wanted) -> bool:
    """Whether a sentence is a few words again and again, and hardly any of them is new."""
    different = set(words)
    # Some word must come `ROUNDS` times.
    if len(words) < len(different) + ROUNDS - 1:
        return False
    if any(map(str.isdigit, different)):
        words = [word for word in words if not word.isdigit()]
        different = set(words)
    return len(words) >= ROUNDS * max(1, len(different)) and len(stems(" ".join(different)) - asked.content) < NEW


def _begins_again(bare: str, before: Sequence[Piece], asked: Wanted) -> bool:
    """Whether the last sentence, cut short, is the beginning of one before it or of the request."""
    if not before or bare[-1:] in ".!?":
        return False
    return any(bare in piece.text for piece in before) or (not asked.given and bare in asked.lower)


def _is_echo(bare: str, words: Sequence[str], asked: Wanted, *, continuation: bool) -> bool:
    if asked.given:
        return False
    if any(len(words) >= 3 and similarity(words, sentence) >= 0.75 for sentence in asked.sentences):
        return not (continuation and len(words) > asked.longest)
    if continuation or (asked.question and not bare.startswith("the answer") and YES_OR_NO.search(bare)):
        return False
    return bool(asked.content) and len(words) > 4 and stems(bare) <= asked.known


def _judged(
    text: FoldedText, said: str, kept: Sequence[Piece], words: int, asked: Wanted, *, continuation: bool, loops: bool
) -> tuple[Verdict, str]:
    pieces = len(kept)
    if not pieces:
        return "none", ""
    if continuation:
        return "answer", "continues the text"
    if asked.least > 1 and words < FEWEST:
        return "none", "less than was asked for"
    if (pieces < asked.least and words < ENOUGH) or (asked.several and pieces < 2 and "," not in said):
        return "none", "less than was asked for"
    if asked.letter and not asked.given and PROSE.search(said) and not TO_SOMEBODY.search(text.lower):
        return "none", "is not addressed to anybody"
    if asked.given and _comes_back(kept, words, asked):
        return "none", "repeats the request"
    once = loops and pieces == 1 and not MARKER.match(said)
    if once and "?" not in asked.lower + said and len(stems(said) - asked.known) < FEW:
        return "none", "says next to nothing, again and again"
    if not asked.own_voice and _tells_of_itself(kept):
        return "none", STORY_GOES_ON
    far = how_far(text, kept, words, asked, loops=loops)
    if far:
        return far, "is about something else"
    if not loops and "<" in text.lower and TAGS.search(text.lower) and not asked.tags:
        return "weak", "has the tags of a web page"
    return "answer", "answers"


def _comes_back(kept: Sequence[Piece], words: int, asked: Wanted) -> bool:
    """Whether the text is the request again, or what it wants transformed."""
    if not all(piece.text in asked.lower for piece in kept):
        return False
    return words >= WHOLE * len(asked.request.folded.words) or (words >= NEW and asked.transforms)


def _tells_of_itself(kept: Sequence[Piece]) -> bool:
    """Whether half of the first sentences, two at least, speak of who writes them and not to the asker."""
    first = kept[:TELLING]
    of_itself = [piece for piece in first if OF_MYSELF.match(piece.text) and not ADDRESSES.search(piece.text)]
    return len(of_itself) >= max(2, len(first) / 2)
