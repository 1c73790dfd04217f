"""Folds texts that look alike to one spelling, so that disguised quotations are recognised.

Case, accents, compatibility forms (full width, mathematical bold), look-alike letters of Latin, Cyrillic and Greek,
invisible characters, spaces, line ends, punctuation and markup are ignored.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

BARRIER = "\ue000"
"""Marks removed text; no quotation extends across it."""
CUT = "[…]"
TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")
BEYOND_ASCII = re.compile(r"[\x80-\U0010ffff]+")
WORD = re.compile(r"[^ ]+")
IDEOGRAPH = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")
NOTHING, BLANK = "\0", " "
DROPPED = "'’‘ʼ\u115f\u1160\u3164\uffa0"
"""Apostrophes, and letters that draw nothing."""

LOOKALIKES = {
    **dict(zip("авекмнорстухіїјѕһԁԛԝґьпгѵӏ", "abekmhopctyxiijshdqwrbnrvl", strict=True)),
    **dict(zip("αβγεζηικμνορτυχω", "abyeznikmvoptuxw", strict=True)),
    **dict(zip("ıɡɑɩɪʟʀɴʜᴀʙᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢɢꜱ", "igaiilrnhabcdejkmoptuvwzgs", strict=True)),
}
"""Letters by the Latin letter that they look like; after Unicode's confusables (UTS 39), for three scripts alone."""
# Capital and small Greek letters look like different Latin ones (Η is H, η is n), so those fall together.
CLASSES = dict(zip("013457hvyi", "oleastnnul", strict=True))


def folded(text: str) -> str:
    """The text in one spelling: letters and digits, blanks between words, `NOTHING` for what only disguises.

    >>> letters(folded("**Pо́st** <b>AR\\u200bT</b>")) == letters(folded("post-art"))
    True
    """
    text = text.replace(BARRIER, NOTHING).replace(CUT, BARRIER)
    if "<" in text:
        text = TAG.sub(lambda match: BLANK * len(match[0]), text)
    text = text.translate(ASCII)
    return text if text.isascii() else BEYOND_ASCII.sub(lambda match: "".join(map(_folded, match[0])), text)


def words(spelling: str) -> list[str]:
    """The words of a folded text; in Chinese and Japanese each character is one."""
    return spelling.replace(NOTHING, "").split()


def letters(spelling: str) -> str:
    """A folded text without anything between its letters and digits."""
    return spelling.replace(NOTHING, "").replace(BLANK, "")


def places(text: str) -> list[int]:
    """Where each character of `folded(text)` is in the text."""
    return [place for place, width in enumerate(_widths(text)) for _ in range(width)]


def _widths(text: str) -> Iterator[int]:
    at = 0
    while at < len(text):
        if text.startswith(CUT, at):
            yield from (1, 0, 0)
            at += len(CUT)
            continue
        yield 1 if text[at] < "\x80" else len(_folded(text[at]))
        at += 1


@lru_cache(maxsize=65536)
def _folded(character: str) -> str:
    if character == BARRIER:
        return BARRIER
    if IDEOGRAPH.match(character):
        # It says as much as a word does, so it counts as one, and as more than a letter.
        return f" {character}{character} "
    parts = (_one(part) for part in unicodedata.normalize("NFKD", character).casefold())
    return "".join(parts) or NOTHING


def _one(character: str) -> str:
    if character in DROPPED or unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return NOTHING
    character = LOOKALIKES.get(character, character)
    return CLASSES.get(character, character) if character.isalnum() else BLANK


ASCII = {code: _one(chr(code).lower()) for code in range(128)} | dict.fromkeys(map(ord, "\t\n\v\f\r"), BLANK)
"""For `str.translate`, which is much faster than a look at each character."""
