"""Verifiable instructions under their IFEval ids: all 25 kinds, as pure functions on text.

The kinds and their meaning are those of "Instruction-Following Evaluation for Large Language Models" (Zhou et al.
2023, arXiv:2311.07911) and of its reference checker. Where that draws at random, fails, or looks at how lines end,
docs/decisions/0007 says what happens here. An empty completion follows nothing.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.constraints.constraint import given_parameters
from evalharness.constraints.kinds import KINDS
from evalharness.errors import near
from evalharness.records import Constraint


@dataclass(frozen=True)
class ConstraintResult:
    """Whether a completion follows an instruction, taken strictly and loosely."""

    strict: bool
    loose: bool


def check(constraint: Constraint, text: str) -> bool:
    """Whether a completion follows the instruction, taken strictly."""
    return judge(constraint, text).strict


def judge(constraint: Constraint, text: str) -> ConstraintResult:
    """Both at once; what is followed strictly is followed loosely."""
    return judge_all([constraint], text)[0]


def judge_all(constraints: Sequence[Constraint], text: str) -> list[ConstraintResult]:
    """A verdict for each of `constraints`, in order; the readings of `text` are made once."""
    whole = _plain(text)
    if not whole:
        return [ConstraintResult(False, False)] * len(constraints)
    verdicts, others = [], None
    for constraint in constraints:
        follows, given = KINDS[constraint.kind].follows, given_parameters(constraint.parameters)
        strict = follows(whole, given)
        if not strict and others is None:
            others = _other_readings(whole)
        loose = strict or any(follows(reading, given) for reading in others or ())
        verdicts.append(ConstraintResult(strict, loose))
    return verdicts


def validate(constraint: Constraint) -> None:
    """Raise ValueError, with a sentence, where the kind is unknown or its parameters do not fit; null is not given."""
    if constraint.kind not in KINDS:
        raise ValueError("no such kind; " + near(constraint.kind, KINDS, f"use {', '.join(KINDS)}"))
    complaint = KINDS[constraint.kind].complaint(given_parameters(constraint.parameters))
    if complaint:
        raise ValueError(complaint)


def _plain(text: str) -> str:
    """Line ends as one sign, Unicode composed, and no white space at the end, none of which a reader sees."""
    text = text.rstrip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _other_readings(text: str) -> list[str]:
    """The readings other than `text` itself, each once; an empty reading follows nothing."""
    first, last = text.find("\n") + 1 or len(text), max(0, text.rfind("\n"))
    readings = [text, text[first:].strip(), text[:last].strip(), text[first:last].strip()]
    if "*" in text:
        readings += [reading.replace("*", "") for reading in readings]
    return [reading for reading in dict.fromkeys(readings) if reading.strip() and reading != text]
