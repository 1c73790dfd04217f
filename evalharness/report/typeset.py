"""Typography of our own text: a true minus, and no line break before a unit."""

import re

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
