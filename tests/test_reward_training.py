"""The training of the bundled head: the loss is fitted exactly, and no prompt is on both sides."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

sys.path.append(str(Path(__file__).parent.parent / "training"))

from bradley_terry import directions, fit, interval, splits
from preferences import Answer, obvious_pairs, read_pairs


def make_differences(pairs=40, width=6):
    random = np.random.default_rng(0)
    return random.normal(size=(pairs, width)) + 0.3, random.uniform(0.3, 1.0, size=pairs)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_the_fit_is_the_minimum_of_the_penalised_bradley_terry_loss(penalty):
    differences, weights = make_differences()

    def cost(head):
        return weights @ np.logaddexp(0, -differences @ head) + penalty / 2 * head @ head

    best = minimize(cost, np.zeros(6), method="BFGS", options={"gtol": 1e-8}).x
    assert fit(differences, weights, penalty * np.eye(6)) == pytest.approx(best, abs=1e-4)


def test_the_directions_are_those_of_the_singular_values():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 30)) * np.geomspace(10, 0.01, 30)
    exact = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:3]
    assert np.abs((directions(rows, 3, seed=0) * exact).sum(1)) == pytest.approx([1, 1, 1], abs=1e-3)


def test_no_group_is_in_training_and_test():
    groups = [f"group {number % 17}" for number in range(100)]
    tested = np.zeros(100, int)
    for train, test in splits(groups, folds=5, seed=0):
        assert not {groups[i] for i in np.flatnonzero(train)} & {groups[i] for i in np.flatnonzero(test)}
        tested += test
    assert (tested == 1).all()


def test_an_interval_of_few_groups_is_wider_than_one_of_many():
    right = np.tile([1.0, 0.0], 50)
    few = interval(right, ["a"] * 50 + ["b"] * 50)
    many = interval(right, [str(number) for number in range(100)])
    assert few[0] <= 0.5 <= few[1]
    assert many[1] - many[0] > 0.1
    skewed = np.array([1.0] * 50 + [0.0] * 50)
    low, high = interval(skewed, ["a"] * 50 + ["b"] * 50)
    assert high - low > many[1] - many[0]


def test_an_obvious_pair_has_the_answer_as_the_better_one():
    answers = [
        Answer("here", f"g{n}", f"Question {n}?", f"This is answer {n}. " * 4 + "It ends here.") for n in range(4)
    ]
    pairs = obvious_pairs(answers)
    assert {pair.kind for pair in pairs} == {"loop", "echo", "empty", "other prompt", "cut"}
    texts = {answer.prompt: answer.text for answer in answers}
    assert all(pair.better == texts[pair.prompt] != pair.worse for pair in pairs)
    assert pairs == obvious_pairs(answers)


def test_ties_are_left_out_of_the_human_pairs(validation_data):
    pairs = read_pairs(validation_data / "preferences")
    assert sum(pair.source == "PandaLM" for pair in pairs) == 894
    assert sum(pair.source == "Natural" for pair in pairs) == 100
    assert all(isinstance(pair.better, str) and isinstance(pair.worse, str) for pair in pairs)
