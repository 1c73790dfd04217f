"""The report: one self-contained HTML file that needs no network, and can be read without its script.

`page.py` prepares all data, with `charts/`; the templates only print it. All printed text passes through `tamed` and is
escaped, so that a completion can neither inject code nor deceive its reader with hidden characters. All samples are
embedded in compressed form (`embedded.py`); only the page's own script (`static/`) unpacks and shows them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from evalharness.compare.headline import headline_of
from evalharness.report.assets import read_assets
from evalharness.report.charts.forest import make_forest
from evalharness.report.embedded import OPENING, make_data, make_labelling, pack, unpack
from evalharness.report.excerpt import readable_part
from evalharness.report.hidden_characters import tamed
from evalharness.report.page import make_page
from evalharness.report.provenance import roles_of
from evalharness.report.token_strips import visible_token
from evalharness.report.view import typeset
from evalharness.store import Run

__all__ = ["render_html", "unpack"]


def render_html(run: Run, *, readable: Run | None = None, look: Callable[[Any], None] | None = None) -> str:
    """Render the report of a compared run; the same run gives the same bytes.

    Args:
        run: what every number and chart is of.
        readable: the same run with only the samples to show; at most `MOST_READABLE` by default.
        look: receives the data of the samples before compression, and may raise.
    """
    comparison, readable = run.compared, readable or readable_part(run)
    unpacked = make_data(readable, run.observations, comparison, roles_of(run, comparison))
    unpacked["labelling"] = make_labelling(run, readable)
    if look:
        look(unpacked)
    data = pack(unpacked)
    assets = read_assets()
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            page=make_page(run, readable),
            style=Markup(assets.style),
            script=Markup(assets.script),
            policy=assets.policy,
            data=Markup(f"{OPENING}{data}</script>"),
        )
    )


@cache
def environment() -> Environment:
    """Compiling the templates takes longer than printing a page."""
    environment = Environment(
        loader=PackageLoader("evalharness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["typeset"] = typeset
    environment.filters["visible_token"] = visible_token
    return environment


def _finalize(value: object) -> object:
    return tamed(value) if isinstance(value, str) and not isinstance(value, Markup) else value


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
