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

FACTS = [facts_of(name) for name in ("style", "refusal", "reward", "reward_2")]
REWARD = FACTS[2].reward


def rewarded(old, new, *, lengths=None, states=None, scorer="reward", version="1 m", groups=None, replicates=1):
    """Plan, outcomes and scores: rewards of both sides, the lengths and the states of their completions."""
    count = len(old) // replicates
    plan = make_plan(groups or [f"g{n}" for n in range(count)], replicates=replicates)
    values = [*old, *new]
    lengths, states = lengths or [10] * len(values), states or ["itself"] * len(values)
    outcomes, scores = {}, []
    for request, value, length, state in zip(plan.requests, values, lengths, states, strict=True):
        outcomes[request.id] = Completion(request_id=request.id, text="x" * length, finish_reason="stop")
        scores += [style(request, state), refusal(request, state)]
        if value is not None:
            scores.append(reward(request, value, scorer, version))
    return plan, outcomes, scores


def style(request, state):
    state = {"late": "loop", "echo": "itself", "unclear": "itself"}.get(state, state)
    return Score(request_id=request.id, scorer="style", version="1", status="scored", label=state, values={state: 1.0})


def refusal(request, state):
    """What was done with the request; `late` answered first and looped then."""
    label = {"loop": "no_answer", "echo": "no_answer", "unclear": "unclear"}.get(state, "compliance")
    values = {} if label == "unclear" else {"no_answer": float(label == "no_answer")}
    status = "unclear" if label == "unclear" else "scored"
    return Score(
        request_id=request.id, scorer="refusal", version="1", status=status, label=label, values=values,
        explanation="read",
    )  # fmt: skip


def reward(request, value, scorer="reward", version="1 m"):
    return Score(request_id=request.id, scorer=scorer, version=version, status="scored", values={"value": value})


def compared(old, new, **more):
    plan, outcomes, scores = rewarded(old, new, **more)
    [rewards] = rewards_of(observe(plan, outcomes, scores), plan.baseline, plan.candidate, FACTS, seed=0)
    return rewards


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
    second = [reward(request, 100.0, "reward_2", "1 n") for request in plan.requests]
    comparison = compare(plan, observe(plan, outcomes, [*scores, *second]), [REWARD], seed=0, scorers=FACTS)

    assert [(reward.scorer, reward.version, reward.wins, reward.ties) for reward in comparison.rewards] == [
        ("reward", "1 m", 2, 0),
        ("reward_2", "1 n", 0, 3),
    ]
    assert [reward.centre for reward in comparison.rewards] == [pytest.approx(13 / 6), 100.0]


def test_two_reward_models_agree_where_they_prefer_the_same_side():
    plan, outcomes, scores = rewarded([1.0, 2.0, 3.0, 1.0], [2.0, 1.0, 4.0, 2.0])
    other = rewarded([10.0, 5.0, 30.0, 1.0], [20.0, 10.0, 40.0, 1.0], scorer="reward_2", version="1 n")[2]
    both = [*scores, *(score for score in other if score.scorer != "style")]
    [result] = reward_agreement(observe(plan, outcomes, both), "old", "new", FACTS, seed=0)

    assert (result.scorers, result.n_pairs, result.same) == (("reward", "reward_2"), 4, 0.5)
    # By hand: verdicts c b c c and c c c t, so that chance alone agrees on 3/4 x 3/4 of the pairs.
    assert result.kappa == pytest.approx((0.5 - 9 / 16) / (1 - 9 / 16))


def test_a_run_without_rewards_has_no_comparison_of_them():
    comparison = compare_records(*scored([0.0, 1.0], [1.0, 1.0]), [REWARD], scorers=FACTS)

    assert comparison.rewards == comparison.reward_agreement == ()


# --------------------------------------------------------------------------------- wins, ties, states


def test_a_pair_of_equal_rewards_is_a_tie_and_counts_as_half_a_win():
    result = compared([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 3.0])

    assert (result.wins, result.ties, result.losses, result.win_rate) == (1, 2, 1, 0.5)
    assert result.win_rate_interval.low < 0.5 < result.win_rate_interval.high


def test_what_a_reward_moves_by_the_batch_it_is_read_in_is_no_win():
    result = compared([1.0, 5.0], [1.00001, 6.0])

    assert (result.wins, result.ties) == (1, 1)


def test_replicates_are_averaged_before_they_are_compared():
    result = compared([1.0, 1.0, 3.0, 3.0], [2.5, 2.5, 0.0, 0.0], replicates=2)

    assert (result.n_pairs, result.losses) == (2, 2)


def test_a_loop_is_shown_as_such_beside_its_reward():
    states = ["loop", "loop", "itself", "itself", "itself", "itself"]
    result = compared([5.0, 7.0, 1.0], [2.0, 2.0, None], states=states)

    shown = {(state.checkpoint, state.state): (state.n, state.n_rewarded, state.mean) for state in result.states}
    assert shown == {
        ("old", "loop"): (2, 2, 6.0),
        ("old", "itself"): (1, 1, 1.0),
        ("new", "itself"): (3, 2, 2.0),
    }


def test_a_reward_that_prefers_a_loop_to_an_answer_contradicts_the_states():
    states = ["loop", "loop", "loop", "itself", "itself", "itself", "echo", "itself"]
    result = compared([5.0, 1.0, 9.0, 1.0], [2.0, 2.0, 2.0, 2.0], states=states)

    # The third pair is two non-answers, the fourth two answers: no state speaks for either side.
    assert (result.n_one_answer, result.n_contradicting, result.contradicting) == (2, 1, ("s0",))


def test_an_answer_that_loops_afterwards_is_an_answer_and_an_unclear_one_is_neither():
    assert compared([5.0], [2.0], states=["late", "itself"]).n_one_answer == 0
    assert compared([5.0], [2.0], states=["loop", "late"]).n_contradicting == 1
    assert compared([5.0], [2.0], states=["loop", "unclear"]).n_one_answer == 0


def test_the_strongest_contradiction_is_named_first():
    states = ["loop"] * 3 + ["itself"] * 3
    result = compared([3.0, 9.0, 5.0], [2.0, 2.0, 2.0], states=states)

    assert result.contradicting == ("s1", "s2", "s0")


def test_correlation_with_length_is_that_of_each_side():
    rewards, lengths = drawn(30)
    result = compared([*rewards[0]], [*lengths[1] * 2.0], lengths=[*lengths[0], *lengths[1]])

    old, new = result.lengths
    assert old.spearman == pytest.approx(spearmanr(rewards[0], lengths[0])[0])
    assert old.pearson == pytest.approx(np.corrcoef(rewards[0], lengths[0])[0, 1])
    assert (new.pearson, new.spearman) == (pytest.approx(1.0), pytest.approx(1.0))


def test_rewards_that_do_not_vary_have_no_correlation_with_length():
    result = compared([1.0, 1.0], [1.0, 1.0], lengths=[1, 2, 3, 4])

    assert [(length.pearson, length.spearman) for length in result.lengths] == [(None, None)] * 2


# --------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("skew", [0, 100, 250, -250])
def test_a_reward_that_is_length_and_nothing_else_leaves_no_difference(skew):
    _, lengths = drawn(300, skew=600 + skew)
    old, new = lengths[0] + 600, lengths[1]
    result = compared([*old * 0.01], [*new * 0.01], lengths=[*old, *new]).length_control

    assert result.difference == pytest.approx(0, abs=1e-9)
    assert result.per_100_characters == pytest.approx(1.0)
    assert 0.3 < result.win_rate < 0.7
    assert result.win_rate_interval.low < 0.5 < result.win_rate_interval.high


def test_a_difference_that_has_nothing_to_do_with_length_stays():
    rewards, lengths = drawn(300, skew=100)
    result = compared([*rewards[0]], [*rewards[1] + 2.0], lengths=[*lengths[0], *lengths[1]]).length_control

    assert result.interval.low < 2.0 < result.interval.high
    assert result.interval.low > 1.0
    assert result.win_rate_interval.low > 0.8


def test_length_and_a_true_difference_are_told_apart():
    rewards, lengths = drawn(300, skew=150)
    old, new = rewards[0] + lengths[0] / 100, rewards[1] + lengths[1] / 100 - 1.0
    result = compared([*old], [*new], lengths=[*lengths[0], *lengths[1]])

    # By reward alone the candidate wins, for its length; at equal length it loses.
    assert result.win_rate > 0.5
    assert result.length_control.interval.high < 0
    assert result.length_control.win_rate_interval.high < 0.5


def test_swapping_the_sides_turns_every_sign():
    rewards, lengths = drawn(60, skew=80)
    control = compared([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]])
    other = compared([*rewards[1]], [*rewards[0]], lengths=[*lengths[1], *lengths[0]])

    assert other.win_rate == pytest.approx(1 - control.win_rate)
    assert other.length_difference == pytest.approx(-control.length_difference)
    left, right = control.length_control, other.length_control
    assert right.difference == pytest.approx(-left.difference)
    assert right.win_rate == pytest.approx(1 - left.win_rate)
    assert (right.n_longer, right.n_shorter) == (left.n_shorter, left.n_longer)
    assert right.interval.low == pytest.approx(-left.interval.high, abs=0.05)


@settings(deadline=None, max_examples=20)
@given(st.floats(-1e3, 1e3), st.integers(0, 99))
def test_adding_a_constant_to_all_rewards_changes_nothing(constant, seed):
    rewards, lengths = drawn(20, seed)
    texts = [*lengths[0], *lengths[1]]
    control = compared([*rewards[0]], [*rewards[1]], lengths=texts)
    other = compared([*rewards[0] + constant], [*rewards[1] + constant], lengths=texts)

    assert (control.wins, control.ties, control.win_rate_interval) == (other.wins, other.ties, other.win_rate_interval)
    assert other.length_control.difference == pytest.approx(control.length_control.difference, abs=1e-6)
    assert other.length_control.win_rate == pytest.approx(control.length_control.win_rate, abs=1e-9)
    assert other.centre == pytest.approx(control.centre + constant, abs=1e-6)


def test_the_order_of_requests_and_scores_changes_nothing():
    rewards, lengths = drawn(30)
    plan, outcomes, scores = rewarded([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]])
    shuffled, requests = list(scores), list(plan.requests)
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(requests)
    again = plan.model_copy(update={"requests": tuple(requests)})

    item = rewards_of(observe(plan, outcomes, scores), "old", "new", FACTS, seed=0)
    assert rewards_of(observe(again, outcomes, shuffled), "old", "new", FACTS, seed=0) == item


def test_too_few_pairs_have_no_length_control_and_say_why():
    result = compared([1.0, 2.0], [2.0, 1.0], lengths=[1, 2, 3, 5])

    assert result.length_control is None
    assert result.no_length_control == f"fewer than {FEWEST_GROUPS} independent pairs"


def test_samples_of_one_group_are_one_independent_pair():
    rewards, lengths = drawn(40)
    result = compared(
        [*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]], groups=[f"g{n % 5}" for n in range(40)]
    )

    assert result.n_groups == 5
    assert result.length_control is None


def test_texts_of_equal_length_have_nothing_to_be_controlled():
    rewards, _ = drawn(20)
    assert "equal length" in compared([*rewards[0]], [*rewards[1]]).no_length_control


def test_a_candidate_that_is_always_longer_is_said_to_be_extrapolated():
    rewards, lengths = drawn(40, skew=1000)
    result = compared([*rewards[0]], [*rewards[1]], lengths=[*lengths[0], *lengths[1]]).length_control

    assert result.n_longer == 40
    assert "longer in 40 of 40 pairs" in result.note


def test_a_candidate_that_wins_every_pair_has_an_interval_that_is_no_point():
    _, lengths = drawn(40)
    result = compared([0.0] * 40, [1.0] * 40, lengths=[*lengths[0], *lengths[1]]).length_control

    assert 0.8 < result.win_rate_interval.low < result.win_rate < result.win_rate_interval.high < 1.0


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
        result = control_length(difference, wins, length, groups, log_length=np.arcsinh(length / 100), seed=seed)
        held.append(result.interval.low <= 0.4 <= result.interval.high)
        held_rate.append(result.win_rate_interval.low <= win_rate <= result.win_rate_interval.high)

    # 95 % is promised; 200 of them are within 91 and 99 % but for one time in a hundred.
    assert 0.91 <= np.mean(held) <= 0.995
    if shape == "normal":
        assert np.mean(held_rate) >= 0.91


CURVES = {"line": lambda size: size / 100, "logarithm": np.log, "saturating": lambda size: 1 - np.exp(-size / 400)}


@pytest.mark.parametrize("curve", CURVES)
def test_a_reward_that_is_a_curve_of_length_is_not_called_a_difference_without_a_word(curve):
    # The candidate is half as long again. The line alone left out 0 in 81 % (logarithm) and 69 % (saturating).
    generator, misled, noted = np.random.default_rng(4), 0, 0
    for seed in range(40):
        old = generator.lognormal(6, 0.5, 150)
        new = generator.lognormal(6, 0.5, 150) * 1.5
        reward = [CURVES[curve](side) + generator.normal(0, 0.2, 150) for side in (old, new)]
        difference = reward[1] - reward[0]
        result = control_length(
            difference, (difference > 0) * 1.0, new - old, np.arange(150), log_length=np.log(new / old), seed=seed
        )
        shown = [not one.low <= 0 <= one.high for one in (result.interval, result.curve_interval)]
        noted += "cannot be held equal" in result.note
        misled += all(shown) and "cannot be held equal" not in result.note
    assert misled <= 4
    assert noted >= 20 if curve == "logarithm" else noted <= 6 if curve == "line" else True


def test_a_win_rate_with_many_ties_has_an_interval_that_ties_narrow_and_a_verdict():
    # Wilson's, at 60 % ties, covered the truth in 99.7 %.
    ties = compared([0.0] * 50, [0.0] * 30 + [1.0] * 17 + [-1.0] * 3)
    assert ties.win_rate_interval.high - ties.win_rate_interval.low < 0.25
    assert (ties.win_rate, ties.win_verdict) == (0.64, "candidate")
    assert compared([0.0] * 50, [0.0] * 30 + [1.0] * 11 + [-1.0] * 9).win_verdict == "undecided"
