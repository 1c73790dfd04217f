"""Checkpoints of several runs, compared: what is paired, what is named, and what is refused."""

import json

import pytest
from command import call

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.errors import StoreError
from evalharness.records import Completion
from evalharness.store import RunStore

SUITE = 'name = "t"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
ANSWERS = {"old": "Paris is the capital of France.", "new": "It is Paris, and it has been for long."}


def make_run(folder, name, *, samples=6, texts=None, prompt="Name the capital of France, please", **overrides):
    """Run replayed completions of `base` and `tuned` through the whole pipeline."""
    home = folder / f"{name}-files"
    home.mkdir()
    (home / "suite.toml").write_text(SUITE)
    rows = [{"id": f"s{n}", "prompt": f"{prompt} ({n}).", "category": "c"} for n in range(samples)]
    (home / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = texts or {"base": "", "tuned": ANSWERS["new"]}
    for side, text in texts.items():
        lines = [{"sample_id": row["id"], "text": text, "finish_reason": "stop"} for row in rows]
        (home / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tables = {
        side: {"model": f"replay/{home / side}.jsonl", "variant": "instruct", "prompt_format": "raw"} for side in texts
    }
    sides = {"baseline": "base", "candidate": "tuned", "suite": [str(home)], "checkpoint": tables}
    return pipeline.run(build_config({**sides, **overrides}, {}, source="test"), out=folder / name).path


def codes(run):
    return {finding.code: finding for finding in run.plan.lint}


@pytest.fixture
def runs(tmp_path):
    """Two runs of one suite; the tuned checkpoint falls silent in the second."""
    return make_run(tmp_path, "one"), make_run(tmp_path, "two", texts={"base": "", "tuned": ""})


def test_the_candidates_of_two_runs_are_compared_sample_by_sample(runs, tmp_path):
    joint = pipeline.compare_runs(runs, out=tmp_path / "joint")
    assert (joint.plan.baseline, joint.plan.candidate) == ("one:tuned", "two:tuned")
    [empty] = [
        difference
        for difference in joint.compared.differences
        if difference.metric == "style.empty" and difference.category is None
    ]
    assert (empty.n_pairs, empty.difference, empty.n_higher) == (6, 1.0, 6)
    assert (joint.path / "report.html").exists()


def test_another_checkpoint_of_either_run_can_be_named(runs, tmp_path):
    joint = pipeline.compare_runs(runs, out=tmp_path / "joint", baseline="base", candidate="tuned")
    assert (joint.plan.baseline, joint.plan.candidate) == ("base", "tuned")
    assert joint.compared.differences[0].n_equal == 6


def test_a_run_against_itself_is_quiet_and_keeps_both_sides_apart(tmp_path):
    path = make_run(tmp_path, "one", texts={"base": ANSWERS["old"], "tuned": ANSWERS["new"]})
    again = make_run(tmp_path, "two", texts={"base": ANSWERS["old"], "tuned": ANSWERS["new"]})
    joint = pipeline.compare_runs([path, again], out=tmp_path / "joint")
    assert len({request.id for request in joint.plan.requests}) == len(joint.outcomes) == 12
    assert all(difference.difference == 0 for difference in joint.compared.differences if difference.n_pairs)


def test_samples_of_one_run_only_are_left_out_and_named(tmp_path):
    joint = pipeline.compare_runs([make_run(tmp_path, "one", samples=6), make_run(tmp_path, "two", samples=4)])
    assert len(joint.plan.samples) == 4
    assert codes(joint)["samples-on-one-side"].sample_ids == ("s4", "s5")
    assert any("2 of 6 samples of one" in warning.text for warning in joint.compared.warnings)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """New run directories go under the test's own reports/."""
    monkeypatch.chdir(tmp_path)


def test_a_sample_with_other_words_is_not_paired(tmp_path, runs):
    changed = make_run(tmp_path, "three", prompt="Name the capital of Spain, please")
    with pytest.raises(StoreError, match="share no sample"):
        pipeline.compare_runs([runs[0], changed])


def test_another_generation_is_refused_with_what_differs(tmp_path, runs):
    longer = make_run(tmp_path, "three", generation={"max_tokens": 999})
    with pytest.raises(StoreError, match="max_tokens 256 and 999"):
        pipeline.compare_runs([runs[0], longer])


def test_another_seed_of_a_greedy_generation_is_no_other_generation(tmp_path, runs):
    seeded = make_run(tmp_path, "three", seed=7)
    assert pipeline.compare_runs([runs[0], seeded]).compared.differences[0].n_pairs == 6


def test_scores_of_another_version_are_refused_with_the_mend(tmp_path, runs):
    scores = runs[1] / "scores.jsonl"
    rows = [json.loads(line) | {"version": "0"} for line in scores.read_text().splitlines()]
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(StoreError, match="style scores of version") as caught:
        pipeline.compare_runs(runs)
    assert caught.value.fix.startswith("evalharness score ")
    pipeline.rescore(runs[1])
    assert pipeline.compare_runs(runs).compared.differences[0].n_pairs == 6


def test_an_unknown_checkpoint_is_refused_with_those_that_are_there(runs):
    with pytest.raises(StoreError, match="no checkpoint 'tund'") as caught:
        pipeline.compare_runs(runs, candidate="tund")
    assert "base, tuned" in caught.value.fix


def test_a_run_is_not_paired_with_itself_twice(runs):
    with pytest.raises(StoreError, match="given twice"):
        pipeline.compare_runs([runs[0], runs[0]])


def test_the_pairing_is_scored_again_like_any_run_but_not_gone_on_with(runs, tmp_path):
    joint = pipeline.compare_runs(runs, out=tmp_path / "joint")
    assert pipeline.rescore(joint.path).compared.differences == joint.compared.differences
    said = call("run", "--out", "joint", "--resume", cwd=tmp_path, code=2)
    assert "combines finished runs" in said.stderr


def test_what_was_completed_is_kept_word_for_word(runs, tmp_path):
    joint = pipeline.compare_runs(runs, out=tmp_path / "joint")
    texts = {outcome.text for outcome in joint.outcomes.values() if isinstance(outcome, Completion)}
    assert texts == {ANSWERS["new"], ""}


def test_the_command_prints_the_table_and_says_where_the_report_is(runs, tmp_path):
    said = call("compare", "one", "two", "--out", "joint", cwd=tmp_path)
    assert "two:tuned minus one:tuned" in said.stdout
    assert "joint/report.html" in said.stderr


def test_a_run_that_was_stopped_before_it_was_scored_is_named_and_nothing_is_written(runs, tmp_path):
    (runs[1] / "scores.jsonl").unlink()
    with pytest.raises(StoreError, match=r"two has no score of sample 's0'") as caught:
        pipeline.compare_runs(runs, out=tmp_path / "joint")
    assert caught.value.fix == f"evalharness run --out {runs[1]} --resume"
    assert not (tmp_path / "joint").exists()
    pipeline.run(RunStore(runs[1]).read_config(), out=runs[1], resume=True)
    assert pipeline.compare_runs(runs, out=tmp_path / "joint").compared.differences[0].n_pairs == 6


def test_what_is_returned_is_what_was_written(runs, tmp_path):
    joint = pipeline.compare_runs(runs, out=tmp_path / "joint")
    assert joint == pipeline.load_run(joint.path)


def test_flags_for_several_runs_are_refused_with_one(runs, tmp_path):
    assert "--out needs several runs" in call("compare", "one", "--out", "x", cwd=tmp_path, code=2).stderr


def test_several_candidates_are_all_in_the_table(runs, tmp_path):
    make_run(tmp_path, "three", texts={"base": "", "tuned": ANSWERS["old"]})
    said = call("compare", "one", "two", "three", "--out", "joint", cwd=tmp_path).stdout
    assert "two:tuned minus one:tuned" in said
    assert "three:tuned minus one:tuned" in said
