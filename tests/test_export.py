"""Exports: tables, a summary, and a viewer's file; what another tool reads is what the run holds."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pandas
import pytest
from gating import make_run as gated
from gating import rates, rule
from hostile_texts import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from report_run import SCENES, hostile_run, make_run, rewarded

from evalharness.errors import MissingExtra, SharingError
from evalharness.export import FORMATS, Choices, export
from evalharness.export.csv import FORMULA, inert, original
from evalharness.export.frames import TABLES, completion_rows, completions_frame, differences_frame
from evalharness.formatting import markdown_escaped as escaped
from evalharness.gate import check_gate
from evalharness.records import Completion

MADE_ELSEWHERE = Path(__file__).parent / "made_elsewhere"
RUN = make_run()
REWARDED = rewarded()


def text_of(run, name, **chosen):
    return export(run, name, Choices(**chosen)).content.decode()


def csv_rows(run, **chosen):
    return list(csv.DictReader(io.StringIO(text_of(run, "csv", **chosen), newline="")))


# ------------------------------------------------------------------------------------------------ tables


def test_a_row_of_the_completions_table_is_a_request():
    rows = csv_rows(RUN)
    assert len(rows) == len(RUN.plan.requests)
    for row, request in zip(rows, RUN.plan.requests, strict=True):
        outcome = RUN.outcomes[request.id]
        assert (row["sample_id"], row["checkpoint"]) == (request.sample_id, request.checkpoint)
        assert original(row["completion"]) == (outcome.text if isinstance(outcome, Completion) else "")


def test_a_failure_keeps_its_reason_and_has_no_completion():
    [row, *_] = [row for row in completion_rows(RUN) if row["failure"]]
    assert row["completion"] is None and row["failure"] == "out_of_memory" and row["failure_message"]


def test_the_scores_table_sums_up_to_the_comparison():
    frame = pandas.read_json(io.StringIO(text_of(RUN, "jsonl", table="scores")), lines=True)
    values = frame[frame.status == "scored"]
    for summary in RUN.compared.summaries:
        if summary.category is None and summary.n:
            result = values[(values.metric == summary.metric) & (values.checkpoint == summary.checkpoint)]["value"]
            assert len(result) == summary.n and result.mean() == pytest.approx(summary.mean)


def test_a_score_without_a_value_is_a_row_with_its_reason():
    rows = [json.loads(line) for line in text_of(RUN, "jsonl", table="scores").splitlines()]
    unscored = [row for row in rows if row["status"] == "unscored"]
    assert unscored and all(row["value"] is None and row["explanation"] for row in unscored)


def test_the_differences_table_names_both_sides_and_the_interval():
    frame = differences_frame(RUN)
    assert len(frame) == len(RUN.compared.differences)
    assert set(frame.candidate) == {"instruct"} and {"interval_low", "interval_high", "verdict"} <= set(frame)


def test_numbers_stay_numbers():
    frame = pandas.read_csv(io.StringIO(text_of(RUN, "csv")))
    assert pandas.api.types.is_float_dtype(frame["seconds"])
    again = pandas.read_csv(io.StringIO(text_of(REWARDED, "csv")))["reward.value"]
    assert (again < 0).any() and pandas.api.types.is_float_dtype(again)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_written_in_every_table_format(table):
    count = len(TABLES[table](RUN))
    assert len(csv_rows(RUN, table=table)) == count
    assert len(text_of(RUN, "jsonl", table=table).splitlines()) == count
    parquet = pandas.read_parquet(io.BytesIO(export(RUN, "parquet", Choices(table=table)).content))
    assert len(parquet) == count and list(parquet) == list(TABLES[table](RUN)[0])


def test_a_frame_has_the_rows_of_the_table():
    assert completions_frame(RUN).to_dict("records")[0]["sample_id"] == RUN.plan.requests[0].sample_id


def test_json_lines_hold_every_text_as_it_was():
    run = hostile_run([text for text in HOSTILE if len(text) < 5_000], judged=False)
    rows = [json.loads(line) for line in text_of(run, "jsonl").split("\n") if line]
    assert [row["completion"] for row in rows] == [run.outcomes[request.id].text for request in run.plan.requests]


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra) as raised:
        export(RUN, "parquet")
    assert raised.value.fix == "pip install 'evalharness[parquet]'"


# --------------------------------------------------------------------------------------- spreadsheets

FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '"=1', "'=1", "＝1", "＋1", "－1", "＠1",
    "\u200b=1", "\ufeff=1", "\x00=1", "a;=1", "a\t=1", "a\n=1", "a;  \"=1", "a\n- b", "=cmd|' /C calc'!A0",
    "\t", "\tword", "\n\n\n", ";;=1", ";a;=1", "'", "''=1",
)  # fmt: skip


def places_where_a_cell_may_begin(cell):
    """The text after the start, and after whatever a spreadsheet may take for the end of a cell."""
    yield cell
    for index, character in enumerate(cell):
        if character in ";\t\r\n":
            yield cell[index + 1 :]


def begins_a_formula(text):
    """As a spreadsheet that forgives blanks, quotes and what cannot be seen in front."""
    for character in text:
        if character in FORMULA:
            return True
        if character == "'" or not (character.isspace() or character in '"`‘’“”«»' or not character.isprintable()):
            return False
    return False


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_a_formula_however_it_is_split(text):
    cell = inert(text)
    assert not any(map(begins_a_formula, places_where_a_cell_may_begin(cell))), cell
    assert original(cell) == text


@given(st.text(alphabet="=+-@;\t\r\n'\" a1＝\u200b\x00", max_size=30))
def test_every_cell_is_inert_and_can_be_undone(text):
    cell = inert(text)
    assert not any(map(begins_a_formula, places_where_a_cell_may_begin(cell)))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert original(cell) == text


@given(st.text(max_size=80))
def test_any_text_comes_back(text):
    assert original(inert(text)) == text


@pytest.mark.parametrize("text", ["plain words", "3 - 2 = 1", "a, -b", "mail@example.org", "1;2", "don't"])
def test_ordinary_text_is_left_alone(text):
    assert inert(text) == text


def test_a_cell_of_a_million_blanks_takes_no_time_that_grows_with_its_square():
    text = "\n \t" * 350_000 + "="
    assert original(inert(text)) == text


def test_hostile_completions_ids_and_names_are_inert_in_the_whole_file():
    run = hostile_run([*FORMULAS, *(text for text in HOSTILE if len(text) < 5_000)], judged=False)
    for row in csv.reader(io.StringIO(text_of(run, "csv"), newline="")):
        for cell in row:
            numeric = cell.replace(".", "", 1).removeprefix("-").isdigit()
            assert numeric or not any(map(begins_a_formula, places_where_a_cell_may_begin(cell))), cell


def test_the_file_is_rfc_4180():
    text = text_of(RUN, "csv")
    header = text.split("\r\n", 1)[0]
    assert text.endswith("\r\n") and header.startswith('"suite","sample_id"')


# ------------------------------------------------------------------------------------------ model card


def test_a_model_card_has_metadata_that_yaml_reads_and_a_section():
    yaml = pytest.importorskip("yaml")
    _, metadata, section = text_of(RUN, "model-card").split("---\n", 2)
    [entry] = yaml.safe_load(metadata)["model-index"]
    [result] = entry["results"]
    means = {
        row.metric: row.candidate_mean
        for row in RUN.compared.differences
        if row.category is None and not row.exploratory and row.candidate_mean is not None
    }
    assert entry["name"] == RUN.compared.candidate
    assert {one["type"]: one["value"] for one in result["metrics"]} == pytest.approx(means, rel=1e-3)
    assert section.strip().startswith("## Evaluation")
    assert "### Differences" in section


# ------------------------------------------------------------------------------- every eval ever, badges


@pytest.mark.parametrize("run", [RUN, REWARDED], ids=["plain", "rewarded"])
@pytest.mark.parametrize("name", ["base", ""])
def test_a_record_of_every_eval_ever_fits_its_schema_and_has_the_means(run, name):
    record = json.loads(text_of(run, "every-eval-ever", checkpoint=name))
    jsonschema.validate(record, json.loads((MADE_ELSEWHERE / "every_eval_ever.schema.json").read_text()))
    side = name or run.compared.candidate
    means = {row.metric: row.mean for row in run.compared.summaries if row.checkpoint == side and row.category is None}
    results = {one["evaluation_result_id"]: one for one in record["evaluation_results"]}
    better = {metric.name: metric.better for metric in run.compared.metrics}
    assert set(results) == {metric for metric, mean in means.items() if mean is not None and better[metric]}
    for metric, one in results.items():
        assert one["score_details"]["score"] == means[metric]
        assert one["metric_config"]["lower_is_better"] == (better[metric] == "lower")


@pytest.mark.parametrize(
    ("versions", "engine"), [({"vLLM": "0.32.0"}, {"name": "vLLM", "version": "0.32.0"}), ({}, None)]
)
def test_a_record_names_the_engine_of_a_server(versions, engine):
    sides = [
        side.model_copy(
            update={"identity": side.identity.model_copy(update={"backend": "server", "versions": versions})}
        )
        for side in RUN.plan.checkpoints
    ]
    run = replace(RUN, plan=RUN.plan.model_copy(update={"checkpoints": tuple(sides)}))
    assert json.loads(text_of(run, "every-eval-ever"))["model_info"].get("inference_engine") == engine


def test_a_record_of_a_checkpoint_that_is_not_there_names_those_that_are():
    with pytest.raises(SharingError) as raised:
        export(RUN, "every-eval-ever", Choices(checkpoint="tuned"))
    assert raised.value.fix == "use one of base, instruct"


@pytest.mark.parametrize(("candidate", "message"), [(60, "passed"), (0, "failed"), (55, "undecided")])
def test_a_badge_says_the_verdict(candidate, message):
    run = gated(rates(120, 60), rates(120, candidate))
    run = replace(run, gate=check_gate([rule()], run))
    badge = json.loads(text_of(run, "badge"))
    assert badge["message"] == message and badge["schemaVersion"] == 1
    with pytest.raises(SharingError, match="no gate"):
        export(RUN, "badge")


# -------------------------------------------------------------------------------------------- markdown


def test_the_summary_has_findings_differences_and_warnings():
    text = text_of(RUN, "markdown")
    assert text.startswith("# instruct against base\n")
    for finding in RUN.compared.findings:
        assert escaped(finding.sentence) in text
    for warning in [warning.text for warning in RUN.compared.warnings]:
        assert escaped(warning) in text


def test_names_and_sentences_cannot_become_markup():
    text = text_of(
        hostile_run(["<script>alert(1)</script>", "[a](javascript:alert)", "|x|\n# y"], judged=False), "markdown"
    )
    assert "<script" not in text and "](" not in text and "\n# y" not in text


# ---------------------------------------------------------------------------------------------- choices


def test_a_choice_that_a_format_does_not_know_is_refused():
    with pytest.raises(SharingError, match="--min-margin has no effect on csv"):
        export(RUN, "csv", Choices(min_margin=1.0))


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(SharingError) as raised:
        export(RUN, "xlsx")
    assert all(name in raised.value.fix for name in FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "badge"])
def test_every_format_writes_the_same_run_to_the_same_bytes(name):
    assert export(REWARDED, name).content == export(rewarded(), name).content


def test_scenes_have_what_the_tests_rely_on():
    assert any(scene.base is None for scene in SCENES) and any(scene.sample.kind == "continuation" for scene in SCENES)
