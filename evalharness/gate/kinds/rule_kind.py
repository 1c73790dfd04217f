"""The interface of a rule kind.

Every kind turns its evidence into a loss: a number that must stay below the rule's limit, whichever direction is
better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evalharness.compare.groups import by_group
from evalharness.records import GateRule, Interval, Metric
from evalharness.statistics import Estimate, Floats, means_of, resample

Direction = Literal["higher", "lower"]
Groups = NDArray[np.int64]
RESAMPLES = 4_999


@dataclass(frozen=True)
class Sides:
    """Values of both sides by sample; NaN where the baseline has none and the kind needs none."""

    baseline: Floats
    candidate: Floats
    groups: Groups
    replicates: int = 1

    @property
    def n(self) -> int:
        """How many samples."""
        return self.candidate.size

    @property
    def n_groups(self) -> int:
        """How many independent samples."""
        return np.unique(self.groups).size


@dataclass(frozen=True)
class Case:
    """A test of a kind: how often each side has a 1 among so many samples, and the verdict on it."""

    bound: float
    baseline: int
    candidate: int
    n: int
    verdict: Literal["pass", "fail", "undecided"]


class Kind(Protocol):
    """What a rule of this kind needs, measures and reports."""

    @property
    def name(self) -> str:
        """Its name in a configuration."""

    @property
    def counts(self) -> str:
        """What it counts: `pairs` or `samples`."""

    @property
    def needs_baseline(self) -> bool:
        """Whether a sample without a value of the baseline is missing."""

    @property
    def cases(self) -> Sequence[Case]:
        """Its test of a rate where higher is better."""

    def problem(self, rule: GateRule, metric: Metric) -> tuple[str, str] | None:
        """Why a rule cannot be judged, with the fix; None if it can."""

    def good(self, rule: GateRule, metric: Metric) -> Direction:
        """The direction in which the rule is kept."""

    def limit(self, rule: GateRule, metric: Metric) -> float:
        """What the loss must stay below."""

    def loss(
        self, rule: GateRule, metric: Metric, sides: Sides, *, seed: int, n_resamples: int = RESAMPLES
    ) -> Estimate | None:
        """The loss with its bounds; None if there are too few values."""

    def losses(self, rule: GateRule, metric: Metric, sides: Sides) -> Floats:
        """Each sample's loss minus what a sample may lose: above 0 it counts against the rule."""

    def shown(self, loss: float, rule: GateRule, metric: Metric) -> float:
        """A loss converted to the number a reader expects: a difference or a level."""

    def in_words(self, value: float, interval: Interval | None, metric: Metric) -> str:
        """What was measured, in words."""

    def asked(self, rule: GateRule, metric: Metric) -> str:
        """What the rule requires, in words."""

    def against(self, n: int, of: int) -> str:
        """How many samples count against the rule, in words."""


def mean_of(values: Floats, groups: Groups, *, seed: int, is_difference: bool, n_resamples: int) -> Estimate | None:
    """The mean of values in groups; None for a single group."""
    if np.unique(groups).size < 2:
        return None
    sums, counts = by_group([(values, groups)])
    [mean] = means_of(resample(sums, counts, seed=seed, n_resamples=n_resamples), is_difference=is_difference)
    return mean
