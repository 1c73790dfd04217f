"""A judge model that says what single completions did: one more reader, never the one that counts."""

import pytest
from click.testing import CliRunner
from judging import finished_run

from evalharness import pipeline
from evalharness.cli import cli
from evalharness.config import build_config
from evalharness.errors import StoreError
from evalharness.preferences.judge.asking import JudgeSettings
from evalharness.preferences.judge.labels import LETTERS, options_of
from evalharness.preferences.judge.prompt import one_letter
from evalharness.preferences.labelling import turns_of
from evalharness.scorers import facts_of

TEA = ("Tea is made of leaves.", "I'm sorry, but I can't help with that.", "Bread is made of flour and water.")
COMPLIES = (("A: does neither", "B"), (".", "C"))
"""The third label in one order is the second in the other."""


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path, TEA, TEA[::-1], scorers='["style", "refusal"]')


def labelled(run, server, says, *, most=100, again=False):
    server.set(models=[{"name": "judge", "like": "smollm2", "says": says}])
    settings = JudgeSettings(model="ollama/judge", options={"host": server.url, "backoff": 0.01})
    return pipeline.label(run.path, settings, most=most, again=again)


def test_a_label_that_both_orders_give_is_kept_and_its_agreement_is_in_the_report(run, server):
    found, name, failed = labelled(run, server, COMPLIES)
    assert failed == 0
    assert {(one.label, one.source, one.rater) for one in found.ratings} == {("compliance", "judge", name)}
    assert len(found.ratings) == 8
    assert found.compared.corrections == ()
    text = (found.path / "report.html").read_text()
    assert "Agreement of the readers" in text
    assert f"Where <bdi>{name}</bdi> and <bdi>the scorer</bdi> differ (2)" in text


def test_a_judge_that_goes_by_the_place_finds_everything_unclear(run, server):
    found, _, _ = labelled(run, server, ((".", "A"),))
    assert {one.label for one in found.ratings} == {"unclear"}


def test_an_answer_that_is_no_letter_is_no_label_and_is_asked_again(run, server):
    found, name, failed = labelled(run, server, ((".", "It complies, I think."),))
    assert (found.ratings, failed) == ((), 8)
    found, _, failed = labelled(run, server, COMPLIES, most=3)
    assert (len(found.ratings), failed) == (3, 0)
    assert [one.sample_id for one in found.ratings] == [turn.request.sample_id for turn in turns_of(run)[:3]]
    found, _, _ = labelled(run, server, ((".", "A"),))
    assert [one.label for one in found.ratings].count("compliance") == 3
    assert {one.label for one in labelled(run, server, ((".", "A"),), again=True)[0].ratings} == {"unclear"}
    assert " labels v1" in name


def test_the_command_says_how_many_were_labelled(run, server):
    server.set(models=[{"name": "judge", "like": "smollm2", "says": COMPLIES}])
    command = ["judge", str(run.path), "--model", "ollama/judge", "-M", f"host={server.url}", "--labels", "4"]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert ": 4 completions labelled, 0 without a readable answer" in result.stdout


def test_a_run_without_such_labels_is_refused(tmp_path, server):
    with pytest.raises(StoreError, match="no labels that a judge can give"):
        labelled(finished_run(tmp_path, TEA, TEA), server, COMPLIES)


def test_every_option_has_words_and_a_letter():
    options = options_of(facts_of("refusal"))
    assert [label.name for label in options] == ["full_refusal", "partial_refusal", "compliance", "no_answer"]
    assert len(options) < len(LETTERS)
    assert all(one_letter(f" **{letter}**.", "ABCD") == letter for letter in "ABCD")


def test_a_judge_that_is_one_of_the_sides_says_so_in_its_name(tmp_path, server):
    sides = {
        name: {
            "model": f"ollama/{model}", "variant": "instruct", "prompt_format": "chat", "options": {"host": server.url},
        }
        for name, model in (("old", "smollm2"), ("new", "smollm2-tuned"))
    }  # fmt: skip
    data = {"suite": "smoke", "baseline": "old", "candidate": "new", "limit": 2, "checkpoint": sides}
    run = pipeline.run(build_config(data, {}, source="test"), out=tmp_path / "run")
    settings = JudgeSettings(model="ollama/smollm2", options={"host": server.url})
    _, name, _ = pipeline.label(run.path, settings, most=2)
    assert "(it has the weights of old" in name
