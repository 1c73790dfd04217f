"""What a template prints, made in one place: named values, without a class for each part of the page."""

import re
from types import SimpleNamespace


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
