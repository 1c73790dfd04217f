"""A reward model on a server gives what it gives where it is loaded; the contract is that of vLLM's `/classify`."""

import json
import shutil

import pytest
import torch
from openai_server import openai_server
from test_reward import ITEMS, values
from tiny_checkpoint import save_checkpoint
from tiny_reward_model import make_item, open_reward, save_deberta, save_llama
from transformers import AutoModelForSequenceClassification

from evalharness.errors import EvalHarnessError
from evalharness.scorers import open_scorer


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def server(llama):
    model = AutoModelForSequenceClassification.from_pretrained(llama).eval()

    @torch.inference_mode()
    def classifies(ids):
        return model(input_ids=torch.tensor([ids])).logits[0].tolist()

    with openai_server(classifies=classifies, context=512) as server:
        yield server


def served(server, folder, **settings):
    return open_scorer("reward", {"model": "server/meadow", "url": server.url, "tokenizer": str(folder), **settings})


def refused(server, folder, items=(), **settings):
    with pytest.raises(EvalHarnessError) as caught:
        served(server, folder, **settings).score(list(items))
    return f"{caught.value.problem}: {caught.value.fix}"


@pytest.mark.parametrize("batch_tokens", [1, 16_384])
def test_the_rewards_are_those_of_the_model_where_it_is_loaded(server, llama, batch_tokens):
    expected = values(open_reward(llama), ITEMS)
    assert values(served(server, llama, batch_tokens=batch_tokens), ITEMS) == pytest.approx(expected, abs=1e-4)


def test_a_completion_is_cut_where_the_server_s_context_ends(server, llama):
    server.set(context=64)
    [score] = served(server, llama).score([make_item("Hi", "a tree " * 30)])
    assert score.values["truncated"] == 1


def test_the_version_is_that_of_the_weights_and_not_of_the_address(server, llama):
    versions = {served(server, llama, **more).version for more in ({}, {"weights": "a"}, {"weights": "b"})}
    with openai_server(context=512) as other:
        versions |= {served(other, llama).version, served(other, llama, weights="a").version}
    assert len(versions) == 4


def test_what_cannot_be_asked_is_refused(server, llama, tmp_path):
    assert "its tokenizer and labels are not known" in refused(server, None, tokenizer=None)
    assert "device: not for server/meadow" in refused(server, llama, device="cpu")
    assert "url: not for bundled" in refused(server, llama, model="bundled", tokenizer=None)
    pair = save_deberta(tmp_path / "pair")
    names = ["input_ids", "token_type_ids", "attention_mask"]
    settings = json.loads((pair / "tokenizer_config.json").read_text())
    (pair / "tokenizer_config.json").write_text(json.dumps(settings | {"model_input_names": names}))
    assert "distinguishes the texts of a pair by token types" in refused(server, pair)
    causal = save_checkpoint(tmp_path / "causal")
    assert f"{causal} is no reward model: it generates text (LlamaForCausalLM): set tokenizer =" in refused(
        server, causal
    )
    two = save_llama(tmp_path / "two", num_labels=2)
    assert "has 1 labels on the server, and 2 where its tokenizer is" in refused(server, two, ITEMS, head=1)
    server.set(extra_bos=1)
    assert "has read 23 tokens of 22" in refused(server, llama, [make_item("", "")])
    server.set(dialect="llama-server")
    assert "llama-server at" in refused(server, llama)


@pytest.mark.parametrize("architectures", [None, ["Qwen2ForRewardModel"]])
def test_a_tokenizer_folder_need_not_name_the_kind_of_model(server, llama, tmp_path, architectures):
    folder = shutil.copytree(llama, tmp_path / "tokenizer")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": architectures}))
    assert values(served(server, folder), ITEMS[:1]) == pytest.approx(values(open_reward(llama), ITEMS[:1]), abs=1e-4)


def test_a_busy_server_is_asked_again(server, llama):
    scorer = served(server, llama)
    server.set(busy=1)
    assert values(scorer, ITEMS[1:2]) == pytest.approx(values(open_reward(llama), ITEMS[1:2]), abs=1e-4)


def test_a_refusal_classifier_on_a_server_says_what_it_says_where_it_is_loaded(server, tmp_path):
    names = {0: "NORMAL", 1: "REJECTION"}
    folder = save_llama(tmp_path, num_labels=2, id2label=names, label2id={"NORMAL": 0, "REJECTION": 1})
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    server.set(classifies=lambda ids: model(input_ids=torch.tensor([ids])).logits[0].tolist(), context=40)
    loaded = open_scorer("refusal", {"model": f"hf/{folder}", "max_length": 40})
    asked = open_scorer("refusal", {"model": "server/meadow", "url": server.url, "tokenizer": str(folder)})
    items = [make_item("How?", text) for text in ("I can't help with that.", "Use a pick.", "No.", "a tree " * 30)]
    shown = [[(score.label, score.explanation) for score in one.score(items)] for one in (loaded, asked)]
    assert shown[0] == shown[1]
    assert asked.version != loaded.version
    with pytest.raises(EvalHarnessError, match="tokenizer: not known"):
        open_scorer("refusal", {"model": "server/meadow", "url": server.url})
