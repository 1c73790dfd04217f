"""A run directory from a stranger: its report is text from end to end, whatever its files say."""

from dataclasses import replace

import pytest
from report_pages import CHROMIUM, FIXTURES
from report_run import make_run
from report_strangers import strange_run
from test_report import Page, plain

from evalharness.report import render_html
from evalharness.report.charts.categories import MOST_CELLS
from evalharness.report.embedded import EMBEDDED
from evalharness.report.hidden_characters import marked

browser, written, report, show = FIXTURES


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    return strange_run(tmp_path_factory.mktemp("stranger") / "run")


def test_a_text_in_any_file_comes_out_as_text(strange):
    run, put = strange
    assert len(put) > 300, "nearly every text of the run was replaced"
    page = Page(render_html(run))
    known = Page(render_html(make_run()))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in known.tags} | {"pre", "ol", "figure"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert {address[:1] for address in page.values("href")} == {"#", "d"}
    assert page.values("src") == []
    assert page.open == []


def test_every_file_reaches_the_page(strange):
    run, put = strange
    shown = " ".join(plain(Page(render_html(run))).split())
    for text in ("base", "loops", "too few", "ann", "a judge", "a processor", "no letter for soup"):
        # Hidden characters have a visible stand-in.
        assert any(" ".join(form.split()) in shown for form in (put[text], marked(put[text]).striptags()))


def strips(rows, count):
    """The overall rows again in as many categories, each as if it were measured there."""
    return tuple(
        row.model_copy(update={"category": f"category {number}", "exploratory": True, "n_pairs": 1 + number % 7})
        for number in range(count)
        for row in rows
    )


def bytes_shown(page):
    return len(page.encode()) - len(EMBEDDED.search(page)[1])


def test_three_hundred_categories_leave_the_page_small_and_are_counted():
    run = make_run()
    rows = tuple(row for row in run.comparison.differences if row.category is None)
    metrics = tuple(
        metric.model_copy(update={"headline": True}) for metric in run.comparison.metrics if metric.kind == "rate"
    )
    comparison = run.comparison.model_copy(
        update={"metrics": (*metrics, *(metric for metric in run.comparison.metrics if metric.kind != "rate"))}
    )
    comparison = comparison.model_copy(update={"differences": (*rows, *strips(rows, 300))})
    text = render_html(replace(run, comparison=comparison))
    assert bytes_shown(text) - bytes_shown(render_html(run)) < 100_000
    counted = {row.metric for row in rows if row.n_higher or row.n_lower}
    measured = sum(metric.headline and metric.name in counted for metric in comparison.metrics)
    assert measured >= 10
    assert f"{300 - MOST_CELLS // measured} smaller categories are left out here" in plain(Page(text))


def test_few_categories_are_all_there_and_nothing_is_said_of_others():
    assert "smaller categories" not in plain(Page(render_html(make_run())))


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_in_it_acts_on_the_page(show, strange, tmp_path, width):
    path = tmp_path / "strange.html"
    path.write_text(render_html(strange[0]), encoding="utf-8")
    page = show(path, width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[window.evilRan, ...window.violations]") == [None]
    assert page.locator("#listed").inner_text().startswith("18")
