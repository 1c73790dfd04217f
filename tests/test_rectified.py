"""Rates corrected by ratings: against arithmetic by hand, and by how often the interval holds the truth."""

import math

import numpy as np
import pytest

from evalharness.statistics.rectified import FEWEST_RATED, Side, rectified


def side(predicted, rated, probability=0.5):
    predicted, rated = (np.array(values, dtype=np.float64) for values in (predicted, rated))
    return Side(predicted, rated, np.broadcast_to(np.asarray(probability, dtype=np.float64), predicted.shape))


def alone(one):
    return rectified([one], np.arange(one.rated.size))


NONE = math.nan


def test_a_scorer_that_always_says_the_same_adds_nothing_to_the_mean_of_the_ratings():
    found = alone(side([1] * 12, [1, 1, 1, 0, 0, 1, *[NONE] * 6]))
    assert (found.value, found.power, found.rated, found.total) == (pytest.approx(4 / 6), (0.0,), 6, 12)
    squares = 4 * (1 / 3) ** 2 + 2 * (2 / 3) ** 2
    assert found.error**2 == pytest.approx(squares / 36 * 12 / 11 + 2 / 36)
    assert found.freedom == pytest.approx(5)


def test_the_value_is_the_mean_of_the_ratings_moved_by_what_the_scorer_says_of_the_rest():
    predicted, rated = [1, 1, 0, 0, 1, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, *[NONE] * 4]
    found = alone(side(predicted, rated, 0.6))
    [power] = found.power
    assert 0 < power < 1
    assert found.value == pytest.approx(2 / 6 + power * (7 / 10 - 3 / 6))


def test_a_rating_that_was_drawn_rarely_stands_for_many():
    found = alone(side([0] * 12, [1, 1, 0, 0, 0, 0, *[NONE] * 6], [0.25, 0.25, *[1.0] * 10]))
    assert found.value == pytest.approx((4 + 4) / (4 + 4 + 4))
    assert found.freedom == pytest.approx(12**2 / (2 * 16 + 4) - 1)


def test_where_everything_was_rated_the_scorer_does_not_count_and_no_more_ratings_help():
    found = alone(side([1, 1, 1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1, 0, 1], 1.0))
    assert found.value == pytest.approx(0.5)
    assert found.to_halve is None


def test_few_ratings_without_an_error_do_not_make_the_scorer_perfect():
    predicted = [1, 0] * 50
    found = alone(side(predicted, [*predicted[:20], *[NONE] * 80], 0.2))
    assert found.value == pytest.approx(0.5)
    assert found.error**2 >= 2 / 20**2


def test_a_difference_is_of_the_same_completions_and_groups_count_once():
    first = side([0, 1] * 20, [0, 1] * 5 + [NONE] * 30, 0.25)
    second = side([1, 1] * 20, [1, 1] * 5 + [NONE] * 30, 0.25)
    assert rectified([first, second], np.arange(40)).value == pytest.approx(0.5)
    assert rectified([first, first], np.arange(40)).value == 0
    pairs = rectified([side([0, 0, 1, 1] * 10, [0, 0, 1, 1] * 10, 1.0)], np.arange(40) // 2)
    single = rectified([side([0, 1] * 10, [0, 1] * 10, 1.0)], np.arange(20))
    assert pairs.error**2 - 2 / 40**2 == pytest.approx(single.error**2 - 2 / 20**2)


def test_too_few_ratings_give_no_estimate():
    with pytest.raises(ValueError, match="only 4 ratings"):
        alone(side([0] * 9, [1] * (FEWEST_RATED - 1) + [NONE] * 5))


def test_as_many_more_ratings_as_it_says_halve_the_width():
    truth, predicted = np.tile([1.0, 1.0, 0.0, 0.0, 0.0], 800), np.tile([1.0, 0.0, 0.0, 0.0, 1.0], 800)

    def rated(n):
        return alone(side(predicted, np.where(np.arange(4_000) < n, truth, NONE), n / 4_000))

    before = rated(60)
    after = rated(60 + before.to_halve)
    width = (after.high(0.025) - after.low(0.025)) / (before.high(0.025) - before.low(0.025))
    assert width == pytest.approx(0.5, abs=0.05)


def drawn(generator, truth, sensitivity, specificity, unclear, count):
    """A side as the report draws it: by turns, unclear completions four times as often."""
    says = np.where(truth == 1, generator.random(truth.size) < sensitivity, generator.random(truth.size) > specificity)
    weight = np.where(generator.random(truth.size) < unclear, 4.0, 1.0)
    turns = generator.random(truth.size) / weight
    stop = np.sort(turns)[count]
    predicted = np.where(weight > 1, NONE, says.astype(float))
    return Side(predicted, np.where(turns < stop, truth, NONE), np.minimum(1.0, weight * stop))


@pytest.mark.parametrize(
    ("rates", "sensitivity", "specificity", "size", "count"),
    [
        ((0.3,), 0.8, 0.95, 200, 60),
        ((0.05,), 0.95, 0.99, 400, 60),
        ((0.5,), 0.7, 0.9, 800, 100),
        ((0.1, 0.25), 0.9, 0.97, 200, 40),
        ((0.5, 0.65), 0.7, 0.9, 800, 100),
        ((0.8, 0.95), 0.9, 0.6, 150, 30),
    ],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(rates, sensitivity, specificity, size, count):
    generator, held, plain, runs = np.random.default_rng(7), 0, 0, 200
    true = rates[-1] - (rates[0] if len(rates) > 1 else 0)
    for _ in range(runs):
        sides = [
            drawn(generator, (generator.random(size) < rate).astype(float), sensitivity, specificity, 0.08, count)
            for rate in rates
        ]
        found = rectified(sides, np.arange(size))
        held += found.low(0.025) <= true <= found.high(0.025)
        means = [float(np.nanmean(one.predicted)) for one in sides]
        spread = math.sqrt(sum(float(np.nanvar(one.predicted)) / size for one in sides))
        plain += abs(means[-1] - (means[0] if len(means) > 1 else 0) - true) <= 1.96 * spread
    assert held >= 0.93 * runs
    assert held >= plain
