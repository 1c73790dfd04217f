"""The forest plot: each metric's paired difference as a dot on its interval, on one scale of percentage points."""

from collections.abc import Sequence

from markupsafe import Markup

from evalharness.compare.findings import worth_of
from evalharness.formatting import format_change, format_mean, format_p
from evalharness.records import Metric, PairedDifference
from evalharness.report.charts import Scale
from evalharness.report.view import View, samples_where, typeset
from evalharness.report.words import direction_in_words, verdict_in_words

SCALES = (10, 20, 40, 60, 80, 100)
SHOWN_MEANS = 3
"""Metrics shown without unfolding although they are not headline metrics."""
MARGIN = 3.0
"""Percent of the width left free at each end, so that a dot at the edge is whole; `charts.css` draws the grid by it."""


def make_forest(differences: Sequence[PairedDifference], metrics: Sequence[Metric], candidate: str) -> View:
    """Build the plot from a candidate's differences over all categories."""
    known = {metric.name: metric for metric in metrics}
    overall = [(difference, known[difference.metric]) for difference in differences if difference.category is None]
    scale = scale_of([difference for difference, metric in overall if metric.kind == "rate"])
    differing = [(row, metric) for row, metric in overall if row.n_pairs and (row.n_higher or row.n_lower)]
    rows = [(_row(difference, metric, scale, candidate), metric.kind) for difference, metric in differing]
    rates = [row for row, kind in rows if kind == "rate"]
    means = [row for row, kind in rows if kind == "mean"]
    first = [row for number, row in enumerate(means) if row.headline or number < SHOWN_MEANS]
    alike = tuple(
        _row(difference, metric, scale, candidate)
        for difference, metric in overall
        if difference.n_pairs and (difference, metric) not in differing
    )
    headline = tuple(row for row in rates if row.headline)
    exploratory = tuple(row for row in rates if not row.headline)
    return View(
        headline=headline,
        exploratory=exploratory,
        # All that could be drawn, those that do not differ last.
        rates=(*headline, *exploratory, *(row for row in alike if row.drawing)),
        means=tuple(first),
        more_means=tuple(row for row in means if row not in first),
        axis=_axis(scale).draw(lambda tick: f"{tick:+.0f}" if tick else "0"),
        methods=tuple(dict.fromkeys(row.method for row, _ in rows if row.method)),
        unmeasured=tuple(metric.title for difference, metric in overall if metric.headline and not difference.n_pairs),
        alike=alike,
    )


def scale_of(differences: Sequence[PairedDifference]) -> int:
    """The smallest of `SCALES`, in points, that holds every interval."""
    reached = [
        abs(edge) * 100
        for difference in differences
        if difference.interval
        for edge in (difference.interval.low, difference.interval.high)
    ]
    reached += [abs(difference.difference) * 100 for difference in differences if difference.difference is not None]
    return next((scale for scale in SCALES if scale >= max(reached, default=0)), SCALES[-1])


def _row(difference: PairedDifference, metric: Metric, scale: int, candidate: str) -> View:
    rate = metric.kind == "rate"
    return View(
        title=metric.title,
        description=metric.description,
        direction=direction_in_words(metric),
        baseline=_level(difference.baseline_mean, metric),
        candidate=_level(difference.candidate_mean, metric),
        difference=typeset(format_difference(difference, metric)),
        interval=typeset(format_change(metric.kind, difference.difference or 0.0, difference.interval)[1]),
        p_value=format_p(difference.p_value),
        p_adjusted=format_p(difference.p_adjusted),
        pairs=f"{difference.n_pairs:,}",
        truncated=difference.n_truncated,
        record=f"{difference.n_higher}, {difference.n_equal}, {difference.n_lower}",
        verdict=verdict_in_words(difference, metric),
        worth=worth_of(difference, metric),
        headline=metric.headline and not difference.exploratory,
        method=difference.method,
        drawing=draw_strip(difference, scale) if rate else Markup(""),
        opens=samples_where(metric=metric.name, verdict="differ", right=candidate),
    )


def format_difference(difference: PairedDifference, metric: Metric) -> str:
    """A difference in points for a rate, in the metric's unit for a mean; a dash if there is none."""
    if difference.difference is None:
        return "–"
    change, _ = format_change(metric.kind, difference.difference)
    return f"{change} {metric.unit}" if metric.unit and metric.kind == "mean" else change


def _level(mean: float | None, metric: Metric) -> str:
    return "–" if mean is None else typeset(format_mean(metric.kind, mean)[0])


# --------------------------------------------------------------------------------------------- drawing


def _axis(points: int) -> Scale:
    """Percentage points to each side."""
    return Scale(-points, points, points / 2, MARGIN)


def draw_strip(difference: PairedDifference, scale: int) -> Markup:
    """A rate's difference as a dot on its interval, on a scale of so many points to each side."""
    # The row's own text says the same, so the drawing is hidden from screen readers.
    return Markup('<svg class="strip" aria-hidden="true" focusable="false">{}{}{}</svg>').format(
        _band(difference, _axis(scale)), _whisker(difference, _axis(scale)), _dot(difference, _axis(scale))
    )


def _band(difference: PairedDifference, scale: Scale) -> Markup:
    """The margin within which the sides are equivalent."""
    if difference.margin is None:
        return Markup("")
    low, high = (scale.place(100 * end) for end in (-difference.margin, difference.margin))
    return Markup('<rect class="band" x="{:.2f}%" width="{:.2f}%" y="10%" height="80%"/>').format(low, high - low)


def _whisker(difference: PairedDifference, scale: Scale) -> Markup:
    if difference.interval is None:
        return Markup("")
    low, high = scale.across(100 * difference.interval.low), scale.across(100 * difference.interval.high)
    caps = (Markup('<line x1="{0}" x2="{0}" y1="35%" y2="65%"/>').format(edge) for edge in (low, high))
    return Markup('<g class="whisker"><line x1="{}" x2="{}" y1="50%" y2="50%"/>{}</g>').format(
        low, high, Markup("").join(caps)
    )


def _dot(difference: PairedDifference, scale: Scale) -> Markup:
    if difference.difference is None:
        return Markup('<text x="50%" y="50%" class="nothing">no pairs</text>')
    return Markup('<circle class="dot" cx="{}" cy="50%" r="6"/>').format(scale.across(100 * difference.difference))
