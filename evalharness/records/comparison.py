"""Comparisons: summaries, paired differences and findings."""

from typing import Any, Literal

from pydantic import Field, model_validator

from evalharness.records.privacy import CheckpointName, PersonName, Public, SampleId, Sentence
from evalharness.records.record import Interval, Record
from evalharness.records.rewards import PreferenceSummary, RewardAgreement, RewardComparison
from evalharness.records.scores import Metric

WarningKind = Literal[
    "lint", "failed", "not generated", "truncated", "crashed", "unknown ending", "one-sided", "incomplete", "shared",
    "other",
]  # fmt: skip


class Summary(Record):
    """A metric over one checkpoint's scores."""

    metric: Public
    checkpoint: CheckpointName
    category: Public | None
    """None: all categories together."""
    n: int = Field(ge=0)
    """Samples that have a value."""
    n_unscored: int = 0
    """Samples with a completion that the scorer did not score or on which it failed."""
    n_failures: int = 0
    """Samples without any completion."""
    n_truncated: int = 0
    """Samples among `n` whose completion was truncated at the token limit."""
    mean: float | None
    """None exactly when `n` is 0."""
    interval: Interval | None = None

    @model_validator(mode="after")
    def _a_mean_needs_scores(self) -> "Summary":
        if (self.mean is None) != (self.n == 0):
            raise ValueError(f"a summary of {self.n} scores cannot have the mean {self.mean}")
        return self


DifferenceVerdict = Literal["higher", "lower", "equivalent", "undecided"]
"""Read off the interval: beyond 0, within the margin, or neither."""


class AmongAnswered(Record):
    """Two rates among the samples that both sides answered at all, which the unconditional rates are not."""

    n_pairs: int = Field(ge=1)
    baseline_mean: float
    candidate_mean: float


class PairedDifference(Record):
    """Candidate minus baseline on the samples that both have a value for."""

    metric: Public
    category: Public | None
    n_pairs: int = Field(ge=0)
    n_groups: int = Field(ge=0)
    baseline_mean: float | None
    candidate_mean: float | None
    difference: float | None
    interval: Interval | None
    """Of the headline rows, all hold together in 95 % of comparisons; of an exploratory row, it alone does."""
    level: float = 0.95
    """Of this interval alone: 1 - 0.05 / headline tests, or 0.95."""
    p_value: float | None
    """The smallest level at which an interval like this leaves out 0."""
    p_adjusted: float | None
    """Times the number of headline tests (Bonferroni); None for exploratory rows."""
    n_higher: int
    """Pairs in which the candidate's value is larger."""
    n_equal: int
    n_lower: int
    n_truncated: int = 0
    """Pairs in which at least one completion was truncated at the token limit."""
    method: Public
    """The test and the interval, in words."""
    verdict: DifferenceVerdict
    minimum_detectable_effect: float | None = None
    """The difference that this many pairs detect with 80 % power, at a level of 5 % adjusted as for the row."""
    margin: float | None = None
    """What `equivalent` means: the difference is smaller than this either way."""
    n_missing_baseline: int = 0
    """Samples that the metric applies to and that have no value, or not all."""
    n_missing_candidate: int = 0
    bounds: Interval | None = None
    """What the difference over all samples could be, whatever the missing values are (no confidence interval)."""
    label_errors: Interval | None = None
    """Where the difference could be if the labels of one side or both err as often as they are known to."""
    among_answered: AmongAnswered | None = None
    """The rates among samples that both sides answered, where no answer counts in a side's favour."""
    effect_size: float | None = None
    """Without unit, negative if the candidate is lower; None if nothing varies."""
    effect_size_name: Public = ""
    """`Cohen's g` for 0/1 pairs, `d_z` (difference over the spread of the paired differences) otherwise."""
    exploratory: bool = False


class RatedSide(Record):
    """A rate of one side."""

    rated: int
    """Completions that people rated."""
    by_scorer: float | None
    """The scorer's own rate on the same samples; None if it has none."""
    mean: float
    interval: Interval


class Correction(Record):
    """A rate as people's ratings correct it, on the samples to which both sides have a completion."""

    metric: Public
    raters: tuple[PersonName, ...]
    n_pairs: int
    baseline: RatedSide
    candidate: RatedSide
    difference: float
    interval: Interval
    """At the comparison's level, for this row alone; it holds the scorer's error and chance."""
    to_halve: int | None
    """More ratings that would halve its width; None if rating everything would not."""


class Finding(Record):
    """One plain sentence about what differs, with its evidence."""

    name: Public | None = None
    """The name of a regression, such as `lost stop token`; the sentence begins with it."""
    sentence: Sentence
    metric: Public | None
    sample_ids: tuple[SampleId, ...] = ()


class RunWarning(Record):
    """What a reader must know before trusting a number."""

    kind: WarningKind
    text: Sentence

    @model_validator(mode="before")
    @classmethod
    def _of_a_sentence(cls, data: Any) -> Any:
        """Comparisons written before this record was have sentences alone."""
        return {"kind": "other", "text": data} if isinstance(data, str) else data


class OtherComparison(Record):
    """The baseline against one more checkpoint, tested on its own."""

    candidate: CheckpointName
    differences: tuple[PairedDifference, ...]
    findings: tuple[Finding, ...]
    rewards: tuple[RewardComparison, ...] = ()
    """One for each reward model."""


class Comparison(Record):
    """Baseline against candidate, pair by pair."""

    baseline: CheckpointName
    candidate: CheckpointName
    level: float = 0.95
    seed: int
    metrics: tuple[Metric, ...]
    summaries: tuple[Summary, ...]
    differences: tuple[PairedDifference, ...]
    findings: tuple[Finding, ...]
    """Most important first."""
    warnings: tuple[RunWarning, ...]
    evidence_digest: Public = ""
    """Digest of the outcomes and scores that it was made from, so that a report never mixes two states of a run."""
    opinions_digest: Public = ""
    """Digest of the preferences and judgings that it was made from; empty if there are none."""
    other_comparisons: tuple[OtherComparison, ...] = ()
    """The plan's other checkpoints, in its order."""
    rewards: tuple[RewardComparison, ...] = ()
    """One for each reward model."""
    reward_agreement: tuple[RewardAgreement, ...] = ()
    """One for each two reward models."""
    preferences: tuple[PreferenceSummary, ...] = ()
    """One for each person and judge."""
    corrections: tuple[Correction, ...] = ()
    """One for each rate of which people labelled completions of both sides."""

    @model_validator(mode="after")
    def _metrics_are_known(self) -> "Comparison":
        """A file that was edited or damaged must not end in a chart that looks for a metric in vain."""
        known = {metric.name for metric in self.metrics}
        differences = (*self.differences, *(row for other in self.other_comparisons for row in other.differences))
        named = (row.metric for rows in (self.summaries, differences, self.corrections) for row in rows)
        if unknown := {*named} - known:
            raise ValueError(f"{min(unknown)!r} is not among its metrics")
        return self
