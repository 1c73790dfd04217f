"""What a rule comes to: pass, fail or undecided, and the sentence that says why."""

from dataclasses import replace

import pytest
from comparing import MEAN, RATE
from gating import CRASHED, UNSCORED, judged, make_run, rates, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.errors import ConfigError
from evalharness.gate import MOST_AGAINST, check_gate
from evalharness.records import GateReport, Metric

FEWER = Metric(name="s.hit", title="loops", description="", kind="rate", better="lower", headline=True)
LONG = MEAN.model_copy(update={"better": "higher"})
WHOLE = RATE.model_copy(update={"needs_end": True})


# ----------------------------------------------------------------------------------------- no_regression


def test_a_checkpoint_against_itself_passes():
    same = rates(200, 150)
    result = judged(rule(), same, same)
    assert result.verdict == "pass"
    assert result.reason.startswith("0 points (95 % interval")
    assert result.reason.endswith(
        "on 200 pairs; required: no worse by more than 5 points, and the whole interval is within the bound"
    )
    assert (result.n, result.n_against, result.n_missing) == (200, 0, 0)


def test_a_loss_that_lies_wholly_beyond_the_margin_fails_with_the_samples():
    result = judged(rule(), rates(200, 180), rates(200, 120))
    assert result.verdict == "fail"
    assert result.reason.startswith("-30 points")
    assert result.n_against == 60
    assert len(result.against) == MOST_AGAINST
    assert {(sample.baseline, sample.candidate) for sample in result.against} == {(1.0, 0.0)}


def test_a_loss_that_is_not_shown_to_be_beyond_the_margin_is_undecided_without_a_guess_at_more_pairs():
    result = judged(rule(bound=0.05), rates(200, 150), rates(200, 138))
    assert result.verdict == "undecided"
    assert result.reason.endswith("and the interval contains the bound")


def test_a_gain_never_fails_and_the_other_way_round_it_does():
    assert judged(rule(), rates(200, 100), rates(200, 160)).verdict == "pass"
    assert judged(rule(), rates(200, 100), rates(200, 160), metric=FEWER).verdict == "fail"


def test_where_less_is_better_the_margin_is_a_rise():
    result = judged(rule(bound=0.02), rates(400, 40), rates(400, 44), metric=FEWER)
    assert result.verdict == "undecided"
    assert "required: no worse by more than 2 points" in result.reason


def test_a_failure_that_is_shown_is_a_failure_whatever_min_pairs_says():
    # Over-refusal 6 -> 29 %: 72 pairs of the 100 that the rule asks for.
    old, new = rates(72, 4), rates(72, 21)
    result = judged(rule(), old, new, metric=FEWER)
    assert result.verdict == "fail"
    assert judged(rule(), rates(40, 40), rates(40, 0)).verdict == "fail"


def test_min_pairs_keeps_a_rule_from_passing():
    result = judged(rule(bound=0.1), rates(80, 40), rates(80, 70))
    assert result.verdict == "undecided"
    assert "would pass, but 80 independent pairs are fewer than the required 100" in result.reason


def test_samples_of_one_group_count_as_one_pair():
    groups = [f"g{n % 20}" for n in range(200)]
    result = judged(rule(), rates(200, 150), rates(200, 150), groups=groups)
    assert result.verdict == "undecided"
    assert "on 200 pairs (related prompts count together: 20 groups)" in result.reason
    assert "20 independent pairs are fewer than the required 100" in result.reason


def test_a_mean_is_judged_in_its_own_unit():
    old = [10.0 + n % 7 for n in range(120)]
    new = [value + (n % 3) * 0.1 for n, value in enumerate(old)]
    result = judged(rule(metric="s.size", bound=1.0), old, new, metric=LONG)
    assert result.verdict == "pass"
    assert "required: no worse by more than 1 words" in result.reason


def test_a_mean_that_differs_in_no_pair_passes_although_nothing_varies():
    old = [float(n) for n in range(120)]
    assert judged(rule(metric="s.size", bound=1.0), old, old, metric=LONG).verdict == "pass"


def test_a_metric_without_a_better_side_is_judged_by_the_rules_direction():
    old = [100.0 + n % 5 for n in range(120)]
    new = [value + 50 + n % 3 for n, value in enumerate(old)]
    longer_is_worse = rule(metric="s.size", bound=10.0, direction="lower")
    assert judged(longer_is_worse, old, new, metric=MEAN).verdict == "fail"
    assert judged(longer_is_worse.model_copy(update={"direction": "higher"}), old, new, metric=MEAN).verdict == "pass"


def test_a_category_is_judged_on_its_own_samples():
    categories = ["good"] * 150 + ["bad"] * 150
    old, new = rates(300, 300), rates(300, 150)
    good = judged(rule(category="good"), old, new, categories=categories)
    bad = judged(rule(category="bad"), old, new, categories=categories)
    assert (good.verdict, good.n, good.n_against) == ("pass", 150, 0)
    assert (bad.verdict, bad.n, bad.n_against) == ("fail", 150, 150)


def test_replicates_are_averaged_first():
    result = judged(rule(), rates(150, 150) * 2, rates(150, 150) + rates(150, 0), replicates=2)
    assert result.n == 150
    assert result.estimate == -0.5
    assert result.verdict == "fail"


# ------------------------------------------------------------------------------------ at_least, at_most


@pytest.mark.parametrize(("hits", "verdict"), [(190, "pass"), (160, "undecided"), (100, "fail")])
def test_at_least_is_judged_by_the_candidates_interval_alone(hits, verdict):
    result = judged(rule(kind="at_least", bound=0.8), rates(200, 0), rates(200, hits))
    assert result.verdict == verdict
    assert result.n_against == 200 - hits
    assert "required: at least 80 %" in result.reason


@pytest.mark.parametrize(("hits", "verdict"), [(0, "pass"), (10, "undecided"), (60, "fail")])
def test_at_most_is_the_same_downwards(hits, verdict):
    result = judged(rule(kind="at_most", bound=0.05), rates(200, 200), rates(200, hits), metric=FEWER)
    assert result.verdict == verdict
    assert [sample.baseline for sample in result.against] == [1.0] * min(hits, MOST_AGAINST)


def test_no_case_among_too_few_samples_does_not_show_a_small_bound():
    assert judged(rule(kind="at_most", bound=0.02), rates(100, 0), rates(100, 0), metric=FEWER).verdict == "undecided"
    assert judged(rule(kind="at_most", bound=0.02), rates(190, 0), rates(190, 0), metric=FEWER).verdict == "pass"


# ---------------------------------------------------------------------------------------- missing data


def test_a_run_where_half_the_requests_failed_never_passes():
    old = rates(400, 400)
    new = [None if n % 2 else 1.0 for n in range(400)]
    for kind, bound in (("no_regression", 0.05), ("at_least", 0.5)):
        result = judged(rule(kind=kind, bound=bound), old, new)
        assert result.verdict == "undecided"
        assert "would pass, but 50 % have no completion and 2 % may" in result.reason
        assert "200 " in result.reason
        assert "at their worst" in result.reason


def test_failures_of_replicates_count_by_their_share():
    new = [1.0] * 200 + [None if n < 20 else 1.0 for n in range(200)]
    result = judged(rule(), [1.0] * 400, new, replicates=2)
    assert result.verdict == "undecided"
    assert "5 % have no completion" in result.reason
    # Each of 20 samples could lose a half: at their worst 5 points are lost, and 8 are allowed by the second rule.
    assert judged(rule(max_failures=0.05), [1.0] * 400, new, replicates=2).verdict == "undecided"
    assert judged(rule(bound=0.08, max_failures=0.05), [1.0] * 400, new, replicates=2).verdict == "pass"


def test_a_request_that_was_never_answered_is_a_failure():
    run = make_run(rates(200, 200), rates(200, 200))
    half = {request.id for request in run.plan.requests[200:300]}
    answered = {name: outcome for name, outcome in run.outcomes.items() if name not in half}
    [result] = check_gate([rule()], replace(run, outcomes=answered)).results
    assert result.verdict == "undecided"


@pytest.mark.parametrize("value", [UNSCORED, CRASHED])
def test_what_the_scorer_could_not_judge_counts_against_a_pass(value):
    new = [value if n < 20 else 1.0 for n in range(200)]
    result = judged(rule(), rates(200, 200), new)
    assert result.verdict == "undecided"
    assert "10 % have a completion without a value and 2 % may" in result.reason
    assert judged(rule(bound=0.2, max_unscored=0.1), rates(200, 200), new).verdict == "pass"


def test_samples_that_a_metric_does_not_apply_to_are_no_loss():
    sides = [UNSCORED if n < 100 else 1.0 for n in range(300)]
    assert judged(rule(), sides, sides).verdict == "pass"


def test_a_scorer_that_crashed_on_both_sides_is_a_loss_all_the_same():
    sides = [CRASHED if n < 100 else 1.0 for n in range(300)]
    assert judged(rule(), sides, sides).verdict == "undecided"


def test_truncation_counts_where_the_metric_needs_the_whole_completion_or_the_rule_says_so():
    same, cut = rates(200, 200), {f"s{n}" for n in range(50)}
    assert judged(rule(), same, same, cut=cut).verdict == "pass"
    limited = judged(rule(max_truncated=0.2), same, same, cut=cut)
    whole = judged(rule(), same, same, cut=cut, metric=WHOLE)
    assert limited.reason.endswith("would pass, but 25 % were truncated at the token limit and 20 % may")
    assert whole.verdict == "undecided"
    assert judged(rule(max_truncated=1.0), same, same, cut=cut, metric=WHOLE).verdict == "pass"


def test_a_failure_holds_whatever_the_missing_values_were():
    new = [None if n % 10 == 0 else 0.0 for n in range(200)]
    assert judged(rule(), rates(200, 200), new).verdict == "fail"
    # 30 points are lost among those that both answered, and 40 answers are missing: nothing is shown.
    old = [1.0] * 160 + [None] * 40
    new = [0.0] * 20 + [1.0] * 140 + [1.0] * 40
    assert judged(rule(), old, new).verdict == "undecided"


def test_a_pass_holds_whatever_the_missing_values_were():
    result = judged(rule(bound=0.005, min_pairs=1), rates(1000, 1000), [1.0] * 980 + [None] * 20)
    assert result.verdict == "undecided"
    assert "20 pairs lack a value, and at their worst -2 points" in result.reason
    assert (result.n_missing, result.worst.high < -0.01) == (20, True)


def test_a_missing_mean_without_bounds_counts_as_the_worst_that_was_seen():
    old = [100.0 + n % 5 for n in range(200)]
    new = [value if n else None for n, value in enumerate(old)]
    result = judged(rule(metric="s.size", bound=1.0), old, new, metric=LONG)
    assert (result.verdict, result.n_missing) == ("pass", 1)
    new = [value if n > 120 else None for n, value in enumerate(old)]
    assert judged(rule(metric="s.size", bound=1.0, max_failures=1.0), old, new, metric=LONG).verdict == "undecided"


# ----------------------------------------------------------------------------------------------- noise


def test_noise_widens_the_interval_both_ways():
    old, better, worse = rates(200, 150), rates(200, 150), rates(200, 130)
    assert judged(rule(), old, better).verdict == "pass"
    assert judged(rule(), old, better, noise={"s.hit": 0.04}).verdict == "undecided"
    assert judged(rule(bound=0.03), old, worse).verdict == "fail"
    widened = judged(rule(bound=0.03), old, worse, noise={"s.hit": 0.05})
    assert widened.verdict == "undecided"
    assert "widened by a shared noise of 0.05" in widened.reason


# ---------------------------------------------------------------------------------------------- report


def test_one_failed_rule_fails_the_gate_and_one_undecided_rule_keeps_it_from_passing():
    run = make_run(rates(200, 150), rates(200, 150))
    passes, open_, fails = rule(), rule(bound=0.0), rule(kind="at_least", bound=0.9)
    assert check_gate([passes], run).verdict == "pass"
    assert check_gate([passes, open_], run).verdict == "undecided"
    assert check_gate([fails, open_, passes], run).verdict == "fail"


def test_a_report_cannot_contradict_its_rules():
    report = check_gate([rule(bound=0.0)], make_run(rates(200, 150), rates(200, 150)))
    with pytest.raises(ValueError, match="the rules give 'undecided'"):
        GateReport.model_validate(report.model_dump() | {"verdict": "pass"})
    assert GateReport.model_validate_json(report.model_dump_json()) == report


def test_a_metric_that_has_no_value_anywhere_is_an_error_and_not_a_verdict():
    with pytest.raises(ConfigError, match=r"no sample has a value of s\.hit"):
        judged(rule(), [UNSCORED] * 120, [UNSCORED] * 120)
    assert judged(rule(), [None] * 120, [None] * 120).verdict == "undecided"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=100, max_size=160), st.floats(0.0, 0.3))
def test_a_wider_margin_is_never_harder_to_keep_and_never_a_fail_turned_up(pairs, bound):
    old, new = ([float(side) for side in sides] for sides in zip(*pairs, strict=True))
    order = {"fail": 0, "undecided": 1, "pass": 2}
    run = make_run(old, new)
    tight, wide = (check_gate([rule(bound=limit)], run).verdict for limit in (bound, bound + 0.1))
    assert order[tight] <= order[wide]
