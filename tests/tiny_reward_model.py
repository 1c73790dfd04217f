"""Real reward models that are small enough to make in a test: random weights, a byte tokenizer, one or more logits."""

import json

import torch
from tiny_checkpoint import CHATML, make_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item, open_scorer

CHAT_CONTEXT, PAIR_CONTEXT = 512, 128
BOS_CHATML = "{{ bos_token }}" + CHATML
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.7,
    "num_labels": 1,
}


def save_llama(folder, *, pad=None, template=BOS_CHATML, side="right", **settings):
    """A Llama with one logit at the last token; `pad` is the padding that its configuration names."""
    tokenizer = make_tokenizer(template=template)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 1,
        num_key_value_heads=2,
        max_position_embeddings=CHAT_CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=pad,
        **{**SMALL, **settings},
    )
    return _save(folder, LlamaForSequenceClassification, config, tokenizer, side)


def save_qwen(folder, *, side="right"):
    """A Qwen without a BOS, whose template writes none."""
    tokenizer = make_tokenizer(bos=False)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        num_key_value_heads=2,
        max_position_embeddings=CHAT_CONTEXT,
        bos_token_id=None,
        eos_token_id=3,
        pad_token_id=1,
        **SMALL,
    )
    return _save(folder, Qwen2ForSequenceClassification, config, tokenizer, side)


def save_deberta(folder, *, side="right", sep="[SEP]"):
    """A DeBERTa that reads a question and an answer, and pools the first token."""
    tokenizer = make_pair_tokenizer(sep)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        max_position_embeddings=PAIR_CONTEXT,
        relative_attention=True,
        position_buckets=32,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        type_vocab_size=0,
        pad_token_id=0,
        **SMALL,
    )
    return _save(folder, DebertaV2ForSequenceClassification, config, tokenizer, side)


def make_pair_tokenizer(sep="[SEP]"):
    """One token a byte, and the special tokens of a pair: `[CLS] question [SEP] answer [SEP]`."""
    special = ["[PAD]", "[CLS]", "[SEP]"]
    vocabulary = {
        token: number for number, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token=sep, model_max_length=PAIR_CONTEXT
    )


def _save(folder, kind, config, tokenizer, side):
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    tokenizer.padding_side = side
    tokenizer.save_pretrained(folder)
    return folder


def make_item(prompt, text, **fields):
    """One completion of a prompt, which is a text or a list of messages."""
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else tuple(prompt)
    sample = Sample(id="s", messages=messages, category="test", **fields)
    return Item(sample, Completion(request_id="r", text=text, finish_reason="stop"))


def open_reward(folder, **settings):
    """The scorer on a folder, in float32."""
    return open_scorer("reward", {"model": f"hf/{folder}", "dtype": "float32", "device": "cpu", **settings})


def change_config(folder, **values):
    """Write other values into `config.json`, and return the folder."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder
