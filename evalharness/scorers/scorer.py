"""What a scorer is: a class that judges completions and declares everything about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from pydantic import JsonValue

from evalharness.completion.state import State, state_of
from evalharness.records import Completion, Metric, Record, Sample, Score, ScorerFacts


@dataclass(frozen=True)
class Item:
    """A completion to be judged, with the sample that it answers."""

    sample: Sample
    completion: Completion
    replicates: Sequence["Item"] = field(default=(), repr=False, compare=False)
    """All completions of the same checkpoint to the same sample, this one included."""

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

    def described(self, facts: ScorerFacts) -> ScorerFacts:
        """Its facts, where its settings change what is known of it."""
        return facts

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
