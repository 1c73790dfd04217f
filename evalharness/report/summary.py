"""A run in one frame of a notebook: its verdict, what weakens it, and the chart of differences."""

from markupsafe import Markup, escape

from evalharness.compare.headline import headline_of
from evalharness.report import environment
from evalharness.report.assets import read_assets
from evalharness.report.charts.forest import make_forest
from evalharness.store import Run

HEIGHT, ROW = 320, 92
"""Pixels of the frame without the chart, and of each row of the chart."""


def render_summary(run: Run) -> str:
    """A frame that holds the page's own style and no script, so that neither it nor the notebook changes the other."""
    if run.comparison is None:
        return str(Markup("<p>{}</p>").format(repr(run)))
    comparison = run.compared
    headline = headline_of(comparison, run.plan, run.observations)
    forest = make_forest(comparison.differences, comparison.metrics, comparison.candidate)
    page = (
        environment()
        .get_template("notebook.html.j2")
        .render(run=run, comparison=comparison, headline=headline, forest=forest, style=Markup(read_assets().style))
    )
    height = HEIGHT + ROW * (len(forest.headline) + len(headline.cautions))
    return f'<iframe sandbox srcdoc="{escape(str(page))}" style="width: 100%; height: {height}px; border: 0"></iframe>'
