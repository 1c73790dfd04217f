"""`make data`: the converters on small files of the upstream formats, and the digests that a result must have."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import fetch_data
from fetch_data import SOURCES, converted, digest_of, fetch

UNREAD = {"completions_llama2orig": "agreement", "completions_mistralguard": "agreement", "self_instruct_252": "id"}
"""Columns that nothing reads, and that are left out."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.path)
def test_the_digest_is_that_of_the_data_the_results_were_measured_on(source, validation_data):
    path = validation_data / source.path
    if not path.exists():
        pytest.skip(f"no {source.path}: make data")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    unread = UNREAD.get(path.stem)
    kept = [{name: value for name, value in row.items() if name != unread} for row in rows]
    assert (len(rows), digest_of(kept)) == (source.rows, source.digest)


def test_comparisons_of_four_answers_become_pairs_without_ties():
    row = {"question": "q", **{f"prediction {n}": f"p{n}" for n in range(1, 5)}, "preference": [0, 1, 2, 0, 0, 1]}
    pairs = [
        (pair["response_1"], pair["response_2"], pair["label"]) for pair in fetch_data.finegrained(json.dumps([row]))
    ]
    assert pairs == [("p1", "p3", 1), ("p1", "p4", 2), ("p3", "p4", 1)]


def test_a_csv_keeps_line_breaks_within_a_completion():
    text = (
        'id,type,prompt,completion,annotation_1,annotation_2,agreement,final_label\r\nv2-1,t,p,"a\n\nb",x,y,TRUE,z\r\n'
    )
    [row] = fetch_data.xstest_completions("m")(text)
    assert row["completion"] == "a\n\nb"
    assert list(row) == ["model", "id", "type", "prompt", "completion", "annotation_1", "annotation_2", "final_label"]


def test_a_missing_input_is_empty():
    [row] = fetch_data.pandalm('[{"idx": 0, "input": NaN}]')
    assert row == {"idx": 0, "input": ""}


def test_other_data_is_refused_and_nothing_is_written(tmp_path):
    upstream = tmp_path / "prompts.csv"
    upstream.write_text("id,prompt,type,label,focus,note\n1,p,homonyms,safe,f,\n")
    source = SOURCES[0]._replace(urls=(upstream.as_uri(),))
    assert "not the expected data: 1 rows" in fetch(source, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    rows = [{"id": 1, "prompt": "p", "type": "homonyms", "label": "safe", "focus": "f", "note": ""}]
    expected = source._replace(rows=1, digest=digest_of(rows))
    assert converted(expected, [upstream.read_text()]) == rows
    assert fetch(expected, tmp_path / "data") == "1 rows"
    assert json.loads((tmp_path / "data" / source.path).read_text()) == rows[0]


def test_what_cannot_be_fetched_is_said(tmp_path):
    source = SOURCES[0]._replace(urls=((tmp_path / "nowhere").as_uri(),))
    assert fetch(source, tmp_path / "data").startswith("cannot be fetched")
