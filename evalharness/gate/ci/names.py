"""What strangers named, cut to a length that a log can bear, with nothing hidden in it."""

from evalharness.records import GateSample
from evalharness.text import format_number, one_line

LONGEST = 300
SHOWN_SAMPLES = 20
"""Samples against a rule that are named in CI; `gate.json` has more."""


def named(text: str) -> str:
    """A name, an id or a sentence on one line, without hidden characters and never endless.

    >>> named("a\\x1b[31m\\nb")
    'a[U+001B][31m b'
    """
    shown = one_line(text[:LONGEST])
    return f"{shown}…" if len(text) > LONGEST else shown


def values(sample: GateSample) -> tuple[str, str]:
    """Before and after: the baseline's value and the candidate's."""
    return format_number(sample.baseline), format_number(sample.candidate)
