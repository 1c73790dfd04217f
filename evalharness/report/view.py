"""What templates print: named values, the typography of our own text, and links to samples."""

import re
from types import SimpleNamespace
from urllib.parse import urlencode


class View(SimpleNamespace):
    """Named values of a part of the page; a template that asks for another fails (`StrictUndefined`)."""


MINUS = re.compile(r"(?<![\w.\u2212-])-(?=\d)")
UNIT = re.compile(
    r"(?<=\d) (?=(?:%|points?|pairs?|samples?|words?|characters?|tokens?|completions?|requests?|metrics?|million"
    r"|KiB|MiB|GiB|KB|MB|GB|B|s|ms)(?!\w))"
)
NO_BREAK_SPACE = "\u00a0"
TRUE_MINUS = "\u2212"


def typeset(text: str) -> str:
    """`text` with a true minus before numbers and no-break spaces before units; not for untrusted text.

    >>> typeset("from -12 to +5 points in 8 pairs")
    'from −12 to +5\\xa0points in 8\\xa0pairs'
    """
    return UNIT.sub(NO_BREAK_SPACE, MINUS.sub(TRUE_MINUS, text))


def samples_where(**wanted: str | None) -> str:
    """What a link to the sample browser asks for, as `browser.js` reads it: what is not given is not filtered.

    >>> samples_where(metric="style.loop", category=None, right="b 1")
    'metric=style.loop&right=b+1'
    """
    return urlencode({name: value for name, value in wanted.items() if value is not None}, errors="surrogatepass")


def samples_of(checkpoint: str, role: str, **wanted: str | None) -> str:
    """The same for what one checkpoint did: `State` or `Label` of its side, the baseline's on the left.

    >>> samples_of("b", "candidate", State="loop", expected=None)
    'rightState=loop&right=b'
    """
    side = "left" if role == "baseline" else "right"
    placed = {f"{side}{name}" if name[0].isupper() else name: value for name, value in wanted.items()}
    return samples_where(**placed, right=None if side == "left" else checkpoint)
