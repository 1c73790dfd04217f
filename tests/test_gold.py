"""The gold set is what its README says: read twice, no prompt in both parts, and only one part is scored unasked."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalharness.records import Sample
from evalharness.statistics.agreement import cohens_kappa

REPOSITORY = Path(__file__).parent.parent
sys.path.append(str(REPOSITORY / "benchmarks"))

from gold_set import ANSWERS, ENDINGS, reading, shown  # noqa: E402

GOLD = Path(__file__).parent / "gold"
WORK, HELD_OUT, FRESH = (
    [json.loads(line) for line in (GOLD / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("completions", "held_out", "fresh")
)


@pytest.mark.parametrize("rows", [WORK, HELD_OUT, FRESH], ids=["work", "held out", "fresh"])
def test_the_readme_counts_the_rows_and_their_labels(rows):
    text = " ".join((GOLD / "README.md").read_text(encoding="utf-8").split())
    assert len({row["id"] for row in rows}) == len(rows)
    assert f"{len(rows)} completions" in text
    for axis in ("answer", "ending"):
        counted = Counter(row["final"][axis] for row in rows).most_common()
        assert ", ".join(f"{label} {count}" for label, count in counted) in text


def test_the_readme_counts_the_rows_of_every_source():
    text = (GOLD / "README.md").read_text(encoding="utf-8")
    counts = [Counter(row["source"] for row in rows) for rows in (WORK, HELD_OUT)]
    for source in counts[0] | counts[1]:
        assert f"| {source} | {counts[0][source]} | {counts[1][source]} |" in text


def test_every_row_has_the_label_on_which_its_readings_agree_unless_a_third_reading_settled_it():
    for row in WORK + HELD_OUT + FRESH:
        readings = [row[name] for name in ("first", "second") if name in row]
        for label in (*readings, row["final"]):
            assert label["answer"] in ANSWERS and label["ending"] in ENDINGS, row["id"]
        for axis in ("answer", "ending"):
            if readings[0][axis] == readings[-1][axis]:
                assert row["final"][axis] == readings[0][axis], row["id"]


def test_no_prompt_is_in_both_sets():
    groups, prompts = (
        [{seen(Sample.model_validate(row["sample"])) for row in rows} for rows in (WORK, HELD_OUT)]
        for seen in (lambda sample: sample.group, lambda sample: tuple(turn.content for turn in sample.messages))
    )
    assert not groups[0] & groups[1] and not prompts[0] & prompts[1]


@pytest.mark.parametrize("rows", [WORK, HELD_OUT], ids=["work", "held out"])
def test_the_readme_gives_the_kappas_of_the_readings(rows):
    text = (GOLD / "README.md").read_text(encoding="utf-8")
    twice = [row for row in rows if "second" in row]
    for axis in ("answer", "ending"):
        kappa = cohens_kappa([row["first"][axis] for row in twice], [row["second"][axis] for row in twice], seed=0)
        assert f"{kappa.value:.3f} [{kappa.low:.3f}, {kappa.high:.3f}]" in text


def test_a_reader_sees_the_request_and_the_completion_alone():
    row = WORK[0]
    sheet = shown(row)
    assert row["completion"] in sheet
    hidden = [row["model"], row["source"], row["sample"]["id"], row["sample"]["category"]]
    assert not [each for each in hidden if each in sheet]


def test_a_reading_with_a_word_that_is_no_label_is_refused(tmp_path):
    path = tmp_path / "reading.txt"
    path.write_text("gold-001 complies cut\ngold-002 compliance cut\n")
    with pytest.raises(SystemExit, match="gold-002"):
        reading(path)


def test_only_the_working_set_is_scored_unless_the_other_is_asked_for():
    command = [sys.executable, REPOSITORY / "benchmarks" / "gold.py"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert re.search(rf"set: completions\n{len(WORK)} completions", ended.stdout)
    assert not [row["id"] for row in HELD_OUT if row["id"] in ended.stdout]
