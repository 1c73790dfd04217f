"""The headline: the verdict, what weakens it and the first findings, the same on the page and in the terminal."""

from dataclasses import replace

from report_run import make_run, three_checkpoints
from test_report import Page, plain

from evalharness.cli.display import finished
from evalharness.compare.headline import MOST_CLAIMS, headline_of
from evalharness.records import AmongAnswered
from evalharness.report import render_html, unpack
from evalharness.report.samples import loops_in


def headline(run):
    return headline_of(run.comparison, run.plan, run.observations)


def with_row(run, metric, **changed):
    rows = tuple(
        one.model_copy(update=changed) if (one.metric, one.category) == (metric, None) else one
        for one in run.comparison.differences
    )
    return replace(run, comparison=run.comparison.model_copy(update={"differences": rows}))


def test_the_page_and_the_terminal_say_the_same(capsys):
    run = make_run()
    finished(run)
    printed = capsys.readouterr().out
    shown = plain(Page(render_html(run)))
    first = headline(run)
    assert len(first.claims) <= MOST_CLAIMS
    for said in (*first.verdicts, *first.cautions, *(claim.size for claim in first.claims)):
        assert said in shown
        assert said in printed


def test_harm_comes_first_in_the_verdict_and_among_the_claims():
    run = with_row(make_run(), "style.stopped", verdict="lower")
    first = headline(run)
    assert first.claims[0].worth == "worse"
    assert first.verdicts[0].startswith(
        "On the same 18 prompts, instruct is worse than base on 1 metric (it less often"
    )


def test_each_checkpoint_has_its_own_verdict():
    first, second = headline(three_checkpoints()).verdicts
    assert "instruct is better than base on" in first
    assert second.startswith("base-chat is not shown to differ from base")


def test_another_checkpoint_takes_a_short_sentence_that_names_its_harm_alone():
    run = three_checkpoints()
    shown = {"style.stopped": "lower", "style.loop": "lower", "style.words": "higher"}
    rows = tuple(
        row.model_copy(update={"verdict": shown.get(row.metric, row.verdict), "exploratory": False})
        for row in run.comparison.other_comparisons[0].differences
    )
    other = run.comparison.other_comparisons[0].model_copy(update={"differences": rows})
    changed = replace(run, comparison=run.comparison.model_copy(update={"other_comparisons": (other,)}))
    said = headline(changed).verdicts[1]
    assert "worse than base on 1 metric (it less often" in said
    assert said.count("(it ") == 1


def test_a_change_is_said_by_its_levels_and_its_interval():
    """The difference of two rounded levels is not the rounded difference, so it is not said a second time."""
    run = with_row(make_run(), "style.stopped", baseline_mean=1 / 283, candidate_mean=19 / 283, difference=18 / 283)
    [claim] = [one for one in headline(run).claims if one.metric == "style.stopped"]
    assert (claim.before, claim.after) == ("0.4 %", "7 %")
    assert "+6" not in claim.line
    assert claim.size.startswith("difference ")


def test_what_both_answered_is_said_with_the_claim():
    among = AmongAnswered(n_pairs=4, baseline_mean=0.25, candidate_mean=0.5)
    claims = headline(with_row(make_run(), "style.stopped", among_answered=among)).claims
    assert "Among the 4 samples to which both responded: 25 % and 50 %." in claims[0].certainty


def test_what_weakens_the_comparison_is_said_in_short():
    cautions = headline(make_run()).cautions
    assert "the checkpoints are prompted differently (base as raw, instruct as chat)" in cautions
    assert any(caution.startswith("the token limit truncated") and "of base" in caution for caution in cautions)
    assert any("were not generated" in caution or "failed (" in caution for caution in cautions)


def test_a_checkpoint_compared_with_itself_shows_no_difference():
    run = make_run()
    rows = tuple(one.model_copy(update={"verdict": "undecided"}) for one in run.comparison.differences)
    alike = run.comparison.model_copy(update={"differences": rows, "findings": ()})
    [verdict] = headline(replace(run, comparison=alike)).verdicts
    assert "instruct is not shown to differ from base on any of" in verdict


def test_metrics_that_never_differ_take_one_line():
    shown = plain(Page(render_html(make_run())))
    assert shown.count("The same on both sides in every pair:") == 1


def test_every_link_to_samples_asks_for_what_the_browser_knows():
    text = render_html(three_checkpoints())
    data, page = unpack(text), Page(text)
    keys = {one.partition("=")[0] for asked in page.values("data-filter") for one in asked.split("&")}
    sides = {f"{side}{kind}" for side in ("left", "right") for kind in ("State", "Label", "From", "Below")}
    assert (
        {"metric", "verdict", "right", "category"}
        <= keys
        <= {"metric", "verdict", "right", "category", "expected", *sides}
    )
    assert {one["title"] for one in data["quick"]} == {"unsafe", "over-refused", "lost stop"}


def test_only_what_is_repeated_more_than_three_times_is_folded():
    line = "The trees are green and the sky is blue.\n"
    assert list(loops_in("A list: " + line * 3)) == []
    [(start, end, times)] = loops_in("A list: " + line * 10 + "The trees")
    assert ("A list: " + line * 10)[start:end].strip() == (line * 7).strip()
    assert times == 7
    assert list(loops_in("ha ha ha ha ha")) == []


def test_looking_for_loops_in_blanks_takes_no_time_that_grows_with_its_square():
    assert list(loops_in(" " * 1_000_000)) == []
