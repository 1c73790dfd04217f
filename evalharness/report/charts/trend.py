"""The trend: a small chart of each headline metric over several runs, with the numbers below.

Rates have a scale from zero, means one of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from evalharness.compare.findings import worth_of
from evalharness.formatting import format_number, format_share
from evalharness.records import Comparison, Metric, PairedDifference, Summary
from evalharness.report.charts import Scale
from evalharness.report.hidden_characters import tamed
from evalharness.report.view import View, samples_where, typeset
from evalharness.report.words import direction_in_words

FEWEST_RUNS = 3
RATE_ENDS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Where the scale of a rate may end."""
MARGIN = 8.0
"""Percent of the width left free at each end, so that the first and the last number below are whole."""


def make_trend(sources: Sequence[str], comparison: Comparison, roles: Mapping[str, str]) -> View | None:
    """The trend over the runs that a comparison combines; None for fewer than three."""
    if len(sources) < FEWEST_RUNS or len(roles) < FEWEST_RUNS:
        return None
    known = sources if len(sources) == len(roles) else ("",) * len(roles)
    known = tuple("" if name.startswith(f"{source}:") else source for name, source in zip(roles, known, strict=True))
    sums = {
        (summary.metric, summary.checkpoint): summary for summary in comparison.summaries if summary.category is None
    }
    shown = _shown(comparison)
    charts = (
        _chart(metric, [sums.get((metric.name, name)) for name in roles], [shown.get((metric.name, n)) for n in roles])
        for metric in comparison.metrics
        if metric.headline
    )
    runs = (
        View(number=number, checkpoint=name, role=role, run=source)
        for number, ((name, role), source) in enumerate(zip(roles.items(), known, strict=True), start=1)
    )
    return View(
        runs=tuple(runs),
        charts=tuple(chart for chart in charts if chart),
        axis=_across(len(roles)).draw("{:.0f}".format),
    )


def _shown(comparison: Comparison) -> dict[tuple[str, str], PairedDifference]:
    """By metric and checkpoint, its overall difference from the baseline."""
    every = [(comparison.candidate, comparison.differences)]
    every += [(other.candidate, other.differences) for other in comparison.other_comparisons]
    return {(row.metric, name): row for name, rows in every for row in rows if row.category is None}


def _chart(metric: Metric, sums: Sequence[Summary | None], against: Sequence[PairedDifference | None]) -> View | None:
    """None where no run has a value."""
    edges = [edge for summary in sums if summary and summary.mean is not None for edge in _edges(summary)]
    if not edges:
        return None
    rate = metric.kind == "rate"
    scale = _scale(edges, rate=rate)
    named = format_share if rate else format_number
    said = ", ".join("no value" if summary is None or summary.mean is None else named(summary.mean) for summary in sums)
    label = tamed(f"{metric.title}, run by run: {said}")
    drawing = Markup('<svg class="trend" role="img" aria-label="{}">{}{}</svg>').format(
        label, _lines(sums, scale), Markup("").join(_points(sums, against, scale, metric))
    )
    unit = f" {metric.unit}" if metric.unit and not rate else ""
    return View(
        title=metric.title,
        direction=direction_in_words(metric),
        top=typeset(named(scale.high) + unit),
        bottom=typeset(named(scale.low)),
        drawing=drawing,
    )


def _edges(summary: Summary) -> tuple[float, ...]:
    mean = summary.mean or 0.0
    return (mean, summary.interval.low, summary.interval.high) if summary.interval else (mean,)


def _scale(edges: Sequence[float], *, rate: bool) -> Scale:
    """Round ends that hold all values, starting at zero if nothing is below, so that a small change looks small."""
    if rate:
        end = next((end for end in RATE_ENDS if end >= max(edges)), 1.0)
        return Scale(0.0, end, end)
    return Scale.around(min(0.0, *edges), max(0.0, *edges), 4)


# --------------------------------------------------------------------------------------------- drawing


def _across(count: int) -> Scale:
    """The runs by their numbers."""
    return Scale(1, count, 1, MARGIN)


def _lines(sums: Sequence[Summary | None], scale: Scale) -> Markup:
    """Lines between consecutive runs that both have a value; gaps stay open."""
    across = _across(len(sums))
    ups = [None if summary is None or summary.mean is None else scale.up(summary.mean) for summary in sums]
    drawn = (
        Markup('<line class="step" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            across.across(place), across.across(place + 1), left, right
        )
        for place, (left, right) in enumerate(pairwise(ups), start=1)
        if left is not None and right is not None
    )
    return Markup("").join(drawn)


def _points(
    sums: Sequence[Summary | None], against: Sequence[PairedDifference | None], scale: Scale, metric: Metric
) -> Iterator[Markup]:
    for place, (summary, difference) in enumerate(zip(sums, against, strict=True)):
        if summary is None or summary.mean is None:
            continue
        x = _across(len(sums)).across(place + 1)
        where = samples_where(metric=metric.name, verdict="differ", right=summary.checkpoint)
        opens = Markup(' data-filter="{}"').format(where) if place else ""
        yield Markup('<g class="{}"{}>{}<circle class="dot" cx="{}" cy="{}" r="5"/></g>').format(
            _tone(place, difference, metric), opens, scale.whisker(x, summary.interval), x, scale.up(summary.mean)
        )


def _tone(place: int, difference: PairedDifference | None, metric: Metric) -> str:
    """The first run is the reference; the dot of a later run is filled if its difference is significant."""
    if place == 0:
        return "tone-first"
    shown = difference is not None and not difference.exploratory
    return f"tone-{worth_of(difference, metric)}" if difference and shown else "tone-open"
