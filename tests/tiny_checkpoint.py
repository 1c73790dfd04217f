"""A real checkpoint that is small enough to make in a test: random Llama weights and a byte tokenizer."""

import string

import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quantize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from evalharness.backends.hf import HfBackend
from evalharness.errors import EvalHarnessError
from evalharness.records import Checkpoint, Completion, GenerationConfig, GenerationRequest, RawPrompt

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHARACTERS = "é🙂"
CONTEXT = 256


def make_tokenizer(*, bos=True, template=CHATML, words=()):
    """One token a byte: those of ASCII, and of two characters that take several tokens. Words are one token each."""
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
    fast.add_tokens(list(words))
    fast.chat_template = template
    return fast


def make_model(vocabulary, seed=0, **settings):
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
        **settings,
    )
    return LlamaForCausalLM(config).eval()


def save_checkpoint(folder, *, bos=True, template=CHATML, words=(), seed=0):
    """Save one as `save_pretrained` does, and return its folder."""
    tokenizer = make_tokenizer(bos=bos, template=template, words=words)
    make_model(len(tokenizer), seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def save_gguf(path, *, seed=0, without="", template=CHATML):
    """Save the same checkpoint as one GGUF file, in float32, as llama.cpp's converter does; or without a tensor."""
    tokenizer = make_tokenizer(template=template)
    return write_gguf(path, make_model(len(tokenizer), seed), tokenizer, without=without)


def write_gguf(path, model, tokenizer, kind="F32", *, without="", reorder=True, stated=None, **facts):
    """Write a model as llama.cpp's converter does: matrices in a type, the rest in float32.

    Args:
        kind: a `GGMLQuantizationType` that the gguf package can write.
        without: a tensor that is left out.
        reorder: whether the rows of attention heads are in the order of llama.cpp.
        stated: the name of its file type; by default that of its matrices.
        facts: of the header: `bos`, `adds_bos`, `eos`, `context`, `theta`, `plain` (special tokens stored as text).
    """
    settings = model.config
    writer = GGUFWriter(path, settings.model_type)
    writer.add_file_type(LlamaFileType[f"{'ALL' if kind == 'F32' else 'MOSTLY'}_{stated or kind}"])
    _add_settings(writer, settings, **facts)
    _add_tokenizer(writer, tokenizer, **facts)
    for name, tensor in model.state_dict().items():
        for ours, theirs in GGUF_NAMES.items():
            name = name.replace(ours, theirs)
        heads = {"attn_q": settings.num_attention_heads, "attn_k": settings.num_key_value_heads}
        [count] = [heads[part] for part in name.split(".") if part in heads] or [None]
        if count and reorder and settings.model_type == "llama":
            # llama.cpp rotates neighbouring numbers, transformers those that are half a head apart.
            tensor = tensor.unflatten(0, (count, 2, -1)).swapaxes(1, 2).flatten(0, 2)
        if name != without and not (name == "output.weight" and settings.tie_word_embeddings):
            stored = GGMLQuantizationType[kind if tensor.ndim > 1 else "F32"]
            writer.add_tensor(name, quantize(tensor.float().contiguous().numpy(), stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_settings(writer, config, *, context=None, theta=None, **_):
    writer.add_context_length(context or config.max_position_embeddings)
    writer.add_rope_freq_base(theta or config.rope_parameters["rope_theta"])
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_tokenizer(writer, tokenizer, *, adds_bos=True, eos=1, plain=(), swapped=False, **_):
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    special = set(SPECIAL) - set(plain)
    if swapped:
        tokens[40], tokens[41] = tokens[41], tokens[40]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(eos)
    writer.add_add_bos_token(adds_bos)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


# ------------------------------------------------------------------------------------------ in use

PROMPT = RawPrompt(text="once upon a time")


def open_hf(model, **options):
    return HfBackend(Checkpoint(name="tiny", model=f"hf/{model}", variant="base", prompt_format="raw", options=options))


def identity(model, **options):
    return open_hf(model, **options).resolve().identity


def answer(model, **options):
    """The greedy text that a checkpoint gives, through all that a run does with it."""
    backend = open_hf(model, **options)
    resolved = backend.resolve()
    [rendered] = backend.render([PROMPT])
    request = GenerationRequest.of(resolved, "s", PROMPT, rendered, GenerationConfig(max_tokens=12))
    [completion] = [event for event in backend.generate([request]) if isinstance(event, Completion)]
    backend.close()
    return completion.text


def refusal(kind, model, **options):
    """The error of a checkpoint that cannot be used; whatever it is, it has a problem and a fix."""
    with pytest.raises(EvalHarnessError) as caught:
        answer(model, **options)
    assert isinstance(caught.value, kind), repr(caught.value)
    assert caught.value.fix
    assert "\n" not in caught.value.problem
    return caught.value


def cut(path):
    """What an interrupted download leaves."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
