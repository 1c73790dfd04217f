"""What is measured on a completion. A scorer is a class with one method and a line in `SCORERS`."""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from evalharness.errors import ScorerError
from evalharness.records import Completion, Metric, Sample, Score


class Scorer(Protocol):
    """Judges completions one by one, given the sample they answer."""

    name: str
    version: str
    """Bumped whenever a behaviour changes in a way that makes earlier scores incomparable."""
    metrics: tuple[Metric, ...]

    def score(self, items: Sequence[tuple[Sample, Completion]]) -> list[Score]:
        """One score for each item, in order."""
        ...


SCORERS = {
    "style": "evalharness.scorers.style:Style",
    "refusal": "evalharness.scorers.refusal:Refusal",
    "instruction": "evalharness.scorers.instruction:InstructionFollowing",
}


def open_scorer(name: str) -> Scorer:
    """Make the scorer called `name`.

    Raises:
        ScorerError: there is none.
    """
    if name not in SCORERS:
        raise ScorerError(f"no scorer named {name!r}", fix=f"use one of {', '.join(SCORERS)}")
    module, _, attribute = SCORERS[name].partition(":")
    scorer: Scorer = getattr(import_module(module), attribute)()
    return scorer
