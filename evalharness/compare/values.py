"""Scores as numbers by checkpoint, metric and sample, and the same as arrays by group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evalharness.records import Completion, Failure, Plan, Sample, Score
from evalharness.stats import Floats

RESAMPLES = 2_000
BySample = dict[str, float]


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

    @cached_property
    def categories(self) -> list[str | None]:
        """None for all together, then each category in suite order."""
        return [None, *dict.fromkeys(sample.category for sample in self.samples.values())]

    def of(self, checkpoint: str, metric: str, category: str | None) -> BySample:
        """One metric of one checkpoint, in one category or overall."""
        found = self.by_metric[checkpoint].get(metric, {})
        if category is None:
            return found
        return {sample: value for sample, value in found.items() if self.samples[sample].category == category}

    def is_clustered(self, sample_ids: Sequence[str]) -> bool:
        """Whether two of the samples share a group."""
        return len({self.samples[one].group for one in sample_ids}) < len(sample_ids)


def tabulate(plan: Plan, outcomes: Mapping[str, Completion | Failure], scores: Sequence[Score]) -> Values:
    """Gather the values of all scores, averaged over replicates."""
    requests = {request.id: request for request in plan.requests}
    names = [checkpoint.name for checkpoint in plan.checkpoints]
    collected: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    unscored: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in names}
    for score in scores:
        request = requests[score.request_id]
        if score.status != "scored":
            unscored[request.checkpoint][score.scorer].add(request.sample_id)
        for name, value in score.values.items():
            collected[request.checkpoint, f"{score.scorer}.{name}", request.sample_id].append(value)
    by_metric: dict[str, dict[str, BySample]] = {name: defaultdict(dict) for name in names}
    for (checkpoint, metric, sample), numbers in collected.items():
        by_metric[checkpoint][metric][sample] = sum(numbers) / len(numbers)
    truncated, failed = _ends(plan, outcomes)
    return Values(plan.samples, by_metric, truncated, failed, unscored)


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
    return truncated, {name: set(plan.samples) - completed[name] for name in names}


def by_group(values: Values, columns: Sequence[BySample]) -> tuple[Floats, Floats]:
    """Sums and counts of each column's values in each group, as two arrays (n_groups, n_columns)."""
    groups = {name: row for row, name in enumerate(dict.fromkeys(one.group for one in values.samples.values()))}
    sums = np.zeros((len(groups), len(columns)))
    counts = np.zeros_like(sums)
    for index, column in enumerate(columns):
        rows = [groups[values.samples[sample].group] for sample in column]
        np.add.at(sums[:, index], rows, list(column.values()))
        np.add.at(counts[:, index], rows, 1.0)
    used = counts.any(axis=1)
    return sums[used], counts[used]
