"""Diversity of the answers to one prompt: planted answers, and that sides and replicates are not mixed up."""

import json

import pytest

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item, open_scorer

SCORER = open_scorer("diversity")
RIVER = "The Danube flows through ten countries before it reaches the Black Sea in Romania."
NEARLY = RIVER.replace("Romania", "Ukraine")
SAME_OPENING = "The Danube flows through ten old cities, and each of them has its own bridge to be proud of."
OTHER = "A river that many people know is the Nile, which runs north through eleven countries."


def items(*texts, expected="comply"):
    message = Message(role="user", content="Tell me about a river.")
    sample = Sample(id="s", messages=(message,), category="c", expected=expected)
    replicates = []
    replicates += (
        Item(sample, Completion(request_id=str(number), text=text, finish_reason="stop"), replicates)
        for number, text in enumerate(texts)
    )
    return replicates


def values(*texts, expected="comply"):
    return [score.values for score in SCORER.score(items(*texts, expected=expected))]


@pytest.mark.parametrize(
    ("texts", "differs", "openings"),
    [
        ((RIVER, RIVER, RIVER), 0, 0),
        ((RIVER, NEARLY), 0, 0),
        ((RIVER, SAME_OPENING), 1, 0),
        ((RIVER, OTHER), 1, 1),
        # Of the six pairs, five differ; the river and its near-duplicate do not.
        ((RIVER, NEARLY, SAME_OPENING, OTHER), 5 / 6, 3 / 6),
    ],
)
def test_the_mean_is_the_share_of_pairs_of_answers_that_differ(texts, differs, openings):
    found = values(*texts)
    assert sum(one["differs"] for one in found) / len(found) == pytest.approx(differs)
    assert sum(one["opening_differs"] for one in found) / len(found) == pytest.approx(openings)


def test_loops_and_empty_completions_are_no_answers_and_do_not_count():
    loops = [f"{word} again and again and " * 30 for word in ("here", "there")]
    assert values(RIVER, RIVER, *loops, "") == [
        *[{"compared": 1.0, "differs": 0.0, "opening_differs": 0.0}] * 2,
        *[{"compared": 0.0}] * 3,
    ]
    assert values(RIVER, *loops) == [{"compared": 0.0}] * 3


def test_prompts_to_refuse_are_not_compared_and_single_completions_not_scored():
    assert values(RIVER, OTHER, expected="refuse") == [{"compared": 0.0}] * 2
    [score] = SCORER.score(items(RIVER))
    assert score.status == "unscored" and "replicates" in score.explanation


def test_in_a_run_each_side_is_compared_with_itself(tmp_path):
    suite = tmp_path / "few"
    suite.mkdir()
    head = {"name": "few", "version": "1", "license": "MIT", "source": "here", "description": "few"}
    (suite / "suite.toml").write_text(
        "".join(f'{key} = "{value}"\n' for key, value in head.items()) + 'scorers = ["style"]\n'
    )
    sample = {"id": "s", "prompt": "Tell me about a river.", "category": "all", "expected": "comply"}
    (suite / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    for side, texts in (("base", (RIVER, OTHER, SAME_OPENING)), ("instruct", (RIVER, NEARLY, RIVER))):
        lines = [{"sample_id": "s", "replicate": number, "text": text} for number, text in enumerate(texts)]
        (tmp_path / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sides = {
        name: {"model": f"replay/{tmp_path / name}.jsonl", "variant": name, "prompt_format": "raw"}
        for name in ("base", "instruct")
    }
    data = {"suite": str(suite), "checkpoint": sides, "replicates": 3, "generation": {"temperature": 1.0},
            "scorer": {"diversity": {}}}  # fmt: skip
    run = pipeline.run(build_config(data, {}, source="test"), out=tmp_path / "run")
    means = {row.checkpoint: row.mean for row in run.compared.summaries
             if row.metric == "diversity.differs" and row.category is None}  # fmt: skip
    assert means == {"base": 1.0, "instruct": 0.0}
