"""Scores as numbers by checkpoint, metric and sample, and the same as arrays by group.

Arrays have the samples in the order of their ids, and groups in the order of their names: no number depends on the
order in which samples, requests or scores come.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Completion, Failure, Plan, Sample, Score
from evalharness.statistics import Floats

RESAMPLES = 2_000
BySample = dict[str, float]
Mask = NDArray[np.bool_]
Groups = NDArray[np.int64]


@dataclass(frozen=True)
class Values:
    """What was measured, averaged over replicates."""

    samples: dict[str, Sample]
    by_metric: dict[str, dict[str, BySample]]
    """checkpoint -> metric -> sample id -> value."""
    truncated: dict[str, set[str]]
    """checkpoint -> samples of which a completion was cut by the token limit."""
    failed: dict[str, set[str]]
    """checkpoint -> samples without any completion."""
    unscored: dict[str, dict[str, set[str]]]
    """checkpoint -> scorer -> samples with a completion that it did not score."""
    _columns: dict[tuple[str, str], Floats] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def categories(self) -> list[str | None]:
        """None for all together, then each category in suite order."""
        return [None, *dict.fromkeys(sample.category for sample in self.samples.values())]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each sample is in the arrays."""
        return {sample: position for position, sample in enumerate(sorted(self.samples))}

    @cached_property
    def groups(self) -> Groups:
        """Each sample's group as a number, shape (n_samples,)."""
        numbers = {name: number for number, name in enumerate(sorted({one.group for one in self.samples.values()}))}
        return np.array([numbers[self.samples[sample].group] for sample in self.positions], dtype=np.int64)

    def of(self, checkpoint: str, metric: str, category: str | None) -> BySample:
        """One metric of one checkpoint, in one category or overall."""
        found = self.by_metric[checkpoint].get(metric, {})
        if category is None:
            return found
        return {sample: value for sample, value in found.items() if self.samples[sample].category == category}

    def column(self, checkpoint: str, metric: str) -> Floats:
        """One metric of one checkpoint for all samples, NaN where there is no value, shape (n_samples,)."""
        if (checkpoint, metric) not in self._columns:
            found = np.full(len(self.positions), np.nan)
            by_sample = self.by_metric[checkpoint].get(metric, {})
            found[[self.positions[sample] for sample in by_sample]] = list(by_sample.values())
            self._columns[checkpoint, metric] = found
        return self._columns[checkpoint, metric]

    def mask(self, sample_ids: set[str]) -> Mask:
        """Which of all samples these are, shape (n_samples,)."""
        found = np.zeros(len(self.positions), dtype=np.bool_)
        found[[self.positions[sample] for sample in sample_ids if sample in self.positions]] = True
        return found

    @cached_property
    def _masks(self) -> dict[str | None, Mask]:
        categories = np.array([self.samples[sample].category for sample in self.positions])
        everywhere = np.ones(len(self.positions), dtype=np.bool_)
        return {one: everywhere if one is None else categories == one for one in self.categories}

    def in_category(self, category: str | None) -> Mask:
        """Which samples are in a category, shape (n_samples,)."""
        return self._masks[category]


def tabulate(plan: Plan, outcomes: Mapping[str, Completion | Failure], scores: Sequence[Score]) -> Values:
    """Gather the values of all scores, averaged over replicates."""
    requests = {request.id: (request.checkpoint, request.sample_id) for request in plan.requests}
    names = [checkpoint.name for checkpoint in plan.checkpoints]
    columns: dict[tuple[str, str, str], Replicates] = {}
    unscored: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in names}
    for score in scores:
        checkpoint, sample = requests[score.request_id]
        if score.status != "scored":
            unscored[checkpoint][score.scorer].add(sample)
        for name, value in score.values.items():
            key = checkpoint, score.scorer, name
            if key not in columns:
                columns[key] = Replicates()
            columns[key].add(sample, value)
    by_metric: dict[str, dict[str, BySample]] = {name: {} for name in names}
    for (checkpoint, scorer, name), column in columns.items():
        by_metric[checkpoint][f"{scorer}.{name}"] = column.averaged()
    truncated, failed = _ends(plan, outcomes)
    return Values(plan.samples, by_metric, truncated, failed, unscored)


class Replicates:
    """The values of one metric of one checkpoint. Only repeated samples get a list: a million lists take seconds."""

    def __init__(self) -> None:
        self._first: BySample = {}
        self._more: dict[str, list[float]] = {}

    def add(self, sample: str, value: float) -> None:
        """One more value of a sample."""
        if sample in self._first:
            self._more.setdefault(sample, []).append(value)
        else:
            self._first[sample] = value

    def averaged(self) -> BySample:
        """Each sample's mean, summed exactly, so that the order of the replicates cannot show."""
        means = {
            sample: math.fsum([self._first[sample], *more]) / (1 + len(more)) for sample, more in self._more.items()
        }
        return self._first | means


def _ends(plan: Plan, outcomes: Mapping[str, Completion | Failure]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    names = [checkpoint.name for checkpoint in plan.checkpoints]
    truncated: dict[str, set[str]] = {name: set() for name in names}
    completed: dict[str, set[str]] = {name: set() for name in names}
    for request in plan.requests:
        outcome = outcomes.get(request.id)
        if isinstance(outcome, Completion):
            completed[request.checkpoint].add(request.sample_id)
            if outcome.finish_reason == "length":
                truncated[request.checkpoint].add(request.sample_id)
    samples = set(plan.samples)
    return truncated, {name: samples - completed[name] for name in names}


def grouped(numbers: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Sum and count of the numbers in each group that has any, in the groups' order."""
    counts = np.bincount(groups).astype(np.float64)
    used = counts > 0
    return np.bincount(groups, weights=numbers)[used].astype(np.float64), counts[used]


def by_group(columns: Sequence[tuple[Floats, Groups]]) -> tuple[Floats, Floats]:
    """Sums and counts of each column's numbers in each group, as two arrays (n_groups, n_columns).

    Only groups that some column has are there.
    """
    n_groups = max(int(groups.max()) + 1 for _, groups in columns)
    sums = np.stack([np.bincount(groups, weights=numbers, minlength=n_groups) for numbers, groups in columns], axis=1)
    counts = np.stack([np.bincount(groups, minlength=n_groups) for _, groups in columns], axis=1).astype(np.float64)
    used = counts.any(axis=1)
    return sums[used].astype(np.float64), counts[used]
