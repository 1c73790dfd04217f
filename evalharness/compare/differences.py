"""Candidate minus baseline on the samples that both have a value for, with tests, intervals and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evalharness.compare.groups import RESAMPLES, Groups, by_group, grouped
from evalharness.compare.missing import among_answered, missing_of
from evalharness.formatting import format_level
from evalharness.observations import Mask, Observations
from evalharness.records import DifferenceVerdict, Interval, Metric, PairedDifference
from evalharness.statistics import (
    Betting,
    Constant,
    Difference,
    Floats,
    betting,
    cohens_g,
    means_of,
    rate_difference,
    resample,
)
from evalharness.statistics.power import detectable_difference, detectable_shift, fewest_pairs

ALPHA = 0.05
BINARY = "Tango's paired score interval, which contains 0 unless McNemar's exact test leaves it out"
GROUPED = "the same, at the number of independent pairs that the groups or replicates are worth"
RESAMPLED = "the further of Student's t and the studentised bootstrap over groups"
BETS = "betting confidence sequence, which holds whenever the run stops"
NOT_STOPPED = ", which does not allow for a run that may stop early"
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
    estimate: Difference | None = None

    @property
    def is_headline(self) -> bool:
        """Whether its interval holds together with others: not the mirror image of a metric that is tested."""
        return self.metric.headline and self.metric.mirror_of is None and self.category is None

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
        """None without pairs."""
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
        """Standard deviation, over groups, of a group's contribution to the mean difference; 0 for a single group."""
        if self.n_groups < 2:
            return 0.0
        # A group counts by all its samples: the sum over its samples, relative to the mean size of a group.
        sums, _ = grouped(self.difference, self.groups)
        return float(np.std(sums, ddof=1)) * self.n_groups / self.n_pairs


def differences_of(
    table: Observations,
    metrics: Sequence[Metric],
    baseline: str,
    candidate: str,
    *,
    seed: int,
    rank: Groups | None = None,
    n_tests: int | None = None,
) -> list[PairedDifference]:
    """Overall rows for every metric, then rows for each category that has pairs.

    The intervals of the headline rows hold together (Bonferroni), and every verdict is read off its interval.

    Args:
        rank: which place each group has in the order of generation, if that was to stop when something is settled.
        n_tests: how many intervals hold together, if not as many as there are headline rows.
    """
    sides = baseline, candidate
    estimated = [
        pairs
        for category in table.categories
        for pairs in _estimated(_pairs(table, metrics, baseline, candidate, category), len(table.state[0]), seed, rank)
    ]
    tests = n_tests or max(sum(pairs.is_headline and pairs.estimate is not None for pairs in estimated), 1)
    truncated = table.truncated(baseline) | table.truncated(candidate)
    return [_row(table, pairs, sides, tests, truncated, may_stop=rank is not None) for pairs in estimated]


def _pairs(
    table: Observations, metrics: Sequence[Metric], baseline: str, candidate: str, category: str | None
) -> list[Pairs]:
    paired = []
    for metric in metrics:
        left, right = table.column(baseline, metric.name), table.column(candidate, metric.name)
        there = table.in_category(category) & ~np.isnan(left) & ~np.isnan(right)
        if category is None or there.any():
            # Of a large run, copies of whole columns are most of what a comparison holds.
            kept = slice(None) if there.all() else there
            paired.append(Pairs(metric, category, there, left[kept], right[kept], table.groups[kept]))
    return paired


def _estimated(paired: list[Pairs], replicates: int, seed: int, rank: Groups | None) -> list[Pairs]:
    """Fill in the estimates: of rates one by one, of means resampled together in one go."""
    estimates: dict[int, Difference] = {
        id(pairs): _of_rate(pairs, replicates) if rank is None else _by_bets(pairs, rank)
        for pairs in paired
        if pairs.n_pairs and (pairs.metric.kind == "rate" or (rank is not None and pairs.metric.is_bounded))
    }
    means = [pairs for pairs in paired if pairs.n_groups > 1 and id(pairs) not in estimates]
    if means:
        sums, counts = by_group([(pairs.difference, pairs.groups) for pairs in means])
        drawn = means_of(resample(sums, counts, seed=seed, n_resamples=RESAMPLES), is_difference=True)
        estimates |= {id(pairs): estimate for pairs, estimate in zip(means, drawn, strict=True)}
    return [replace(pairs, estimate=estimates.get(id(pairs))) for pairs in paired]


def _of_rate(pairs: Pairs, replicates: int) -> Difference:
    return rate_difference(pairs.difference, pairs.groups, replicates=replicates)


def _by_bets(pairs: Pairs, rank: Groups) -> Difference:
    low, high = pairs.metric.bounds
    return betting(pairs.difference, pairs.groups, rank, (low - high, high - low))


def _interval(pairs: Pairs, level: float) -> Interval | None:
    """None if there is no interval: a single group, or equal differences of a mean."""
    estimate = pairs.estimate
    if estimate is None or isinstance(estimate, Constant):
        return None
    lowest, highest = pairs.metric.bounds
    alpha = (1 - level) / 2
    return Interval(low=estimate.low(alpha), high=estimate.high(alpha)).within(lowest - highest, highest - lowest)


def _row(
    table: Observations, pairs: Pairs, sides: tuple[str, str], n_tests: int, truncated: Mask, *, may_stop: bool
) -> PairedDifference:
    metric, tests = pairs.metric, n_tests if pairs.is_headline else 1
    level = 1 - ALPHA / tests
    interval = _interval(pairs, level)
    p_value = None if pairs.estimate is None else pairs.estimate.p_value
    here = table.in_category(pairs.category)
    missing = missing_of(table, metric, *sides, here)
    return PairedDifference(
        metric=metric.name,
        category=pairs.category,
        n_pairs=pairs.n_pairs,
        n_groups=pairs.n_groups,
        baseline_mean=float(pairs.baseline.mean()) if pairs.n_pairs else None,
        candidate_mean=float(pairs.candidate.mean()) if pairs.n_pairs else None,
        difference=pairs.mean_difference,
        interval=interval,
        level=level,
        p_value=p_value,
        p_adjusted=min(1.0, tests * p_value) if pairs.is_headline and p_value is not None else None,
        n_higher=pairs.n_higher,
        n_equal=pairs.n_pairs - pairs.n_higher - pairs.n_lower,
        n_lower=pairs.n_lower,
        n_truncated=int((truncated & pairs.there).sum()),
        method=_method(pairs, tests, may_stop=may_stop),
        verdict=_verdict(pairs, interval, metric.margin, level),
        margin=metric.margin,
        minimum_detectable_effect=_detectable(pairs, tests),
        n_missing_baseline=missing.baseline,
        n_missing_candidate=missing.candidate,
        bounds=missing.bounds,
        among_answered=among_answered(table, metric, *sides, here),
        effect_size=_effect_size(pairs, pairs.mean_difference),
        effect_size_name=COHENS_G if pairs.is_binary else D_Z,
        exploratory=not pairs.is_headline,
    )


def _method(pairs: Pairs, tests: int, *, may_stop: bool) -> str:
    """How the interval was made. That of an unbounded mean is of a fixed number of pairs, which a run may not reach."""
    if pairs.estimate is None:
        return NONE
    together = f", at {format_level(1 - ALPHA / tests)} so that all {tests} headline intervals hold together"
    together = together if tests > 1 else ""
    if isinstance(pairs.estimate, Betting):
        return BETS + together
    named = BINARY if pairs.is_binary else GROUPED if pairs.metric.kind == "rate" else RESAMPLED
    return named + together + (NOT_STOPPED if may_stop else "")


def _effect_size(pairs: Pairs, difference: float | None) -> float | None:
    """Both effect sizes change sign with the sides; an odds ratio would be infinite if no pair got worse."""
    if pairs.is_binary:
        return cohens_g(pairs.n_higher, pairs.n_lower) if pairs.n_higher + pairs.n_lower else None
    return difference / pairs.spread if difference is not None and pairs.spread else None


def _verdict(pairs: Pairs, interval: Interval | None, margin: float | None, level: float) -> DifferenceVerdict:
    """Read off the interval. A mean that differs by the same in every pair has none: the exact sign test decides."""
    estimate = pairs.estimate
    if isinstance(estimate, Constant) and estimate.p_value < 1 - level:
        return "higher" if estimate.value > 0 else "lower"
    if interval is None:
        return "undecided"
    if interval.low > 0 or interval.high < 0:
        return "higher" if interval.low > 0 else "lower"
    if margin is not None and -margin < interval.low and interval.high < margin:
        return "equivalent"
    return "undecided"


def _detectable(pairs: Pairs, n_tests: int) -> float | None:
    """None if the pairs do not determine the spread, if no difference of any size would be significant, or if the
    number of pairs was not fixed.
    """
    level = ALPHA / n_tests
    if isinstance(pairs.estimate, Betting):
        return None
    if pairs.n_groups < fewest_pairs(level):
        return None
    if pairs.is_binary:
        disagreeing = (pairs.n_higher + pairs.n_lower) / pairs.n_pairs
        return detectable_shift(pairs.n_pairs, disagreeing=disagreeing, level=level)
    if pairs.spread == 0:
        return None
    smallest = detectable_difference(pairs.n_groups, spread=pairs.spread, level=level)
    return smallest if pairs.metric.kind == "mean" or smallest <= 1 else None
