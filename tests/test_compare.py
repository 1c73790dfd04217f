"""Baseline against candidate: pairing, verdicts, what is counted, and what is said."""

import random

import pytest
from comparing import MEAN, RATE, compare_records, compared, compared_all, make_plan, outcome, reordered, scored
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.cli.display import comparison_text
from evalharness.compare import compare
from evalharness.observations import observe
from evalharness.records import Metric, Score


def overall(comparison, metric="s.hit"):
    [differences] = [
        difference
        for difference in comparison.differences
        if difference.category is None and difference.metric == metric
    ]
    return differences


def summary(comparison, checkpoint, category=None):
    [summarys] = [
        summary for summary in comparison.summaries if (summary.checkpoint, summary.category) == (checkpoint, category)
    ]
    return summarys


def test_a_clear_difference_is_higher_and_counts_its_pairs():
    result = overall(compared([0.0] * 20, [1.0] * 15 + [0.0] * 5))
    assert (result.verdict, result.n_higher, result.n_equal, result.n_lower) == ("higher", 15, 5, 0)
    assert result.difference == pytest.approx(0.75)
    assert 0 < result.interval.low < 0.75 < result.interval.high < 1


def test_the_sides_turned_are_the_difference_turned():
    old, new = [0.0] * 20, [1.0] * 12 + [0.0] * 8
    there, back = overall(compared(old, new)), overall(compared(new, old))
    assert back.verdict == "lower"
    assert (back.difference, back.p_value) == (-there.difference, there.p_value)


def test_equal_sides_show_no_difference():
    same = [1.0, 0.0] * 20
    result = overall(compared(same, same))
    assert (result.verdict, result.difference, result.p_value) == ("undecided", 0, 1.0)
    assert result.interval.low < 0 < result.interval.high, "ties are no proof of equality"


@pytest.mark.parametrize("count", range(1, 6))
def test_five_pairs_are_too_few_even_where_all_differ(count):
    result = overall(compared([0.0] * count, [1.0] * count))
    assert result.verdict == "undecided"
    assert result.interval.low <= 0, "the interval claims no more than the verdict"


def test_a_failure_is_in_no_number_and_is_counted():
    comparison = compared([None] * 4 + [1.0] * 16, [0.0] * 20)
    assert overall(comparison).n_pairs == 16
    assert summary(comparison, "old").n_failures == 4
    assert summary(comparison, "old").mean == 1.0
    assert any("4 of 20 requests failed (4 server)" in warning.text for warning in comparison.warnings)


def test_nothing_but_failures_gives_no_number_at_all():
    comparison = compared([None] * 8, [1.0] * 8)
    result = overall(comparison)
    assert (result.n_pairs, result.difference, result.interval, result.verdict) == (0, None, None, "undecided")
    assert summary(comparison, "old").mean is None


def test_replicates_are_averaged_before_they_are_paired():
    result = overall(compared([0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], replicates=2))
    assert (result.n_pairs, result.baseline_mean, result.candidate_mean) == (2, 0.5, 1.0)


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


@pytest.mark.parametrize(("old", "new", "low", "high"), [(0.0, 0.0, -0.3, 0.3), (0.0, 1.0, 0.4, 1.0)])
def test_equal_differences_in_groups_never_give_an_interval_of_no_width(old, new, low, high):
    groups = [f"g{n // 2}" for n in range(20)]
    result = overall(compared([old] * 20, [new] * 20, groups=groups))
    assert low <= result.interval.low < result.interval.high <= high


def test_categories_are_exploratory_and_have_only_their_own_samples():
    categories = ["a"] * 10 + ["b"] * 10
    comparison = compared([0.0] * 20, [1.0] * 10 + [0.0] * 10, categories=categories)
    rows = {difference.category: difference for difference in comparison.differences}
    assert (rows["a"].difference, rows["b"].difference) == (1.0, 0.0)
    assert (rows[None].exploratory, rows["a"].exploratory) == (False, True)
    assert rows["a"].p_adjusted is None
    assert summary(comparison, "new", "a").n == 10


def test_the_intervals_of_the_headline_metrics_hold_together():
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
    rows = compare(plan, observe(plan, outcomes, scores), metrics, seed=0).differences
    raw = {sample.metric: sample.p_value for sample in rows if sample.category is None}
    adjusted = {sample.metric: sample.p_adjusted for sample in rows if sample.category is None}
    assert adjusted["s.m4"] == pytest.approx(5 * raw["s.m4"])
    assert adjusted["s.m0"] == pytest.approx(5 * raw["s.m0"])
    assert {sample.verdict for sample in rows if sample.metric == "s.m4" and sample.category is None} == {"higher"}
    assert {item.level for item in rows} == {0.99, 0.95}
    for row in rows:
        assert (row.verdict in SHOWN) == (row.interval.low > 0 or row.interval.high < 0)


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
        rows = compare(plan, observe(plan, {}, scores), metrics, seed=0).differences
        called += any(row.verdict in ("higher", "lower") and row.category is None for row in rows)
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
    values = {"s.refuses": ([0.0] * 40, refuses), "s.complies": ([1.0] * 40, [1 - refuse for refuse in refuses])}
    assert len(compared_all(values, metrics).findings) == 1


def test_a_share_is_taken_before_the_count_is_rounded():
    [finding] = compared([0.0] * 6, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], replicates=3).findings
    assert "new in 0.33 of 2 (17 %) (+17 points," in finding.sentence


def test_an_interval_that_says_nothing_is_called_so():
    [finding] = compared([0.0] * 5, [1.0] * 5).findings
    assert (
        "interval 0 to +100 points). Undecided on 5 pairs, the interval is too wide for a conclusion."
        in finding.sentence
    )


def test_where_nothing_can_be_compared_that_is_said():
    [finding] = compared([None] * 4, [1.0] * 4).findings
    assert finding.sentence.endswith("nothing can be compared.")


def test_a_finding_says_counts_interval_and_doubt_and_names_its_evidence():
    [finding] = compared([0.0] * 4, [1.0, 1.0, 0.0, 0.0]).findings
    assert finding.sentence.startswith("old hits in 0 of 4 (0 %), new in 2 of 4 (50 %) (+50 points, 95 % interval")
    assert "Undecided on 4 pairs" in finding.sentence
    assert finding.sample_ids == ("s0", "s1")


def test_the_first_evidence_moved_as_the_means_did():
    [finding] = compared([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]).findings
    assert finding.sample_ids == ("s1", "s2", "s0")


def test_where_nothing_differs_that_is_the_finding():
    [finding] = compared([1.0] * 4, [1.0] * 4).findings
    assert "No metric differs" in finding.sentence


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
    assert len(compare(plan, observe(plan, {}, scores), metrics, seed=0).findings) == 2


def test_a_cut_completion_is_counted_beside_the_metric_and_said():
    plan = make_plan(["a", "b"])
    outcomes = {request.id: outcome(request, 1.0, finish_reason="length") for request in plan.requests}
    scores = [
        Score(request_id=request.id, scorer="s", version="1", status="scored", values={"hit": 1.0})
        for request in plan.requests
    ]
    comparison = compare(plan, observe(plan, outcomes, scores), [RATE], seed=0)
    assert overall(comparison).n_truncated == 2
    assert "old: 2 of 2 completions (100 %) were truncated at the token limit" in [
        warning.text for warning in comparison.warnings
    ]


def test_what_a_scorer_could_not_score_is_counted():
    plan = make_plan(["a", "b"])
    outcomes = {request.id: outcome(request, 1.0) for request in plan.requests}
    scores = [
        Score(request_id=request.id, scorer="s", version="1", status="failed", explanation="crashed")
        for request in plan.requests
    ]
    assert summary(compare(plan, observe(plan, outcomes, scores), [RATE], seed=0), "old").n_unscored == 2


# ---------------------------------------------------------------------------------------- properties

metric = st.sampled_from([RATE, MEAN])
group = st.integers(0, 8).map(lambda n: f"g{n}")
SHOWN = ("higher", "lower")


@st.composite
def sides(draw):
    """A metric, values of two sides that fit it, and groups that may be shared."""
    which, size = draw(metric), draw(st.integers(2, 24))
    value = st.sampled_from([0.0, 1.0]) if which is RATE else st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.5, 40.0])
    values = st.lists(value, min_size=size, max_size=size)
    alone = [f"g{n}" for n in range(size)]
    return which, draw(values), draw(values), draw(st.just(alone) | st.lists(group, min_size=size, max_size=size))


def numbers(row):
    ends = (row.interval.low, row.interval.high) if row.interval else (None, None)
    return {
        "signed": (row.difference, row.effect_size),
        "ends": ends,
        "same": (row.p_value, row.p_adjusted, row.minimum_detectable_effect, row.n_pairs, row.n_groups, row.n_equal),
        "rest": (row.method, row.exploratory, row.effect_size_name),
    }


def turned(numbers):
    return tuple(None if number is None else -number for number in numbers)


def near(numbers):
    return [None if number is None else pytest.approx(number, rel=1e-9, abs=1e-9) for number in numbers]


@settings(max_examples=60, deadline=None)
@given(sides())
def test_swapping_the_sides_flips_every_sign_and_changes_nothing_else(case):
    which, old, new, groups = case
    there = overall(compared(old, new, metric=which, groups=groups), which.name)
    back = overall(compared(new, old, metric=which, groups=groups), which.name)
    assert list(numbers(back)["signed"]) == near(turned(numbers(there)["signed"]))
    assert list(numbers(back)["ends"]) == near(turned(numbers(there)["ends"][::-1]))
    assert list(numbers(back)["same"]) == near(numbers(there)["same"])
    assert numbers(back)["rest"] == numbers(there)["rest"]
    assert (back.n_higher, back.n_lower) == (there.n_lower, there.n_higher)
    assert (back.baseline_mean, back.candidate_mean) == (there.candidate_mean, there.baseline_mean)
    assert back.verdict == {"higher": "lower", "lower": "higher"}.get(there.verdict, there.verdict)


@settings(max_examples=40, deadline=None)
@given(sides(), st.randoms(use_true_random=False))
def test_shuffling_samples_requests_and_scores_changes_no_number(case, random_):
    which, old, new, groups = case
    plan, outcomes, scores = scored(old, new, metric=which, groups=groups)
    first = compare(plan, observe(plan, outcomes, scores), [which], seed=0)
    again = compare_records(*reordered(plan, outcomes, scores, random_), [which], seed=0)
    assert again.differences == first.differences
    assert again.summaries == first.summaries


@settings(max_examples=60, deadline=None)
@given(sides(), group, st.booleans())
def test_adding_a_tied_pair_never_creates_a_difference(case, shared, is_alone):
    which, old, new, groups = case
    before = overall(compared(old, new, metric=which, groups=groups), which.name)
    longer = [*groups, "another" if is_alone else shared]
    after = overall(compared([*old, 1.0], [*new, 1.0], metric=which, groups=longer), which.name)
    # Within a group that differs from others, a tie can make the groups more alike, and a mean clearer.
    more_alike = which.kind == "mean" and len({*groups}) < len(groups)
    assert before.verdict in SHOWN or after.verdict not in SHOWN or after.n_groups > before.n_groups or more_alike


# -------------------------------------------------------------------------------- intervals and power


def test_a_rate_in_groups_has_an_interval_as_wide_as_its_groups_allow():
    """Ten groups of six equal values: six times the samples say no more than ten of them."""
    values = [1.0] * 24 + [0.0] * 36
    apart = summary(compared(values, values), "old").interval
    together = summary(compared(values, values, groups=[f"g{n // 6}" for n in range(60)]), "old").interval
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert 0 < together.low < 0.4 < together.high < 1


def test_pairs_that_all_agree_say_what_they_could_have_shown():
    result = overall(compared([1.0] * 100, [1.0] * 100))
    assert result.minimum_detectable_effect == pytest.approx(0.078, abs=0.001)


def test_the_detectable_effect_grows_with_the_number_of_headline_metrics():
    few, many = (
        compared_all(
            {f"s.m{n}": ([0.0, 1.0] * 20, [1.0, 0.0] * 20) for n in range(count)},
            [named(f"s.m{n}") for n in range(count)],
        )
        for count in (1, 10)
    )
    assert overall(many, "s.m0").minimum_detectable_effect > overall(few, "s.m0").minimum_detectable_effect


def test_the_effect_size_is_cohens_g_for_pairs_of_rates_and_d_z_for_means():
    rate = overall(compared([0.0] * 20, [1.0] * 15 + [0.0] * 5))
    assert (rate.effect_size_name, rate.effect_size) == ("Cohen's g", 0.5)
    mean = overall(compared([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], metric=MEAN), "s.size")
    assert (mean.effect_size_name, mean.effect_size) == ("d_z", 2.0)


# ------------------------------------------------------------------------------ more than two checkpoints


def test_every_other_checkpoint_is_compared_with_the_baseline_on_its_own():
    plan = make_plan([f"g{n}" for n in range(8)])
    extra = plan.checkpoints[1].model_copy(
        update={"checkpoint": plan.checkpoints[1].checkpoint.model_copy(update={"name": "third"})}
    )
    asked = [request for request in plan.requests if request.checkpoint == "new"]
    third = [request.model_copy(update={"checkpoint": "third", "id": f"third-{request.id}"}) for request in asked]
    plan = plan.model_copy(update={"checkpoints": (*plan.checkpoints, extra), "requests": (*plan.requests, *third)})
    hits = {"old": 0.0, "new": 0.0, "third": 1.0}
    scores = [
        Score(request_id=request.id, scorer="s", version="1", status="scored", values={"hit": hits[request.checkpoint]})
        for request in plan.requests
    ]
    result = compare(
        plan, observe(plan, {request.id: outcome(request, 1.0) for request in plan.requests}, scores), [RATE], seed=0
    )
    assert result.differences[0].difference == 0
    [other] = result.other_comparisons
    assert (other.candidate, other.differences[0].difference, other.differences[0].verdict) == (
        "third",
        1,
        "higher",
    )
    assert "third in 8 of 8" in other.findings[0].sentence


def test_an_interval_of_a_length_ends_at_zero():
    size = MEAN.model_copy(update={"lowest": 0.0})
    summary = compared([0.0, 0.0, 0.0, 9.0], [1.0] * 4, metric=size).summaries[0]
    assert summary.interval.low == 0


def test_the_p_column_of_the_terminal_has_one_meaning():
    # Rows that are not adjusted had their own p under the same heading.
    metrics = [RATE, RATE.model_copy(update={"name": "s.size", "headline": False})]
    comparison = compared_all({name: ([0.0] * 8, [1.0] * 8) for name in ("s.hit", "s.size")}, metrics)
    shown = comparison_text(comparison)
    headline, exploratory = (next(line for line in shown.splitlines() if name in line) for name in ("s.hit", "s.size"))
    assert "p, adjusted" in shown
    assert overall(comparison).p_adjusted < 0.01 and "0.008" in headline
    assert "n/a" in exploratory and "0.008" not in exploratory
