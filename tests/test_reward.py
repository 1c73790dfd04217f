"""The reward scorer gives what the reward model itself gives; what is no reward model is refused."""

import json

import pytest
import torch
from tiny_checkpoint import CHATML, make_tokenizer, save_checkpoint
from tiny_reward_model import (
    CHAT_CONTEXT,
    PAIR_CONTEXT,
    change_config,
    make_item,
    open_reward,
    save_deberta,
    save_llama,
    save_qwen,
)
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from evalharness.errors import ScorerError
from evalharness.records import Message
from evalharness.scorers import open_scorer

PROMPT = "Write a poem about nature"
TEXTS = ("", "A tree.", "A tree, a hill, a stream;\n\nand over them the sun.", "no " * 25, "  spaced  ", "é🙂")
ITEMS = [make_item(PROMPT if number % 2 else "Hi", text) for number, text in enumerate(TEXTS)]
KINDS = {"llama": save_llama, "qwen": save_qwen, "deberta": save_deberta}


def by_hand(folder, item):
    """One forward pass on the tokens of one completion, without anything of the scorer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    if tokenizer.chat_template:
        turns = [message.model_dump() for message in item.sample.messages]
        turns.append({"role": "assistant", "content": item.completion.text})
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    else:
        inputs = tokenizer(item.sample.prompt, item.completion.text, return_tensors="pt")
    with torch.no_grad():
        return float(model(**{name: inputs[name] for name in ("input_ids", "attention_mask")}).logits[0, 0])


def values(scorer, items):
    return [score.values["value"] for score in scorer.score(items)]


def refused(folder, **settings):
    """The error of a model that cannot be used: a sentence and a mend, before any weights are read."""
    with pytest.raises(ScorerError) as caught:
        open_reward(folder, **settings)
    assert caught.value.fix
    assert "\n" not in caught.value.problem
    return caught.value


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return KINDS[kind](tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def deberta(tmp_path_factory):
    return save_deberta(tmp_path_factory.mktemp("deberta"))


# --------------------------------------------------------------------------------------- the same number


def test_each_reward_is_that_of_a_forward_pass_by_hand(folder):
    assert values(open_reward(folder), ITEMS) == pytest.approx([by_hand(folder, item) for item in ITEMS], abs=1e-4)


def test_the_rewards_differ(folder):
    result = values(open_reward(folder), ITEMS)
    assert max(result) - min(result) > 0.1


def test_a_reward_is_the_same_alone_and_in_a_batch(folder):
    scorer = open_reward(folder)
    alone = [value for item in ITEMS for value in values(scorer, [item])]
    assert values(scorer, ITEMS) == pytest.approx(alone, abs=1e-4)


def test_a_reward_is_the_same_under_any_token_budget(folder):
    expected = values(open_reward(folder), ITEMS)
    for batch_tokens in (1, 100, 300):
        assert values(open_reward(folder, batch_tokens=batch_tokens), ITEMS) == pytest.approx(expected, abs=1e-4)


def test_a_reward_does_not_depend_on_the_tokenizer_s_padding_side(kind, tmp_path):
    sides = [KINDS[kind](tmp_path / side, side=side) for side in ("left", "right")]
    left, right = (values(open_reward(side), ITEMS) for side in sides)
    assert left == pytest.approx(right, abs=1e-4)
    assert left == pytest.approx([by_hand(sides[0], item) for item in ITEMS], abs=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_that_transformers_pads_on_either_side_gives_the_same(tmp_path, side):
    folder = save_llama(tmp_path, pad=1, side=side)
    tokenizer = AutoTokenizer.from_pretrained(folder, pad_token="</s>")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    turns = [
        [{"role": "user", "content": item.sample.prompt}, {"role": "assistant", "content": item.completion.text}]
        for item in ITEMS
    ]
    texts = [tokenizer.apply_chat_template(turn, tokenize=False) for turn in turns]
    inputs = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, 0].tolist()
    assert values(open_reward(folder), ITEMS) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("pad", [None, -1, 1])
def test_a_llama_with_any_padding_token_in_its_configuration_is_read_at_the_last_token(tmp_path, pad):
    folder = save_llama(tmp_path, pad=pad)
    expected = [by_hand(save_llama(tmp_path / "none"), item) for item in ITEMS]
    assert values(open_reward(folder), ITEMS) == pytest.approx(expected, abs=1e-4)


def test_the_order_of_the_items_is_kept(folder):
    scorer = open_reward(folder)
    assert values(scorer, ITEMS[::-1]) == pytest.approx(values(scorer, ITEMS)[::-1], abs=1e-4)


# ------------------------------------------------------------------------------------------- rendering


def test_a_template_s_bos_stands_there_once(llama):
    encoded = open_reward(llama)._model.encoder.encode(ITEMS[0].sample.messages, "text")
    assert encoded.ids.count(0) == 1


def test_a_chat_template_makes_a_chat_and_a_separator_makes_a_pair(llama, deberta):
    assert open_reward(llama).identity["encoding"] == "chat"
    assert open_reward(deberta).identity["encoding"] == "pair"


def test_the_encoding_can_be_set(llama):
    scorer = open_reward(llama, encoding="pair")
    assert scorer.identity["encoding"] == "pair"
    assert scorer.identity["template_digest"] is None


def test_a_system_turn_reaches_the_model(llama):
    turns = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    with_system = make_item(turns, "Hello.")
    scorer = open_reward(llama)
    assert values(scorer, [with_system]) == pytest.approx([by_hand(llama, with_system)], abs=1e-4)
    assert values(scorer, [with_system]) != pytest.approx(values(scorer, [make_item("Hi", "Hello.")]), abs=1e-3)


def test_a_prompt_that_the_template_refuses_is_unscored(tmp_path):
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHATML
    scorer = open_reward(save_llama(tmp_path, template=refusing))
    turns = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    scores = scorer.score([make_item(turns, "Hello."), make_item("Hi", "Hello.")])
    assert [score.status for score in scores] == ["unscored", "scored"]
    assert "no system turn" in scores[0].explanation


# ------------------------------------------------------------------------------------------ truncation


@pytest.mark.parametrize(("save", "context"), [(save_llama, CHAT_CONTEXT), (save_deberta, PAIR_CONTEXT)])
def test_a_completion_that_is_too_long_is_read_in_part_and_flagged(tmp_path, save, context):
    folder = save(tmp_path)
    text = "0123456789" * 80
    [score, short] = open_reward(folder).score([make_item("Hi", text), make_item("Hi", "Hello.")])
    [span] = score.spans
    assert score.values["truncated"] == 1.0
    assert (span.end, text[: span.start]) == (len(text), text[: span.start])
    assert 0 < span.start < context
    assert f"first {span.start} of {len(text)}" in score.explanation
    # What was read is exactly what the flag says: the beginning alone has the same reward.
    assert score.values["value"] == pytest.approx(by_hand(folder, make_item("Hi", text[: span.start])), abs=1e-4)
    assert short.values["truncated"] == 0.0
    assert not short.spans


def test_the_part_that_was_not_read_is_right_where_the_template_trims(tmp_path):
    trimming = CHATML.replace("m.content", "m.content | trim")
    text = "   " + "0123456789" * 80
    [score] = open_reward(save_llama(tmp_path, template=trimming)).score([make_item("Hi", text)])
    [kept] = open_reward(tmp_path).score([make_item("Hi", text[: score.spans[0].start])])
    assert kept.values == pytest.approx({**score.values, "truncated": 0.0}, abs=1e-4)


@pytest.mark.parametrize("save", [save_llama, save_deberta])
def test_a_prompt_that_is_too_long_is_unscored_and_says_both_lengths(tmp_path, save):
    scores = open_reward(save(tmp_path), max_length=100).score([make_item("x" * 200, "Hello."), ITEMS[0]])
    assert [score.status for score in scores] == ["unscored", "scored"]
    assert "reads 100" in scores[0].explanation


def test_max_length_cuts_earlier(llama):
    [score] = open_reward(llama, max_length=80).score([make_item("Hi", "0123456789" * 10)])
    assert score.values["truncated"] == 1.0


def test_more_than_the_model_reads_is_refused(llama):
    assert str(CHAT_CONTEXT) in refused(llama, max_length=CHAT_CONTEXT + 1).problem


def test_a_text_to_be_continued_is_unscored(llama):
    [score] = open_reward(llama).score([make_item("Once upon", " a time", kind="continuation")])
    assert score.status == "unscored"


# -------------------------------------------------------------------------------------------- identity


def test_two_models_never_have_one_version(llama, deberta):
    assert open_reward(llama).version != open_reward(deberta).version


@pytest.mark.parametrize("settings", [{"max_length": 80}, {"encoding": "pair"}, {"dtype": "bfloat16"}])
def test_what_can_change_a_reward_changes_the_version(llama, settings):
    assert open_reward(llama, **settings).version != open_reward(llama).version


def test_the_batch_does_not_change_the_version(llama):
    assert open_reward(llama, batch_tokens=100).version == open_reward(llama).version


def test_other_weights_or_another_template_are_another_version(tmp_path):
    before = open_reward(save_llama(tmp_path)).version
    tokenizer = make_tokenizer(template=CHATML)
    tokenizer.save_pretrained(tmp_path)
    other_template = open_reward(tmp_path).version
    change_config(tmp_path, rope_theta=4321)
    assert len({before, other_template, open_reward(tmp_path).version}) == 3


def test_the_identity_says_what_was_asked_and_how(llama):
    identity = open_reward(llama).identity
    assert identity["dtype"] == "float32"
    assert identity["device"] == "cpu"
    assert identity["max_length"] == CHAT_CONTEXT
    assert identity["weights_digest"].startswith("sha256:")
    json.dumps(identity)


# --------------------------------------------------------------------------------------- several logits


def test_several_logits_and_none_named_are_refused_with_their_names(tmp_path):
    save_llama(tmp_path, num_labels=2, id2label={0: "helpful", 1: "harmless"}, label2id={"helpful": 0, "harmless": 1})
    error = refused(tmp_path)
    assert "helpful, harmless" in error.problem
    assert 'head = "helpful"' in error.fix


@pytest.mark.parametrize("head", ["harmless", 1])
def test_a_head_is_named_by_its_label_or_its_place(tmp_path, head):
    save_llama(tmp_path, num_labels=2, id2label={0: "helpful", 1: "harmless"}, label2id={"helpful": 0, "harmless": 1})
    first, second = (values(open_reward(tmp_path, head=head_name), ITEMS) for head_name in ("helpful", head))
    assert first != pytest.approx(second, abs=1e-3)
    assert open_reward(tmp_path, head=head).identity["head"] == "harmless"


@pytest.mark.parametrize("head", ["none", 7, -1, 1.5, True])
def test_a_head_that_is_not_there_is_refused(tmp_path, head):
    save_llama(tmp_path, num_labels=2)
    assert "head" in refused(tmp_path, head=head).problem


# -------------------------------------------------------------------------------------------- refusals


def test_a_model_that_writes_text_is_refused(tmp_path):
    error = refused(save_checkpoint(tmp_path))
    assert "LlamaForCausalLM" in error.problem
    assert "ForSequenceClassification" in error.fix


def test_a_model_without_a_head_is_refused(tmp_path):
    change_config(save_llama(tmp_path), architectures=["LlamaModel"])
    assert "no sequence-classification head" in refused(tmp_path).problem


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert "none" in refused(tmp_path / "none").problem


def test_a_gguf_file_is_refused(tmp_path):
    assert "GGUF" in refused(tmp_path / "model.gguf").problem


def test_custom_code_is_refused_and_the_mend_is_a_key_of_the_table(tmp_path):
    change_config(save_llama(tmp_path), auto_map={"AutoConfig": "own.OwnConfig"})
    error = refused(tmp_path)
    assert "own code" in error.problem
    assert error.fix.endswith("allow it with trust_remote_code=true")


def test_a_model_without_template_and_separator_is_refused(tmp_path):
    assert "encoding" in refused(save_deberta(tmp_path, sep=None)).fix


def test_a_chat_without_a_template_is_refused(deberta):
    assert "chat template" in refused(deberta, encoding="chat").problem


@pytest.mark.parametrize("model", ["", "hf/", "org/name", "ollama/llama3", 3])
def test_a_name_that_names_no_reward_model_is_refused(model):
    with pytest.raises(ScorerError, match="model"):
        open_scorer("reward", {"model": model})


@pytest.mark.parametrize(
    ("key", "value"),
    [("device", "toaster"), ("dtype", "float8"), ("max_length", 0), ("batch_tokens", 0), ("encoding", "both")],
)
def test_a_wrong_setting_is_refused_by_its_name(llama, key, value):
    assert key in refused(llama, **{key: value}).problem


def test_weights_that_lack_the_head_are_not_filled_with_random_numbers(tmp_path):
    change_config(save_checkpoint(tmp_path), architectures=["LlamaForSequenceClassification"])
    change_config(tmp_path, id2label={"0": "reward"}, label2id={"reward": 0})
    assert "score.weight" in refused(tmp_path).problem


def test_a_model_that_cannot_give_rewards_is_answered_with_all_that_can_be_written():
    with pytest.raises(ScorerError, match="is not a reward model") as caught:
        open_scorer("reward", {"model": "None"})
    assert all(text in caught.value.fix for text in ("hf/org/name", "hf/./folder", "bundled", "none"))
