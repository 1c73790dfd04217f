"""Verifiable instructions under their IFEval ids: all 25 kinds, as pure functions on text.

The kinds and their meaning are those of "Instruction-Following Evaluation for Large Language Models" (Zhou et al.
2023, arXiv:2311.07911) and of its reference checker. Where that draws at random, fails, or looks at how lines end,
docs/decisions/0007 says what happens here. An empty completion follows nothing.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evalharness.constraints import form, keywords
from evalharness.constraints.kind import Kind, given_parameters
from evalharness.records import Constraint

KINDS: dict[str, Kind] = {**keywords.KINDS, **form.KINDS}


@dataclass(frozen=True)
class Verdict:
    """Whether a completion follows an instruction, taken strictly and loosely."""

    strict: bool
    loose: bool


def check(constraint: Constraint, text: str) -> bool:
    """Whether a completion follows the instruction, taken strictly."""
    return _follows_any(constraint, [_plain(text)])


def check_loose(constraint: Constraint, text: str) -> bool:
    """Whether it follows it in any of eight readings: without the first or last line or both, without asterisks."""
    return _follows_any(constraint, _readings(_plain(text)))


def judge(constraint: Constraint, text: str) -> Verdict:
    """Both at once; what is followed strictly is followed loosely."""
    strict = check(constraint, text)
    return Verdict(strict, strict or check_loose(constraint, text))


def validate(constraint: Constraint) -> None:
    """Raise ValueError, with a sentence, where the kind is unknown or its parameters do not fit; null is not given."""
    if constraint.kind not in KINDS:
        close = difflib.get_close_matches(constraint.kind, KINDS, n=1)
        raise ValueError(
            f"no such kind; did you mean {close[0]}?" if close else f"no such kind; use {', '.join(KINDS)}"
        )
    complaint = KINDS[constraint.kind].complaint(given_parameters(constraint.parameters))
    if complaint:
        raise ValueError(complaint)


def _follows_any(constraint: Constraint, readings: Iterable[str]) -> bool:
    follows, given = KINDS[constraint.kind].follows, given_parameters(constraint.parameters)
    return any(reading.strip() and follows(reading, given) for reading in readings)


def _plain(text: str) -> str:
    """Line ends as one sign, Unicode composed, and no white space at the end, none of which a reader sees."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    return unicodedata.normalize("NFC", text)


def _readings(text: str) -> Iterator[str]:
    lines = text.split("\n")
    readings = {text: None} | {"\n".join(part).strip(): None for part in (lines[1:], lines[:-1], lines[1:-1])}
    yield from readings
    if "*" in text:
        yield from {reading.replace("*", ""): None for reading in readings}
