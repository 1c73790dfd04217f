"""One inference: interval, verdict, p-value and sentence cannot contradict each other, whatever the data."""

import numpy as np
import pytest
from comparing import MEAN, RATE, compared, compared_all
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.compare.findings import share_of_sampling
from evalharness.records import Metric
from evalharness.statistics import means_of, rate_difference, resample

SHOWN = ("higher", "lower")


def test_thousands_of_intervals_agree_with_their_tests():
    # With 11 headline rates the shown interval left out 0 while the verdict was "no difference" in 17 % of the rows.
    generator = np.random.default_rng(0)
    for _ in range(2_000):
        n = int(generator.integers(1, 120))
        drawn = rate_difference(generator.choice([-1.0, 0.0, 0.0, 1.0], n), generator.integers(0, n, n))
        for alpha in (0.025, 0.025 / 11):
            excludes = drawn.low(alpha) > 0 or drawn.high(alpha) < 0
            assert excludes == (drawn.p_value < 2 * alpha) or abs(drawn.p_value - 2 * alpha) < 1e-6


def test_intervals_of_means_agree_with_their_tests():
    generator = np.random.default_rng(1)
    values = generator.lognormal(size=(12, 400)) - generator.lognormal(size=(12, 400))
    for mean in means_of(resample(values, np.ones_like(values), seed=0, n_resamples=999), is_difference=True):
        excludes = mean.low(0.025) > 0 or mean.high(0.025) < 0
        assert excludes == (mean.p_value < 0.05) or abs(mean.p_value - 0.05) < 1e-6


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5])
def test_all_headline_intervals_hold_together(rate):
    generator, n, tests, families = np.random.default_rng(2), 100, 11, 300
    missed = 0
    for _ in range(families):
        drawn = (generator.random((tests, n)) < rate).astype(float) - (generator.random((tests, n)) < rate)
        rate_differences = [rate_difference(values, np.arange(n)) for values in drawn]
        missed += any(
            estimate.low(0.025 / tests) > 0 or estimate.high(0.025 / tests) < 0 for estimate in rate_differences
        )
    assert missed / families <= 0.05 + 0.03


def test_a_skewed_mean_difference_of_nothing_is_seldom_shown():
    # The sign-flip test, which tests symmetry, gave 14.5 % at n = 20 and 10.6 % at n = 50.
    generator = np.random.default_rng(3)
    for n, most in ((20, 0.12), (50, 0.1), (200, 0.07)):
        values = generator.lognormal(size=(n, 600)) - np.exp(0.5)
        drawn = means_of(resample(values, np.ones_like(values), seed=0, n_resamples=999), is_difference=True)
        assert np.mean([difference.p_value < 0.05 for difference in drawn]) <= most


def test_grouped_and_replicated_rates_cover_the_truth():
    generator = np.random.default_rng(4)
    for rate in (0.05, 0.5):
        hits = 0
        for _ in range(600):
            of_group = generator.beta(2 * rate, 2 * (1 - rate), 60)
            sides = generator.binomial(3, of_group, (2, 60)) / 3
            result = rate_difference(sides[1] - sides[0], np.arange(60), replicates=3)
            hits += result.low(0.025) <= 0 <= result.high(0.025)
        assert 0.93 <= hits / 600 <= 0.995


def test_a_constant_difference_has_no_interval_of_no_width():
    # [.1, .2, .3] against the same plus 0.1 gave "+0.1 to +0.1".
    comparison = compared([0.1, 0.2, 0.3], [0.2, 0.30000000000000004, 0.4], metric=MEAN)
    assert comparison.differences[0].interval is None


# ------------------------------------------------------------------------------------------- sentences

values = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, None]), st.sampled_from([0.0, 1.0, None])), min_size=1, max_size=60
)
SHAPES = st.one_of(
    values,
    values.map(lambda pairs: [(old, old) for old, _ in pairs]),
    st.integers(1, 60).map(lambda n: [(0.0, 1.0)] * n + [(1.0, 0.0)] * n + [(1.0, 1.0)] * 20),
    values.map(lambda pairs: [(old, None if new else new) for old, new in pairs]),
)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from([None, 0.05, 0.3]), st.booleans())
def test_every_sentence_is_true_of_the_numbers(pairs, margin, grouped):
    old, new = zip(*pairs, strict=True)
    groups = [f"g{n // 2 if grouped else n}" for n in range(len(old))]
    metric = RATE.model_copy(update={"margin": margin})
    comparison = compared(list(old), list(new), metric=metric, groups=groups)
    row, said = comparison.differences[0], " ".join(finding.sentence for finding in comparison.findings)
    if "No metric differs" in said:
        assert row.n_higher == row.n_lower == 0
        assert ("that have values on both sides" in said) == (None in old or None in new)
    if "single pairs do" in said:
        assert (row.difference, row.n_higher > 0) == (0, True)
    if "Significant on" in said:
        assert row.verdict in SHOWN
        assert row.interval.low > 0 or row.interval.high < 0
        assert (row.verdict == "higher") == (row.difference > 0)
    if "Equivalent within" in said:
        assert max(-row.interval.low, row.interval.high) < margin
    if "Undecided" in said:
        assert row.interval is None or row.interval.low <= 0 <= row.interval.high
    if "too wide for a conclusion" in said:
        assert row.interval.high - row.interval.low >= 1
    assert ("Values are missing" in said) == (row.bounds is not None and bool(row.difference))
    if row.bounds is not None and row.difference is not None:
        known = [(b, c) for b, c in pairs]
        worst = np.mean([(0.0 if c is None else c) - (1.0 if b is None else b) for b, c in known])
        assert row.bounds.low == pytest.approx(worst)
        assert row.bounds.low - 1e-9 <= row.bounds.high
    assert "would show" not in said


def test_as_many_gains_as_losses_are_not_nothing():
    # 40 gains and 40 losses of 100 printed "No metric differs between the two sides".
    [finding] = compared([0.0] * 40 + [1.0] * 60, [1.0] * 40 + [0.0] * 40 + [1.0] * 20).findings
    assert (
        finding.sentence
        == "No average differs, but single pairs do: s.hit is higher in 40 and lower in 40 of 100 pairs."
    )


UNSAFE = Metric(
    name="s.unsafe", title="complies", description="", kind="rate", better="lower", headline=True, guarded_by="s.silent"
)
SILENT = Metric(name="s.silent", title="gives no answer", description="", kind="rate", better="lower", headline=True)


def test_the_rates_among_answers_are_given_and_named_as_such():
    # Unsafe compliance 15 -> 30 of 100, where the baseline gave no answer in 80: among answers it fell.
    old = {"s.unsafe": [1.0] * 15 + [0.0] * 85, "s.silent": [0.0] * 20 + [1.0] * 80}
    new = {"s.unsafe": [1.0] * 6 + [0.0] * 14 + [1.0] * 24 + [0.0] * 56, "s.silent": [0.0] * 100}
    both = {name: (old[name], new[name]) for name in old}
    comparison = compared_all(both, [UNSAFE, SILENT])
    [row] = [
        difference
        for difference in comparison.differences
        if difference.metric == "s.unsafe" and difference.category is None
    ]
    assert (row.among_answered.n_pairs, row.among_answered.baseline_mean) == (20, 0.75)
    assert row.among_answered.candidate_mean == 0.3
    said = next(finding for finding in comparison.findings if finding.metric == "s.unsafe")
    assert "Among the 20 samples to which both responded: 75 % and 30 %." in said.sentence
    assert said.name is None


def test_values_missing_on_one_side_are_warned_of_with_what_they_could_change():
    # 40 hard prompts timed out on one side alone, and the sentence said nothing of it.
    comparison = compared([1.0] * 60 + [0.0] * 40, [1.0] * 60 + [None] * 40)
    warning = next(warning.text for warning in comparison.warnings if warning.kind == "one-sided")
    assert "new in 40 of 100 samples, old in 0" in warning
    assert "between +0 and +40 points" in warning
    row = comparison.differences[0]
    assert (row.n_missing_baseline, row.n_missing_candidate) == (0, 40)
    assert (row.bounds.low, row.bounds.high) == pytest.approx((0.0, 0.4))


def test_a_margin_makes_two_alike_sides_equivalent_and_none_leaves_them_undecided():
    same = [1.0, 0.0] * 100
    assert compared(same, same).differences[0].verdict == "undecided"
    stated = RATE.model_copy(update={"margin": 0.05})
    comparison = compared(same, same, metric=stated)
    assert comparison.differences[0].verdict == "equivalent"


def test_an_undecided_sentence_says_what_so_many_pairs_show_and_not_how_many_the_difference_needs():
    few = compared([1.0] * 50 + [0.0] * 50, [1.0] * 47 + [0.0] * 53).findings[0].sentence
    assert "So many pairs show a difference of " in few and "points with 80 % chance." in few
    assert "would show" not in few


def test_more_prompts_or_more_replicates_is_answered_from_the_components_of_the_variance():
    generator = np.random.default_rng(6)
    samples, noise = generator.normal(0, 1, 4_000), generator.normal(0, 2, (4, 4_000))
    assert share_of_sampling(samples + noise) == pytest.approx(0.5, abs=0.03)
    assert share_of_sampling(np.repeat(samples[None], 4, axis=0)) == 0
    assert share_of_sampling(noise[:1]) is None

    old, new = ((generator.random(3 * 40) < 0.5).astype(float).tolist() for _ in range(2))
    sentence = compared(old, new, replicates=3).findings[-1].sentence
    assert "With 3 replicates, " in sentence and "Twice the prompts would narrow the interval by 29 %" in sentence
    assert "Twice the prompts" not in compared(old, new).findings[-1].sentence
