"""Statistics, held against scipy where it has the same thing, against published examples and plain facts elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from evalharness.statistics import (
    Z95,
    beta_quantile,
    cohens_g,
    effective_size,
    mcnemar,
    means_of,
    resample,
    smallest_p,
    t_quantile,
    t_tail,
    tango,
    wilson,
)
from evalharness.statistics.agreement import cohens_kappa
from evalharness.statistics.power import (
    detectable_difference,
    detectable_shift,
    fewest_pairs,
    pairs_to_detect,
    pairs_to_shift,
)

counts = st.integers(0, 400)


def ends(drawn):
    """The 95 % intervals of all columns."""
    return [(one.low(0.025), one.high(0.025)) for one in means_of(drawn, is_difference=False)]


# ---------------------------------------------------------------------------------------- proportions


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
    assert mcnemar(9_800, 10_200) == pytest.approx(oracle.binomtest(9_800, 20_000).pvalue, rel=1e-9)


def test_tango_equals_the_published_example():
    # Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850: 1 and 7 of 21 pairs disagree; their table 8
    # has the score interval -0.517 to -0.026.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@settings(max_examples=200)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 80))
def test_tangos_ends_are_roots_of_his_quartic(wins, losses, agreeing):
    """Yang, Sun and Hardin 2013 wrote the interval as two roots of a polynomial, which numpy finds on its own."""
    n, square, way, sum_ = wins + losses + agreeing, Z95**2, wins - losses, wins + losses
    quartic = [
        n**2 * (n / square + 1) ** 2,
        -n * way * (n / square + 1) * (4 * n / square + 1),
        2 * n * way**2 * (3 * n / square + 2) / square - n**2 * (sum_ / square + 1),
        n * way * (2 * sum_ / square + 1) - way**3 * (4 * n / square + 1) / square,
        way**2 * (way**2 / square - sum_) / square,
    ]
    roots = np.roots(quartic)
    for end in tango(wins, losses, n):
        assert np.abs(roots - end).min() < 1e-4


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_tango_contains_the_difference_and_turns_with_the_sides(wins, losses, agreeing):
    total = wins + losses + agreeing
    if total == 0:
        return
    low, high = tango(wins, losses, total)
    assert -1 <= low <= (wins - losses) / total <= high <= 1
    assert low < high, "agreement is no proof of equality"
    assert tango(losses, wins, total) == (-high, -low)


def test_equal_groups_are_worth_one_value_each_and_independent_values_one_each():
    ten = np.array([3.0, 0.0] * 5)
    assert effective_size(ten, np.full(10, 3.0)) == pytest.approx(
        10 * (Z95 / oracle.t.ppf(0.975, 9)) ** 2 * 0.9, rel=0.01
    )
    toss = np.random.default_rng(0).integers(0, 2, size=2_000).astype(float)
    assert effective_size(toss, np.ones(2_000)) == pytest.approx(2_000, rel=0.01)


# --------------------------------------------------------------------------------------------- means


@settings(max_examples=200)
@given(st.integers(1, 5_000), st.floats(0.51, 0.999_99))
def test_t_quantiles_equal_scipys(df, probability):
    assert t_quantile(probability, df) == pytest.approx(oracle.t.ppf(probability, df), rel=1e-9)
    assert t_tail(t_quantile(probability, df), df) == pytest.approx(1 - probability, rel=1e-6)


@settings(max_examples=200)
@given(st.floats(0.5, 2_000), st.floats(0.5, 2_000), st.floats(0.001, 0.999))
def test_beta_quantiles_equal_scipys(a, b, probability):
    assert beta_quantile(probability, a, b) == pytest.approx(oracle.beta.ppf(probability, a, b), rel=1e-8)


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 60), st.integers(0, 10_000))
def test_the_bootstrap_comes_near_scipys(size, seed):
    """Percentiles before they are widened: both draw 1,000 resamples, so they agree to a few Monte-Carlo errors."""
    values = np.random.default_rng(seed).normal(2, 1, size=size)
    drawn = resample(values[:, None], np.ones((size, 1)), seed=seed, n_resamples=1_000)
    found = np.quantile(drawn.drawn[:, 0], [0.025, 0.975])
    expected = oracle.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=1_000, rng=seed
    ).confidence_interval
    assert tuple(found) == pytest.approx((expected.low, expected.high), abs=0.6 * oracle.sem(values))


@settings(max_examples=200, deadline=None)
@given(st.integers(5, 200), st.integers(0, 10_000))
def test_an_interval_of_a_mean_is_nowhere_inside_scipys_t_interval(size, seed):
    values = np.random.default_rng(seed).lognormal(0, 1, size=(size, 1))
    drawn = resample(values, np.ones_like(values), seed=seed, n_resamples=200)
    low, high = ends(drawn)[0]
    expected = oracle.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert low <= expected.low + 0.005 * (expected.high - expected.low)
    assert high >= expected.high - 0.005 * (expected.high - expected.low)


def test_the_long_side_of_a_skewed_mean_is_wider():
    values = np.random.default_rng(2).lognormal(0, 1, size=(40, 1))
    low, high = ends(resample(values, np.ones_like(values), seed=0, n_resamples=2_000))[0]
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_a_seeded_bootstrap_repeats_whatever_is_held_at_one_time():
    values = np.random.default_rng(3).normal(2, 1, size=(60, 2))
    ones = np.ones_like(values)
    first = resample(values, ones, seed=0, n_resamples=300)
    for chunk_numbers in (1, 1_000, 10**9):
        again = resample(values, ones, seed=0, n_resamples=300, chunk_numbers=chunk_numbers)
        assert ends(again)[1] == pytest.approx(ends(first)[1], abs=1e-12)
    assert ends(resample(values, ones, seed=1, n_resamples=300)) != ends(first)


def test_samples_of_one_group_are_resampled_together():
    """Ten groups of ten equal values say no more than ten values."""
    values = np.random.default_rng(7).integers(0, 2, size=10).astype(float)[:, None]
    often = resample(10 * values, np.full((10, 1), 10.0), seed=0, n_resamples=500)
    once = resample(values, np.ones((10, 1)), seed=0, n_resamples=500)
    assert ends(often)[0] == pytest.approx(ends(once)[0])


def test_a_group_without_a_value_of_one_metric_does_not_change_it():
    sums, there = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    drawn = resample(sums, there, seed=0, n_resamples=500)
    assert np.isfinite(ends(drawn)).all()


# --------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("n_groups", range(1, 12))
def test_the_smallest_p_value_is_what_a_complete_split_gives(n_groups):
    assert smallest_p(n_groups) == mcnemar(n_groups, 0)


def test_cohens_g_turns_with_the_sides():
    assert cohens_g(30, 10) == 0.25 == -cohens_g(10, 30)


# --------------------------------------------------------------------------------------------- power


def exact_power(n, disagreeing, shift, level):
    """Power of the exact test by scipy's binomial distribution, written as the definition says."""
    total, power = np.arange(n + 1), 0.0
    for differ, chance in zip(total, oracle.binom.pmf(total, n, max(disagreeing, shift)), strict=True):
        wins = np.arange(differ + 1)
        p_values = np.minimum(1, 2 * oracle.binom.cdf(np.minimum(wins, differ - wins), differ, 0.5))
        share = 0.5 + shift / (2 * max(disagreeing, shift))
        power += chance * oracle.binom.pmf(wins, differ, share)[p_values < level].sum()
    return power


@pytest.mark.parametrize("n", [12, 30, 100, 300])
@pytest.mark.parametrize("disagreeing", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("level", [0.05, 0.0025])
def test_the_detectable_shift_has_the_power_that_it_claims(n, disagreeing, level):
    shift = detectable_shift(n, disagreeing=disagreeing, level=level)
    assert exact_power(n, disagreeing, shift, level) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("n", [8, 15, 30, 100])
def test_the_detectable_difference_has_the_power_of_scipys_t_test(n):
    """Noncentral t; for few groups the sign-flip test reaches a little less than 5 %: the t-test has a little more."""
    shift = detectable_difference(n, spread=1.0) * math.sqrt(n)
    assert oracle.nct.sf(oracle.t.ppf(0.975, n - 1), n - 1, shift) == pytest.approx(0.8, abs=0.03)


def test_more_tests_need_more_pairs():
    assert pairs_to_detect(0.2, spread=0.5, n_tests=10) > pairs_to_detect(0.2, spread=0.5)
    assert mcnemar(pairs_to_detect(1, spread=1e-9, n_tests=10), 0) * 10 < 0.05
    assert pairs_to_shift(0.2, disagreeing=0.5, n_tests=10) > pairs_to_shift(0.2, disagreeing=0.5)


@pytest.mark.parametrize(("shift", "disagreeing"), [(0.1, 0.3), (-0.05, 0.1), (0.2, 0.2)])
def test_as_many_pairs_as_needed_have_the_power(shift, disagreeing):
    n = pairs_to_shift(shift, disagreeing=disagreeing)
    assert exact_power(n, disagreeing, abs(shift), 0.05) == pytest.approx(0.8, abs=0.03)


def test_connors_sample_size_without_its_correction_is_the_published_one():
    # Connor 1987: (1.96 sqrt(.2) + .8416 sqrt(.2 - .1^2))^2 / .1^2 = 154.4 for a difference of .1 where .2 disagree;
    # the correction for the exact test adds about 1 / difference.
    assert pairs_to_shift(0.1, disagreeing=0.2) == pytest.approx(154.4 + 20, abs=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: resample(np.ones((1, 1)), np.ones((1, 1)), seed=0, n_resamples=10),
        lambda: detectable_difference(5, spread=1),
        lambda: detectable_shift(5, disagreeing=0.5),
        lambda: pairs_to_detect(0, spread=1),
        lambda: pairs_to_shift(0, disagreeing=0.5),
        lambda: tango(0, 0, 0),
        lambda: effective_size(np.array([]), np.array([])),
        lambda: t_quantile(0.975, 0),
        lambda: cohens_g(0, 0),
    ],
)
def test_nothing_to_say_is_an_error_not_a_number(call):
    with pytest.raises(ValueError, match=r"no (groups|pairs|pair|degree)|fewer than|too few|cannot be shown|0 or more"):
        call()


def test_six_pairs_are_the_fewest_that_can_show_anything():
    assert smallest_p(fewest_pairs(0.05)) < 0.05 <= smallest_p(fewest_pairs(0.05) - 1)


def test_kappa_of_replicates_is_no_more_certain_than_of_samples():
    # 40 samples of 5 replicates that agree within a sample: intervals of single ratings covered the truth in 65 %.
    generator, held = np.random.default_rng(5), {True: 0, False: 0}
    for seed in range(60):
        one = generator.integers(0, 2, 40).repeat(5)
        other = np.where(generator.random(40).repeat(5) < 0.75, one, 1 - one)
        for grouped in held:
            groups = np.arange(40).repeat(5).tolist() if grouped else None
            kappa = cohens_kappa([*map(str, one)], [*map(str, other)], groups=groups, seed=seed, n_resamples=400)
            held[grouped] += kappa.low <= 0.5 <= kappa.high
    assert held[True] >= 60 * 0.85 > held[False]


def test_a_kappa_that_no_resample_changes_has_an_interval_of_some_width_or_none():
    perfect = cohens_kappa(["a", "b"] * 5, ["a", "b"] * 5, seed=0)
    assert perfect.low < 0.6 and perfect.high == 1.0
    chance = cohens_kappa(["a"] * 10, ["a", "b"] * 5, seed=0)
    assert (chance.value, chance.low, chance.high) == (0.0, None, None)
