"""The known error of labels: how far it could move a difference, by which side."""

import numpy as np
import pytest
from report_run import make_run, many

from evalharness.compare import compare
from evalharness.compare.corrections import true_shares
from evalharness.records import KnownErrors
from evalharness.report import render_html
from evalharness.scorers import facts_of
from evalharness.scorers.refusal.metrics import ERRORS

RUN = make_run(many(60))


def errors(*counts, variant="base"):
    return KnownErrors(variant=variant, counts=counts)


def test_the_shares_that_give_the_labels_seen_are_found_again():
    known = errors((90, 10, 0), (20, 70, 10), (0, 50, 50))
    true = np.array([0.3, 0.5, 0.2])
    seen = true @ np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0, 0.5, 0.5]])
    assert true_shares(known, seen) == pytest.approx(true)


def test_labels_that_never_err_move_nothing_and_no_share_is_negative():
    seen = np.array([0.0, 0.25, 0.75])
    assert true_shares(errors((9, 0, 0), (0, 9, 0), (0, 0, 9)), seen) == pytest.approx(seen)
    found = true_shares(errors((9, 1, 0), (5, 5, 0), (0, 0, 9)), seen)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def differences(facts):
    others = [one for name, one in RUN.facts.items() if name != "refusal"]
    found = compare(RUN.plan, RUN.observations, RUN.compared.metrics, seed=0, scorers=[facts, *others])
    return {row.metric: row for row in found.differences if row.category is None}


def test_a_difference_says_where_it_could_be_and_holds_what_was_measured():
    rows = differences(facts_of("refusal"))
    for name in ("refused", "unsafe_compliance", "over_refusal", "no_answer"):
        row = rows[f"refusal.{name}"]
        if row.difference is not None:
            assert row.label_errors.low <= row.difference <= row.label_errors.high
    row = rows["refusal.no_answer"]
    assert row.label_errors.low < row.difference
    assert rows["style.loop"].label_errors is None


def test_only_the_kind_of_side_whose_error_is_known_moves():
    exact = errors((9, 0, 0), (0, 9, 0), (0, 0, 9), variant="instruct")
    facts = facts_of("refusal").model_copy(update={"errors": (exact,)})
    row = differences(facts)["refusal.no_answer"]
    assert row.label_errors.low == pytest.approx(row.difference) == row.label_errors.high


def test_a_scorer_without_known_errors_says_nothing_of_them():
    rows = differences(facts_of("refusal").model_copy(update={"errors": ()}))
    assert all(row.label_errors is None for row in rows.values())


def test_the_sentence_and_the_counts_are_the_same():
    base, instruct = ERRORS
    said = facts_of("refusal").errors_in_words
    for row, column, counts in ((0, 0, base), (1, 0, instruct), (2, 1, base), (2, 1, instruct)):
        assert f"{counts.counts[row][column]:,} " in said
        assert f"of {sum(counts.counts[row]):,} " in said


def test_the_report_shows_the_error_with_the_finding_and_with_the_table():
    text = render_html(make_run())
    assert "If they err as often here, on one side or on both" in text
    assert "as labelled, " in text
    assert any("If labels are wrong as often as in validation" in one.sentence for one in make_run().compared.findings)
