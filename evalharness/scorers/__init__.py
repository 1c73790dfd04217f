"""What is measured on a completion. A scorer is a class with one method and a line in `SCORERS`."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from pydantic import JsonValue

from evalharness.completion.state import State, state_of
from evalharness.errors import ScorerError
from evalharness.records import Completion, Metric, Sample, Score


@dataclass(frozen=True)
class Item:
    """A completion to be judged, with the sample that it answers."""

    sample: Sample
    completion: Completion

    @cached_property
    def state(self) -> State:
        """The state of the completion, read once for all scorers."""
        return state_of(self.sample, self.completion)


class Scorer(Protocol):
    """Judges completions one by one, given the sample they answer."""

    name: str
    version: str
    """Scores of two versions are never compared: bumped whenever a label or a value changes."""
    metrics: tuple[Metric, ...]

    @property
    def identity(self) -> dict[str, JsonValue]:
        """What decides a score beside the code, such as a model with its digests; empty for rules."""
        ...

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order."""
        ...


NUMBERED = re.compile(r"_\d+$")
SCORERS = {
    "style": "evalharness.scorers.style:Style",
    "refusal": "evalharness.scorers.refusal:Refusal",
    "instruction": "evalharness.scorers.instruction:InstructionFollowing",
    "reward": "evalharness.scorers.reward:Reward",
}


def open_scorer(name: str, settings: Mapping[str, JsonValue] | None = None) -> Scorer:
    """Make the scorer called `name`; what it loads, it loads when it first scores.

    Args:
        name: a key of `SCORERS`, with a number behind it for one more of the kind (`reward_2`).
        settings: the keys of its `[scorer.NAME]` table.

    Raises:
        ScorerError: there is none of that name, or it has no such setting.
    """
    factory = _factory(name)
    known = inspect.signature(factory).parameters
    for key in settings or {}:
        if key not in known:
            keys = f"its settings are {', '.join(known)}" if known else "it has no settings; remove the table"
            raise ScorerError(f"[scorer.{name}] has an unknown key {key!r}", fix=keys)
    scorer: Scorer = factory(**(settings or {}))
    if name not in SCORERS:
        scorer.name, scorer.metrics = name, metrics_of(name)
    return scorer


def metrics_of(name: str) -> tuple[Metric, ...]:
    """The metrics of the scorer called `name`; nothing is opened.

    Raises:
        ScorerError: there is none of that name.
    """
    metrics: tuple[Metric, ...] = _factory(name).metrics
    if name in SCORERS:
        return metrics
    return tuple(
        one.model_copy(update={"name": f"{name}.{one.name.partition('.')[2]}", "title": f"{one.title} ({name})"})
        for one in metrics
    )


def _factory(name: str) -> Any:
    kind = NUMBERED.sub("", name)
    if kind not in SCORERS:
        raise ScorerError(f"no scorer named {name!r}", fix=f"use one of {', '.join(SCORERS)}")
    module, _, attribute = SCORERS[kind].partition(":")
    return getattr(import_module(module), attribute)
