"""Scores: what a scorer says of one completion, and what its values mean."""

import math
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from evalharness.records.privacy import Private, Public, QuoteText, ScorerVersion
from evalharness.records.record import Record


class Span(Record):
    """Evidence in a completion: characters `start` up to `end` (exclusive)."""

    start: int = Field(ge=0)
    end: int
    label: Public

    @model_validator(mode="after")
    def _has_length(self) -> "Span":
        if self.end <= self.start:
            raise ValueError(f"a span from {self.start} to {self.end} is empty")
        return self


class Score(Record):
    """One scorer's result for one completion; it has values exactly when it was scored."""

    request_id: Public
    scorer: Public
    version: ScorerVersion
    status: Literal["scored", "unscored", "failed"]
    label: Public | None = None
    values: dict[Public, float] = Field(default_factory=dict)
    """Only what applies to the sample: a key that is absent does not count in its metric's n."""
    spans: tuple[Span, ...] = ()
    explanation: QuoteText = ""

    @field_validator("values")
    @classmethod
    def _values_are_finite(cls, values: dict[str, float]) -> dict[str, float]:
        if all(map(math.isfinite, values.values())):
            return values
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        raise ValueError(f"{', '.join(bad)} must be finite; use status='unscored' and say why")

    @model_validator(mode="after")
    def _values_agree_with_status(self) -> "Score":
        if bool(self.values) != (self.status == "scored"):
            raise ValueError(f"a {self.status} score cannot have the values {self.values}")
        if self.status != "scored" and not self.explanation:
            raise ValueError(f"a score that is {self.status} must say why")
        return self


class NamedChange(Record):
    """A change of a metric that people know by a name, such as `new loops`: an alarm."""

    verdict: Literal["higher", "lower"]
    name: Public
    tuning_only: bool = False
    """It only surprises between two checkpoints of one variant: a base and an instruct differ so by design."""
    with_lower: Public = ""
    """Named only where this other value of the same scorer fell too."""


class Metric(Record):
    """What a scorer's value means when it is averaged over samples."""

    name: Public
    """The scorer's name, a dot, and the key of its `values`."""
    title: Public
    """For people, what a completion does (`loops`, `ends by itself`) or what is measured (`length`)."""
    description: Public
    kind: Literal["rate", "mean"]
    """`rate`: each value is 0 or 1 and the mean is a share; `mean`: any finite number."""
    unit: Public = ""
    better: Literal["higher", "lower"] | None = None
    """None where neither direction is better as such, like a length."""
    lowest: float | None = None
    highest: float | None = None
    """What a mean can be at least and at most; an interval ends there. A rate is between 0 and 1."""
    headline: bool = False
    """Tested and adjusted with the others; a metric that is not a headline is exploratory."""
    margin: float | None = None
    """A difference that is too small to matter, in the metric's unit; None: nobody has said."""
    needs_end: bool = False
    """Whether a completion that was cut by the token limit cannot be judged fairly, as its length cannot."""
    mirror_of: Public | None = None
    """The metric of the same scorer that says the same the other way round; only that one is a headline test."""
    expected: Literal["comply", "refuse", "any"] | None = None
    """Which samples have a value, by what is expected of them; None: the scorer decides, sample by sample."""
    guarded_by: Public | None = None
    """The rate of the same scorer at which a side gives no answer at all, where that would count in its favour here."""
    role: Literal["length", "reward"] | None = None
    """`reward`: what a reward model gives, which prefers a side; `length`: what rewards are drawn against."""
    changes: tuple[NamedChange, ...] = ()
    flips: Public = ""
    """What a completion with the value 1 did, such as `followed all instructions`: of two checkpoints of one variant,
    samples that flip are reported as capability flips. Empty where flips are no finding."""

    @property
    def scorer(self) -> str:
        """The scorer whose value it is."""
        return self.name.partition(".")[0]

    @property
    def value(self) -> str:
        """Which of the scorer's values it is."""
        return self.name.partition(".")[2]

    @property
    def bounds(self) -> tuple[float, float]:
        """What a mean can be at least and at most."""
        if self.kind == "rate":
            return 0.0, 1.0
        return -math.inf if self.lowest is None else self.lowest, math.inf if self.highest is None else self.highest


class Label(Record):
    """One of the labels that a scorer gives."""

    name: Public
    title: Public
    """For people: what a completion does (`loops`)."""
    meaning: Public = ""
    """The same as the end of a sentence that begins with "The completion"."""
    answers: bool = True
    """False for a completion that answers nothing, so that a reward for it is a contradiction."""


class ScorerFacts(Record):
    """What a scorer measures and how it is shown. It is kept with a run, which is read without the scorer."""

    name: Public
    """As in configurations and suites; its metrics are called `NAME.value`."""
    metrics: tuple[Metric, ...]
    labels: tuple[Label, ...] = ()
    """In the order of a report, the best first."""
    chart: Literal["states", "expected"] | None = None
    """`states`: every completion is in one of the labels, counted for each checkpoint, and the browser filters by
    them. `expected`: counted by what the sample calls for, and how they flip. None: only on the single completion."""
    heading: Public = ""
    """Above the chart."""
    hint: Public = ""
    """Below the heading: how to read the labels."""
    form: tuple[Public, ...] = ()
    """Labels of spans that mark how a text is written; the others are evidence for the score."""
    unscored: Public = ""
    """What it gives no score for."""
    model_help: Public = ""
    """Help of the flag `--NAME-model`, which sets `model` of its table; empty without such a flag."""

    @model_validator(mode="after")
    def _metrics_carry_the_name(self) -> "ScorerFacts":
        for metric in self.metrics:
            if metric.scorer != self.name or not metric.value:
                raise ValueError(f"the metric {metric.name!r} must be called {self.name}.VALUE")
        return self

    @property
    def reward(self) -> Metric | None:
        """The metric that is a reward; None where it gives none."""
        return next((one for one in self.metrics if one.role == "reward"), None)

    def title_of(self, label: str) -> str:
        """A label in words; one that is not known is shown as it is."""
        known = {one.name: one.title for one in self.labels}
        return known.get(label, label.replace("_", " "))


class ScorerIdentity(Record):
    """Which scorer, in which version, made the scores of a run."""

    name: Public
    version: ScorerVersion
    identity: Annotated[dict[str, JsonValue], Private("options")] = Field(default_factory=dict)
    """What decides a score beside the code: a model with its digests, its template, the longest text it reads."""
    facts: ScorerFacts


class Scoring(Record):
    """What made the scores of a run, and of what."""

    scorers: tuple[ScorerIdentity, ...]
    outcomes_digest: Public
    """Of the file of outcomes that was scored."""
    scores_digest: Public
    """Of the file of scores: a score that was lost or changed afterwards is noticed."""
