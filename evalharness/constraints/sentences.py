"""Sentences and tokens of English text, counted as IFEval's reference counts them.

The reference splits sentences with nltk's trained Punkt model and tokens with nltk's Treebank rules. Here Punkt's
decisions (Kiss and Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection") are made with short word
lists instead of the trained ones (docs/decisions/0007).
"""

import re

MARKS = re.compile(r"[.?!]+")
CLOSED = re.compile(r"[\"')\]}”’»]*(?:\s+(\S+)|$)")
"""What ends a sentence after its marks: closing signs, then white space and the next word, or the end of the text."""
SIGNS = frozenset(")\";}]*:@'({[")
"""Signs that begin the next sentence where they follow a mark directly."""
BEFORE_STOP = re.compile(r"\S{1,40}$")
OPENING = "\"'`“‘([{*_"
AROUND = "\"'`“”‘’([{*_)]}.,;:!?"
CLITIC = re.compile(r"['’]|n['’]t$")
NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


ABBREVIATIONS = _words(
    "mr mrs ms messrs dr prof rep reps sen gen col maj lt adm jr sr st ave ft co corp inc ltd bros"
    " jan feb aug sep sept oct nov dec tues wed fri vs ph.d yr ill ariz calif colo conn fla ga kan ky mich minn nev"
    " okla ore pa tenn va vt wash wis ok mg ct"
    " a.m p.m u.s u.k u.n u.s.a d.c n.y n.j l.a m.b.a c.v"
)
COMMON = _words(
    "a according after all also although among an and another any are as at be because before both but by can could"
    " did despite do does each even every first for from had has have he her here his how however i if in instead is"
    " it its just let like many meanwhile more moreover most my nevertheless nonetheless nor not now of on once"
    " one only or our over perhaps please she similarly since so some such that the their them then there these they"
    " this though through thus to under was we well what when where which while who why with without would yet you your"
)
"""Words that are capitalised only where a sentence begins."""


def count_sentences(text: str) -> int:
    """How many sentences a text has; common abbreviations, initials and dots of omission need not end one.

    >>> [count_sentences(text) for text in ("Dr. No left. Why? Nobody knew...", "no full stop", "")]
    [3, 1, 0]
    """
    count, last, text = 0, 0, text.rstrip()
    for marks in MARKS.finditer(text):
        end = marks.end()
        closed = CLOSED.match(text, end)
        if closed is None and text[end : end + 1] not in SIGNS:
            continue
        following = closed.group(1) if closed else text[end]
        if following and _ends(text, marks.start(), marks.group(), following):
            count, last = count + 1, closed.start(1) if closed else end
    return count + bool(text[last:].strip("\"')]}”’»"))


def _ends(text: str, start: int, marks: str, following: str) -> bool:
    """Whether the marks at `start` end a sentence, given the word that follows."""
    if marks[-1] != ".":
        return True
    match = BEFORE_STOP.search(text, max(0, start - 40), start)
    word = match.group().lstrip(OPENING).lower() if match else ""
    next_word = following.strip(AROUND)
    begins = _begins(following, next_word)
    if len(marks) > 1 or word in ABBREVIATIONS or word.rpartition("-")[2] in ABBREVIATIONS:
        return begins is True
    if len(word) == 1 and word.isalpha():
        return begins is True or (begins is None and not next_word[:1].isupper())
    return begins is not False or not NUMBER.fullmatch(word)


def _begins(following: str, word: str) -> bool | None:
    """Whether the next word begins a sentence by its spelling; None if the spelling does not decide."""
    if not word:
        return False if following[:1] in ";:,.!?" else None
    if word[0].isupper():
        return True if CLITIC.split(word.lower(), maxsplit=1)[0] in COMMON else None
    return False if word[0].islower() else None


SEPARATOR = re.compile(r"[\s;@#$%&?!*\[\](){}<>\"“”«»‘’„`‒–—―]+|--+|\.{2,}|[:,](?!\d)|'(?:s|m|d|ll|re|ve)\b")
CONTRACTION = re.compile(r".(?:N'T|'(?:S|M|D|LL|RE|VE))$")


def count_capital_words(text: str) -> int:
    """How many tokens are in capital letters; a hyphen joins, and a contraction such as `DON'T` is two.

    >>> [count_capital_words(text) for text in ("NASA and the U.S. agreed", "I DON'T", "well-known COVID-19")]
    [2, 3, 1]
    """
    tokens = [token for token in SEPARATOR.split(text) if token and token.isupper()]
    return len(tokens) + sum("'" in token and CONTRACTION.search(token) is not None for token in tokens)
