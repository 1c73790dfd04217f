"""Headline differences category by category: a place to look, not a place to conclude."""

from dataclasses import dataclass

from evalharness.records import Comparison, Metric, PairedDifference
from evalharness.report.forest import format_difference
from evalharness.text import format_interval, format_points_interval


@dataclass(frozen=True)
class CategoryCell:
    """One metric in one category; all empty where no sample of it has a value on both sides."""

    difference: str
    interval: str
    pairs: str
    tone: str


@dataclass(frozen=True)
class CategoryTable:
    """Categories down, headline metrics across."""

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[CategoryCell, ...]], ...]


EMPTY = CategoryCell("", "", "", "open")


def make_category_table(comparison: Comparison) -> CategoryTable:
    """Arrange the differences of single categories, for the headline metrics that have any."""
    found = {
        (one.category, one.metric): one for one in comparison.differences if one.category is not None and one.n_pairs
    }
    metrics = [one for one in comparison.metrics if one.headline and any(one.name == name for _, name in found)]
    categories = dict.fromkeys(one.category for one in comparison.differences if one.category is not None)
    return CategoryTable(
        metrics=tuple(metric.title for metric in metrics),
        rows=tuple(
            (category, tuple(_cell(found.get((category, metric.name)), metric) for metric in metrics))
            for category in categories
        ),
    )


def _cell(one: PairedDifference | None, metric: Metric) -> CategoryCell:
    if one is None or one.difference is None:
        return EMPTY
    between = format_points_interval(one.interval) if metric.kind == "rate" else format_interval(one.interval)
    shown = one.verdict in ("higher", "lower")
    return CategoryCell(
        # The unit is said once, above the table: ten columns of it would not fit a screen.
        difference=format_difference(one, metric).removesuffix(" points"),
        interval=between.removesuffix(" points"),
        pairs=f"{one.n_pairs:,} pairs" if one.n_pairs > 1 else "1 pair",
        tone=("more" if one.difference > 0 else "less") if shown else "open",
    )
