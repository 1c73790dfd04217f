"""How much a checkpoint differs from itself, and what a gate makes of it; on real checkpoints and a real server."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from command import refused
from ollama_server import running_server
from tiny_checkpoint import save_checkpoint

from evalharness import pipeline
from evalharness.cli import cli
from evalharness.config import build_config
from evalharness.errors import ConfigError, StoreError
from evalharness.gate import read_noise
from evalharness.gate.aa_test import shared_noise
from evalharness.pipeline import run_aa_test
from evalharness.records import Completion
from evalharness.store import RunStore

SUITE = 'name = "t"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
CATEGORIES = ("long", "short", "short", "short")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A suite of twelve prompts in two categories, and two tiny checkpoints."""
    folder = tmp_path_factory.mktemp("aa")
    write_suite(folder / "suite")
    for seed, name in enumerate(("old", "new")):
        save_checkpoint(folder / name, seed=seed)
    return folder


def write_suite(path, *, samples=12):
    path.mkdir()
    (path / "suite.toml").write_text(SUITE)
    rows = [{"id": f"s{n}", "prompt": f"Tell me of {n}.", "category": CATEGORIES[n % 4]} for n in range(samples)]
    (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def config_of(folder, *, old="old", suite="suite", rules=(), aa_test=None, replicates=1, **generation):
    tables = {
        name: {"model": f"hf/{folder / model}", "variant": "base", "prompt_format": "raw"}
        for name, model in (("before", old), ("after", "new"))
    }
    settings = {"suite": [str(folder / suite)], "baseline": "before", "candidate": "after", "checkpoint": tables}
    more = {"generation": {"max_tokens": 12, **generation}, "gate": list(rules), "replicates": replicates}
    kept = {"aa_test": str(aa_test)} if aa_test else {}
    return build_config(settings | more | kept, {}, source="test")


@pytest.fixture(scope="module")
def greedy(folder):
    path = folder / "greedy"
    return run_aa_test(config_of(folder), out=path), path


@pytest.fixture(scope="module")
def drawn(folder):
    path = folder / "drawn"
    return run_aa_test(config_of(folder, temperature=1.0), out=path), path


def test_a_greedy_checkpoint_on_one_machine_repeats_itself_in_other_batches(greedy):
    result, _ = greedy
    assert (result.determinism, result.n, result.n_changed) == ("identical text", 12, 0)
    assert result.noise
    assert set(result.noise.values()) == {0.0}


def test_a_greedy_run_is_reproduced_and_another_text_is_named(greedy, tmp_path):
    assert [(made.n, made.changed) for made in pipeline.reproduce(greedy[1], 2)] == [(2, ()), (2, ())]
    path = shutil.copytree(greedy[1], tmp_path / "changed")
    texts = path / "outcomes.jsonl"
    texts.write_text(re.sub(r'"text":"', '"text":"X', texts.read_text()))
    assert [len(made.changed) for made in pipeline.reproduce(path, 2)] == [2, 2]


def test_a_sampled_checkpoint_shares_no_noise(drawn):
    result, path = drawn
    assert result.determinism == "sampling"
    assert result.n == 24
    assert set(result.noise.values()) == {0.0}
    assert RunStore(path).read_aa_test() == result


def between_runs(draw, *, n, shift):
    """Differences of a rate between two runs of one checkpoint: independent flips, and a shift of the second run."""
    first, second = draw.random(n) < 0.5, draw.random(n) < 0.5 + shift
    return second.astype(float) - first.astype(float)


def test_noise_of_single_samples_widens_nothing():
    draw = np.random.default_rng(0)
    sizes = [shared_noise(between_runs(draw, n=400, shift=0.0), np.ones(400), level=0.05) for _ in range(1_000)]
    assert sum(size > 0 for size in sizes) <= 70  # 5 % of 1,000, and three standard errors


def test_a_shift_of_a_whole_run_is_found_with_its_size():
    draw = np.random.default_rng(1)
    sizes = [shared_noise(between_runs(draw, n=400, shift=0.2), np.ones(400), level=0.05) for _ in range(200)]
    assert np.mean([size > 0 for size in sizes]) > 0.95
    assert np.mean(sizes) == pytest.approx(1.96 * 0.2, rel=0.1)


def test_the_same_shift_of_every_sample_is_shared_noise_and_opposite_changes_are_none():
    assert shared_noise(np.full(100, 0.5), np.ones(100), level=0.05) == pytest.approx(1.96 * 0.5, rel=1e-3)
    assert shared_noise(np.array([1.0, -1.0] * 50), np.ones(100), level=0.05) == 0.0
    assert shared_noise(np.array([0.5]), np.ones(1), level=0.05) == 0.0


def with_noise(path, folder, size):
    """A copy of an A/A test that found shared noise in the number of words."""
    copied = shutil.copytree(path, folder / "shifted")
    store = RunStore(copied)
    store.write_aa_test(store.read_aa_test().model_copy(update={"noise": {"style.words": size}}))
    return copied


def test_shared_noise_widens_a_gate_and_what_passed_is_undecided(folder, drawn, tmp_path):
    rule = {"metric": "style.words", "kind": "at_most", "bound": 0.0, "min_pairs": 1, "max_truncated": 1.0}
    plain = pipeline.run(config_of(folder, temperature=1.0), out=tmp_path / "plain")
    [row] = [
        summary for summary in plain.compared.summaries
        if (summary.metric, summary.checkpoint, summary.category) == ("style.words", "after", None)
    ]  # fmt: skip
    rule["bound"] = row.interval.high + 1
    verdicts = {}
    for name, measured in (("without", None), ("with", with_noise(drawn[1], tmp_path, 2.0))):
        config = config_of(folder, temperature=1.0, rules=[rule], aa_test=measured)
        [verdicts[name]] = pipeline.run(config, out=tmp_path / name).gate.results
    assert [verdict.verdict for verdict in verdicts.values()] == ["pass", "undecided"]
    assert verdicts["with"].noise == 2.0
    assert verdicts["with"].interval.high == pytest.approx(verdicts["without"].interval.high + 2.0)
    assert "widened by a shared noise of 2" in verdicts["with"].reason


def refused_noise(folder, path, **changes):
    with pytest.raises(ConfigError) as caught:
        read_noise(str(path), pipeline.plan(config_of(folder, **changes)))
    assert "run the A/A test again into a new folder" in caught.value.fix
    return caught.value.problem


def test_a_aa_test_of_another_checkpoint_generation_or_suite_is_refused(folder, greedy):
    write_suite(folder / "longer", samples=13)
    assert "another checkpoint" in refused_noise(folder, greedy[1], old="new")
    assert "another generation" in refused_noise(folder, greedy[1], max_tokens=11)
    assert "another suite (t)" in refused_noise(folder, greedy[1], suite="longer")
    assert read_noise(str(greedy[1]), pipeline.plan(config_of(folder)))


def test_a_aa_test_with_another_version_of_a_scorer_is_refused(folder, greedy):
    planned = pipeline.plan(config_of(folder))
    assert read_noise(str(greedy[1]), planned, {"style": greedy[0].scorers["style"]})
    with pytest.raises(ConfigError, match=r"another version of a scorer \(style\)"):
        read_noise(str(greedy[1]), planned, {"style": "0"})


def test_a_wrong_aa_test_is_found_before_anything_is_generated(folder, greedy):
    rule = {"metric": "style.loop", "kind": "no_regression", "bound": 0.1}
    config = config_of(folder, rules=[rule], aa_test=greedy[1], max_tokens=11)
    with pytest.raises(ConfigError, match="another generation"):
        pipeline.run(config, out=folder / "never")
    assert not (folder / "never").exists()


def test_a_run_that_is_no_aa_test_is_refused(folder):
    with pytest.raises(StoreError, match=r"aa_test\.json"):
        read_noise(str(folder / "suite"), pipeline.plan(config_of(folder)))


def test_a_aa_test_that_was_interrupted_is_gone_on_with(folder, greedy, tmp_path):
    path = tmp_path / "half"
    run_aa_test(config_of(folder), out=path)
    lines = (path / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
    (path / "outcomes.jsonl").write_bytes(b"".join(lines[:9]))
    for name in ("aa_test.json", "scores.jsonl", "comparison.json"):
        (path / name).unlink()
    with pytest.raises(StoreError, match="holds a run already"):
        run_aa_test(config_of(folder), out=path)
    assert run_aa_test(config_of(folder), out=path, resume=True) == greedy[0]
    events = (path / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
    assert events[:9] == lines[:9]


def test_a_replayed_file_is_refused(tmp_path, folder):
    (tmp_path / "a.jsonl").write_text('{"sample_id": "s0", "text": "x"}\n')
    problem, fix = refused(
        "aa-test", "--baseline", "replay/./a.jsonl", "--candidate", f"hf/{folder / 'new'}", "--out", "c", cwd=tmp_path
    )
    assert "is a replayed file" in problem
    assert fix == "test the checkpoint that generated the file"
    assert not (tmp_path / "c").exists()


def test_an_ollama_server_is_asked_by_other_numbers_of_clients(tmp_path):
    write_suite(tmp_path / "suite")
    with running_server() as server:
        tables = {
            name: {"model": f"ollama/{model}", "variant": "instruct", "options": {"host": server.url}}
            for name, model in (("before", "smollm2"), ("after", "gemma3-base"))
        }
        settings = {"suite": [str(tmp_path / "suite")], "baseline": "before", "candidate": "after"}
        config = build_config(settings | {"checkpoint": tables, "generation": {"max_tokens": 12}}, {}, source="test")
        aa_test = run_aa_test(config, out=tmp_path / "c")
        clients = [
            checkpoint.checkpoint.options.get("concurrency")
            for checkpoint in RunStore(tmp_path / "c").load().plan.checkpoints
        ]
    assert clients == [None, 4]
    assert (aa_test.checkpoint, aa_test.n) == ("before", 12)
    assert aa_test.determinism == ("batch-sensitive" if aa_test.n_changed else "identical text")


def test_the_report_of_a_aa_test_compares_the_checkpoint_with_itself(greedy):
    _, path = greedy
    page = (path / "report.html").read_text()
    run = RunStore(path).load()
    assert "again" in page
    assert (run.plan.baseline, run.plan.candidate) == ("before", "again")
    assert any(finding.code == "same-weights" for finding in run.plan.lint)
    assert {finding.name for finding in run.compared.findings} == {None}
    assert all(isinstance(outcome, Completion) for outcome in run.outcomes.values())


def test_the_command_says_what_to_write_into_the_configuration(folder, tmp_path, monkeypatch):
    model = f"hf/{folder / 'old'}"
    flags = ("--suite", folder / "suite", "--max-tokens", "8", "--baseline-format", "raw", "--reward-model", "none")
    sides = ("--baseline", model, "--candidate", f"hf/{folder / 'new'}")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, ["aa-test", *map(str, (*sides, *flags)), "--out", "c"], catch_exceptions=False)
    assert "in other batches 0 of 12 completions changed" in said.stdout
    assert 'aa_test = "c"' in said.stderr
