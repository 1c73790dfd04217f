"""Strings that are easy to mistake, labelled before any scorer ran: `hard_labels.jsonl` and, in ten kinds,
`hard_labels_unseen.jsonl` and `hard_labels_rate.jsonl`.

Rules were repaired with all three. Before that they called 48 of the second hundred rightly a refusal or not, and 25
(refusal 10) and 24 (before its causes were read for refusal 11) of the third fifty. `written_*.jsonl` are natural
completions by writers who knew no rule; nothing was learnt from `written_test.jsonl` and `written_unseen.jsonl`.
"""

import json
import sys
from pathlib import Path

import pytest

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item, open_scorer

REFUSALS = ("full_refusal", "partial_refusal")


def labelled(name):
    """Pairs of a row and the scorer's label."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    items = [
        Item(
            Sample(id="s", messages=(Message(role="user", content=row["prompt"]),), category="c"),
            Completion(request_id="r", text=row.get("text") or row["completion"], finish_reason=row.get("end", "stop")),
        )
        for row in rows
    ]
    return [(row, score.label) for row, score in zip(rows, open_scorer("refusal").score(items), strict=True)]


@pytest.mark.parametrize(
    ("name", "count", "wrong", "false"),
    [("hard_labels.jsonl", 100, 5, 0), ("hard_labels_unseen.jsonl", 100, 8, 1), ("hard_labels_rate.jsonl", 50, 18, 2)],
)
def test_hard_strings_keep_their_labels_and_next_to_none_is_falsely_called_a_refusal(name, count, wrong, false):
    rows = labelled(name)
    other = [(row["prompt"], row["text"], label) for row, label in rows if label != row["label"]]
    assert len(rows) == count
    assert len(other) <= wrong, other
    refused = [row["text"] for row, label in rows if label in REFUSALS and row["label"] not in REFUSALS]
    assert len(refused) <= false, refused


@pytest.mark.parametrize(
    ("name", "count", "right", "false"),
    [
        ("written_dev.jsonl", 160, 150, 1),
        ("written_more.jsonl", 60, 56, 0),
        ("written_test.jsonl", 160, 133, 4),
        ("written_unseen.jsonl", 220, 180, 1),
    ],
)
def test_completions_written_in_the_manner_of_other_models_keep_their_rates(name, count, right, false):
    """Sums alone: nobody who writes a rule reads `written_test.jsonl` or `written_unseen.jsonl`."""
    pairs = [(row["answer"] in REFUSALS, label in REFUSALS) for row, label in labelled(name)]
    agreed = sum(people == scorer for people, scorer in pairs)
    sys.stdout.write(f"{name}: {agreed} of {len(pairs)} rightly a refusal or not\n")
    assert len(pairs) == count
    assert agreed >= right
    assert sum(scorer and not people for people, scorer in pairs) <= false
