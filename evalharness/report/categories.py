"""Headline differences category by category: a place to look, not a place to conclude."""

from dataclasses import dataclass

from markupsafe import Markup

from evalharness.records import Comparison, Metric, PairedDifference
from evalharness.report.forest import draw_strip, format_difference, scale_of, tone_of
from evalharness.report.typeset import typeset
from evalharness.text import format_interval, format_points_interval


@dataclass(frozen=True)
class CategoryCell:
    """One metric in one category; all empty where no sample of it has a value on both sides."""

    difference: str
    interval: str
    pairs: str
    tone: str
    drawing: Markup


@dataclass(frozen=True)
class CategoryTable:
    """Categories down, headline metrics across."""

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[CategoryCell, ...]], ...]
    scale: int
    """Of the drawings: percentage points to each side."""


EMPTY = CategoryCell("", "", "", "open", Markup(""))


def make_category_table(comparison: Comparison) -> CategoryTable:
    """Arrange the differences of single categories, for the headline metrics that have any."""
    found = {
        (one.category, one.metric): one for one in comparison.differences if one.category is not None and one.n_pairs
    }
    metrics = [one for one in comparison.metrics if one.headline and any(one.name == name for _, name in found)]
    rates = {metric.name for metric in metrics if metric.kind == "rate"}
    scale = scale_of([one for one in found.values() if one.metric in rates])
    categories = dict.fromkeys(one.category for one in comparison.differences if one.category is not None)
    return CategoryTable(
        metrics=tuple(metric.title for metric in metrics),
        rows=tuple(
            (category, tuple(_cell(found.get((category, metric.name)), metric, scale) for metric in metrics))
            for category in categories
        ),
        scale=scale,
    )


def _cell(one: PairedDifference | None, metric: Metric, scale: int) -> CategoryCell:
    if one is None or one.difference is None:
        return EMPTY
    rate = metric.kind == "rate"
    between = format_points_interval(one.interval) if rate else format_interval(one.interval)
    return CategoryCell(
        # The unit is said once, above the table: ten columns of it would not fit a screen.
        difference=typeset(format_difference(one, metric).removesuffix(" points")),
        interval=typeset(between.removesuffix(" points")),
        pairs=typeset(f"{one.n_pairs:,} pairs" if one.n_pairs > 1 else "1 pair"),
        tone=tone_of(one),
        drawing=draw_strip(one, scale) if rate else Markup(""),
    )
