"""What a rule is judged by: an estimate with its interval, and what was lost on the way to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from evalharness.observations import CRASHED, FAILED, NOT_ASKED, NOT_GENERATED, Mask
from evalharness.records import (
    Comparison,
    GateRule,
    GateSample,
    Interval,
    Metric,
    PairedDifference,
    Sample,
    Summary,
)
from evalharness.store import Run

Direction = Literal["higher", "lower"]
BySample = dict[str, float]


@dataclass(frozen=True)
class Losses:
    """Shares, 0 to 1, of the samples on which a rule says nothing, or not all."""

    failures: float
    unscored: float
    truncated: float


@dataclass(frozen=True)
class Evidence:
    """What was measured of one metric where a rule looks."""

    metric: Metric
    good: Direction
    n: int
    n_groups: int
    """Independent units among the `n`."""
    estimate: float | None
    """Candidate minus baseline, or the candidate's mean."""
    interval: Interval | None
    """As compared, or no wider than a point where all values are equal and of no known range."""
    uniform: bool
    """Whether all values (differences) are equal."""
    p_value: float | None
    losses: Losses
    against: tuple[GateSample, ...]
    """The worst first."""


def gather(rule: GateRule, metric: Metric, run: Run, comparison: Comparison) -> Evidence:
    """Look up and count all that a rule is judged by.

    Args:
        rule: one of those that `check_rules` has passed.
        metric: the rule's.
        run: with scores.
        comparison: of the run, or of the rule's suite alone.
    """
    scope = _Scope(rule, metric, run)
    row = _row(rule, comparison)
    judged = scope.differences if rule.kind == "no_regression" else scope.candidate
    uniform = len(set(judged.values())) == 1
    estimate, interval, p_value = _figures(row)
    n_groups = len({scope.samples[one].group for one in judged})
    if interval is None and uniform and n_groups > 1 and estimate is not None:
        interval = Interval(low=estimate, high=estimate)
    return Evidence(
        metric=metric,
        good=good_direction(rule, metric),
        n=len(judged),
        n_groups=n_groups,
        estimate=estimate,
        interval=interval,
        uniform=uniform,
        p_value=p_value,
        losses=scope.losses(),
        against=tuple(scope.against()),
    )


def good_direction(rule: GateRule, metric: Metric) -> Direction:
    """The direction in which a rule is met."""
    match rule.kind:
        case "at_least":
            return "higher"
        case "at_most":
            return "lower"
        case "no_regression":
            return metric.better or rule.direction or "higher"


def _row(rule: GateRule, comparison: Comparison) -> PairedDifference | Summary | None:
    rows: Iterable[PairedDifference | Summary] = comparison.differences
    if rule.kind != "no_regression":
        rows = [one for one in comparison.summaries if one.checkpoint == comparison.candidate]
    return next((one for one in rows if (one.metric, one.category) == (rule.metric, rule.category)), None)


def _figures(row: PairedDifference | Summary | None) -> tuple[float | None, Interval | None, float | None]:
    match row:
        case PairedDifference(difference=difference, interval=interval, p_value=p_value):
            return difference, interval, p_value
        case Summary(mean=mean, interval=interval):
            return mean, interval, None
        case None:
            return None, None, None


class _Scope:
    """The samples where a rule looks, and what each side made of them."""

    def __init__(self, rule: GateRule, metric: Metric, run: Run) -> None:
        self.rule, self.metric, self.run = rule, metric, run
        self.samples, self.table = _samples(rule, run), run.observations
        self.sides = (run.plan.baseline, run.plan.candidate)
        self.baseline, self.candidate = (
            {one: value for one, value in self.table.of_samples(side, metric.name).items() if one in self.samples}
            for side in self.sides
        )
        self.judged = self.sides if rule.kind == "no_regression" else self.sides[1:]

    @cached_property
    def differences(self) -> BySample:
        """Candidate minus baseline, where both have a value."""
        return {one: value - self.baseline[one] for one, value in self.candidate.items() if one in self.baseline}

    def against(self) -> Iterable[GateSample]:
        """Samples that speak against the rule, the worst first."""
        sign = 1 if good_direction(self.rule, self.metric) == "higher" else -1
        if self.rule.kind == "no_regression":
            distance = {one: sign * value for one, value in self.differences.items()}
        else:
            distance = {one: sign * (value - self.rule.bound) for one, value in self.candidate.items()}
        for one in sorted((one for one in distance if distance[one] < 0), key=distance.__getitem__):
            yield GateSample(sample_id=one, baseline=self.baseline.get(one), candidate=self.candidate[one])

    def losses(self) -> Losses:
        """Each share is of the side that lost more, sample by sample, averaged over replicates."""
        counts = [self._counts(side) for side in self.judged]
        # Where one side has a value, the metric applies; where no side has, nobody can tell without a completion.
        applies = {*self.baseline, *self.candidate}
        failed = _worst(counts, "failed")
        return Losses(
            failures=max(_share(failed, self.samples), _share(failed, applies)),
            unscored=_share(_worst(counts, "unscored"), applies | {one for each in counts for one in each.crashed}),
            truncated=_share(_worst(counts, "truncated"), applies),
        )

    def _counts(self, side: str) -> "_Counts":
        table, name = self.table, self.metric.name
        here = np.array([one in self.samples for one in table.sample_ids], dtype=np.bool_)
        state, completed = table.state[table.place[side]], table.completed(side)
        replicates = max(int((state != NOT_ASKED)[:, here].any(axis=1).sum()), 1)
        crashed = (table.scored(side, name.partition(".")[0]) == CRASHED).any(axis=0)

        def shares(lost: Mask) -> BySample:
            counts = lost.sum(axis=0) / replicates
            return {table.sample_ids[place]: float(counts[place]) for place in np.flatnonzero((counts > 0) & here)}

        return _Counts(
            failed=shares((state == NOT_GENERATED) | (state == FAILED)),
            unscored=shares(completed & np.isnan(table.cells(side, name))),
            truncated=shares(table.cut(side)),
            crashed={table.sample_ids[place] for place in np.flatnonzero(crashed & here)},
        )


@dataclass(frozen=True)
class _Counts:
    """Of one side, by sample: shares of its replicates."""

    failed: BySample
    unscored: BySample
    truncated: BySample
    crashed: set[str]
    """Samples on which the scorer crashed, which is not the same as a metric that does not apply."""


def _samples(rule: GateRule, run: Run) -> Mapping[str, Sample]:
    return {
        sample.id: sample
        for suite in run.plan.suites
        for sample in suite.samples
        if rule.suite in (None, suite.name) and rule.category in (None, sample.category)
    }


def _add(counts: BySample, sample: str, share: float) -> None:
    counts[sample] = counts.get(sample, 0.0) + share


def _worst(counts: Iterable[_Counts], which: Literal["failed", "unscored", "truncated"]) -> BySample:
    found: BySample = {}
    for one in counts:
        shares = {"failed": one.failed, "unscored": one.unscored, "truncated": one.truncated}[which]
        for sample, share in shares.items():
            found[sample] = max(share, found.get(sample, 0.0))
    return found


def _share(lost: BySample, samples: Iterable[str]) -> float:
    there = list(samples)
    return sum(lost.get(one, 0.0) for one in there) / len(there) if there else 0.0
