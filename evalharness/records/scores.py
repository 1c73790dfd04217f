"""Scores: a scorer's result for one completion, and the meaning of its values."""

import math
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, JsonValue, model_validator

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
    status: Literal["scored", "unclear", "unscored", "failed"]
    """`unclear`: the evidence is too weak for a label, and the values are missing; `unscored`: not judged by design."""
    label: Public | None = None
    values: dict[Public, FiniteFloat] = Field(default_factory=dict)
    """Only values that apply to the sample: an absent key does not count in its metric's n."""
    spans: tuple[Span, ...] = ()
    explanation: QuoteText = ""

    @model_validator(mode="after")
    def _values_agree_with_status(self) -> "Score":
        if bool(self.values) != (self.status == "scored"):
            raise ValueError(f"a {self.status} score cannot have the values {self.values}")
        if self.status != "scored" and not self.explanation:
            raise ValueError(f"a score that is {self.status} needs an explanation")
        return self


class NamedChange(Record):
    """A named regression of a metric, such as `new loops`: an alarm."""

    verdict: Literal["higher", "lower"]
    name: Public
    tuning_only: bool = False
    """Reported only between two checkpoints of the same variant: base and instruct differ in this by design."""
    with_lower: Public = ""
    """Reported only if this other value of the same scorer fell too."""


class Metric(Record):
    """The meaning of a scorer's value averaged over samples."""

    name: Public
    """The scorer's name, a dot, and the key of its `values`."""
    title: Public
    """For display: what a completion does (`loops`, `ends by itself`) or what is measured (`length`)."""
    description: Public
    kind: Literal["rate", "mean"]
    """`rate`: each value is 0 or 1 and the mean is a share; `mean`: any finite number."""
    unit: Public = ""
    better: Literal["higher", "lower"] | None = None
    """None if neither direction is better, as for a length."""
    lowest: float | None = None
    highest: float | None = None
    """Smallest and largest possible mean; intervals are clipped to them. A rate is between 0 and 1."""
    headline: bool = False
    """Whether it is tested and adjusted with the other headline metrics; otherwise it is exploratory."""
    margin: float | None = None
    """A difference that is too small to matter, in the metric's unit; None: not stated."""
    needs_end: bool = False
    """Whether a truncated completion cannot be judged fairly, as for its length."""
    mirror_of: Public | None = None
    """The metric of the same scorer that says the same the other way round; only that one is a headline test."""
    expected: Literal["comply", "refuse", "any"] | None = None
    """Which samples have a value, by their `expected` field; None: the scorer decides for each sample."""
    needs_constraints: bool = False
    """Whether only samples with verifiable instructions have a value."""
    guarded_by: Public | None = None
    """The no-answer rate of the same scorer, if giving no answer would count in a side's favour here."""
    role: Literal["length", "reward"] | None = None
    """`reward`: the value of a reward model, which expresses preferences; `length`: the length for charts of
    rewards.
    """
    changes: tuple[NamedChange, ...] = ()
    flips: Public = ""
    """What a completion with the value 1 did, such as `followed all instructions`: between two checkpoints of the same
    variant, samples that flip are reported as capability flips. Empty if flips are not reported."""

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
        """Smallest and largest possible mean."""
        if self.kind == "rate":
            return 0.0, 1.0
        return -math.inf if self.lowest is None else self.lowest, math.inf if self.highest is None else self.highest

    @property
    def is_bounded(self) -> bool:
        """Whether there is a smallest and a largest possible mean."""
        return all(map(math.isfinite, self.bounds))


class Label(Record):
    """A label of a scorer."""

    name: Public
    title: Public
    """For display: what a completion does (`loops`)."""
    meaning: Public = ""
    """The same, completing a sentence that begins with "The completion"."""
    answers: bool = True
    """False if the completion is not an answer, so that preferring it is a contradiction."""
    rates: tuple[Public, ...] = ()
    """Values that are 1 for it, of samples that they apply to. A person can give the label if any label has them."""


class KnownErrors(Record):
    """How often labels were wrong on completions of a kind of checkpoint that people or a reader had labelled."""

    variant: Literal["base", "instruct"]
    counts: tuple[tuple[int, ...], ...]
    """Rows: what a completion did; columns: what its label says; both in the order of the labels' distinct `rates`."""


class ScorerFacts(Record):
    """What a scorer measures and how it is shown, stored with the run so that it can be read without the scorer."""

    name: Public
    """As in configurations and suites; its metrics are called `NAME.value`."""
    metrics: tuple[Metric, ...]
    labels: tuple[Label, ...] = ()
    """In the order of the report, best first."""
    chart: Literal["states", "expected"] | None = None
    """`states`: every completion is in one of the labels, counted for each checkpoint, and the browser filters by
    them. `expected`: counted by what the sample calls for, and how they flip. None: only on the single completion."""
    heading: Public = ""
    """Above the chart."""
    hint: Public = ""
    """Below the heading: how to read the labels."""
    form: tuple[Public, ...] = ()
    """Labels of spans that mark form; other spans are evidence for the score."""
    errors: tuple[KnownErrors, ...] = ()
    """How its labels err; empty if that is not known."""
    errors_in_words: Public = ""
    """The same in a sentence or two, with where it was measured."""
    unscored: Public = ""
    """What it does not score."""
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
        return next((metric for metric in self.metrics if metric.role == "reward"), None)

    def title_of(self, label: str) -> str:
        """A label in words; an unknown label is shown unchanged."""
        known = {label.name: label.title for label in self.labels}
        return known.get(label, label.replace("_", " "))


class ScorerIdentity(Record):
    """Name and version of a scorer of a run."""

    name: Public
    version: ScorerVersion
    identity: Annotated[dict[str, JsonValue], Private("options")] = Field(default_factory=dict)
    """What determines a score besides the code: a model with its digests, its template, its longest input."""
    facts: ScorerFacts


class Scoring(Record):
    """The scorers of a run, and the digests of what they scored."""

    scorers: tuple[ScorerIdentity, ...]
    outcomes_digest: Public
    """Digest of the outcomes file that was scored."""
    scores_digest: Public
    """Digest of the scores file, to detect lost or changed scores."""
