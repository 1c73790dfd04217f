"""Scorers measure completions. A scorer is a class with a line in `SCORERS`, or an entry point of a package.

A scorer declares everything about itself (`ScorerFacts`), so that no stage, chart or command names a scorer.
"""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from pydantic import JsonValue

from evalharness import plugins
from evalharness.completion.state import State, state_of
from evalharness.errors import ScorerError
from evalharness.records import Completion, Metric, Record, Sample, Score, ScorerFacts


@dataclass(frozen=True)
class Item:
    """A completion to be judged, with the sample that it answers."""

    sample: Sample
    completion: Completion

    @cached_property
    def state(self) -> State:
        """The state of the completion, read once for all scorers."""
        return state_of(self.sample, self.completion)


class Scorer(ABC):
    """Judges completions, each on its own, given the sample it answers. A subclass has `score` or `score_item`."""

    facts: ScorerFacts

    @property
    @abstractmethod
    def version(self) -> str:
        """Scores of two versions are never compared: bumped whenever a label or a value changes."""

    settings_kind: ClassVar[type[Record] | None] = None
    """The record of its table in the configuration, whose fields `__init__` takes; else `__init__` names them."""

    @property
    def name(self) -> str:
        """As in configurations and suites."""
        return self.facts.name

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The meaning of its values."""
        return self.facts.metrics

    @property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a score besides the code, such as a model with its digests; empty for rules."""
        return {}

    @classmethod
    def is_default(cls) -> bool:
        """Whether it judges every run that does not configure it; used only for evalharness's own scorers."""
        return False

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order."""
        return [self.score_item(item) for item in items]

    def score_item(self, item: Item) -> Score:
        """The score of one item."""
        raise NotImplementedError(f"{type(self).__name__} has neither `score` nor `score_item`")

    def scored(self, item: Item, values: Mapping[str, float], **more: Any) -> Score:
        """A score with values; `more` are its label, spans and explanation."""
        return self._score(item, status="scored", values=dict(values), **more)

    def unclear(self, item: Item, reason: str, **more: Any) -> Score:
        """No values, because the completion can be read in two ways; a person should read it first."""
        return self._score(item, status="unclear", explanation=reason, **more)

    def unscored(self, item: Item, reason: str, **more: Any) -> Score:
        """No score, because this scorer does not judge such an item."""
        return self._score(item, status="unscored", explanation=reason, **more)

    def failed(self, item: Item, reason: str) -> Score:
        """No score, because something went wrong."""
        return self._score(item, status="failed", explanation=reason)

    def _score(self, item: Item, **fields: Any) -> Score:
        return Score(request_id=item.completion.request_id, scorer=self.name, version=self.version, **fields)


GROUP = "evalharness.scorers"
NUMBERED = re.compile(r"_\d+$")
SCORERS = {
    "style": "evalharness.scorers.style:Style",
    "refusal": "evalharness.scorers.refusal:Refusal",
    "instruction": "evalharness.scorers.instruction:InstructionFollowing",
    "reward": "evalharness.scorers.reward:Reward",
}


def scorer_kinds() -> tuple[str, ...]:
    """The names of all scorers, our own first."""
    return plugins.names(GROUP, SCORERS)


def known_facts() -> list[ScorerFacts]:
    """The facts of all scorers that can be imported."""
    found = []
    for name in scorer_kinds():
        with suppress(ScorerError):
            found.append(facts_of(name))
    return found


def default_scorers() -> list[str]:
    """Our own scorers that judge every run which does not configure them."""
    return [name for name in SCORERS if _class(name).is_default()]


def open_scorer(name: str, settings: Mapping[str, JsonValue] | None = None) -> Scorer:
    """Make the scorer called `name`; models are loaded on first use.

    Args:
        name: one of `scorer_kinds()`, with a number behind it for one more of the kind (`reward_2`).
        settings: the keys of its `[scorer.NAME]` table.

    Raises:
        ScorerError: there is no scorer of that name, or it does not support a setting.
    """
    kind = _class(name)
    known = kind.settings_kind.model_fields if kind.settings_kind else inspect.signature(kind).parameters
    for key in settings or {}:
        if key not in known:
            keys = f"its settings are {', '.join(known)}" if known else "it has no settings; remove the table"
            raise ScorerError(f"[scorer.{name}] has an unknown key {key!r}", fix=keys)
    scorer = kind(**(settings or {}))
    scorer.facts = facts_of(name)
    return scorer


def facts_of(name: str) -> ScorerFacts:
    """The facts of the scorer called `name`, without opening it.

    Raises:
        ScorerError: there is no scorer of that name.
    """
    facts = _class(name).facts
    if name == facts.name:
        return facts
    metrics = tuple(_renamed(one, name) for one in facts.metrics)
    heading = f"{facts.heading} ({name})" if facts.heading else ""
    return facts.model_copy(update={"name": name, "metrics": metrics, "heading": heading, "model_help": ""})


def _renamed(metric: Metric, scorer: str) -> Metric:
    """The same metric of one more scorer of the kind."""
    others = {"mirror_of": metric.mirror_of, "guarded_by": metric.guarded_by}
    named = {field: f"{scorer}.{other.partition('.')[2]}" for field, other in others.items() if other}
    return metric.model_copy(
        update={"name": f"{scorer}.{metric.value}", "title": f"{metric.title} ({scorer})", **named}
    )


def _class(name: str) -> type[Scorer]:
    kinds = scorer_kinds()
    kind = name if name in kinds else NUMBERED.sub("", name)
    if kind not in kinds:
        raise ScorerError(f"no scorer named {name!r}", fix=f"use one of {', '.join(kinds)}")
    found: type[Scorer] = plugins.load(GROUP, SCORERS, kind, ScorerError)
    facts = getattr(found, "facts", None)
    if not isinstance(facts, ScorerFacts) or facts.name != kind:
        raise ScorerError(
            f"the scorer {kind!r} ({found!r}) has no `facts` with that name",
            fix=f"its class needs facts = ScorerFacts(name={kind!r}, metrics=...); see docs/plugins.md",
        )
    return found
