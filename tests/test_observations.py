"""The one table: where a value is missing it says why, and it is the same in whatever order records come."""

import ast
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparing import make_plan, outcome, reordered, scored
from report_run import make_run

import evalharness
from evalharness.export.frames import completion_rows, score_rows
from evalharness.observations import Labels, observe
from evalharness.records import Score
from evalharness.report.embedded import make_data
from evalharness.report.provenance import roles_of
from evalharness.report.samples import make_excerpt

METRIC = "s.hit"


def score_of(request, status="scored", **values):
    why = {} if status == "scored" else {"explanation": "no"}
    return Score(request_id=request.id, scorer="s", version="1", status=status, label="l", values=values, **why)


def table_of_each_case():
    """Six samples, the baseline's with one case each: a value, and every way to have none."""
    plan = make_plan([f"g{n}" for n in range(6)], categories=["a"] * 4 + ["b"] * 2)
    value, inapplicable, unscored, crashed, failed, missing, *others = plan.requests
    outcomes = {request.id: outcome(request, 1.0) for request in plan.requests if request is not missing}
    outcomes[failed.id] = outcome(failed, None)
    scores = [
        score_of(value, hit=1.0, other=1.0),
        score_of(inapplicable, other=1.0),
        score_of(unscored, "unscored"),
        score_of(crashed, "failed"),
        *(score_of(other, hit=0.0) for other in others),
    ]
    return observe(plan, outcomes, scores)


def test_every_missing_value_has_its_reason():
    table = table_of_each_case()
    assert table.missing("old", METRIC) == {
        "not generated": 1,
        "failed": 1,
        "unscored": 2,
        "unclear": 0,
        "not applicable": 1,
    }
    assert table.missing("old", METRIC, "b") == {
        "not generated": 1,
        "failed": 1,
        "unscored": 0,
        "unclear": 0,
        "not applicable": 0,
    }
    assert not any(table.missing("new", METRIC).values())


def test_an_unclear_label_is_shown_and_its_value_is_missing():
    plan = make_plan(["g0", "g1"])
    first, *others = plan.requests
    scores = [score_of(first, "unclear"), *(score_of(other, hit=1.0) for other in others)]
    table = observe(plan, {request.id: outcome(request, 1.0) for request in plan.requests}, scores)
    assert table.missing("old", METRIC)["unclear"] == 1
    assert table.labels["s"].are("l").sum() == 4


def test_values_and_missing_values_are_all_requests():
    table = table_of_each_case()
    for checkpoint in table.checkpoints:
        there = int((~np.isnan(table.cells(checkpoint, METRIC))).sum())
        assert there + sum(table.missing(checkpoint, METRIC).values()) == table.counts(checkpoint).asked == 6


def test_a_completion_without_a_score_is_unscored_where_its_suite_asks_for_one_and_not_applicable_elsewhere():
    plan = make_plan(["g"])
    table = observe(plan, {request.id: outcome(request, 1.0) for request in plan.requests}, ())
    assert table.missing("old", METRIC)["unscored"] == 1
    suite = plan.suites[0].model_copy(update={"scorers": ("another",)})
    other = suite.model_copy(update={"name": "u", "scorers": ("s",), "samples": (_renamed(suite.samples[0]),)})
    both = plan.model_copy(update={"suites": (suite, other)})
    table = observe(both, {request.id: outcome(request, 1.0) for request in plan.requests}, ())
    assert table.missing("old", METRIC)["not applicable"] == 1


def _renamed(sample):
    return sample.model_copy(update={"id": "u0"})


def test_replicates_are_summed_exactly_so_their_order_cannot_show():
    values = [1e16, 1.0, -1e16, 0.1]
    plan, outcomes, scores = scored(values, values, replicates=4)
    expected = math.fsum(values) / 4
    assert observe(plan, outcomes, scores).of_samples("old", METRIC) == {"s0": expected}


def test_the_order_of_records_does_not_show():
    plan, outcomes, scores = scored([1.0, 0.0, None, 1.0], [0.0, 0.0, 1.0, None])
    table, again = observe(plan, outcomes, scores), observe(*reordered(plan, outcomes, scores, random.Random(1)))
    assert table.sample_ids == again.sample_ids
    for checkpoint in table.checkpoints:
        assert table.of_samples(checkpoint, METRIC) == again.of_samples(checkpoint, METRIC)
        assert table.missing(checkpoint, METRIC) == again.missing(checkpoint, METRIC)


def test_a_frame_has_a_row_for_each_value():
    frame = table_of_each_case().frame()
    assert list(frame.columns) == ["checkpoint", "sample_id", "category", "replicate", "metric", "value", "label"]
    old = frame[frame.checkpoint == "old"]
    assert list(old[["sample_id", "metric", "value"]].itertuples(index=False, name=None)) == [
        ("s0", "s.hit", 1.0),
        ("s0", "s.other", 1.0),
        ("s1", "s.other", 1.0),
    ]
    assert set(frame.label) == {"l"}


def test_a_large_table_holds_no_object_for_each_value():
    table = table_of_each_case()
    assert table.values[METRIC].nbytes == 8 * table.state.size
    assert table.labels["s"].codes.nbytes == 4 * table.state.size


@pytest.mark.parametrize("name", ["old", "new"])
def test_labels_are_counted(name):
    counts = table_of_each_case().labels["s"].counted(table_of_each_case().place[name])
    assert counts == {"l": 4 if name == "old" else 6}


# --------------------------------------------------------------------------------------- its readers

PACKAGE = Path(evalharness.__file__).parent
MAY_JOIN = {
    *("observations/making.py", "store/run.py", "store/lines.py", "store/results.py", "store/check.py"),
    *("pipeline/generating.py", "scorers/scorer.py", "pipeline/scoring.py", "preferences/judge/asking.py"),
    *("gate/aa_test.py", "sharing/redaction/eraser.py", "report/token_section.py"),
    *("pipeline/reading_tokens.py", "tokens/reading.py", "tokens/comparing.py", "tokens/exported_models/forms.py"),
}
"""Where records are made, stored, changed, or put into the table; facts of tokens belong to completions."""


def test_nothing_but_the_table_joins_records_by_their_request():
    joins = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "request_id"
    }
    assert joins <= MAY_JOIN


@pytest.fixture
def altered():
    """A run whose table holds other values and labels than its scores, so that whatever reads the scores shows."""
    run = make_run()
    table = run.observations
    other = replace(
        table,
        values={name: np.where(np.isnan(column), np.nan, 77.0) for name, column in table.values.items()},
        labels={name: Labels(labels.codes, ["altered"] * len(labels.names)) for name, labels in table.labels.items()},
    )
    run._observed[1] = other
    return run


def test_exported_rows_hold_the_values_of_the_table(altered):
    assert {row["value"] for row in score_rows(altered)} <= {77.0, None}
    assert {row["label"] for row in score_rows(altered)} <= {"altered", None}
    values = [row[name] for row in completion_rows(altered) for name in altered.observations.values]
    assert set(values) == {77.0, None}


def test_a_report_shows_the_values_and_labels_of_the_table(altered):
    roles = roles_of(altered, altered.compared)
    data = make_data(altered, altered.observations, altered.compared, roles)
    scores = [score for sample in data["samples"] for cell in sample["cells"] for score in cell.get("scores", ())]
    assert {value for score in scores for value in score.get("values", {}).values()} == {77.0}
    assert {score["label"] for score in scores if "label" in score} == {"altered"}
    rows = make_excerpt(altered, altered.observations, altered.compared, roles)
    chips = {chip.text for row in rows for cell in row.cells for chip in cell.chips}
    assert "altered" in chips
    assert "complied" not in chips
