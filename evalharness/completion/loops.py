"""Degenerate repetition: a text that loops, exactly or with a word changed each time.

Songs have refrains, lists have a shape and tables have columns, so the bar depends on how the completion ended:
one that ended by itself must repeat much more before it is called a loop than one that ran into the token limit.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import and_, eq, or_

from evalharness.completion.phrases import GRAM, count_repeats, periodic_stretches
from evalharness.completion.text import LONG_CHUNK, FoldedText, Piece

FEWEST_REPEATS = 13
"""Repeated sequences of four words in the shortest loop that did not run into the token limit: 8 words three times."""
SAME_LINES = 6
"""From how many lines in a row, the same but for their numbers, it is no list any more."""
LONG_LINE = 6
"""Words from which a line that comes back is more than a short refrain."""
RETURNS = {"ran on": (5, 0.45), "unknown": (5, 0.5), "stopped": (6, 0.6)}
"""How often a line must come back, and which share of the text such lines must fill; a villanelle has four."""
NEARBY = 40
"""Characters of the same line in which the signs of code and tables are looked for."""
CHUNK = re.compile(r"(?<!\S)\S{40,}")
RULE = re.compile(r"[\-=_.*#~|:+─━═·]+")
CHARACTER_RUN = re.compile(r"([^\s\-=_.*#~|─━═·+])\1{39,}|([\-=_.*#~|─━═·+])\2{199,}")
SPACED_RUN = re.compile(r"([^\w\s])(?:\s\1){99,}")
SPARSE = 10
"""Characters for each word from which a text is mostly signs."""
LIST_LINE = re.compile(r"(?:[-*•+]|\(?(?:\d+|[a-z])[.):])\s")
FORMATTED_LINE = re.compile(r"\||<[a-z/!]|[{}\[\]]|.*[;{}\[\]|\\]$|.*\w\(|\d|(?:\s*[\w.]+\s*=)")


@dataclass(frozen=True)
class Loop:
    """Where the text repeats itself endlessly."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Ending:
    """How a completion ended and what was asked, which set the threshold for a loop."""

    ran_on: bool
    """It was truncated at the token limit, or aborted."""
    stopped: bool
    """It ended by itself; False with `ran_on` False means that this was not recorded."""
    repetition_asked: bool = False


def find_loop(folded: FoldedText, ending: Ending, request: Sequence[str] = ()) -> Loop | None:
    """The first loop in `folded`, or None. `request` are the words that the prompt asks with."""
    return (
        _character_loop(folded)
        or _exact_loop(folded, ending)
        or _template_loop(folded, ending, request)
        or _returning(folded, ending)
        or _worn_out(folded, ending)
    )


def repeated_share(words: Sequence[str]) -> float:
    """Share of the text's 4-word sequences that occurred in it before.

    >>> repeated_share("a b c d a b c d a".split())
    0.3333333333333333
    """
    return count_repeats(words) / (len(words) - GRAM + 1) if len(words) >= GRAM else 0.0


def similarity(left: Sequence[str], right: Sequence[str]) -> float:
    """Share of the longer sequence that both begin and end with; 1.0 for equal ones.

    >>> similarity("write a poem about love".split(), "write a poem about war".split())
    0.8
    """
    shorter, longer = len(left), len(right)
    if shorter > longer:
        shorter, longer = longer, shorter
    head = 0
    while head < shorter and left[head] == right[head]:
        head += 1
    tail = 0
    while tail < shorter - head and left[-1 - tail] == right[-1 - tail]:
        tail += 1
    return (head + tail) / longer if longer else 0.0


def _character_loop(folded: FoldedText) -> Loop | None:
    """A stretch without a space that is one character, or repeats itself endlessly: `hahaha...`, emoji, Thai."""
    if len(folded.text) > SPARSE * len(folded.words):
        run = SPACED_RUN.search(folded.text)
        if run:
            return Loop(run.start(), run.end(), f"the sign {run.group(1)} again and again")
    if not folded.has_long_chunk:
        return None
    for chunk in CHUNK.finditer(folded.lower):
        run = CHARACTER_RUN.search(folded.text, *chunk.span())
        if run:
            return Loop(run.start(), run.end(), f"one character {run.end() - run.start()} times")
        for stretch in periodic_stretches(chunk.group()):
            if stretch.length >= LONG_CHUNK and stretch.rounds >= 6:
                first, end = chunk.start() + stretch.first, chunk.start() + stretch.end
                if not RULE.fullmatch(folded.text, first, end):
                    return Loop(first, end, "characters go in circles")
    return None


def _exact_loop(folded: FoldedText, ending: Ending) -> Loop | None:
    # The shortest loop there is, one word 8 times, has as many repeated sequences as a sequence has words.
    enough = GRAM if ending.ran_on else FEWEST_REPEATS
    if folded.repeats >= enough:
        loop = _word_loop(folded, range(len(folded.words)), folded.words, ending, formatted_share=1 / 3)
        if loop:
            return loop
    if ending.stopped:
        return None
    # A model that is stuck often still counts: "8. The Moth 9. The Moth 10. The Moth". In a table, though, or in
    # code, the numbers are what it is about.
    words = [word for word in folded.words if not word.isdigit()]
    if len(words) > len(folded.words) - 2 or count_repeats(words) < enough:
        return None
    places = [place for place, word in enumerate(folded.words) if not word.isdigit()]
    return _word_loop(folded, places, words, ending, formatted_share=0)


def _word_loop(
    folded: FoldedText,
    places: Sequence[int],
    words: Sequence[str],
    ending: Ending,
    *,
    formatted_share: float,
) -> Loop | None:
    """The first loop among the words that stand at `places`; of formatted text only a share of its length counts."""
    for stretch in periodic_stretches(words):
        # Cheap tests first: nearly all stretches are a phrase that happens to come twice.
        if stretch.length < 8 or stretch.rounds < 2:
            continue
        formatted = _is_formatted(folded, places[stretch.first : stretch.first + stretch.period])
        length = stretch.length * formatted_share if formatted else stretch.length
        if _is_degenerate(length, stretch.rounds, stretch.end >= len(places) - 2, ending):
            repeated = f"{stretch.period} words" if stretch.period > 1 else "word"
            reason = f"the same {repeated} {stretch.rounds:.0f} times in a row"
            start, end = folded.word_spans[places[stretch.first]][0], folded.word_spans[places[stretch.end - 1]][1]
            return Loop(start, end, reason)
    return None


def _is_degenerate(length: float, rounds: float, at_end: bool, ending: Ending) -> bool:
    if at_end and ending.ran_on:
        return (rounds >= 3 and length >= 12) or (rounds >= 2 and length >= 40) or (rounds >= 8 and length >= 8)
    if not ending.stopped and rounds >= 12 and length >= 80:
        return True
    if ending.repetition_asked:
        return False
    if at_end:
        return (rounds >= 3 and length >= 24) or (rounds >= 2.5 and length >= 80)
    return rounds >= 4 and length >= 32


def _is_formatted(folded: FoldedText, places: Sequence[int]) -> bool:
    """Whether the words at `places` are code, markup, a table or numbers, where repetition is part of the form."""
    if all(folded.words[place].isdigit() for place in places):
        return True
    start, end = folded.word_spans[places[0]][0], folded.word_spans[places[-1]][1]
    before = folded.lower[max(0, start - NEARBY) : start].rpartition("\n")[2]
    after = folded.lower[end : end + NEARBY].partition("\n")[0]
    piece = before + folded.lower[start:end] + after
    return sum(piece.count(sign) for sign in "{}[]()<>|=;\\/") * 2 >= len(places)


def _template_loop(folded: FoldedText, ending: Ending, request: Sequence[str]) -> Loop | None:
    """Lines, or sentences, that differ from each other by a word or two."""
    if ending.repetition_asked and not ending.ran_on:
        return None
    alike = _near_repeats(folded.line_texts, ending, request)
    if alike:
        return _pattern_loop(folded.lines, alike)
    if folded.line_texts == folded.sentence_texts:
        return None
    alike = _near_repeats(folded.sentence_texts, ending, request)
    return _pattern_loop(folded.sentences, alike) if alike else None


def _pattern_loop(pieces: Sequence[Piece], alike: range) -> Loop:
    start, end = pieces[alike[0]].start, pieces[alike[-1]].end
    return Loop(start, end, f"{len(alike)} lines or sentences after one pattern")


def _near_repeats(texts: Sequence[str], ending: Ending, request: Sequence[str]) -> range | None:
    """Which neighbouring lines or sentences are too much alike."""
    if len(texts) < 3:
        return None
    bare = [text if text[:2].isalpha() else _without_marker(text) for text in texts]
    if not _may_repeat(bare):
        return None
    split = [text.split() for text in bare]
    first = 0
    for place in range(1, len(texts) + 1):
        # Looking two back as well finds questions and answers that take turns.
        if place < len(texts) and (
            _alike(split[place], split[place - 1]) or (place - 2 >= first and _alike(split[place], split[place - 2]))
        ):
            continue
        # Where the token limit cut the last piece in two, it looks like nothing before it.
        at_end = place >= len(texts) - ending.ran_on
        if place - first >= 3 and _too_alike(texts[first:place], split[first:place], at_end, ending, request):
            return range(first, place)
        first = place
    return None


def _may_repeat(texts: Sequence[str]) -> bool:
    """Whether two texts in a row share their first or last word with one of the two before: a cheap first look."""
    heads = [text.partition(" ")[0] for text in texts]
    tails = [text.rpartition(" ")[2] for text in texts]
    if len(set(heads)) + len(set(tails)) > 2 * len(texts) - 2:
        return False
    follows = [*map(or_, _shared(heads), _shared(tails))]
    # In a table the first and the last words are not told apart by spaces.
    return any(map(and_, follows, follows[1:])) or (sum(follows) >= 1 and any("\t" in text for text in texts))


def _shared(words: Sequence[str]) -> Iterator[bool]:
    """Of each word from the second on, whether it stands one or two places before as well."""
    return map(or_, map(eq, words[1:], words), chain((False,), map(eq, words[2:], words)))


def _without_marker(text: str) -> str:
    marker = LIST_LINE.match(text) if not text[0].isalpha() or text[1:2] in (".", ")", ":") else None
    return text[marker.end() :] if marker else text


def _alike(left: Sequence[str], right: Sequence[str]) -> bool:
    if len(left) < 4 or len(right) < 4 or (left[0] != right[0] and left[-1] != right[-1]):
        return False
    if len(left) / len(right) < 0.6 or len(right) / len(left) < 0.6:
        return False
    return similarity(left, right) >= 0.6


def _too_alike(
    texts: Sequence[str], split: Sequence[Sequence[str]], at_end: bool, ending: Ending, request: Sequence[str]
) -> bool:
    if sum(_alike(words, request) for words in split) >= 3:
        return True
    if len(texts) >= SAME_LINES and _are_same(texts):
        return True
    if ending.stopped or not at_end:
        return False
    if not ending.ran_on:
        enough = 30 if _is_list(texts) else 10
    elif _is_list(texts):
        enough = 18
    else:
        # Two long sentences alike are parallel style; a third that was cut short is a model that found no way out.
        alike = [similarity(left, right) for left, right in pairwise(split)]
        enough = 3 if min(map(len, split[:-1])) >= 8 and min(alike) >= 0.75 else 6
    return len(texts) >= enough


def _are_same(texts: Sequence[str]) -> bool:
    """Whether the texts are one and the same but for their numbers or bullets, and no code or table."""
    bare = [_without_marker(text) for text in texts]
    return len(set(bare[:-1])) == 1 and not FORMATTED_LINE.match(bare[0])


def _is_list(texts: Sequence[str]) -> bool:
    return FORMATTED_LINE.match(texts[0]) is not None or any(LIST_LINE.match(text) for text in texts)


def _returning(folded: FoldedText, ending: Ending) -> Loop | None:
    """Long lines or sentences that come back again and again with others between them, and fill most of the text."""
    copies, share = RETURNS["ran on" if ending.ran_on else "stopped" if ending.stopped else "unknown"]
    if folded.repeats < 3 * (copies - 1) or (ending.repetition_asked and not ending.ran_on):
        return None
    pieces = folded.lines if len(folded.line_texts) >= copies else folded.sentences
    bare = [_without_marker(piece.text) for piece in pieces]
    counts = Counter(text for text in bare if text.count(" ") >= LONG_LINE - 1 and not FORMATTED_LINE.match(text))
    often = {text for text, count in counts.items() if count >= copies}
    back = [piece for piece, text in zip(pieces, bare, strict=True) if text in often]
    if sum(len(piece.text) for piece in back) <= share * sum(len(piece.text) for piece in pieces):
        return None
    return Loop(back[1].start, back[-1].end, f"{len(back)} lines or sentences are the same few") if back else None


def _worn_out(folded: FoldedText, ending: Ending) -> Loop | None:
    """Text that says nothing new without repeating exactly."""
    words = folded.words
    bar = 0.6 if ending.ran_on else 0.7
    tail = words[-120:] if ending.ran_on else words
    enough = bar * (len(tail) - GRAM + 1)
    if len(words) < 60 or folded.repeats < enough or (ending.repetition_asked and not ending.ran_on):
        return None
    repeats = count_repeats(tail)
    if repeats < enough:
        return None
    first = len(words) - len(tail)
    share = repeats / (len(tail) - GRAM + 1)
    return Loop(folded.word_spans[first][0], folded.word_spans[-1][1], f"{share:.0%} of its phrases occurred before")
