"""A real checkpoint that is small enough to make in a test: random Llama weights and a byte tokenizer."""

import string

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHARACTERS = "é🙂"
CONTEXT = 256


def make_tokenizer(*, bos=True, template=CHATML):
    """One token a byte: those of ASCII, and of two characters that take several tokens."""
    written = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(string.printable + CHARACTERS)
    alphabet = sorted({byte for word, _ in written for byte in word})
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>" if bos else None, eos_token="</s>")
    fast.add_special_tokens({"additional_special_tokens": SPECIAL[2:]})
    fast.chat_template = template
    return fast


def make_model(vocabulary, seed=0):
    """Two layers with weights that are large enough for completions to differ and to end at different lengths."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.7,
    )
    return LlamaForCausalLM(config).eval()


def save_checkpoint(folder, *, bos=True, template=CHATML, seed=0):
    """Save one as `save_pretrained` does, and return its folder."""
    tokenizer = make_tokenizer(bos=bos, template=template)
    make_model(len(tokenizer), seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
