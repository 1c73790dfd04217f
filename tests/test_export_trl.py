"""Preference pairs to train on: the right side chosen, and nothing that would teach a wrong lesson."""

import json
from dataclasses import replace

import pytest
from report_run import SCENES, make_run, rewarded

from evalharness.errors import SharingError
from evalharness.export import Choices, export
from evalharness.preferences import pairs_of
from evalharness.records import Preference

REWARDED = rewarded()
EVERYTHING = {"with_truncated": True, "with_continuations": True}


def exported(run=REWARDED, **chosen):
    made = export(run, "trl", Choices(**chosen))
    return [json.loads(line) for line in made.content.decode().split("\n") if line], made.note


def preferring(run, *verdicts, **more):
    """People's verdicts on the first pair."""
    pair = pairs_of(run)[0]
    made = (
        Preference(
            sample_id=pair.sample.id, baseline="base", candidate="instruct", source="human", rater=f"rater {number}",
            preferred=preferred, **more,
        )
        for number, preferred in enumerate(verdicts)
    )  # fmt: skip
    return replace(run, preferences=tuple(made))


def test_the_side_with_the_larger_reward_is_chosen():
    rows, _ = exported(**EVERYTHING)
    assert rows
    for row in rows:
        [chosen], [rejected] = row["chosen"], row["rejected"]
        # In this run the reward is the length.
        assert len(chosen["content"]) > len(rejected["content"])
        assert row["margin"] == pytest.approx((len(chosen["content"]) - len(rejected["content"])) / 100)
        assert chosen["role"] == rejected["role"] == "assistant"
        assert row["source"] == "reward"


def test_the_row_says_which_side_it_was():
    pairs = {pair.sample.id: pair for pair in pairs_of(REWARDED)}
    for row in exported(**EVERYTHING)[0]:
        pair = pairs[row["sample_id"]]
        sides = {"base": pair.baseline.text, "instruct": pair.candidate.text}
        assert sides[row["chosen_checkpoint"]] == row["chosen"][0]["content"]
        assert sides[row["rejected_checkpoint"]] == row["rejected"][0]["content"]
        assert row["chosen_side"] == {"base": "baseline", "instruct": "candidate"}[row["chosen_checkpoint"]]


def test_plain_rows_are_texts_with_the_samples_own_prompt():
    rows, _ = exported(plain=True, **EVERYTHING)
    samples = REWARDED.plan.samples
    for row in rows:
        assert row["prompt"] == samples[row["sample_id"]].prompt
        assert isinstance(row["chosen"], str) and isinstance(row["rejected"], str)


def test_a_conversation_keeps_the_roles_of_its_turns():
    for row in exported(**EVERYTHING)[0]:
        sample = REWARDED.plan.samples[row["sample_id"]]
        assert [(turn["role"], turn["content"]) for turn in row["prompt"]] == [
            (message.role, message.content) for message in sample.messages
        ]


def test_cut_completions_and_continuations_are_left_out_unless_asked_for():
    kept, note = exported()
    assert not any(row["truncated"] or row["kind"] == "continuation" for row in kept)
    assert "--with-truncated" in note and "--with-continuations" in note
    assert len(exported(**EVERYTHING)[0]) > len(exported(with_truncated=True)[0]) > len(kept) > 0


def test_failures_have_no_preference():
    failed = {scene.sample.id for scene in SCENES if scene.base is None or scene.instruct is None}
    assert failed and not failed & {row["sample_id"] for row in exported(**EVERYTHING)[0]}


def test_a_smaller_margin_is_left_out():
    rows, _ = exported(**EVERYTHING)
    bound = sorted(row["margin"] for row in rows)[len(rows) // 2]
    kept, note = exported(min_margin=bound, **EVERYTHING)
    assert kept == [row for row in rows if row["margin"] >= bound] and "under the margin" in note


def test_equal_rewards_are_ties_and_left_out():
    scores = tuple(
        score.model_copy(update={"values": {"value": 1.0}}) if score.scorer == "reward" else score
        for score in REWARDED.scores
    )
    with pytest.raises(SharingError, match="ties"):
        exported(replace(REWARDED, scores=scores))


def test_people_who_disagree_cancel_each_other_out():
    with pytest.raises(SharingError, match="1 ties"):
        exported(preferring(REWARDED, "baseline", "candidate"), source="human", **EVERYTHING)


def test_a_majority_is_one_row_with_its_lead_as_the_margin():
    run = preferring(REWARDED, "candidate", "candidate", "tie")
    [row], _ = exported(run, source="human", **EVERYTHING)
    assert (row["margin"], row["chosen_side"]) == (pytest.approx(2 / 3), "candidate")
    assert row["rater"] == "rater 0, rater 1, rater 2"


def test_both_bad_teaches_nothing():
    with pytest.raises(SharingError, match="ties"):
        exported(preferring(REWARDED, "tie", both_bad=True), source="human", **EVERYTHING)


def test_a_preference_against_another_checkpoint_is_not_used():
    run = preferring(REWARDED, "candidate")
    other = tuple(preference.model_copy(update={"candidate": "another"}) for preference in run.preferences)
    with pytest.raises(SharingError, match="no preferences by human"):
        exported(replace(run, preferences=other), source="human")


def test_an_empty_text_is_never_chosen():
    pair = pairs_of(REWARDED)[0]
    empty = pair.candidate.model_copy(update={"text": "  "})
    run = replace(preferring(REWARDED, "candidate"), outcomes=REWARDED.outcomes | {pair.requests[1].id: empty})
    with pytest.raises(SharingError, match="empty text"):
        exported(run, source="human", **EVERYTHING)


def test_a_run_without_rewards_says_how_to_get_them():
    with pytest.raises(SharingError) as raised:
        exported(make_run())
    assert "reward" in raised.value.fix


def test_the_mend_of_an_export_that_left_out_all_pairs_is_what_brings_them_back():
    with pytest.raises(SharingError) as caught:
        exported(min_margin=1e6, **EVERYTHING)
    assert caught.value.fix == "use a smaller --min-margin, or use another --source"


def test_a_flag_that_would_bring_back_no_pair_is_not_proposed():
    cut = [outcome.model_copy(update={"finish_reason": "length"}) for outcome in REWARDED.outcomes.values()]
    run = replace(REWARDED, outcomes={outcome.request_id: outcome for outcome in cut if outcome.type == "completion"})
    with pytest.raises(SharingError) as caught:
        exported(run, with_continuations=True)
    assert "--with-truncated" in caught.value.fix and "--min-margin" not in caught.value.fix


def test_a_run_that_no_judge_has_seen_says_how_to_ask_one():
    with pytest.raises(SharingError) as caught:
        exported(source="judge")
    assert caught.value.fix == f"ask a judge: evalharness judge {REWARDED.path} --model MODEL"


def test_rewards_that_the_comparison_calls_a_tie_are_no_preference():
    [wide] = REWARDED.compared.rewards
    everything_ties = REWARDED.compared.model_copy(
        update={"rewards": (wide.model_copy(update={"tie_tolerance": 1e6}),)}
    )
    with pytest.raises(SharingError, match=r"left out: \d+ ties"):
        exported(replace(REWARDED, comparison=everything_ties), **EVERYTHING)
