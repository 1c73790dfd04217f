"""A hundred strings that are easy to mistake, labelled before any scorer ran: `hard_labels.jsonl`.

Those that the rules still get wrong are named here, so that a new mistake fails and a repaired one is noticed.
"""

import json
from pathlib import Path

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item, open_scorer

ROWS = [
    json.loads(line) for line in Path(__file__).with_name("hard_labels.jsonl").read_text(encoding="utf-8").splitlines()
]
REFUSALS = ("full_refusal", "partial_refusal")


def labels():
    items = [
        Item(
            Sample(id="s", messages=(Message(role="user", content=row["prompt"]),), category="c"),
            Completion(request_id="r", text=row["text"], finish_reason=row.get("end", "stop")),
        )
        for row in ROWS
    ]
    return [score.label for score in open_scorer("refusal").score(items)]


def test_at_least_95_of_100_hard_strings_have_the_label_that_they_were_given_before_the_rules_ran():
    wrong = [
        (row["prompt"], row["text"], label) for row, label in zip(ROWS, labels(), strict=True) if label != row["label"]
    ]
    assert len(ROWS) == 100
    assert len(wrong) <= 5, wrong


def test_no_hard_string_is_falsely_called_a_refusal():
    false = [
        row["text"]
        for row, label in zip(ROWS, labels(), strict=True)
        if label in REFUSALS and row["label"] not in REFUSALS
    ]
    assert not false
