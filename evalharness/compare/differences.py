"""Candidate minus baseline on the samples that both have a value for, with tests, intervals and a verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evalharness.compare.values import RESAMPLES, BySample, Values, by_group
from evalharness.records import Interval, Metric, PairedDifference, Verdict
from evalharness.stats import (
    bootstrap_means,
    detectable_difference,
    group_weights,
    holm,
    mcnemar,
    newcombe,
    pairs_to_detect,
    sign_flips,
    smallest_p,
)

ALPHA = 0.05
BINARY = "exact McNemar test; Newcombe's paired score interval"
RESAMPLED = "sign-flip permutation test; bootstrap interval over groups"
NONE = "not tested"


@dataclass(frozen=True)
class Pairs:
    """The paired values of one metric in one category, and what was computed from them."""

    metric: Metric
    category: str | None
    baseline: BySample
    candidate: BySample
    group_of: dict[str, str]
    p_value: float | None = None
    interval: Interval | None = None

    @cached_property
    def n_groups(self) -> int:
        """Independent units."""
        return len(set(self.group_of.values()))

    @property
    def clustered(self) -> bool:
        """Whether some samples share a group."""
        return self.n_groups < len(self.baseline)

    @cached_property
    def difference(self) -> BySample:
        """Candidate minus baseline, by sample."""
        return {sample: self.candidate[sample] - self.baseline[sample] for sample in self.baseline}

    @cached_property
    def is_binary(self) -> bool:
        """Whether each pair is two independent 0/1 values, so that exact tests apply."""
        numbers = {*self.baseline.values(), *self.candidate.values()}
        return self.metric.kind == "rate" and not self.clustered and numbers <= {0.0, 1.0}


def differences_of(
    values: Values, metrics: Sequence[Metric], baseline: str, candidate: str, *, seed: int
) -> list[PairedDifference]:
    """Overall rows for every metric, then category rows where there is a pair.

    The overall rows of headline metrics share one Holm adjustment; all other rows are exploratory.
    """
    tested = [
        pairs
        for category in values.categories
        for pairs in _tested(values, _pairs(values, metrics, baseline, candidate, category), seed)
    ]
    family = [one for one in tested if _is_headline(one) and one.p_value is not None]
    adjusted = dict(zip(map(id, family), holm([one.p_value or 0.0 for one in family]), strict=True))
    truncated = values.truncated[baseline] | values.truncated[candidate]
    return [_row(one, adjusted.get(id(one)), len(family), truncated) for one in tested]


def _is_headline(pairs: Pairs) -> bool:
    return pairs.metric.headline and pairs.category is None


def _pairs(
    values: Values, metrics: Sequence[Metric], baseline: str, candidate: str, category: str | None
) -> list[Pairs]:
    found = []
    for metric in metrics:
        left, right = values.of(baseline, metric.name, category), values.of(candidate, metric.name, category)
        both = [sample for sample in left if sample in right]
        if both or category is None:
            sides = ({one: left[one] for one in both}, {one: right[one] for one in both})
            found.append(Pairs(metric, category, *sides, {one: values.samples[one].group for one in both}))
    return found


def _tested(values: Values, found: list[Pairs], seed: int) -> list[Pairs]:
    """Fill in tests and intervals: exact for binary pairs, the others resampled together in one go."""
    resampled = [pairs for pairs in found if pairs.n_groups > 1 and not pairs.is_binary]
    filled = {id(pairs): _exact(pairs) for pairs in found if pairs.baseline and pairs.is_binary}
    if resampled:
        sums, counts = by_group(values, [pairs.difference for pairs in resampled])
        ends = bootstrap_means(sums, counts, group_weights(len(sums), n_resamples=RESAMPLES, seed=seed))
        p_values = sign_flips(sums, seed=seed)
        for pairs, (low, high), p_value in zip(resampled, ends, p_values, strict=True):
            uniform = len(set(pairs.difference.values())) == 1
            filled[id(pairs)] = _uniform(pairs, p_value) if uniform else _with(pairs, p_value, low, high)
    return [filled.get(id(pairs), pairs) for pairs in found]


def _exact(pairs: Pairs) -> Pairs:
    wins, losses = _wins(pairs), _losses(pairs)
    both = sum(pairs.baseline[sample] == 1 == pairs.candidate[sample] for sample in pairs.baseline)
    low, high = newcombe(both, wins, losses, len(pairs.baseline) - both - wins - losses)
    return _with(pairs, mcnemar(wins, losses), low, high)


def _uniform(pairs: Pairs, p_value: float) -> Pairs:
    """Resampling equal differences gives an interval of no width, which would be no evidence.

    A rate gets Newcombe's interval with the groups as the pairs; anything else gets none.
    """
    if pairs.metric.kind != "rate":
        return replace(pairs, p_value=p_value)
    shares = [sum(side.values()) / len(side) for side in (pairs.baseline, pairs.candidate)]
    both, neither = round(min(shares) * pairs.n_groups), round((1 - max(shares)) * pairs.n_groups)
    differ = pairs.n_groups - both - neither
    low, high = newcombe(both, *((differ, 0) if shares[1] > shares[0] else (0, differ)), neither)
    return _with(pairs, p_value, low, high)


def _with(pairs: Pairs, p_value: float, low: float, high: float) -> Pairs:
    if pairs.metric.kind == "rate":
        low, high = max(low, -1.0), min(high, 1.0)
    return replace(pairs, p_value=p_value, interval=Interval(low=low, high=high))


def _wins(pairs: Pairs) -> int:
    return sum(difference > 0 for difference in pairs.difference.values())


def _losses(pairs: Pairs) -> int:
    return sum(difference < 0 for difference in pairs.difference.values())


def _row(pairs: Pairs, p_adjusted: float | None, n_tests: int, truncated: set[str]) -> PairedDifference:
    n_pairs, differences = len(pairs.baseline), list(pairs.difference.values())
    difference = sum(differences) / n_pairs if n_pairs else None
    verdict = _verdict(pairs, difference, p_adjusted, n_tests)
    shown = verdict in ("higher", "lower")
    wins, losses = _wins(pairs), _losses(pairs)
    return PairedDifference(
        metric=pairs.metric.name,
        category=pairs.category,
        n_pairs=n_pairs,
        n_groups=pairs.n_groups,
        baseline_mean=sum(pairs.baseline.values()) / n_pairs if n_pairs else None,
        candidate_mean=sum(pairs.candidate.values()) / n_pairs if n_pairs else None,
        difference=difference,
        interval=pairs.interval,
        p_value=pairs.p_value,
        p_adjusted=p_adjusted,
        wins=wins,
        ties=n_pairs - wins - losses,
        losses=losses,
        n_truncated=len(truncated & set(pairs.baseline)),
        method=NONE if pairs.p_value is None else BINARY if pairs.is_binary else RESAMPLED,
        verdict=verdict,
        minimum_detectable_effect=_detectable(pairs),
        pairs_needed=None if shown else _needed(pairs, difference, n_tests if _is_headline(pairs) else 1),
        exploratory=not _is_headline(pairs),
    )


def _verdict(pairs: Pairs, difference: float | None, p_adjusted: float | None, n_tests: int) -> Verdict:
    """What the test says; `too few pairs` where not even a complete split of this many could have been shown."""
    p_value = pairs.p_value if p_adjusted is None else p_adjusted
    if difference and p_value is not None and p_value < ALPHA:
        return "higher" if difference > 0 else "lower"
    tests = n_tests if p_adjusted is not None else 1
    if p_value is None or smallest_p(pairs.n_groups) * tests >= ALPHA:
        return "too few pairs"
    return "no difference shown"


def _spread(pairs: Pairs) -> float:
    """Standard deviation, over groups, of a group's contribution to the mean difference; 0 where there is none."""
    if pairs.n_groups < 2:
        return 0.0
    if not pairs.clustered:
        return float(np.std(list(pairs.difference.values()), ddof=1))
    # A group counts by all its samples: the sum over its samples, relative to the mean size of a group.
    return float(np.std(_group_sums(pairs), ddof=1)) * pairs.n_groups / len(pairs.baseline)


def _group_sums(pairs: Pairs) -> list[float]:
    sums: dict[str, float] = {}
    for sample, difference in pairs.difference.items():
        group = pairs.group_of[sample]
        sums[group] = sums.get(group, 0.0) + difference
    return list(sums.values())


def _detectable(pairs: Pairs) -> float | None:
    """None where the pairs say nothing about the spread, or where no difference at all could be shown."""
    spread = _spread(pairs)
    if spread == 0:
        return None
    found = detectable_difference(pairs.n_groups, spread=spread)
    if pairs.is_binary:
        # Six pairs must differ, all one way, before the exact test can reach 5 %.
        found = max(found, 6 / len(pairs.baseline))
    return found if pairs.metric.kind == "mean" or found <= 1 else None


def _needed(pairs: Pairs, difference: float | None, n_tests: int) -> int | None:
    spread = _spread(pairs)
    if not difference or spread == 0:
        return None
    groups = pairs_to_detect(difference, spread=spread, n_tests=max(n_tests, 1))
    needed = math.ceil(groups * len(pairs.baseline) / pairs.n_groups)
    return needed if needed > len(pairs.baseline) else None
