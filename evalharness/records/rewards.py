"""Rewards and preferences in a comparison."""

from typing import Literal

from pydantic import Field

from evalharness.records.privacy import CheckpointName, PersonName, Public, SampleId, ScorerVersion, Sentence
from evalharness.records.record import Interval, Record, Share

WinVerdict = Literal["candidate", "baseline", "undecided"]
"""Who wins more than half of the pairs, where the interval of the win rate leaves out one half."""


class RewardOfState(Record):
    """The rewards of a side's completions in one state, such as the baseline's loops."""

    checkpoint: CheckpointName
    state: Public
    """A label of the scorer whose labels are states."""
    n: int = Field(ge=1)
    """Completions in that state."""
    n_rewarded: int = Field(ge=0)
    """Completions among them with a reward."""
    mean: float | None
    """The raw mean reward; None exactly when none has one."""


class RewardLength(Record):
    """Correlation of a side's rewards with the length of its completions, in characters."""

    checkpoint: CheckpointName
    n: int = Field(ge=0)
    """Completions with a reward."""
    pearson: float | None
    spearman: float | None
    """Correlations; None if the rewards or the lengths do not vary."""


class LengthControl(Record):
    """The length-controlled reward difference and win rate.

    Dubois et al. 2024, Length-Controlled AlpacaEval, arXiv:2404.04475. It is a regression's prediction for two
    completions of equal length, and corrects only for length.
    """

    difference: float
    """Candidate minus baseline at equal length: the intercept of a regression on the difference of length."""
    interval: Interval | None
    curve_difference: float | None = None
    """The same by a curve of length and its logarithm; None in a run of an older version."""
    curve_interval: Interval | None = None
    per_100_characters: float
    """Increase of the reward per 100 additional characters."""
    win_rate: Share
    """At equal length, by a logistic regression."""
    win_rate_interval: Interval
    n_longer: int = Field(ge=0)
    """Pairs in which the candidate's completion is the longer one."""
    n_shorter: int = Field(ge=0)
    note: Sentence = ""
    """A note for the reader, such as that one side is nearly always longer."""


class RewardComparison(Record):
    """Baseline against candidate by the rewards of one reward model, with checks of how far to trust them.

    The paired difference itself is the row of the metric `SCORER.value`.
    """

    scorer: Public
    version: ScorerVersion
    """Names the reward model; both sides have the same."""
    n_pairs: int = Field(ge=1)
    n_groups: int = Field(ge=1)
    wins: int = Field(ge=0)
    """Samples on which the candidate's reward is larger."""
    ties: int = Field(ge=0)
    losses: int = Field(ge=0)
    tie_tolerance: float
    """Rewards that differ by no more than this are a tie."""
    win_rate: Share
    """A tie counts as half a win."""
    win_rate_interval: Interval
    win_verdict: WinVerdict = "undecided"
    length_difference: float
    """Mean of candidate minus baseline, in characters."""
    length_control: LengthControl | None
    no_length_control: Sentence = ""
    """Why there is none."""
    lengths: tuple[RewardLength, ...]
    states: tuple[RewardOfState, ...]
    n_one_answer: int = Field(ge=0)
    """Pairs in which one completion is an answer and the other a loop, an echo, empty, or another non-answer."""
    n_contradicting: int = Field(ge=0)
    """Pairs among them in which the non-answer has the larger reward."""
    contradicting: tuple[SampleId, ...] = ()
    """Samples of them, the largest difference of rewards first."""
    centre: float
    """Mean of all rewards of both sides."""
    spread: float = Field(ge=0)
    """Their standard deviation."""


class RewardAgreement(Record):
    """How often two reward models prefer the same side of a pair. Their rewards themselves are never compared."""

    scorers: tuple[Public, Public]
    n_pairs: int = Field(ge=1)
    same: Share
    """Pairs on which both prefer the same side or both tie."""
    kappa: float | None
    """Cohen's kappa; None if each gave the same verdict throughout."""
    interval: Interval | None


class PreferenceSummary(Record):
    """Summary of a person's or judge's preferences over all pairs."""

    source: Literal["human", "judge"]
    rater: PersonName
    n: int = Field(ge=0)
    """Pairs with a verdict."""
    baseline: int = Field(ge=0)
    candidate: int = Field(ge=0)
    ties: int = Field(ge=0)
    both_bad: int = Field(0, ge=0)
    """Ties because both are bad."""
    n_failed: int = Field(0, ge=0)
    """Pairs without a readable verdict by the judge; excluded from all other numbers."""
    n_inconsistent: int = Field(0, ge=0)
    """Ties because a judge's verdict changed with the order of the pair."""
    first_share: Share | None = None
    """Share of a judge's single-order verdicts for the side shown first; one half is unbiased."""
    candidate_share: Share | None
    """A tie counts half; None exactly when `n` is 0."""
    interval: Interval | None
    decided_share: Share | None = None
    """Of the pairs without a tie: what a judge's turned verdicts draw towards one half. None without any."""
    decided_interval: Interval | None = None
    verdict: WinVerdict = "undecided"
    """Read off `interval`."""
