"""Blind ratings: what the report exports is what the run gets, or nothing is stored."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_run import make_run, three_checkpoints

from evalharness.errors import SharingError
from evalharness.preferences import pairs_of
from evalharness.preferences.ratings import merge, read_ratings
from evalharness.records import Preference

DIGEST = "sha256:" + "0" * 64
RUN = make_run()


def compared(run=RUN):
    return replace(run, comparison=run.compared.model_copy(update={"evidence_digest": DIGEST}))


def line(rated, number=0, /, **changes):
    pair = pairs_of(rated)[number]
    return {
        "run": DIGEST,
        "sample_id": pair.sample.id,
        "replicate": 0,
        "preferred": "candidate",
        "shown_first": "baseline",
        "rater": "rater one",
    } | changes


def written(tmp_path, *lines):
    file = tmp_path / "ratings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def test_a_rating_becomes_a_preference_of_a_person(tmp_path):
    run = compared()
    [ratings] = read_ratings(written(tmp_path, line(run)), run)
    assert (ratings.source, ratings.rater, ratings.preferred, ratings.both_bad) == (
        "human",
        "rater one",
        "candidate",
        False,
    )
    assert (ratings.baseline, ratings.candidate) == ("base", "instruct")


def test_both_bad_is_a_tie_that_says_so(tmp_path):
    run = compared()
    [ratings] = read_ratings(written(tmp_path, line(run, preferred="both bad")), run)
    assert (ratings.preferred, ratings.both_bad) == ("tie", True)


def test_the_raters_name_can_be_given_with_the_command(tmp_path):
    run = compared()
    [ratings] = read_ratings(written(tmp_path, line(run, rater="")), run, "someone")
    assert ratings.rater == "someone"


def test_another_candidate_of_the_run_may_be_rated(tmp_path):
    run = compared(three_checkpoints())
    [ratings] = read_ratings(written(tmp_path, line(run, candidate="base-chat")), run)
    assert ratings.candidate == "base-chat"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "sha256:other"}, "rates another run"),
        ({"sample_id": "nowhere"}, "'nowhere'"),
        ({"replicate": 7}, "replicate 7"),
        ({"preferred": "left"}, "preferred"),
        ({"shown_first": "left"}, "shown_first"),
        ({"rater": " "}, "name the rater"),
        ({"baseline": "instruct"}, "baseline is 'base'"),
        ({"candidate": "base"}, "no candidate 'base'"),
        ({"note": "more"}, "note"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_read(tmp_path, changes, said):
    run = compared()
    file = written(tmp_path, line(run), line(run, 1, **changes))
    with pytest.raises(SharingError, match=rf"ratings.jsonl:2: .*{said}") as raised:
        read_ratings(file, run)
    assert raised.value.fix


def test_a_wrong_preference_is_told_all_four_that_there_are(tmp_path):
    run = compared()
    with pytest.raises(SharingError, match="'baseline', 'candidate', 'tie' or 'both bad'"):
        read_ratings(written(tmp_path, line(run, preferred="left")), run)


def test_one_person_rates_a_pair_once_in_a_file(tmp_path):
    run = compared()
    with pytest.raises(SharingError, match="in line 1 already"):
        read_ratings(written(tmp_path, line(run), line(run, preferred="tie")), run)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", b"not json\n", b"[]\n"])
def test_what_is_no_file_of_ratings_is_refused(tmp_path, content):
    file = tmp_path / "ratings.jsonl"
    file.write_bytes(content)
    with pytest.raises(SharingError):
        read_ratings(file, compared())


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SharingError, match="cannot be read"):
        read_ratings(tmp_path / "none.jsonl", compared())


def test_an_editors_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    run = compared()
    file = tmp_path / "ratings.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(line(run)).encode() + b"\r\n")
    assert len(read_ratings(file, run)) == 1


def test_a_later_rating_of_the_same_person_replaces_the_earlier_one(tmp_path):
    run = compared()
    earlier = read_ratings(written(tmp_path, line(run), line(run, 1)), run)
    later = read_ratings(written(tmp_path, line(run, preferred="tie"), line(run, 1), line(run, 2)), run)
    merged = merge(earlier, later)
    assert (merged.new, merged.changed, merged.same) == (1, 1, 1)
    assert len(merged.preferences) == 3
    assert set(later) == set(merged.preferences)


def test_another_persons_ratings_stay(tmp_path):
    run = compared()
    earlier = read_ratings(written(tmp_path, line(run)), run)
    later = read_ratings(written(tmp_path, line(run, rater="rater two", preferred="baseline")), run)
    assert merge(earlier, later).preferences == (*earlier, *later)


@given(choices=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["baseline", "candidate", "tie"])), max_size=12))
def test_importing_a_file_twice_changes_nothing(choices):
    made = [
        Preference(
            sample_id=f"sample-{number}",
            baseline="base",
            candidate="instruct",
            source="human",
            rater="r",
            preferred=preferred,
        )
        for number, preferred in dict(choices).items()
    ]
    once = merge((), made)
    twice = merge(once.preferences, made)
    assert (once.new, once.changed, twice.new, twice.changed) == (len(made), 0, 0, 0)
    assert twice.preferences == once.preferences
