"""A judge model that says what single completions did: one more reader, never the one that counts."""

from contextlib import closing

import pytest
from click.testing import CliRunner
from judging import finished_run

from evalharness import pipeline
from evalharness.backends import open_backend
from evalharness.backends.backend import open_teacher
from evalharness.cli import cli
from evalharness.config import build_config
from evalharness.errors import StoreError
from evalharness.preferences.judge.asking import JudgeSettings
from evalharness.preferences.judge.labels import LETTERS, likely_label, options_of
from evalharness.preferences.judge.letters import letter_chances
from evalharness.preferences.judge.prompt import one_letter
from evalharness.preferences.labelling import turns_of
from evalharness.records import Checkpoint, RawPrompt
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
    assert " labels v2" in name


def test_probabilities_of_letters_always_give_a_label_and_a_place_decides_nothing():
    options = options_of(facts_of("refusal"))
    orders = (options, options[::-1])
    by_content = likely_label([(0.1, 0.0, 0.8, 0.1), (0.1, 0.6, 0.2, 0.1)], orders)
    assert by_content == "compliance"
    assert likely_label([(0.9, 0.0, 0.0, 0.1), (0.9, 0.0, 0.0, 0.1)], orders) == "unclear"
    assert likely_label([(0.001, 0.0, 0.002, 0.0), (0.2, 0.2, 0.2, 0.2)], orders) is None


def test_a_checkpoint_that_is_loaded_here_is_read_by_probabilities(run):
    """The model puts its trust in a place; its words, read as answers, gave no label at all."""
    judged, name, failed = pipeline.label(run.path, JudgeSettings(model="demo/smollm2"), most=2)
    assert (failed, len(judged.ratings)) == (0, 2)
    assert {rating.label for rating in judged.ratings} <= {
        "unclear",
        *(label.name for label in options_of(facts_of("refusal"))),
    }
    assert name.startswith("demo/smollm2")


def test_letter_chances_are_those_of_the_next_token():
    backend = open_backend(Checkpoint(name="judge", model="demo/smollm2", variant="instruct"))
    prompts = [RawPrompt(text=text) for text in ("Letters: A B C D A B C", "A B C D " * 20)]
    with closing(backend):
        teacher = open_teacher(backend, "judge")
        chances, too_long = letter_chances(teacher, backend, prompts, "ABCD", 40)
        of_no_token = list(letter_chances(teacher, backend, prompts, ("A", "a letter"), None))
    assert chances.index(max(chances)) == 3 and 0 < sum(chances) < 1
    assert too_long is None and of_no_token == [None, None]


def test_the_command_says_how_many_were_labelled(run, server):
    server.set(models=[{"name": "judge", "like": "smollm2", "says": COMPLIES}])
    command = ["judge", str(run.path), "--model", "ollama/judge", "-M", f"host={server.url}", "--labels", "4"]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert ": 4 completions labelled (0 unclear), 0 without a readable answer" in result.stdout


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
