"""Candidate minus baseline on the samples that both have a value for, with tests, intervals and a verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evalharness.compare.groups import RESAMPLES, Groups, by_group, grouped
from evalharness.observations import Mask, Observations
from evalharness.records import DifferenceVerdict, Interval, Metric, PairedDifference
from evalharness.statistics import Floats, cohens_g, holm, mcnemar, resample, sign_flips, smallest_p, tango
from evalharness.statistics.power import (
    detectable_difference,
    detectable_shift,
    fewest_pairs,
    pairs_to_detect,
    pairs_to_shift,
)

ALPHA = 0.05
BINARY = "exact McNemar test; Tango's paired score interval"
RESAMPLED = "sign-flip permutation test; bootstrap interval over groups"
NONE = "not tested"
COHENS_G = "Cohen's g"
D_Z = "d_z"


@dataclass(frozen=True)
class Pairs:
    """The paired values of one metric in one category, and what was computed from them."""

    metric: Metric
    category: str | None
    there: Mask
    """Which of all samples have both values, shape (n_samples,)."""
    baseline: Floats
    candidate: Floats
    groups: Groups
    p_value: float | None = None
    interval: Interval | None = None

    @cached_property
    def n_pairs(self) -> int:
        """Samples with both values."""
        return self.baseline.size

    @cached_property
    def n_groups(self) -> int:
        """Independent units."""
        return np.unique(self.groups).size

    @cached_property
    def difference(self) -> Floats:
        """Candidate minus baseline, shape (n_pairs,)."""
        return self.candidate - self.baseline

    @property
    def mean_difference(self) -> float | None:
        """None without a pair."""
        return float(self.difference.sum()) / self.n_pairs if self.n_pairs else None

    @cached_property
    def n_higher(self) -> int:
        """Pairs in which the candidate's value is larger."""
        return int((self.difference > 0).sum())

    @cached_property
    def n_lower(self) -> int:
        """Pairs in which the baseline's value is larger."""
        return int((self.difference < 0).sum())

    @cached_property
    def is_binary(self) -> bool:
        """Whether each pair is two independent 0/1 values, so that exact tests apply."""
        if self.metric.kind != "rate" or self.n_groups < self.n_pairs:
            return False
        return {*np.unique(self.baseline), *np.unique(self.candidate)} <= {0.0, 1.0}

    @cached_property
    def spread(self) -> float:
        """Standard deviation, over groups, of a group's contribution to the mean difference; 0 where there is none."""
        if self.n_groups < 2:
            return 0.0
        # A group counts by all its samples: the sum over its samples, relative to the mean size of a group.
        sums, _ = grouped(self.difference, self.groups)
        return float(np.std(sums, ddof=1)) * self.n_groups / self.n_pairs


def differences_of(
    table: Observations, metrics: Sequence[Metric], baseline: str, candidate: str, *, seed: int
) -> list[PairedDifference]:
    """Overall rows for every metric, then category rows where there is a pair.

    The overall rows of headline metrics share one Holm adjustment; all other rows are exploratory.
    """
    tested = [
        pairs
        for category in table.categories
        for pairs in _tested(_pairs(table, metrics, baseline, candidate, category), seed)
    ]
    family = [one for one in tested if _is_headline(one) and one.p_value is not None]
    adjusted = dict(zip(map(id, family), holm([one.p_value or 0.0 for one in family]), strict=True))
    truncated = table.truncated(baseline) | table.truncated(candidate)
    return [_row(one, adjusted.get(id(one)), len(family), truncated) for one in tested]


def _is_headline(pairs: Pairs) -> bool:
    return pairs.metric.headline and pairs.category is None


def _pairs(
    table: Observations, metrics: Sequence[Metric], baseline: str, candidate: str, category: str | None
) -> list[Pairs]:
    found = []
    for metric in metrics:
        left, right = table.column(baseline, metric.name), table.column(candidate, metric.name)
        there = table.in_category(category) & ~np.isnan(left) & ~np.isnan(right)
        if category is None or there.any():
            found.append(Pairs(metric, category, there, left[there], right[there], table.groups[there]))
    return found


def _tested(found: list[Pairs], seed: int) -> list[Pairs]:
    """Fill in tests and intervals: exact for binary pairs, the others resampled together in one go."""
    filled = {id(pairs): _exact(pairs) for pairs in found if pairs.n_pairs and pairs.is_binary}
    resampled = [pairs for pairs in found if pairs.n_groups > 1 and not pairs.is_binary]
    if resampled:
        sums, counts = by_group([(pairs.difference, pairs.groups) for pairs in resampled])
        drawn = resample(sums, counts, seed=seed, n_resamples=RESAMPLES)
        for column, (pairs, p_value) in enumerate(zip(resampled, sign_flips(sums, seed=seed), strict=True)):
            if np.ptp(pairs.difference) == 0:
                filled[id(pairs)] = _uniform(pairs, p_value)
            else:
                ends = drawn.percentile(column) if pairs.metric.kind == "rate" else drawn.widest_t(column)
                filled[id(pairs)] = _with(pairs, p_value, *ends)
    return [filled.get(id(pairs), pairs) for pairs in found]


def _exact(pairs: Pairs) -> Pairs:
    return _with(pairs, mcnemar(pairs.n_higher, pairs.n_lower), *tango(pairs.n_higher, pairs.n_lower, pairs.n_pairs))


def _uniform(pairs: Pairs, p_value: float) -> Pairs:
    """Resampling equal differences gives an interval of no width, which would be no evidence.

    A rate gets Tango's interval with the groups as the pairs; anything else gets none.
    """
    if pairs.metric.kind != "rate":
        return replace(pairs, p_value=p_value)
    differ = round(float(pairs.difference[0]) * pairs.n_groups)
    return _with(pairs, p_value, *tango(max(differ, 0), max(-differ, 0), pairs.n_groups))


def _with(pairs: Pairs, p_value: float, low: float, high: float) -> Pairs:
    lowest, highest = pairs.metric.bounds
    interval = Interval(low=low, high=high).within(lowest - highest, highest - lowest)
    return replace(pairs, p_value=p_value, interval=interval)


def _row(pairs: Pairs, p_adjusted: float | None, n_tests: int, truncated: Mask) -> PairedDifference:
    difference = pairs.mean_difference
    tests = max(n_tests, 1) if _is_headline(pairs) else 1
    verdict = _verdict(pairs, difference, p_adjusted, tests)
    shown = verdict in ("higher", "lower")
    return PairedDifference(
        metric=pairs.metric.name,
        category=pairs.category,
        n_pairs=pairs.n_pairs,
        n_groups=pairs.n_groups,
        baseline_mean=float(pairs.baseline.mean()) if pairs.n_pairs else None,
        candidate_mean=float(pairs.candidate.mean()) if pairs.n_pairs else None,
        difference=difference,
        interval=pairs.interval,
        p_value=pairs.p_value,
        p_adjusted=p_adjusted,
        n_higher=pairs.n_higher,
        n_equal=pairs.n_pairs - pairs.n_higher - pairs.n_lower,
        n_lower=pairs.n_lower,
        n_truncated=int((truncated & pairs.there).sum()),
        method=NONE if pairs.p_value is None else BINARY if pairs.is_binary else RESAMPLED,
        verdict=verdict,
        minimum_detectable_effect=_detectable(pairs, tests),
        pairs_needed=None if shown else _needed(pairs, difference, tests),
        effect_size=_effect_size(pairs, difference),
        effect_size_name=COHENS_G if pairs.is_binary else D_Z,
        exploratory=not _is_headline(pairs),
    )


def _effect_size(pairs: Pairs, difference: float | None) -> float | None:
    """Both turn with the sides; an odds ratio of pairs would be infinite where nothing was lost."""
    if pairs.is_binary:
        return cohens_g(pairs.n_higher, pairs.n_lower) if pairs.n_higher + pairs.n_lower else None
    return difference / pairs.spread if difference is not None and pairs.spread else None


def _verdict(pairs: Pairs, difference: float | None, p_adjusted: float | None, n_tests: int) -> DifferenceVerdict:
    """What the test says; `too few pairs` where not even a complete split of this many could have been shown."""
    p_value = pairs.p_value if p_adjusted is None else p_adjusted
    if difference and p_value is not None and p_value < ALPHA:
        return "higher" if difference > 0 else "lower"
    if p_value is None or smallest_p(pairs.n_groups) * n_tests >= ALPHA:
        return "too few pairs"
    return "no difference shown"


def _detectable(pairs: Pairs, n_tests: int) -> float | None:
    """None where the pairs say nothing about the spread, or where no difference at all could be shown."""
    level = ALPHA / n_tests
    if pairs.n_groups < fewest_pairs(level):
        return None
    if pairs.is_binary:
        return detectable_shift(
            pairs.n_pairs, disagreeing=(pairs.n_higher + pairs.n_lower) / pairs.n_pairs, level=level
        )
    if pairs.spread == 0:
        return None
    found = detectable_difference(pairs.n_groups, spread=pairs.spread, level=level)
    return found if pairs.metric.kind == "mean" or found <= 1 else None


def _needed(pairs: Pairs, difference: float | None, n_tests: int) -> int | None:
    if not difference:
        return None
    if pairs.is_binary:
        needed = pairs_to_shift(
            difference, disagreeing=(pairs.n_higher + pairs.n_lower) / pairs.n_pairs, n_tests=n_tests
        )
    elif pairs.spread:
        groups = pairs_to_detect(difference, spread=pairs.spread, n_tests=n_tests)
        needed = math.ceil(groups * pairs.n_pairs / pairs.n_groups)
    else:
        return None
    return needed if needed > pairs.n_pairs else None
