"""Statistics, held against scipy where it has the same thing, against published examples and plain facts elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from evalharness.stats import (
    bootstrap_means,
    detectable_difference,
    group_weights,
    holm,
    mcnemar,
    newcombe,
    pairs_to_detect,
    sign_flips,
    smallest_p,
    wilson,
)

counts = st.integers(0, 400)


@settings(max_examples=200)
@given(counts, counts)
def test_wilson_equals_scipy(successes, failures):
    total = successes + failures
    if total == 0:
        with pytest.raises(ValueError, match="nothing"):
            wilson(successes, total)
        return
    expected = oracle.binomtest(successes, total).proportion_ci(method="wilson")
    assert wilson(successes, total) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(max_examples=200)
@given(counts, counts)
def test_mcnemar_equals_scipys_sign_test(wins, losses):
    expected = oracle.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_takes_thousands_of_pairs():
    assert 0 <= mcnemar(900, 4_000) < 1e-300
    assert mcnemar(3_000, 3_000) == 1.0


def test_newcombe_equals_his_published_example():
    # Newcombe 1998, table III, method 10: a=36, b=12, c=2, d=0 has the interval 0.0569 to 0.3404.
    assert newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_newcombe_contains_the_difference_and_turns_with_the_sides(both, candidate, baseline, neither):
    total = both + candidate + baseline + neither
    if total == 0:
        return
    low, high = newcombe(both, candidate, baseline, neither)
    assert -1 <= low <= (candidate - baseline) / total + 1e-12
    assert (candidate - baseline) / total - 1e-12 <= high <= 1
    assert newcombe(both, baseline, candidate, neither) == pytest.approx((-high, -low), abs=1e-12)


def test_holm_equals_a_worked_example():
    # Four tests at .01, .04, .03, .005: sorted .005*4, .01*3, .03*2, .04*1, made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values):
    adjusted = holm(p_values)
    assert all(after >= before - 1e-15 and after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    ranked = [adjusted[index] for index in np.argsort(p_values, kind="stable")]
    assert ranked == sorted(ranked)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=10), st.integers(0, 3))
def test_sign_flips_of_few_groups_equal_scipys_exact_permutation_test(sums, seed):
    values = np.array(sums, dtype=float)
    expected = oracle.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    [found] = sign_flips(values[:, None], seed=seed)
    # scipy doubles the smaller tail; the distribution is symmetric, so that is the same.
    assert found == pytest.approx(expected.pvalue, abs=1e-9)


def test_sign_flips_of_many_groups_come_near_the_t_test_and_repeat():
    values = np.random.default_rng(5).normal(0.25, 1, size=(80, 3))
    found = sign_flips(values, seed=1)
    assert found == sign_flips(values, seed=1)
    assert found == pytest.approx(list(oracle.ttest_1samp(values, 0).pvalue), abs=0.02)


def test_a_seeded_bootstrap_repeats_and_comes_near_the_t_interval():
    values = np.random.default_rng(3).normal(2, 1, size=(60, 1))
    weights = group_weights(60, n_resamples=4_000, seed=0)
    [found] = bootstrap_means(values, np.ones_like(values), weights)
    assert [found] == bootstrap_means(values, np.ones_like(values), group_weights(60, n_resamples=4_000, seed=0))
    expected = oracle.t.interval(0.95, 59, loc=values.mean(), scale=oracle.sem(values[:, 0]))
    assert found == pytest.approx(expected, abs=0.03)


def test_samples_of_one_group_are_resampled_together():
    """Ten groups of ten equal values say no more than ten values."""
    values = np.random.default_rng(7).integers(0, 2, size=10).astype(float)[:, None]
    weights = group_weights(10, n_resamples=2_000, seed=0)
    assert bootstrap_means(10 * values, np.full((10, 1), 10.0), weights) == bootstrap_means(
        values, np.ones((10, 1)), weights
    )


def test_a_group_without_a_value_of_one_metric_does_not_change_it():
    sums, there = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    ends = bootstrap_means(sums, there, group_weights(3, n_resamples=500, seed=0))
    assert all(np.isfinite(ends).ravel())


@pytest.mark.parametrize("n_groups", range(1, 12))
def test_the_smallest_p_value_is_what_a_complete_split_gives(n_groups):
    assert smallest_p(n_groups) == mcnemar(n_groups, 0)


def test_the_detectable_difference_has_the_power_that_it_claims():
    """Paired normal differences: the t-test finds the detectable difference in about 80 % of the runs."""
    generator = np.random.default_rng(11)
    effect = detectable_difference(100, spread=1.0)
    found = oracle.ttest_1samp(generator.normal(effect, 1.0, size=(4_000, 100)), 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_more_tests_need_more_pairs():
    assert pairs_to_detect(0.2, spread=0.5, n_tests=10) > pairs_to_detect(0.2, spread=0.5)
    assert mcnemar(pairs_to_detect(1, spread=1e-9, n_tests=10), 0) * 10 < 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda: group_weights(0, n_resamples=10, seed=0),
        lambda: detectable_difference(0, spread=1),
        lambda: pairs_to_detect(0, spread=1),
    ],
)
def test_nothing_to_say_is_an_error_not_a_number(call):
    with pytest.raises(ValueError, match=r"no groups|no pairs|cannot be shown"):
        call()
