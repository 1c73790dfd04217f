"""Reports of several runs and several raters: the trend, where a run was put together from, how a judge was asked."""

import re
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qsl

import pytest
from report_pages import CHROMIUM, FIXTURES
from report_run import make_run, preferred, three_checkpoints
from report_strangers import judged_by_all
from test_pairing import ANSWERS
from test_pairing import make_run as replayed
from test_report import Page, plain

from evalharness import pipeline
from evalharness.formatting import format_share
from evalharness.preferences import pairs_of
from evalharness.report import render_html
from evalharness.report.preference_section import make_agreements, make_preferences

browser, written, report, show = FIXTURES
in_a_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def weekly(tmp_path_factory):
    """Three runs of one suite put together; the tuned checkpoint loops in the second."""
    folder = tmp_path_factory.mktemp("weekly")
    said = {"monday": ANSWERS["new"], "tuesday": "word " * 60, "friday": ANSWERS["new"]}
    paths = [replayed(folder, name, samples=20, texts={"base": "", "tuned": text}) for name, text in said.items()]
    return pipeline.compare_runs(paths, out=folder / "trend")


@pytest.fixture(scope="module")
def trend(weekly):
    return Page(render_html(weekly))


def test_a_run_that_was_put_together_names_its_runs(trend):
    assert "It combines 3 runs: monday, tuesday, friday." in plain(trend)


def test_the_trend_shows_each_headline_metric_over_the_runs_in_their_order(weekly, trend):
    labels = [label for label in trend.values("aria-label") if ", run by run: " in label]
    assert "loops, run by run: 0 %, 100 %, 0 %" in [label.replace("\u00a0", " ") for label in labels]
    sums = {
        (summary.metric, summary.checkpoint): summary
        for summary in weekly.compared.summaries
        if summary.category is None
    }
    shown = [metric for metric in weekly.compared.metrics if metric.headline]
    shown = [item for item in shown if any(sums[item.name, side.name].n for side in weekly.plan.checkpoints)]
    assert len(labels) == len(shown)


def test_each_dot_of_the_trend_opens_the_samples_that_differ_from_the_first_run(weekly):
    chart = re.search(r'aria-label="loops, run by run.*?</svg>', render_html(weekly))[0]
    names = [side.name for side in weekly.plan.checkpoints]
    opened = [dict(parse_qsl(unescape(link))) for link in re.findall('data-filter="(.*?)"', chart)]
    assert [link["right"] for link in opened] == names[1:]
    assert {(link["metric"], link["verdict"]) for link in opened} == {("style.loop", "differ")}


def test_in_the_trend_only_a_difference_that_is_shown_is_filled(weekly):
    text = render_html(weekly)
    chart = re.search(r'aria-label="loops, run by run.*?</svg>', text)[0]
    tones = re.findall(r'<g class="(tone-[a-z]+)"', chart)
    assert tones == ["tone-first", "tone-worse", "tone-open"]


def test_the_table_below_the_trend_has_the_runs_in_the_same_order(trend):
    table = plain(trend).partition("The table below has the numbers.")[2].partition("Metric")[2]
    assert re.findall(r"(monday|tuesday|friday):tuned", table)[:3] == ["monday", "tuesday", "friday"]


def test_two_runs_make_no_trend(tmp_path):
    paths = [replayed(tmp_path, name) for name in ("one", "two")]
    text = render_html(pipeline.compare_runs(paths, out=tmp_path / "joint"))
    assert "run by run" not in text
    assert "combines 2 runs: one, two." in plain(Page(text))


def test_three_checkpoints_of_one_run_make_no_trend():
    assert "run by run" not in render_html(three_checkpoints())


def test_a_judge_is_shown_with_its_prompt_its_notes_and_its_failures():
    shown = plain(Page(render_html(judged_by_all())))
    assert "How a judge was asked, and its pairs without a verdict (7)" in shown
    assert "Which is of more use?\n\n${request}" in shown
    assert "The judge has the weights of base, which it compares." in shown
    assert "no letter for soup" in shown
    assert "and 2 more" in shown


def test_each_rater_has_the_verdict_of_its_interval():
    run = preferred()
    names = {"baseline": "base is preferred", "candidate": "instruct is preferred", "undecided": "undecided"}
    rows = make_preferences(run, run.comparison, {}).rows
    assert [row.ahead for row in rows] == [names[summary.verdict] for summary in run.comparison.preferences]
    assert {row.ahead for row in rows} != {"undecided"}


def test_a_judge_that_failed_on_every_pair_is_shown_too():
    run = judged_by_all()
    comparison = run.comparison.model_copy(update={"preferences": ()})
    shown = plain(Page(render_html(replace(run, preferences=(), comparison=comparison))))
    assert "its pairs without a verdict (7)" in shown
    assert "Agreement with people" not in shown


def test_scorers_are_held_against_people():
    run = preferred()
    others = {(agreement.person, agreement.other) for agreement in make_agreements(run, run.comparison)}
    assert {("ann", "style"), ("ann", "refusal"), ("ann", "reward"), ("ann", "ben"), ("ben", "style")} <= others


def test_a_scorer_prefers_the_side_that_does_better_by_its_own_rates():
    run = preferred()
    better = {}
    for metric in run.comparison.metrics:
        if metric.name.startswith("style.") and metric.headline and metric.kind == "rate" and metric.better:
            sign = 1 if metric.better == "higher" else -1
            left, right = (run.observations.of_samples(side, metric.name) for side in ("base", "instruct"))
            for sample in set(left) & set(right):
                better[sample] = better.get(sample, 0) + sign * (right[sample] - left[sample])
    said = {preference.sample_id: preference.preferred for preference in run.preferences if preference.rater == "ann"}
    word = {1: "candidate", 0: "tie", -1: "baseline"}
    same = [word[(lead > 0) - (lead < 0)] == said[sample] for sample, lead in better.items() if sample in said]
    [row] = [
        agreement
        for agreement in make_agreements(run, run.comparison)
        if (agreement.person, agreement.other) == ("ann", "style")
    ]
    assert row.pairs == len(same) == len(pairs_of(run))
    assert row.same.replace("\u00a0", " ") == format_share(sum(same) / len(same))


def test_what_no_pair_has_a_value_of_is_named_and_not_drawn():
    run = make_run()
    rows = tuple(
        difference.model_copy(update={"n_pairs": 0, "difference": None, "interval": None})
        if difference.metric == "style.loop"
        else difference
        for difference in run.comparison.differences
    )
    shown = render_html(replace(run, comparison=run.comparison.model_copy(update={"differences": rows})))
    assert "No sample has a value on both sides for: loops." in plain(Page(shown))
    assert "no pairs" not in shown


def test_every_difference_in_the_table_is_that_of_the_comparison():
    run = make_run()
    table = plain(Page(render_html(run))).partition("Differences of rates")[2].partition("is corrected for")[0]
    titles = {metric.name: metric for metric in run.comparison.metrics}
    rows = [
        difference
        for difference in run.comparison.differences
        if difference.category is None and titles[difference.metric].kind == "rate" and difference.n_pairs
    ]
    assert len(rows) > 10
    for row in rows:
        text = table.partition(f"{titles[row.metric].title}{titles[row.metric].description}")[2][:60]
        base, candidate, difference = re.match(r"(\d+) %(\d+) %([+-]?\d+) points", text).groups()
        shown = [int(base), int(candidate), int(difference)]
        exact = [100 * row.baseline_mean, 100 * row.candidate_mean, 100 * row.difference]
        assert all(abs(value - other) <= 0.5 + 1e-9 for value, other in zip(shown, exact, strict=True)), row.metric


class TestInABrowser:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("width", [390, 1280])
    def test_the_trend_fits_the_screen(self, show, weekly, tmp_path, width):
        path = tmp_path / "trend.html"
        path.write_text(render_html(weekly), encoding="utf-8")
        page = show(path, width)
        assert page.locator(".trend").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
