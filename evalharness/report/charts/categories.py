"""Headline differences by category: where to look, not what to conclude."""

from collections.abc import Mapping

from markupsafe import Markup

from evalharness.compare.findings import worth_of
from evalharness.formatting import counted, format_change
from evalharness.records import Comparison, Metric, PairedDifference
from evalharness.report.charts.forest import draw_strip, format_difference, scale_of
from evalharness.report.view import View, samples_where, typeset
from evalharness.report.words import SIGNS

MOST_CELLS = 200
"""Most cells of the table, so that the page without its embedded data stays small."""
EMPTY = View(difference="", interval="", pairs="", worth="open", drawing=Markup(""), opens="")


def make_category_table(comparison: Comparison) -> View:
    """Arrange the differences of single categories, for the headline metrics that differ in any pair."""
    results = {
        (difference.category, difference.metric): difference
        for difference in comparison.differences
        if difference.category is not None and difference.n_pairs
    }
    differing = {name for (_, name), difference in results.items() if difference.n_higher or difference.n_lower}
    metrics = [difference for difference in comparison.metrics if difference.headline and difference.name in differing]
    rates = {metric.name for metric in metrics if metric.kind == "rate"}
    scale = scale_of([difference for difference in results.values() if difference.metric in rates])
    pairs = _pairs_by_category(comparison)
    shown = _largest(pairs, MOST_CELLS // max(len(metrics), 1))
    return View(
        metrics=tuple(metric.title if metric.kind == "rate" else f"{metric.title}, mean" for metric in metrics),
        rows=tuple(
            (category, tuple(_cell(results.get((category, metric.name)), metric, scale) for metric in metrics))
            for category in shown
        ),
        scale=scale,
        sizes={category: counted(count, "pair") for category, count in pairs.items()},
        has_means=len(rates) < len(metrics),
        left_out=len(pairs) - len(shown),
    )


def _pairs_by_category(comparison: Comparison) -> dict[str, int]:
    pairs: dict[str, int] = {}
    for difference in comparison.differences:
        if difference.category is not None:
            pairs[difference.category] = max(pairs.get(difference.category, 0), difference.n_pairs)
    return pairs


def _largest(pairs: Mapping[str, int], most: int) -> list[str]:
    """The categories with the most pairs, in their original order."""
    kept = sorted(pairs, key=lambda category: -pairs[category])[:most]
    return [category for category in pairs if category in set(kept)]


def _cell(difference: PairedDifference | None, metric: Metric, scale: int) -> View:
    if difference is None or difference.difference is None:
        return EMPTY
    rate, worth = metric.kind == "rate", worth_of(difference, metric)
    _, between = format_change(metric.kind, difference.difference, difference.interval)
    return View(
        # The unit is said once, above the table: ten columns of it would not fit a screen.
        difference=typeset(f"{SIGNS[worth]} {format_difference(difference, metric).removesuffix(' points')}".strip()),
        interval=typeset(between.removesuffix(" points")),
        pairs=typeset(counted(difference.n_pairs, "pair")),
        worth=worth,
        drawing=draw_strip(difference, scale) if rate else Markup(""),
        opens=samples_where(metric=metric.name, category=difference.category, verdict="differ"),
    )
