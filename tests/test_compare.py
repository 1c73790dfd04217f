"""Baseline against candidate: pairing, verdicts, what is counted, and what is said."""

import random

import pytest
from comparing import MEAN, RATE, compared, compared_all, make_plan, outcome

from evalharness.compare import compare
from evalharness.records import Metric, Score


def overall(comparison, metric="s.hit"):
    [found] = [one for one in comparison.differences if one.category is None and one.metric == metric]
    return found


def summary(comparison, checkpoint, category=None):
    [found] = [one for one in comparison.summaries if (one.checkpoint, one.category) == (checkpoint, category)]
    return found


def test_a_clear_difference_is_higher_and_counts_its_pairs():
    found = overall(compared([0.0] * 20, [1.0] * 15 + [0.0] * 5))
    assert (found.verdict, found.wins, found.ties, found.losses) == ("higher", 15, 5, 0)
    assert found.difference == pytest.approx(0.75)
    assert 0 < found.interval.low < 0.75 < found.interval.high < 1


def test_the_sides_turned_are_the_difference_turned():
    old, new = [0.0] * 20, [1.0] * 12 + [0.0] * 8
    there, back = overall(compared(old, new)), overall(compared(new, old))
    assert back.verdict == "lower"
    assert (back.difference, back.p_value) == (-there.difference, there.p_value)


def test_equal_sides_show_no_difference():
    same = [1.0, 0.0] * 20
    found = overall(compared(same, same))
    assert (found.verdict, found.difference, found.p_value) == ("no difference shown", 0, 1.0)
    assert found.interval.low < 0 < found.interval.high, "ties are no proof of equality"


@pytest.mark.parametrize("count", range(1, 6))
def test_five_pairs_are_too_few_even_where_all_differ(count):
    assert overall(compared([0.0] * count, [1.0] * count)).verdict == "too few pairs"


def test_a_failure_is_in_no_number_and_is_counted():
    comparison = compared([None] * 4 + [1.0] * 16, [0.0] * 20)
    assert overall(comparison).n_pairs == 16
    assert summary(comparison, "old").n_failures == 4
    assert summary(comparison, "old").mean == 1.0
    assert any("4 of 20 requests failed (4 server)" in warning for warning in comparison.warnings)


def test_nothing_but_failures_gives_no_number_at_all():
    comparison = compared([None] * 8, [1.0] * 8)
    found = overall(comparison)
    assert (found.n_pairs, found.difference, found.interval, found.verdict) == (0, None, None, "too few pairs")
    assert summary(comparison, "old").mean is None


def test_replicates_are_averaged_before_they_are_paired():
    found = overall(compared([0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], replicates=2))
    assert (found.n_pairs, found.baseline_mean, found.candidate_mean) == (2, 0.5, 1.0)


def test_repeating_the_samples_of_a_group_does_not_make_the_evidence_stronger():
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    zeros = [0.0] * 12
    alone = overall(compared(zeros, values, metric=MEAN), "s.size")
    groups = [f"g{n}" for n in range(12)] * 5
    copied = overall(compared(zeros * 5, values * 5, metric=MEAN, groups=groups), "s.size")
    assert copied.n_pairs == 60
    assert copied.n_groups == 12
    assert copied.p_value == alone.p_value
    assert (copied.interval.low, copied.interval.high) == pytest.approx((alone.interval.low, alone.interval.high))
    assert copied.minimum_detectable_effect == pytest.approx(alone.minimum_detectable_effect)


@pytest.mark.parametrize(("old", "new", "low", "high"), [(0.0, 0.0, -0.3, 0.3), (0.0, 1.0, 0.5, 1.0)])
def test_equal_differences_in_groups_never_give_an_interval_of_no_width(old, new, low, high):
    groups = [f"g{n // 2}" for n in range(20)]
    found = overall(compared([old] * 20, [new] * 20, groups=groups))
    assert low <= found.interval.low < found.interval.high <= high


def test_categories_are_exploratory_and_have_only_their_own_samples():
    categories = ["a"] * 10 + ["b"] * 10
    comparison = compared([0.0] * 20, [1.0] * 10 + [0.0] * 10, categories=categories)
    rows = {one.category: one for one in comparison.differences}
    assert (rows["a"].difference, rows["b"].difference) == (1.0, 0.0)
    assert (rows[None].exploratory, rows["a"].exploratory) == (False, True)
    assert rows["a"].p_adjusted is None
    assert summary(comparison, "new", "a").n == 10


def test_the_headline_metrics_share_one_holm_adjustment():
    metrics = [RATE.model_copy(update={"name": f"s.m{n}"}) for n in range(5)]
    plan = make_plan([f"g{n}" for n in range(10)])
    outcomes = {request.id: outcome(request, 1.0) for request in plan.requests}
    scores = [
        Score(
            request_id=request.id,
            scorer="s",
            version="1",
            status="scored",
            values={
                f"m{n}": float(request.checkpoint == "new" and int(request.sample_id[1:]) < 6 + n) for n in range(5)
            },
        )
        for request in plan.requests
    ]
    rows = compare(plan, outcomes, scores, metrics, seed=0).differences
    raw = {one.metric: one.p_value for one in rows if one.category is None}
    adjusted = {one.metric: one.p_adjusted for one in rows if one.category is None}
    assert adjusted["s.m4"] == pytest.approx(5 * raw["s.m4"])
    assert adjusted["s.m0"] == pytest.approx(max(raw["s.m0"], 2 * raw["s.m1"]))
    assert {one.verdict for one in rows if one.metric == "s.m4" and one.category is None} == {"higher"}


def test_a_comparison_of_a_checkpoint_with_itself_is_quiet():
    """Twenty metrics of coin tosses, both sides alike in law: in 60 runs hardly any metric is called different."""
    called = 0
    for seed in range(60):
        toss = random.Random(seed)
        plan = make_plan([f"g{n}" for n in range(40)])
        names = [f"m{n}" for n in range(20)]
        scores = [
            Score(
                request_id=request.id,
                scorer="s",
                version="1",
                status="scored",
                values={name: float(toss.random() < 0.4) for name in names},
            )
            for request in plan.requests
        ]
        metrics = [RATE.model_copy(update={"name": f"s.{name}"}) for name in names]
        rows = compare(plan, {}, scores, metrics, seed=0).differences
        called += any(one.verdict in ("higher", "lower") and one.category is None for one in rows)
    assert called <= 6


def test_the_same_scores_give_the_same_comparison_and_another_seed_another_bootstrap():
    old, new = [1.0, 2.0, 5.0, 3.0, 2.0, 8.0, 1.5], [2.0, 2.0, 4.0, 6.0, 7.0, 9.0, 2.0]
    first = compared(old, new, metric=MEAN)
    assert first == compared(old, new, metric=MEAN)
    other = compared(old, new, metric=MEAN, seed=1)
    assert overall(other, "s.size").interval != overall(first, "s.size").interval


def named(name, **changes):
    return RATE.model_copy(update={"name": name, "title": name, **changes})


def test_what_got_worse_stands_first_and_nothing_shown_is_left_out():
    """Three headline rates of one scorer are shown to differ; the smallest of them is the harm."""
    rates = {"s.a": 1.0, "s.b": 0.9, "s.c": 0.5}
    metrics = [named(name, better="lower" if name == "s.c" else "higher") for name in rates]
    values = {
        name: ([0.0] * 40, [1.0] * int(40 * rate) + [0.0] * (40 - int(40 * rate))) for name, rate in rates.items()
    }
    findings = compared_all(values, metrics).findings
    assert [finding.metric for finding in findings] == ["s.c", "s.a", "s.b"]


def test_the_mirror_image_of_a_metric_is_told_once():
    metrics = [named("s.refuses"), named("s.complies", better="lower")]
    refuses = [1.0] * 30 + [0.0] * 10
    values = {"s.refuses": ([0.0] * 40, refuses), "s.complies": ([1.0] * 40, [1 - one for one in refuses])}
    assert len(compared_all(values, metrics).findings) == 1


def test_a_share_is_taken_before_the_count_is_rounded():
    [finding] = compared([0.0] * 6, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], replicates=3).findings
    assert "new in 0.33 of 2 (17 %) (+17 points," in finding.sentence


def test_an_interval_that_no_test_could_bear_out_is_not_told():
    [finding] = compared([0.0] * 2, [1.0] * 2).findings
    assert "(+100 points). Too few pairs (2)" in finding.sentence


def test_where_nothing_can_be_compared_that_is_said():
    [finding] = compared([None] * 4, [1.0] * 4).findings
    assert finding.sentence.startswith("Nothing can be said")


def test_a_finding_says_counts_interval_and_doubt_and_names_its_evidence():
    [finding] = compared([0.0] * 4, [1.0, 1.0, 0.0, 0.0]).findings
    assert finding.sentence.startswith("old hits in 0 of 4 (0 %), new in 2 of 4 (50 %) (+50 points, 95 % interval")
    assert "Too few pairs (4)" in finding.sentence
    assert finding.sample_ids == ("s0", "s1")


def test_where_nothing_differs_that_is_the_finding():
    [finding] = compared([1.0] * 4, [1.0] * 4).findings
    assert "Nothing differs" in finding.sentence


def test_at_most_two_findings_come_from_one_scorer():
    metrics = [Metric(name=f"s.m{n}", title="t", description="", kind="rate", headline=True) for n in range(5)]
    plan = make_plan(["a", "b"])
    scores = [
        Score(
            request_id=request.id,
            scorer="s",
            version="1",
            status="scored",
            values={f"m{n}": float(request.checkpoint == "new") for n in range(5)},
        )
        for request in plan.requests
    ]
    assert len(compare(plan, {}, scores, metrics, seed=0).findings) == 2


def test_a_cut_completion_is_counted_beside_the_metric_and_said():
    plan = make_plan(["a", "b"])
    outcomes = {one.id: outcome(one, 1.0, finish_reason="length") for one in plan.requests}
    scores = [
        Score(request_id=one.id, scorer="s", version="1", status="scored", values={"hit": 1.0}) for one in plan.requests
    ]
    comparison = compare(plan, outcomes, scores, [RATE], seed=0)
    assert overall(comparison).n_truncated == 2
    assert "old: 2 of 2 completions (100 %) were cut by the token limit" in comparison.warnings


def test_what_a_scorer_could_not_score_is_counted():
    plan = make_plan(["a", "b"])
    outcomes = {one.id: outcome(one, 1.0) for one in plan.requests}
    scores = [
        Score(request_id=one.id, scorer="s", version="1", status="failed", explanation="crashed")
        for one in plan.requests
    ]
    assert summary(compare(plan, outcomes, scores, [RATE], seed=0), "old").n_unscored == 2
