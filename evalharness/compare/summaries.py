"""Each metric over each checkpoint, with n and a 95 % interval."""

from collections.abc import Sequence

from evalharness.compare.values import RESAMPLES, BySample, Values, by_group
from evalharness.records import Interval, Metric, Summary
from evalharness.stats import bootstrap_means, group_weights, wilson


def summaries_of(values: Values, metrics: Sequence[Metric], *, seed: int) -> list[Summary]:
    """Overall rows for every metric and checkpoint; category rows where there is a value."""
    return [
        summary
        for checkpoint in values.by_metric
        for category in values.categories
        for summary in _rows(values, metrics, checkpoint, category, seed)
    ]


def _rows(values: Values, metrics: Sequence[Metric], checkpoint: str, category: str | None, seed: int) -> list[Summary]:
    columns = {metric.name: values.of(checkpoint, metric.name, category) for metric in metrics}
    intervals = _intervals(values, metrics, columns, seed)
    return [
        _row(values, metric.name, checkpoint, category, columns[metric.name], intervals.get(metric.name))
        for metric in metrics
        if columns[metric.name] or category is None
    ]


def _intervals(
    values: Values, metrics: Sequence[Metric], columns: dict[str, BySample], seed: int
) -> dict[str, Interval]:
    """Wilson for a rate of independent samples; else the bootstrap over groups, where there are two or more."""
    found: dict[str, Interval | None] = {}
    resampled = []
    for metric in metrics:
        column = columns[metric.name]
        if (
            metric.kind == "rate"
            and column
            and not values.is_clustered(list(column))
            and set(column.values()) <= {0, 1}
        ):
            low, high = wilson(sum(column.values()), len(column))
            found[metric.name] = Interval(low=low, high=high)
        elif len({values.samples[sample].group for sample in column}) > 1:
            resampled.append(metric)
    if resampled:
        sums, counts = by_group(values, [columns[metric.name] for metric in resampled])
        ends = bootstrap_means(sums, counts, group_weights(len(sums), n_resamples=RESAMPLES, seed=seed))
        for metric, pair in zip(resampled, ends, strict=True):
            uniform = len(set(columns[metric.name].values())) == 1
            found[metric.name] = _uniform(values, metric, columns[metric.name]) if uniform else _clipped(metric, *pair)
    return {name: interval for name, interval in found.items() if interval is not None}


def _uniform(values: Values, metric: Metric, column: BySample) -> Interval | None:
    """Resampling equal values gives no width: a rate gets Wilson's interval with the groups as units, a mean none."""
    if metric.kind != "rate":
        return None
    groups = len({values.samples[sample].group for sample in column})
    low, high = wilson(next(iter(column.values())) * groups, groups)
    return Interval(low=low, high=high)


def _clipped(metric: Metric, low: float, high: float) -> Interval:
    return Interval(low=max(low, 0.0), high=min(high, 1.0)) if metric.kind == "rate" else Interval(low=low, high=high)


def _row(
    values: Values, metric: str, checkpoint: str, category: str | None, column: BySample, interval: Interval | None
) -> Summary:
    there = {one.id for one in values.samples.values() if category in (None, one.category)}
    scorer = metric.partition(".")[0]
    return Summary(
        metric=metric,
        checkpoint=checkpoint,
        category=category,
        n=len(column),
        n_unscored=len(values.unscored[checkpoint][scorer] & there),
        n_failures=len(values.failed[checkpoint] & there),
        n_truncated=len(values.truncated[checkpoint] & set(column)),
        mean=sum(column.values()) / len(column) if column else None,
        interval=interval,
    )
