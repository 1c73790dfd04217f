"""Untrusted names, shortened for a log and without hidden characters."""

from evalharness.records import GateSample
from evalharness.text import format_number, one_line

LONGEST = 300
SHOWN_SAMPLES = 20
"""Most samples against a rule that are listed in CI; `gate.json` has more."""


def named(text: str) -> str:
    """A name, id or sentence on one line, without hidden characters and of limited length.

    >>> named("a\\x1b[31m\\nb")
    'a[U+001B][31m b'
    """
    shown = one_line(text[:LONGEST])
    return f"{shown}…" if len(text) > LONGEST else shown


def values(sample: GateSample) -> tuple[str, str]:
    """Before and after: the baseline's value and the candidate's."""
    return format_number(sample.baseline), format_number(sample.candidate)
