"""Labels that people give to single completions: how they are drawn, what is kept, and what they correct."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from report_run import make_run, many

from evalharness.compare import compare
from evalharness.errors import SharingError
from evalharness.preferences.labelling import (
    UNCLEAR_WEIGHT,
    is_labels,
    merge_labels,
    rated_scorer,
    read_labels,
    turns_of,
)
from evalharness.report import render_html, unpack

RUN = make_run(many(60))
FACTS = tuple(RUN.facts.values())


def lines(run, count, label="compliance", /, **changes):
    return [
        {
            "run": run.compared.evidence_digest,
            "sample_id": turn.request.sample_id,
            "replicate": turn.request.replicate,
            "side": "baseline" if turn.request.checkpoint == run.plan.baseline else "candidate",
            "label": label if isinstance(label, str) else label(turn),
            "rater": "ann",
        }
        | changes
        for turn in turns_of(run)[:count]
    ]


def written(tmp_path, rows):
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def imported(tmp_path, run, rows):
    ratings, merged = merge_labels(run, read_labels(written(tmp_path, rows), run))
    return replace(run, ratings=ratings), merged


def test_whoever_stops_has_drawn_each_completion_with_a_known_probability(tmp_path):
    run, merged = imported(tmp_path, RUN, lines(RUN, 20))
    turns = turns_of(RUN)
    assert (merged.new, merged.changed, merged.same) == (20, 0, 0)
    assert [one.probability for one in run.ratings] == [min(1, turn.weight * turns[20].turn) for turn in turns[:20]]


def test_the_order_is_the_runs_own_and_random_over_both_sides():
    turns = turns_of(RUN)
    assert [turn.cell for turn in turns] == [turn.cell for turn in turns_of(make_run(many(60)))]
    assert 15 <= Counter(turn.request.checkpoint for turn in turns[:60])["base"] <= 45
    assert [turn.turn for turn in turns] == sorted(turn.turn for turn in turns)


def test_what_is_unclear_comes_sooner():
    run = with_unclear(RUN)
    plain, sooner = ({turn.cell: turn for turn in turns_of(one)} for one in (RUN, run))
    turned = [cell for cell, turn in sooner.items() if turn.weight == UNCLEAR_WEIGHT]
    assert turned
    assert all(sooner[cell].turn * UNCLEAR_WEIGHT == plain[cell].turn * plain[cell].weight for cell in turned)


def with_unclear(run):
    """Every fifth label of the refusal scorer is unclear."""
    scores = [
        one.model_copy(update={"status": "unclear", "label": "unclear", "values": {}, "explanation": "?"})
        if one.scorer == "refusal" and place % 5 == 0
        else one
        for place, one in enumerate(run.scores)
    ]
    return replace(run, scores=tuple(scores), _observed=[])


def test_more_labels_later_have_the_probability_of_all(tmp_path):
    first, _ = imported(tmp_path, RUN, lines(RUN, 10))
    second, merged = imported(tmp_path, first, lines(RUN, 25, "no_answer"))
    assert (merged.new, merged.changed, len(second.ratings)) == (15, 10, 25)
    stop = turns_of(RUN)[25].turn
    assert [one.probability for one in second.ratings] == [min(1, turn.weight * stop) for turn in turns_of(RUN)[:25]]


def test_after_new_scores_the_larger_probability_counts(tmp_path):
    first, _ = imported(tmp_path, RUN, lines(RUN, 30))
    rescored = with_unclear(first)
    again, _ = imported(tmp_path, rescored, lines(rescored, 35))
    before = {(one.checkpoint, one.sample_id): one.probability for one in first.ratings}
    after = {(one.checkpoint, one.sample_id): one.probability for one in again.ratings}
    assert before.keys() <= after.keys()
    assert all(after[cell] >= probability for cell, probability in before.items())


def test_everything_rated_was_drawn_for_certain(tmp_path):
    run, _ = imported(tmp_path, RUN, lines(RUN, None))
    assert {one.probability for one in run.ratings} == {1.0}


def test_a_label_out_of_turn_is_refused(tmp_path):
    with pytest.raises(SharingError, match="2 completions were rated out of turn"):
        imported(tmp_path, RUN, [*lines(RUN, 5), *lines(RUN, 12)[10:]])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "sha256:other"}, "rates another run"),
        ({"sample_id": "nowhere"}, "no such completion"),
        ({"label": "loop"}, "unknown label 'loop'"),
        ({"side": "left"}, "side"),
        ({"rater": " "}, "does not name the rater"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, changes, said):
    file = written(tmp_path, [*lines(RUN, 1), *lines(RUN, 1, **changes)])
    with pytest.raises(SharingError, match=rf"labels.jsonl:2: .*{said}") as raised:
        read_labels(file, RUN)
    assert raised.value.fix


def test_a_completion_is_labelled_once_by_a_person(tmp_path):
    with pytest.raises(SharingError, match=":2: ann rated this completion already"):
        read_labels(written(tmp_path, lines(RUN, 1) * 2), RUN)


def test_labels_are_told_from_preferences(tmp_path):
    assert is_labels(written(tmp_path, lines(RUN, 2)))
    assert not is_labels(written(tmp_path, [{"sample_id": "label", "preferred": "tie"}]))


def test_every_label_says_which_rates_it_counts_in():
    facts = rated_scorer(RUN)
    known = {metric.value for metric in facts.metrics}
    rates = {label.name: set(label.rates) for label in facts.labels}
    assert set().union(*rates.values()) == known
    assert rates["unclear"] == set()
    assert rates["full_refusal"] == rates["partial_refusal"]


def corrected(run):
    return compare(run.plan, run.observations, run.compared.metrics, seed=0, scorers=FACTS, ratings=run.ratings)


def by_scorer(run):
    labels = run.observations.labels["refusal"]
    return lambda turn: (
        found
        if (found := labels.of(run.observations.place[turn.request.checkpoint], 0, place_of(run, turn)))
        else "no_answer"
    )


def place_of(run, turn):
    return run.observations.position[turn.request.sample_id]


def test_people_who_agree_with_the_scorer_leave_its_rates_and_widen_nothing_to_certainty(tmp_path):
    run, _ = imported(tmp_path, RUN, lines(RUN, 60, by_scorer(RUN)))
    rows = {one.metric: one for one in corrected(run).corrections}
    row = rows["refusal.no_answer"]
    assert row.raters == ("ann",)
    for side in (row.baseline, row.candidate):
        assert abs(side.mean - side.by_scorer) < 0.1
        assert side.interval.low <= side.by_scorer < side.interval.high
        assert side.interval.high - side.interval.low > 0.1


def test_people_who_contradict_the_scorer_move_its_rates(tmp_path):
    run, _ = imported(tmp_path, RUN, lines(RUN, 80, "no_answer"))
    row = next(one for one in corrected(run).corrections if one.metric == "refusal.no_answer")
    assert row.candidate.by_scorer < 0.2
    assert row.candidate.mean > 0.9


def test_too_few_labels_correct_nothing_and_a_persons_unclear_is_no_label(tmp_path):
    assert corrected(imported(tmp_path, RUN, lines(RUN, 4))[0]).corrections == ()
    assert corrected(imported(tmp_path, RUN, lines(RUN, 60, "unclear"))[0]).corrections == ()


def test_the_report_shows_both_rates_and_what_more_ratings_would_do(tmp_path):
    run, _ = imported(tmp_path, RUN, lines(RUN, 80, "no_answer"))
    text = render_html(replace(run, comparison=corrected(run)))
    assert "Corrected by people" in text
    assert "more ratings of any completions would halve it" in text or "would narrow it" in text
    assert "Corrected by people" not in render_html(RUN)


def test_an_excerpt_offers_the_turns_without_a_gap(monkeypatch):
    monkeypatch.setattr("evalharness.report.excerpt.MOST_READABLE", 20)
    data = unpack(render_html(RUN))
    ids = [sample["id"] for sample in data["samples"]]
    turns = turns_of(RUN)
    offered = data["labelling"]["turns"]
    assert 0 < len(offered) < len(turns)
    assert [ids[at] for at, _, _ in offered] == [turn.request.sample_id for turn in turns[: len(offered)]]
