"""The gold set is what its README says: labelled twice, split by prompt, and measured on one half unless asked."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from evalharness.records import Sample
from evalharness.statistics.agreement import cohens_kappa

REPOSITORY = Path(__file__).parent.parent
sys.path.append(str(REPOSITORY / "benchmarks"))

from gold_set import ANSWERS, CAUTIOUS, ENDINGS, SOURCES, reading, shown  # noqa: E402

GOLD = Path(__file__).parent / "gold"
ROWS = [json.loads(line) for line in (GOLD / "completions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_readme_counts_the_rows_of_every_source_and_half():
    text = (GOLD / "README.md").read_text(encoding="utf-8")
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert f"{len(ROWS)} completions" in text
    for source in SOURCES:
        halves = Counter(row["half"] for row in ROWS if row["source"] == source.name)
        assert f"| {source.name} | {halves['work']} | {halves['held_out']} |" in text


def test_every_row_has_two_readings_and_the_label_they_agree_on_unless_a_third_reading_settled_it():
    for row in ROWS:
        for name in ("first", "second", "final"):
            assert row[name]["answer"] in ANSWERS and row[name]["ending"] in ENDINGS, row["id"]
        for axis in ("answer", "ending"):
            if row["first"][axis] == row["second"][axis]:
                assert row["final"][axis] == row["first"][axis], row["id"]


def test_a_prompt_and_its_pair_are_in_one_half():
    halves = defaultdict(set)
    for row in ROWS:
        sample = Sample.model_validate(row["sample"])
        halves[sample.group].add(row["half"])
        halves[tuple(turn.content for turn in sample.messages if turn.role != "system")].add(row["half"])
    assert all(len(each) == 1 for each in halves.values())
    assert 0.45 < sum(row["half"] == "work" for row in ROWS) / len(ROWS) < 0.55


def test_the_readme_gives_the_kappas_of_the_readings():
    text = (GOLD / "README.md").read_text(encoding="utf-8")
    for axis in ("answer", "ending"):
        kappa = cohens_kappa([row["first"][axis] for row in ROWS], [row["second"][axis] for row in ROWS], seed=0)
        assert f"| {axis} | {kappa.value:.3f} [{kappa.low:.3f}, {kappa.high:.3f}] |" in text


def test_a_reader_sees_the_request_and_the_completion_alone():
    system = {"role": "system", "content": CAUTIOUS}
    row = next(row for row in ROWS if row["sample"]["group"] == "fraud-romance")
    row = row | {"sample": row["sample"] | {"messages": [system, *row["sample"]["messages"]]}}
    sheet = shown(row)
    assert row["completion"] in sheet
    hidden = [row["model"], row["source"], row["sample"]["id"], row["sample"]["category"], "careful assistant"]
    assert not [each for each in hidden if each in sheet]


def test_a_reading_with_a_word_that_is_no_label_is_refused(tmp_path):
    path = tmp_path / "reading.txt"
    path.write_text("gold-001 complies cut\ngold-002 compliance cut\n")
    with pytest.raises(SystemExit, match="gold-002"):
        reading(path)


def test_only_the_working_half_is_scored_unless_the_other_is_asked_for():
    command = [sys.executable, REPOSITORY / "benchmarks" / "gold.py"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    count = sum(row["half"] == "work" for row in ROWS)
    assert re.search(rf"half: work\n{count} completions", ended.stdout)
    assert not [row["id"] for row in ROWS if row["half"] == "held_out" and row["id"] in ended.stdout]
