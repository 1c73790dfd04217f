"""Each metric over each checkpoint, with n and a 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.compare.groups import RESAMPLES, Groups, by_group, grouped
from evalharness.observations import Mask, Observations
from evalharness.records import Interval, Metric, Summary
from evalharness.statistics import Floats, effective_size, means_of, resample, wilson


@dataclass(frozen=True)
class Column:
    """The values of one metric in one category."""

    metric: Metric
    there: Mask
    """Which of all samples have a value, shape (n_samples,)."""
    numbers: Floats
    groups: Groups

    @property
    def is_resampled(self) -> bool:
        """Whether the interval of its mean comes from the bootstrap: it needs two groups and two values."""
        return self.metric.kind == "mean" and np.unique(self.groups).size > 1 and bool(np.ptp(self.numbers) > 0)


def summaries_of(table: Observations, metrics: Sequence[Metric], *, seed: int) -> list[Summary]:
    """Overall rows for every metric and checkpoint; category rows where there is a value."""
    return [
        summary
        for checkpoint in table.checkpoints
        for category in table.categories
        for summary in _rows(table, metrics, checkpoint, category, seed)
    ]


def _rows(
    table: Observations, metrics: Sequence[Metric], checkpoint: str, category: str | None, seed: int
) -> list[Summary]:
    columns = [_column(table, metric, checkpoint, category) for metric in metrics]
    columns = [column for column in columns if column.numbers.size or category is None]
    intervals = _resampled([column for column in columns if column.is_resampled], seed)
    return [
        _row(table, column, checkpoint, category, intervals.get(column.metric.name) or _exact(column))
        for column in columns
    ]


def _column(table: Observations, metric: Metric, checkpoint: str, category: str | None) -> Column:
    numbers = table.column(checkpoint, metric.name)
    there = table.in_category(category) & ~np.isnan(numbers)
    return Column(metric, there, numbers[there], table.groups[there])


def _exact(column: Column) -> Interval | None:
    """Wilson's interval of a rate, at the number of independent values that its groups are worth; a mean has none."""
    if column.metric.kind != "rate" or not column.numbers.size:
        return None
    sums, counts = grouped(column.numbers, column.groups)
    independent = len(sums) == len(column.numbers) and set(np.unique(column.numbers)) <= {0.0, 1.0}
    size = float(len(sums)) if independent else effective_size(sums, counts)
    low, high = wilson(float(sums.sum()) / float(counts.sum()) * size, size)
    return Interval(low=low, high=high)


def _resampled(columns: Sequence[Column], seed: int) -> dict[str, Interval]:
    if not columns:
        return {}
    sums, counts = by_group([(column.numbers, column.groups) for column in columns])
    drawn = resample(sums, counts, seed=seed, n_resamples=RESAMPLES)
    ends = [(estimate.low(0.025), estimate.high(0.025)) for estimate in means_of(drawn, is_difference=False)]
    return {
        column.metric.name: Interval(low=low, high=high).within(*column.metric.bounds)
        for column, (low, high) in zip(columns, ends, strict=True)
    }


def _row(
    table: Observations, column: Column, checkpoint: str, category: str | None, interval: Interval | None
) -> Summary:
    inside, scorer = table.in_category(category), column.metric.scorer
    return Summary(
        metric=column.metric.name,
        checkpoint=checkpoint,
        category=category,
        n=column.numbers.size,
        n_unscored=int((table.unscored(checkpoint, scorer) & inside).sum()),
        n_failures=int((table.failed(checkpoint) & inside).sum()),
        n_truncated=int((table.truncated(checkpoint) & column.there).sum()),
        mean=float(column.numbers.mean()) if column.numbers.size else None,
        interval=interval,
    )
