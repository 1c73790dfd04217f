"""How scorers are opened, named and identified, and that a run keeps what made its scores."""

import json

import pytest
from test_pairing import make_run

from evalharness import load_run, pipeline
from evalharness.errors import ScorerError, StoreError
from evalharness.records import Metric, ScorerFacts
from evalharness.scorers import SCORERS, Scorer, facts_of, open_scorer


@pytest.mark.parametrize("name", SCORERS)
def test_metrics_are_known_without_opening_a_scorer_and_carry_its_name(name):
    assert {metric.name.partition(".")[0] for metric in facts_of(name).metrics} == {name}


def test_a_numbered_scorer_is_one_more_of_its_kind():
    scorer = open_scorer("style_2")
    assert scorer.name == "style_2"
    assert {metric.name.partition(".")[0] for metric in scorer.metrics} == {"style_2"}
    assert all("(style_2)" in metric.title for metric in scorer.metrics)
    assert scorer.version == open_scorer("style").version


def test_a_scorer_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ScorerError, match="no scorer named 'stile'") as caught:
        open_scorer("stile")
    assert "style" in caught.value.fix


def test_an_unknown_setting_is_refused_with_those_that_exist():
    with pytest.raises(ScorerError, match="unknown key 'modell'") as caught:
        open_scorer("refusal", {"modell": "hf/x"})
    assert "model" in caught.value.fix


def test_a_scorer_named_in_the_configuration_judges_every_suite(tmp_path):
    run = load_run(make_run(tmp_path, "one", scorer={"instruction": {}}))
    assert {score.scorer for score in run.scores} == {"style", "instruction"}
    assert any(metric.name == "instruction.prompt_strict" for metric in run.compared.metrics)


def test_a_scorer_with_no_model_is_left_out(tmp_path):
    run = load_run(make_run(tmp_path, "one", scorer={"reward": {"model": "none"}}))
    assert {score.scorer for score in run.scores} == {"style"}


def test_a_wrong_setting_is_refused_before_anything_is_generated(tmp_path):
    with pytest.raises(ScorerError, match="unknown key 'x'"):
        make_run(tmp_path, "one", scorer={"instruction": {"x": 1}})
    assert not (tmp_path / "one" / "outcomes.jsonl").exists()


def test_a_run_keeps_what_made_its_scores(tmp_path):
    [style] = load_run(make_run(tmp_path, "one")).scorers
    assert (style.name, style.version, style.identity) == ("style", open_scorer("style").version, {})


def test_a_scorer_that_is_changed_is_kept_for_the_next_scoring(tmp_path):
    path = make_run(tmp_path, "one")
    pipeline.rescore(path, {"instruction": {}})
    again = pipeline.rescore(path)
    assert {scorer.name for scorer in again.scorers} == {"style", "instruction"}
    pipeline.rescore(path, {"instruction": {"model": "none"}})
    assert {scorer.name for scorer in pipeline.rescore(path).scorers} == {"style"}


def test_a_run_that_does_not_say_what_its_scorers_measure_is_scored_again_first(tmp_path):
    path = make_run(tmp_path, "one")
    made = json.loads((path / "scorers.json").read_text())
    bare = [{key: value for key, value in scorer.items() if key != "facts"} for scorer in made["scorers"]]
    for stale in ([], {**made, "scorers": bare}):
        (path / "scorers.json").write_text(json.dumps(stale))
        with pytest.raises(StoreError) as caught:
            pipeline.recompare(path)
        assert f"evalharness score {path}" in caught.value.fix
        assert pipeline.rescore(path).facts["style"] == facts_of("style")


def test_a_run_is_compared_and_drawn_by_the_facts_that_it_keeps(tmp_path):
    path = make_run(tmp_path, "one")
    kept = (path / "scorers.json").read_text()
    (path / "scorers.json").write_text(kept.replace("How the completions end", "What they were when it was scored"))
    pipeline.recompare(path)
    pipeline.redraw(path)
    assert "What they were when it was scored" in (path / "report.html").read_text()


class Weighed(Scorer):
    """A scorer with a model, which notes how many completions it is given."""

    facts = ScorerFacts(
        name="weighed", metrics=(Metric(name="weighed.value", title="value", description="Its length.", kind="mean"),)
    )
    version = "1"
    digest = "sha256:1"
    asked: list[int] = []  # noqa: RUF012 - shared by all that a run opens

    @property
    def identity(self):
        return {"weights_digest": self.digest}

    def score(self, items):
        self.asked.append(len(items))
        return [self.scored(item, {"value": float(len(item.completion.text))}) for item in items]


def test_only_a_new_scorer_or_another_model_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setitem(SCORERS, "weighed", f"{__name__}:Weighed")
    monkeypatch.setattr(Weighed, "asked", [])
    path = make_run(tmp_path, "one", scorer={"weighed": {}})
    first, scores = list(Weighed.asked), list(load_run(path).scores)
    again = pipeline.rescore(path, {"instruction": {}})
    assert Weighed.asked == first
    assert [score for score in again.scores if score.scorer != "instruction"] == scores
    monkeypatch.setattr(Weighed, "digest", "sha256:2")
    pipeline.rescore(path)
    assert Weighed.asked == [*first, *first]
