"""Rewards compared as what they are: of one model, fond of length, and sometimes against what can be seen."""

import random
from statistics import NormalDist

import numpy as np
import pytest
from comparing import compare_records, make_plan, scored
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from evalharness.compare import compare
from evalharness.compare.length_control import FEWEST_GROUPS, control_length
from evalharness.compare.reward_differences import reward_agreement, rewards_of
from evalharness.errors import StoreError
from evalharness.observations import observe
from evalharness.records import Completion, Score
from evalharness.scorers import facts_of

FACTS = [facts_of(name) for name in ("style", "reward", "reward_2")]
REWARD = FACTS[1].reward


def rewarded(old, new, *, lengths=None, states=None, scorer="reward", version="1 m", groups=None, replicates=1):
    """Plan, outcomes and scores: rewards of both sides, the lengths and the states of their completions."""
    count = len(old) // replicates
    plan = make_plan(groups or [f"g{n}" for n in range(count)], replicates=replicates)
    values = [*old, *new]
    lengths, states = lengths or [10] * len(values), states or ["answer"] * len(values)
    outcomes, scores = {}, []
    for request, value, length, state in zip(plan.requests, values, lengths, states, strict=True):
        outcomes[request.id] = Completion(request_id=request.id, text="x" * length, finish_reason="stop")
        scores.append(style(request, state))
        if value is not None:
            scores.append(reward(request, value, scorer, version))
    return plan, outcomes, scores


def style(request, state):
    return Score(request_id=request.id, scorer="style", version="1", status="scored", label=state, values={state: 1.0})


def reward(request, value, scorer="reward", version="1 m"):
    return Score(request_id=request.id, scorer=scorer, version=version, status="scored", values={"value": value})


def compared(old, new, **more):
    plan, outcomes, scores = rewarded(old, new, **more)
    [found] = rewards_of(observe(plan, outcomes, scores), plan.baseline, plan.candidate, FACTS, seed=0)
    return found


def drawn(n, seed=0, *, skew=0.0):
    """Lengths and rewards of n pairs: noise, with the candidate's completions longer by `skew`."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 600, size=(2, n)) + np.array([[0], [int(skew)]])
    return generator.normal(size=(2, n)), lengths


# --------------------------------------------------------------------------------------------- models


def test_rewards_of_two_models_are_not_compared():
    plan, outcomes, scores = rewarded([1.0, 2.0], [2.0, 3.0])
    mixed = [*scores[:-1], scores[-1].model_copy(update={"version": "1 other"})]

    with pytest.raises(StoreError, match="several reward models") as caught:
        compare(plan, observe(plan, outcomes, mixed), [REWARD], seed=0, scorers=FACTS)
    assert "evalharness score RUN" in caught.value.fix


def test_a_completion_without_a_reward_counts_for_the_version_too():
    plan, outcomes, scores = rewarded([1.0, None], [2.0, 3.0])
    request = plan.requests[1]
    unscored = Score(
        request_id=request.id, scorer="reward", version="1 other", status="unscored", explanation="too long"
    )

    with pytest.raises(StoreError, match="1 m, 1 other"):
        rewards_of(observe(plan, outcomes, [*scores, unscored]), "old", "new", FACTS, seed=0)


def test_each_of_two_reward_models_has_a_comparison_of_its_own():
    plan, outcomes, scores = rewarded([1.0, 2.0, 3.0], [2.0, 1.0, 4.0])
    second = [reward(one, 100.0, "reward_2", "1 n") for one in plan.requests]
    comparison = compare(plan, observe(plan, outcomes, [*scores, *second]), [REWARD], seed=0, scorers=FACTS)

    assert [(one.scorer, one.version, one.wins, one.ties) for one in comparison.rewards] == [
        ("reward", "1 m", 2, 0),
        ("reward_2", "1 n", 0, 3),
    ]
    assert [one.centre for one in comparison.rewards] == [pytest.approx(13 / 6), 100.0]


def test_two_reward_models_agree_where_they_prefer_the_same_side():
    plan, outcomes, scores = rewarded([1.0, 2.0, 3.0, 1.0], [2.0, 1.0, 4.0, 2.0])
    other = rewarded([10.0, 5.0, 30.0, 1.0], [20.0, 10.0, 40.0, 1.0], scorer="reward_2", version="1 n")[2]
    both = [*scores, *(one for one in other if one.scorer != "style")]
    [found] = reward_agreement(observe(plan, outcomes, both), "old", "new", FACTS, seed=0)

    assert (found.scorers, found.n_pairs, found.same) == (("reward", "reward_2"), 4, 0.5)
    # By hand: verdicts c b c c and c c c t, so that chance alone agrees on 3/4 x 3/4 of the pairs.
    assert found.kappa == pytest.approx((0.5 - 9 / 16) / (1 - 9 / 16))


def test_a_run_without_rewards_has_no_comparison_of_them():
    comparison = compare_records(*scored([0.0, 1.0], [1.0, 1.0]), [REWARD], scorers=FACTS)

    assert comparison.rewards == comparison.reward_agreement == ()


# --------------------------------------------------------------------------------- wins, ties, states


def test_a_pair_of_equal_rewards_is_a_tie_and_counts_as_half_a_win():
    found = compared([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 3.0])

    assert (found.wins, found.ties, found.losses, found.win_rate) == (1, 2, 1, 0.5)
    assert found.win_rate_interval.low < 0.5 < found.win_rate_interval.high


def test_what_a_reward_moves_by_the_batch_it_is_read_in_is_no_win():
    found = compared([1.0, 5.0], [1.00001, 6.0])

    assert (found.wins, found.ties) == (1, 1)


def test_replicates_are_averaged_before_they_are_compared():
    found = compared([1.0, 1.0, 3.0, 3.0], [2.5, 2.5, 0.0, 0.0], replicates=2)

    assert (found.n_pairs, found.losses) == (2, 2)


def test_a_loop_is_shown_as_such_beside_its_reward():
    states = ["loop", "loop", "answer", "answer", "answer", "answer"]
    found = compared([5.0, 7.0, 1.0], [2.0, 2.0, None], states=states)

    shown = {(one.checkpoint, one.state): (one.n, one.n_rewarded, one.mean) for one in found.states}
    assert shown == {
        ("old", "loop"): (2, 2, 6.0),
        ("old", "answer"): (1, 1, 1.0),
        ("new", "answer"): (3, 2, 2.0),
    }


def test_a_reward_that_prefers_a_loop_to_an_answer_contradicts_the_states():
    states = ["loop", "loop", "loop", "answer", "answer", "answer", "echo", "answer"]
    found = compared([5.0, 1.0, 9.0, 1.0], [2.0, 2.0, 2.0, 2.0], states=states)

    # The third pair is two non-answers, the fourth two answers: no state speaks for either side.
    assert (found.n_one_answer, found.n_contradicting, found.contradicting) == (2, 1, ("s0",))


def test_the_strongest_contradiction_is_named_first():
    states = ["loop"] * 3 + ["answer"] * 3
    found = compared([3.0, 9.0, 5.0], [2.0, 2.0, 2.0], states=states)

    assert found.contradicting == ("s1", "s2", "s0")


def test_correlation_with_length_is_that_of_each_side():
    rewards, lengths = drawn(30)
    found = compared([*rewards[0]], [*lengths[1] * 2.0], lengths=[*lengths[0], *lengths[1]])

    old, new = found.lengths
    assert old.spearman == pytest.approx(spearmanr(rewards[0], lengths[0])[0])
    assert old.pearson == pytest.approx(np.corrcoef(rewards[0], lengths[0])[0, 1])
    assert (new.pearson, new.spearman) == (pytest.approx(1.0), pytest.approx(1.0))


def test_rewards_that_do_not_vary_have_no_correlation_with_length():
    found = compared([1.0, 1.0], [1.0, 1.0], lengths=[1, 2, 3, 4])

    assert [(one.pearson, one.spearman) for one in found.lengths] == [(None, None)] * 2


# --------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("skew", [0, 100, 250, -250])
def test_a_reward_that_is_length_and_nothing_else_leaves_no_difference(skew):
    _, lengths = drawn(300, skew=600 + skew)
    old, new = lengths[0] + 600, lengths[1]
    found = compared([*old * 0.01], [*new * 0.01], lengths=[*old, *new]).length_control

    assert found.difference == pytest.approx(0, abs=1e-9)
    assert found.per_100_characters == pytest.approx(1.0)
    assert 0.3 < found.win_rate < 0.7
    assert found.win_rate_interval.low < 0.5 < found.win_rate_interval.high


def test_a_difference_that_has_nothing_to_do_with_length_stays():
    rewards, lengths = drawn(300, skew=100)
    found = compared([*rewards[0]], [*rewards[1] + 2.0], lengths=[*lengths[0], *lengths[1]]).length_control

    assert found.interval.low < 2.0 < found.interval.high
    assert found.interval.low > 1.0
    assert found.win_rate_interval.low > 0.8


def test_length_and_a_true_difference_are_told_apart():
    rewards, lengths = drawn(300, skew=150)
    old, new = rewards[0] + lengths[0] / 100, rewards[1] + lengths[1] / 100 - 1.0
    found = compared([*old], [*new], lengths=[*lengths[0], *lengths[1]])

    # By reward alone the candidate wins, for its length; at equal length it loses.
    assert found.win_rate > 0.5
    assert found.length_control.interval.high < 0
    assert found.length_control.win_rate_interval.high < 0.5


def test_swapping_the_sides_turns_every_sign():
    rewards, lengths = drawn(60, skew=80)
    one = compared([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]])
    other = compared([*rewards[1]], [*rewards[0]], lengths=[*lengths[1], *lengths[0]])

    assert other.win_rate == pytest.approx(1 - one.win_rate)
    assert other.length_difference == pytest.approx(-one.length_difference)
    left, right = one.length_control, other.length_control
    assert right.difference == pytest.approx(-left.difference)
    assert right.win_rate == pytest.approx(1 - left.win_rate)
    assert (right.n_longer, right.n_shorter) == (left.n_shorter, left.n_longer)
    assert right.interval.low == pytest.approx(-left.interval.high, abs=0.05)


@settings(deadline=None, max_examples=20)
@given(st.floats(-1e3, 1e3), st.integers(0, 99))
def test_adding_a_constant_to_all_rewards_changes_nothing(constant, seed):
    rewards, lengths = drawn(20, seed)
    texts = [*lengths[0], *lengths[1]]
    one = compared([*rewards[0]], [*rewards[1]], lengths=texts)
    other = compared([*rewards[0] + constant], [*rewards[1] + constant], lengths=texts)

    assert (one.wins, one.ties, one.win_rate_interval) == (other.wins, other.ties, other.win_rate_interval)
    assert other.length_control.difference == pytest.approx(one.length_control.difference, abs=1e-6)
    assert other.length_control.win_rate == pytest.approx(one.length_control.win_rate, abs=1e-9)
    assert other.centre == pytest.approx(one.centre + constant, abs=1e-6)


def test_the_order_of_requests_and_scores_changes_nothing():
    rewards, lengths = drawn(30)
    plan, outcomes, scores = rewarded([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]])
    shuffled, requests = list(scores), list(plan.requests)
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(requests)
    again = plan.model_copy(update={"requests": tuple(requests)})

    one = rewards_of(observe(plan, outcomes, scores), "old", "new", FACTS, seed=0)
    assert rewards_of(observe(again, outcomes, shuffled), "old", "new", FACTS, seed=0) == one


def test_too_few_pairs_have_no_length_control_and_say_why():
    found = compared([1.0, 2.0], [2.0, 1.0], lengths=[1, 2, 3, 5])

    assert found.length_control is None
    assert found.no_length_control == f"fewer than {FEWEST_GROUPS} independent pairs"


def test_samples_of_one_group_are_one_independent_pair():
    rewards, lengths = drawn(40)
    found = compared(
        [*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]], groups=[f"g{n % 5}" for n in range(40)]
    )

    assert found.n_groups == 5
    assert found.length_control is None


def test_texts_of_equal_length_have_nothing_to_be_controlled():
    rewards, _ = drawn(20)
    assert "equal length" in compared([*rewards[0]], [*rewards[1]]).no_length_control


def test_a_candidate_that_is_always_longer_is_said_to_be_extrapolated():
    rewards, lengths = drawn(40, skew=1000)
    found = compared([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]]).length_control

    assert found.n_longer == 40
    assert "longer in 40 of 40 pairs" in found.note


def test_a_candidate_that_wins_every_pair_has_an_interval_that_is_no_point():
    _, lengths = drawn(40)
    found = compared([0.0] * 40, [1.0] * 40, lengths=[*lengths[0], *lengths[1]]).length_control

    assert 0.8 < found.win_rate_interval.low < found.win_rate < found.win_rate_interval.high < 1.0


@pytest.mark.parametrize("shape", ["normal", "heavy tails", "groups"])
def test_intervals_at_equal_length_hold_what_they_promise(shape):
    generator = np.random.default_rng(3)
    held, held_rate = [], []
    # What is truly won at equal length, where the noise is normal.
    win_rate = NormalDist().cdf(0.4)
    for seed in range(200):
        groups = np.arange(60) // (3 if shape == "groups" else 1)
        shared = generator.normal(size=60)[groups] if shape == "groups" else 0.0
        noise = generator.standard_t(3, size=60) if shape == "heavy tails" else generator.normal(size=60)
        length = generator.normal(200, 300, size=60)
        difference = 0.4 + 0.003 * length + noise + shared
        wins = (difference > 0).astype(float)
        found = control_length(difference, wins, length, groups, seed=seed)
        held.append(found.interval.low <= 0.4 <= found.interval.high)
        held_rate.append(found.win_rate_interval.low <= win_rate <= found.win_rate_interval.high)

    # 95 % is promised; 200 of them are within 91 and 99 % but for one time in a hundred.
    assert 0.91 <= np.mean(held) <= 0.995
    if shape == "normal":
        assert np.mean(held_rate) >= 0.91
