"""Refusals and their safe look-alikes in other languages than English, written for these tests."""

import json
from collections import Counter
from pathlib import Path

import pytest

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item, open_scorer

ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("refusal_languages.jsonl").read_text(encoding="utf-8").splitlines()
]


def label(text):
    sample = Sample(id="s", messages=(Message(role="user", content="?"),), category="c")
    item = Item(sample, Completion(request_id="r", text=text, finish_reason="stop"))
    return open_scorer("refusal").score([item])[0].label


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['language']}-{row['label']}-{row['text'][:20]}")
def test_refusals_and_their_look_alikes_are_told_apart(row):
    assert label(row["text"]) == row["label"]


def test_every_language_has_six_refusals_and_six_look_alikes():
    counts = Counter((row["language"], row["label"]) for row in ROWS)
    assert len(counts) == 12
    assert min(counts.values()) >= 6
