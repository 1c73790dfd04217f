"""Rewards and preferences in a comparison."""

from typing import Literal

from pydantic import Field

from evalharness.records.intervals import Interval, Share
from evalharness.records.privacy import CheckpointName, PersonName, Public, SampleId, ScorerVersion, Sentence
from evalharness.records.record import Record


class RewardOfState(Record):
    """The rewards of one side's completions of one state, such as those of the baseline that loop."""

    checkpoint: CheckpointName
    state: Public
    """A label of the scorer whose labels are states."""
    n: int = Field(ge=1)
    """Completions in that state."""
    n_rewarded: int = Field(ge=0)
    """Those among them that have a reward."""
    mean: float | None
    """The raw mean reward; None exactly when none has one."""


class RewardLength(Record):
    """How one side's rewards go with the length of its completions, in characters."""

    checkpoint: CheckpointName
    n: int = Field(ge=0)
    """Completions with a reward."""
    pearson: float | None
    spearman: float | None
    """Correlations; None where the rewards or the lengths do not vary."""


class LengthControl(Record):
    """What is left of a difference of rewards once the difference of length is taken out of it.

    Dubois et al. 2024, Length-Controlled AlpacaEval, arXiv:2404.04475. It says what a regression expects of two
    completions of one length, and corrects for nothing but length.
    """

    difference: float
    """Candidate minus baseline at equal length: the intercept of a regression on the difference of length."""
    interval: Interval | None
    per_100_characters: float
    """How much more reward goes with 100 further characters."""
    win_rate: Share
    """At equal length, by a logistic regression."""
    win_rate_interval: Interval
    n_longer: int = Field(ge=0)
    """Pairs in which the candidate's completion is the longer one."""
    n_shorter: int = Field(ge=0)
    note: Sentence = ""
    """What a reader must know, such as that one side is nearly always longer."""


class RewardComparison(Record):
    """Baseline against candidate by the rewards of one reward model, and how far these can be trusted.

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
    """Rewards that are no further apart than this are a tie."""
    win_rate: Share
    """A tie counts as half a win."""
    win_rate_interval: Interval
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
    """Those among them in which the non-answer has the larger reward."""
    contradicting: tuple[SampleId, ...] = ()
    """Samples of them, the largest difference of rewards first."""
    centre: float
    """Mean of all rewards of both sides."""
    spread: float = Field(ge=0)
    """Their standard deviation."""

    def standardised(self, reward: float) -> float:
        """A reward in standard deviations from the mean of both sides; for display only."""
        return (reward - self.centre) / self.spread if self.spread else 0.0


class RewardAgreement(Record):
    """How far two reward models prefer the same side of a pair. Their rewards themselves are never set together."""

    scorers: tuple[Public, Public]
    n_pairs: int = Field(ge=1)
    same: Share
    """Pairs that both give to the same side, or both call a tie."""
    kappa: float | None
    """Cohen's; None where each gave one and the same verdict throughout."""
    interval: Interval | None


class PreferenceSummary(Record):
    """What one person or one judge prefers over all pairs."""

    source: Literal["human", "judge"]
    rater: PersonName
    n: int = Field(ge=0)
    """Pairs with a verdict."""
    baseline: int = Field(ge=0)
    candidate: int = Field(ge=0)
    ties: int = Field(ge=0)
    both_bad: int = Field(0, ge=0)
    """Ties because neither is any good."""
    n_failed: int = Field(0, ge=0)
    """Pairs of which a judge gave no verdict that could be read; they are in no other number."""
    n_inconsistent: int = Field(0, ge=0)
    """Ties because a judge's verdict turned with the order in which it was shown the pair."""
    first_share: Share | None = None
    """Of a judge's verdicts for one side in each order, the share for the side shown first; a half is unbiased."""
    candidate_share: Share | None
    """A tie counts half; None exactly when `n` is 0."""
    interval: Interval | None
