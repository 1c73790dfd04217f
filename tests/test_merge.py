"""Shards: a part of the samples each, merged by request id into the run of one."""

import json
import shutil

import pytest
from click.testing import CliRunner
from openai_server import openai_server
from small_run import small_config

from evalharness import pipeline
from evalharness.cli import cli
from evalharness.config import RunConfig
from evalharness.errors import StoreError
from evalharness.store import RunStore
from evalharness.store.check import check_run

COUNT = 2


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The whole run, and the same in two shards."""
    folder = tmp_path_factory.mktemp("shards")
    config = small_config(folder)
    pipeline.run(config, out=folder / "whole")
    for number in range(1, COUNT + 1):
        pipeline.run(shard(config, number), out=folder / f"shard{number}")
    return folder


def shard(config: RunConfig, number: int) -> RunConfig:
    return config.model_copy(update={"shard": f"{number}/{COUNT}"})


def paths(folder):
    return [folder / f"shard{number}" for number in range(1, COUNT + 1)]


def merged(folder, out, *names):
    return pipeline.merge([folder / name for name in names], out=out)


def test_two_shards_merged_are_the_run_of_one(shards, tmp_path):
    """Byte by byte; only the manifest says where it came from."""
    whole, made = pipeline.load_run(shards / "whole"), pipeline.merge(paths(shards), out=tmp_path / "merged")
    for name in ("plan.json", "requests.jsonl", "outcomes.jsonl", "gate.json"):
        assert (made.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert sorted(map(repr, made.scores)) == sorted(map(repr, whole.scores))
    assert dict(made.outcomes) == dict(whole.outcomes)
    same = {"evidence_digest": whole.compared.evidence_digest}
    assert made.compared.model_copy(update=same) == whole.compared
    assert made.manifest.merged_from == ("shard1", "shard2")
    assert made.manifest.config == whole.manifest.config
    assert check_run(made.path).problems == ()


def test_a_shard_generates_and_scores_its_part_alone(shards):
    parts = [pipeline.load_run(path) for path in paths(shards)]
    asked = [
        {part.plan.requests[n].sample_id for n in range(6) if part.plan.requests[n].id in part.outcomes}
        for part in parts
    ]
    assert asked == [{"s0", "s2"}, {"s1"}]
    assert [len(part.scores) for part in parts] == [4, 2]
    assert all(part.comparison is None for part in parts)
    assert check_run(paths(shards)[0]).problems == ()


def test_a_lost_shard_is_finished_by_resuming_the_merged_run(shards, tmp_path):
    half = merged(shards, tmp_path / "merged", "shard1")
    assert "2 of 6 requests have no outcome" in " ".join(warning.text for warning in half.compared.warnings)
    result = CliRunner().invoke(cli, ["run", "--out", str(half.path), "--resume"])
    assert "Report: " in result.output
    whole = pipeline.load_run(shards / "whole")
    assert dict(pipeline.load_run(half.path).outcomes) == dict(whole.outcomes)


def test_a_shard_is_resumed_as_it_was_started(shards, tmp_path):
    copy = shutil.copytree(shards / "shard1", tmp_path / "shard1")
    (copy / "outcomes.jsonl").write_text("")
    config = small_config(shards)
    for other in (config, shard(config, 2)):
        with pytest.raises(StoreError, match="was started as shard 1/2"):
            pipeline.run(other, out=copy, resume=True)
    pipeline.run(RunStore(copy).read_config(), out=copy, resume=True)
    assert (copy / "outcomes.jsonl").read_bytes() == (shards / "shard1" / "outcomes.jsonl").read_bytes()


def test_shards_that_are_not_scored_alike_are_scored_when_they_are_merged(shards, tmp_path):
    copy = shutil.copytree(shards / "shard2", tmp_path / "shard2")
    (copy / "scores.jsonl").unlink()
    (copy / "scorers.json").unlink()
    made = pipeline.merge([shards / "shard1", copy], out=tmp_path / "merged")
    assert len(made.scores) == 6


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda config: {"generation": config.generation.model_copy(update={"max_tokens": 7})},
            "differs in generation",
        ),
        (lambda config: {"limit": 2}, "in limit"),
        (lambda config: {"seed": 4}, "in seed"),
    ],
)
def test_runs_of_another_configuration_are_refused_with_the_reason(shards, tmp_path, change, reason):
    config = shard(small_config(shards), 2)
    pipeline.run(config.model_copy(update=change(config)), out=tmp_path / "other")
    with pytest.raises(StoreError) as caught:
        pipeline.merge([shards / "shard1", tmp_path / "other"], out=tmp_path / "merged")
    assert reason in caught.value.problem
    assert not (tmp_path / "merged" / "manifest.json").exists()


@pytest.mark.parametrize("scorer", [{"url": {"model": "none"}}, {"own": {"model": "none", "url": "a"}}])
def test_only_the_addresses_of_servers_may_differ(shards, tmp_path, scorer):
    copy = shutil.copytree(shards / "shard2", tmp_path / "shard2")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["config"]["scorer"] |= scorer
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="differs in scorer"):
        pipeline.merge([shards / "shard1", copy], out=tmp_path / "merged")


def test_another_checkpoint_under_the_same_name_is_refused(tmp_path):
    """The replayed file was changed between the shards, and its name was not."""
    config = small_config(tmp_path)
    pipeline.run(shard(config, 1), out=tmp_path / "one")
    with (tmp_path / "base.jsonl").open("a") as lines:
        lines.write('{"sample_id": "more", "text": "more"}\n')
    pipeline.run(shard(config, 2), out=tmp_path / "two")
    with pytest.raises(StoreError, match="checkpoint 'base' has another weights digest") as caught:
        merged(tmp_path, tmp_path / "merged", "one", "two")
    assert "weights" not in caught.value.fix


def on_servers(folder, urls, **options):
    """Two shards whose checkpoints are at these addresses."""
    names = [f"at{number}" for number in range(1, COUNT + 1)]
    for number, (name, url) in enumerate(zip(names, urls, strict=True), start=1):
        config = shard(small_config(folder), number)
        at = {"model": "server/meadow", "options": {"url": url, **options}}
        sides = tuple(side.model_copy(update=at) for side in config.checkpoints)
        pipeline.run(config.model_copy(update={"checkpoints": sides}), out=folder / name)
    return names


def test_shards_whose_servers_have_several_addresses_fit_where_the_weights_are_named(tmp_path):
    with openai_server() as one, openai_server() as two:
        names = on_servers(tmp_path, [one.url, two.url], weights="a-commit")
        assert len(merged(tmp_path, tmp_path / "merged", *names).outcomes) == 6
        own = tmp_path / "own"
        own.mkdir()
        with pytest.raises(StoreError, match="has another weights digest, settings") as caught:
            merged(own, tmp_path / "other", *on_servers(own, [one.url, two.url]))
    assert "give all shards the same `weights`" in caught.value.fix


def test_an_address_may_be_written_in_two_ways(tmp_path):
    with openai_server() as server:
        names = on_servers(tmp_path, [server.url, f"{server.url}/v1/"])
        assert len(merged(tmp_path, tmp_path / "merged", *names).outcomes) == 6


def test_shards_of_several_divisions_are_refused_as_what_they_are(shards, tmp_path):
    third = small_config(shards).model_copy(update={"shard": "3/3"})
    pipeline.run(third, out=tmp_path / "third")
    with pytest.raises(StoreError, match=r"not shards of one division: .*shard1 is shard 1/2, .*third is shard 3/3"):
        pipeline.merge([shards / "shard1", tmp_path / "third"], out=tmp_path / "merged")


def test_a_shard_that_is_given_twice_is_refused(shards, tmp_path):
    with pytest.raises(StoreError, match="both have an outcome of request"):
        merged(shards, tmp_path / "merged", "shard1", "shard1")


@pytest.mark.parametrize("wrong", ["3/2", "0/2", "1/0", "a/b", "1", ""])
def test_a_shard_that_cannot_be_is_refused(shards, wrong):
    with pytest.raises(ValueError, match="shard"):
        RunConfig.model_validate({**small_config(shards).model_dump(), "shard": wrong})


def test_the_command_line_says_what_comes_next(shards, tmp_path):
    config = tmp_path / "evalharness.toml"
    sides = "".join(
        f'\n[checkpoint.{name}]\nmodel = "replay/{shards / name}.jsonl"\nvariant = "{name}"\nprompt_format = "raw"\n'
        for name in ("base", "instruct")
    )
    config.write_text(f'suite = "{shards / "few"}"\n{sides}')
    runs = [str(tmp_path / f"part{number}") for number in (1, 2)]
    for number, run in enumerate(runs, start=1):
        result = CliRunner().invoke(cli, ["run", str(config), "--shard", f"{number}/2", "--out", run])
        assert result.exit_code == 0, result.output
        assert f"Shard {number}/2: " in result.output and "evalharness merge" in result.output
    result = CliRunner().invoke(cli, ["merge", *runs, "--out", str(tmp_path / "merged")])
    assert (result.exit_code, "Report: " in result.output) == (0, True), result.output
