"""The gate on real checkpoints: SmolLM2 against itself, against a damaged copy of itself, and against a base."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evalharness import pipeline
from evalharness.backends.demo import LOCATE
from evalharness.config import build_config
from evalharness.weights.loading import find_source

pytestmark = pytest.mark.checkpoints
NOISE = 0.3
"""Standard deviations of a weight matrix that are added to it at random."""
RULES = """
[[gate]]
metric = "style.loop"
kind = "no_regression"
bound = 0.1
min_pairs = 40

[[gate]]
metric = "style.stopped"
kind = "no_regression"
bound = 0.1
min_pairs = 40
"""


def damaged_copy(folder):
    """SmolLM2 with noise in its feed-forward weights, as a fine-tune gone wrong."""
    shutil.copytree(find_source(str(LOCATE["instruct"]())).folder, folder)
    weights, generator = load_file(folder / "model.safetensors"), torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        if ".mlp." in name:
            tensor += torch.randn(tensor.shape, generator=generator) * tensor.std() * NOISE
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of four checkpoints on the core suite, of which the tests compare two at a time."""
    folder = tmp_path_factory.mktemp("regression")
    models = {
        "tuned": ("demo/instruct", "instruct", "chat"),
        "again": ("demo/instruct", "instruct", "chat"),
        "damaged": (f"hf/{damaged_copy(folder / 'damaged')}", "instruct", "chat"),
        "base": ("demo/base", "base", "raw"),
    }
    tables = {
        name: {"model": model, "variant": variant, "prompt_format": form}
        for name, (model, variant, form) in models.items()
    }
    sides = {"baseline": "tuned", "candidate": "again", "checkpoint": tables, "suite": "core"}
    config = build_config({**sides, "generation": {"max_tokens": 64}}, {}, source="test")
    return pipeline.run(config, out=folder / "run").path


@pytest.fixture
def judged(run, tmp_path):
    """Compares two checkpoints of the run, and judges them by rules."""

    def judge(baseline, candidate, rules=RULES):
        joint = pipeline.compare_runs([run, run], out=tmp_path / "joint", baseline=baseline, candidate=candidate)
        path = Path(tmp_path / "rules.toml")
        path.write_text(rules)
        return pipeline.regate(joint.path, path)

    return judge


def test_a_checkpoint_passes_against_itself(judged):
    joint = judged("tuned", "again")
    assert joint.gate.verdict == "pass"
    assert all(one.difference == 0 for one in joint.compared.differences if one.n_pairs)


def test_a_damaged_copy_fails_and_the_findings_name_what_broke(judged):
    joint = judged("tuned", "damaged")
    assert joint.gate.verdict == "fail"
    assert [one.rule.metric for one in joint.gate.results if one.verdict == "fail"] == ["style.loop"]
    names = {finding.name for finding in joint.compared.findings}
    assert {"new loops", "format drift"} <= names
    assert not {"template change", "refusal creep", "runaway length"} & names
    [loops] = [finding for finding in joint.compared.findings if finding.name == "new loops"]
    assert loops.sample_ids
    assert loops.sentence.startswith("New loops: tuned loops in ")


def test_a_base_in_the_place_of_an_instruct_fails_on_looping_and_on_not_stopping(judged):
    results = {one.rule.metric: one.verdict for one in judged("tuned", "base").gate.results}
    assert results == {"style.loop": "fail", "style.stopped": "fail"}


def test_too_small_a_suite_is_undecided(judged):
    report = judged("tuned", "again", RULES.replace("min_pairs = 40", "min_pairs = 100")).gate
    assert report.verdict == "undecided"
    assert all("100" in one.reason for one in report.results)
