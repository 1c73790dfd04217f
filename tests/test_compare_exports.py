"""Is an export still the model? Planted faults are named, and clean exports are not.

Planted (each with the cause that has to be named first):
    template        none in GGUF, without the line break after a role, with spaces that it should trim
    BOS             the tokenizer adds none, the template writes two, GGUF says that none is added
    end token       the end of a turn is lost, an ordinary token ends
    tokenizer       two ids swapped, a marker split into letters, a marker stored as plain text
    merge           the adapter missing, another one, merged twice, with another scale, in some layers only, with the
                    rank pattern ignored, missing under four bits, missing where only the merged weights are known
    quantization    eight bits made from four
    weights         attention rows in the other order, another checkpoint, numbers that are not finite
    context         half of it
    configuration   another rope base, the output layer lost
    of a server     another template, a second BOS, no end, other weights
Clean: an adapter saved again and in bfloat16; merged in float32, bfloat16, float16, bfloat16 stored as float32; shards;
tensors in another order; a tokenizer saved again; a template written otherwise; harmless settings; a larger vocabulary;
a longer context; another end among the special tokens; GGUF in F32, F16, BF16, Q8_0, Q5_0, Q4_0; tied Gemma and biased
Qwen; adapters with a rank pattern and a rank-stabilised scale; a server.
"""

import gc
import json
import shutil

import pytest
import torch
from click.testing import CliRunner
from openai_server import openai_server
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_checkpoint import CHATML, CONTEXT, make_model, make_tokenizer, write_gguf
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from evalharness.cli import cli
from evalharness.errors import ConfigError, UnknownModel
from evalharness.tokens.exported_models.comparing import compare_exports

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module", autouse=True)
def surroundings(tmp_path_factory):
    """One thread, an empty cache for what is unpacked, and little garbage to look through after each form."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
    gc.unfreeze()
    torch.set_num_threads(before)


class FineTune:
    """A base with an adapter, in a folder, and its exports."""

    def __init__(self, folder, model=None, **lora):
        self.folder, self.count = folder, 0
        self.tokenizer = make_tokenizer(template=TEMPLATE)
        self.base = model or make_model(len(self.tokenizer))
        self.base.generation_config.eos_token_id = [1, 3]
        self.base.save_pretrained(folder / "base")
        make_tokenizer(template=None).save_pretrained(folder / "base")
        self.adapter = folder / "adapter"
        self.adapt(self.adapter, **lora)

    def adapt(self, path, seed=7, **lora):
        """Train an adapter, as it were."""
        torch.manual_seed(seed)
        settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "init_lora_weights": False} | lora
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(self.folder / "base"), LoraConfig(**settings))
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.data = torch.randn_like(weight) * 0.1
        adapted.peft_config["default"].base_model_name_or_path = str(self.folder / "base")
        adapted.save_pretrained(path)
        (path / "chat_template.jinja").write_text(TEMPLATE)

    def merged(self, adapter=None):
        """The model with an adapter merged."""
        model = AutoModelForCausalLM.from_pretrained(self.folder / "base")
        return PeftModel.from_pretrained(model, adapter or self.adapter).merge_and_unload()

    def path(self, suffix=""):
        self.count += 1
        return self.folder / f"export{self.count}{suffix}"

    def save(self, model=None, tokenizer=None, change=None, **how):
        """A folder with weights and tokenizer; `change` gets its path."""
        path = self.path()
        (model or self.merged()).save_pretrained(path, **how)
        (tokenizer or self.tokenizer).save_pretrained(path)
        if change:
            change(path)
        return path

    def gguf(self, kind="F32", model=None, tokenizer=None, **facts):
        return write_gguf(self.path(".gguf"), model or self.merged(), tokenizer or self.tokenizer, kind, **facts)

    def compared(self, *forms, reference=None, **how):
        """What is found about these forms."""
        return compare_exports([f"hf/{reference or self.adapter}", *(f"hf/{form}" for form in forms)], **how).forms


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return FineTune(tmp_path_factory.mktemp("llama"))


def edited(name, **fields):
    """A change of a JSON file."""

    def change(path):
        data = json.loads((path / name).read_text())
        (path / name).write_text(json.dumps({**data, **fields}))

    return change


def scaled(tuned, times):
    """Merged, with so many times what the adapter adds."""
    model = tuned.merged()
    bare = tuned.base.state_dict()
    model.load_state_dict({name: bare[name] + times * (one - bare[name]) for name, one in model.state_dict().items()})
    return model


def partly(tuned, layer):
    """Merged, but for one layer."""
    bare = tuned.base.state_dict()
    left = {name: bare[name] for name in bare if f"layers.{layer}." in name}
    model = tuned.merged()
    model.load_state_dict(left, strict=False)
    return model


def of_another_training(tuned):
    path = tuned.path()
    tuned.adapt(path, seed=8)
    return path


def reversed_tensors(path):
    tensors = load_file(path / "model.safetensors")
    save_file(dict(reversed(tensors.items())), path / "model.safetensors", {"format": "pt"})


def no_output_layer(path):
    tensors = load_file(path / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, path / "model.safetensors", {"format": "pt"})
    edited("config.json", tie_word_embeddings=True)(path)


def split_marker(path):
    data = json.loads((path / "tokenizer.json").read_text())
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] != "<|im_start|>"]
    (path / "tokenizer.json").write_text(json.dumps(data))
    settings = json.loads((path / "tokenizer_config.json").read_text())
    for key in ("extra_special_tokens", "additional_special_tokens"):
        settings.pop(key, None)
    settings.get("added_tokens_decoder", {}).pop("2", None)
    (path / "tokenizer_config.json").write_text(json.dumps(settings))


def four_bits(model):
    """The model with weights that went through four bits."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    for weight in model.parameters():
        if weight.ndim > 1:
            kind = GGMLQuantizationType.Q4_0
            weight.data = torch.tensor(dequantize(quantize(weight.detach().numpy(), kind), kind))
    return model


def broken(model):
    model.model.layers[1].mlp.up_proj.weight.data[3, 4] = float("nan")
    return model


def another(tuned):
    model = make_model(len(tuned.tokenizer), seed=5)
    model.generation_config.eos_token_id = [1, 3]
    return model


def with_template(text):
    return make_tokenizer(template=text)


NO_BREAK = TEMPLATE.replace("role }}\n", "role }}")
ITS_OWN_BOS = TEMPLATE.replace("{{ bos_token }}", "<s>")
PLANTED = {
    "no template in GGUF": ("template", lambda t: t.gguf(tokenizer=with_template(None))),
    "no line break after a role": ("template", lambda t: t.save(tokenizer=with_template(NO_BREAK))),
    "spaces kept": ("template", lambda t: t.save(tokenizer=with_template(TEMPLATE.replace(" | trim", "")))),
    "no BOS before text": ("BOS", lambda t: t.save(tokenizer=make_tokenizer(bos=False, template=ITS_OWN_BOS))),
    "two BOS in a chat": ("BOS", lambda t: t.save(tokenizer=with_template("{{ bos_token }}" + TEMPLATE))),
    "no BOS asked for in GGUF": ("BOS", lambda t: t.gguf(adds_bos=False)),
    "the end of a turn lost": ("end token", lambda t: t.save(change=edited("generation_config.json", eos_token_id=1))),
    "an ordinary token ends": ("end token", lambda t: t.gguf(eos=50)),
    "ids swapped in GGUF": ("tokenizer", lambda t: t.gguf(swapped=True)),
    "a marker split": ("tokenizer", lambda t: t.save(change=split_marker)),
    "a marker as text in GGUF": ("tokenizer", lambda t: t.gguf(plain=["<|im_start|>"])),
    "the adapter missing": ("merge", lambda t: t.save(t.base)),
    "the adapter missing under four bits": ("merge", lambda t: t.gguf("Q4_0", t.base)),
    "the adapter twice": ("merge", lambda t: t.save(scaled(t, 2))),
    "half of its scale": ("merge", lambda t: t.gguf("Q8_0", scaled(t, 0.5))),
    "another adapter": ("merge", lambda t: t.save(t.merged(of_another_training(t)))),
    "a layer left out": ("merge", lambda t: t.save(partly(t, 1))),
    "eight bits made from four": ("quantization", lambda t: t.gguf("Q8_0", four_bits(t.merged()))),
    "attention rows in the other order": ("weights", lambda t: t.gguf(reorder=False)),
    "another checkpoint": ("weights", lambda t: t.save(another(t))),
    "a number that is not finite": ("weights", lambda t: t.save(broken(t.merged()))),
    "half of the context": ("context", lambda t: t.gguf(context=CONTEXT // 2)),
    "another rope base": ("configuration", lambda t: t.gguf("Q8_0", theta=500.0)),
    "the output layer lost": ("configuration", lambda t: t.save(change=no_output_layer)),
}  # fmt: skip


def resaved(tuned):
    path = tuned.save()
    AutoTokenizer.from_pretrained(path).save_pretrained(path)
    return path


def adapter_again(tuned, dtype):
    path = shutil.copytree(tuned.adapter, tuned.path())
    tensors = load_file(path / "adapter_model.safetensors")
    save_file({name: tensor.to(dtype) for name, tensor in tensors.items()}, path / "adapter_model.safetensors")
    return path


def larger(tuned):
    model = tuned.merged()
    model.resize_token_embeddings(128)
    return model


OTHERWISE = TEMPLATE.replace("{% for m in messages %}", "{%- for m in messages -%}\n  ").replace("m.role", "m['role']")
CLEAN = {
    "the adapter saved again": lambda t: adapter_again(t, torch.float32),
    "the adapter in bfloat16": lambda t: adapter_again(t, torch.bfloat16),
    "merged in float32": lambda t: t.save(),
    "merged, then bfloat16": lambda t: t.save(t.merged().bfloat16()),
    "merged, then float16": lambda t: t.save(t.merged().half()),
    "merged in bfloat16": lambda t: t.save(
        PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(t.folder / "base", dtype=torch.bfloat16), t.adapter
        ).merge_and_unload()
    ),
    "bfloat16 stored as float32": lambda t: t.save(t.merged().bfloat16().float()),
    "in shards": lambda t: t.save(max_shard_size="20KB"),
    "tensors in another order": lambda t: t.save(change=reversed_tensors),
    "the tokenizer saved again": resaved,
    "the template written otherwise": lambda t: t.save(tokenizer=with_template(OTHERWISE)),
    "other harmless settings": lambda t: t.save(change=edited("config.json", use_cache=False, custom="x")),
    "sampling settings": lambda t: t.save(change=edited("generation_config.json", temperature=0.6, do_sample=True)),
    "a larger vocabulary": lambda t: t.save(larger(t)),
    "a longer context": lambda t: t.save(change=edited("config.json", max_position_embeddings=2 * CONTEXT)),
    "another special end": lambda t: t.save(change=edited("generation_config.json", eos_token_id=[0, 1, 3])),
    **{f"GGUF {kind}": lambda t, kind=kind: t.gguf(kind) for kind in ("F32", "F16", "BF16", "Q8_0", "Q5_0", "Q4_0")},
    "GGUF of Q4_K_M": lambda t: t.gguf("Q5_0", stated="Q4_K_M"),
    "GGUF whose end is that of the turn": lambda t: t.gguf(eos=3),
}


def test_planted_faults_are_named(tuned):
    forms = {name: make(tuned) for name, (_, make) in PLANTED.items()}
    found = dict(zip(forms, tuned.compared(*forms.values()), strict=True))
    assert {name: one.cause for name, one in found.items()} == {name: cause for name, (cause, _) in PLANTED.items()}
    said = {name: one.sentence for name, one in found.items()}
    assert "the adapter is not merged" in said["the adapter missing"]
    assert "the adapter is not merged" in said["the adapter missing under four bits"]
    assert "the adapter is merged twice" in said["the adapter twice"]
    assert "has 0.50 times its scale" in said["half of its scale"]
    assert "the adapter is another one" in said["another adapter"]
    assert "is not merged in 7 of 14 tensors, such as model.layers.1." in said["a layer left out"]
    assert "of attention heads are in the order of llama.cpp" in said["attention rows in the other order"]
    assert "rope_parameters differs" in said["another rope base"]
    assert all(finding.fix for one in found.values() for finding in one.findings if finding.state == "parted")


def test_clean_exports_are_the_same_model(tuned):
    forms = {name: make(tuned) for name, make in CLEAN.items()}
    assert len(forms) > 20
    found = dict(zip(forms, tuned.compared(*forms.values()), strict=True))
    assert {name: one.sentence for name, one in found.items() if one.cause} == {}
    kl = {name: one.reading.kl for name, one in found.items()}
    assert kl["merged in float32"] < 1e-6
    assert kl["merged in float32"] < kl["GGUF Q8_0"] < kl["GGUF Q5_0"] < kl["GGUF Q4_0"]
    assert found["GGUF Q8_0"].stored_as == "Q8_0" and found["merged in bfloat16"].stored_as == "bfloat16"
    assert found["GGUF of Q4_K_M"].stored_as == "Q4_K_M, mostly Q5_0"


def test_other_architectures_and_kinds_of_adapters_are_the_same_model_too(tmp_path):
    sizes = {
        "vocab_size": 110, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "bos_token_id": 0, "eos_token_id": 1,
        "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(0)
    gemma = Gemma3ForCausalLM(Gemma3TextConfig(**sizes, head_dim=8, tie_word_embeddings=True))
    sizes |= {"num_hidden_layers": 3, "max_window_layers": 2}
    qwen = Qwen2ForCausalLM(Qwen2Config(**sizes, tie_word_embeddings=True))
    one = FineTune(tmp_path / "gemma", gemma, r=8, use_rslora=True)
    found = one.compared(one.save(), one.save(one.merged().bfloat16()), one.save(one.base))
    assert [form.cause for form in found] == [None, None, "merge"]
    two = FineTune(tmp_path / "qwen", qwen, rank_pattern={"q_proj": 2})
    found = two.compared(two.save(), two.gguf("Q8_0"), two.gguf("F16", reorder=False), two.save(scaled(two, 2)))
    assert [form.cause for form in found] == [None, None, None, "merge"]


def test_a_pattern_of_ranks_that_is_ignored_is_a_fault_of_the_merge(tuned):
    """The adapter's own scale is alpha by the rank of each layer; merged by hand, it was alpha by one rank."""
    adapter = tuned.path()
    tuned.adapt(adapter, r=4, rank_pattern={"down_proj": 2})
    model, bare = tuned.merged(adapter), tuned.base.state_dict()
    wrong = {name: (one + bare[name]) / 2 for name, one in model.state_dict().items() if "down_proj" in name}
    model.load_state_dict(wrong, strict=False)
    [found] = tuned.compared(tuned.save(model), reference=adapter)
    assert "the adapter has 0.50 times its scale in 2 of 14 tensors" in found.sentence


def test_without_the_adapter_a_missing_one_is_seen_by_its_low_rank(tuned):
    merged, bare = tuned.save(), tuned.save(tuned.base)
    [found] = tuned.compared(bare, reference=merged)
    assert found.cause == "merge" and "the difference is of low rank" in found.sentence
    [found] = tuned.compared(bare, reference=merged, base=f"hf/{tuned.folder / 'base'}")
    assert "the adapter is not merged in" not in found.sentence and "the adapter is not merged" in found.sentence


# ------------------------------------------------------------------------------------------------ servers


def writer(model, tokenizer, ends):
    """What a server does that has this model."""

    def write(ids, limit):
        with torch.inference_mode():
            out = model.generate(
                torch.tensor([ids]), max_new_tokens=limit, do_sample=False, eos_token_id=list(ends) or None
            )
        new = out[0, len(ids) :].tolist()
        return tokenizer.decode(new, skip_special_tokens=True), "stop" if new[-1] in ends else "length"

    return write


def chatml(role_end="\n", bos="<s>"):
    def render(messages):
        turns = [(one["role"], one["content"].strip()) for one in messages]
        said = "".join(f"<|im_start|>{role}{role_end}{content}<|im_end|>\n" for role, content in turns)
        return f"{bos}{said}<|im_start|>assistant\n"

    return render


SERVED = {
    "the same": (None, {}),
    "another template": ("template", {"renders": chatml(": ")}),
    "a second BOS": ("BOS", {"extra_bos": 1}),
    "other weights": ("weights", {"model": "other", "dialect": "llama-server"}),
    "no end": ("end token", {"ends": ()}),
}
ENDS = [1, 3, *range(4, 40)]
"""Random weights seldom end at one of two tokens."""


@pytest.mark.parametrize("name", SERVED)
def test_of_a_server_s_model_the_text_tells(tuned, monkeypatch, name):
    cause, settings = SERVED[name]
    settings = {"dialect": "vllm", "renders": chatml(), **settings}
    reference = tuned.save(change=edited("generation_config.json", eos_token_id=ENDS))
    model = another(tuned) if settings.pop("model", None) else tuned.merged()
    tokenizer = tuned.tokenizer
    writes = writer(model, tokenizer, settings.pop("ends", ENDS))
    with openai_server(tokenizer=tokenizer, writes=writes, **settings) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        [found] = compare_exports([f"hf/{reference}", "server/meadow"]).forms
    assert found.cause == cause, found.sentence


def test_an_ollama_model_with_a_system_prompt_of_its_own_has_another_template(tuned, server, monkeypatch):
    """The server says how it renders a chat."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    reference = tuned.save(tokenizer=make_tokenizer(bos=False, template=CHATML))
    [form] = compare_exports([f"hf/{reference}", "ollama/smollm2-tuned"]).forms
    assert form.cause == "template" and "<|im_start|>system" in form.findings[0].form


# ------------------------------------------------------------------------------------------------- command


def test_the_command_says_what_parted_and_what_to_do(tuned):
    clean, bad = tuned.save(), tuned.save(tuned.base)
    result = CliRunner().invoke(cli, ["compare-exports", f"hf/{tuned.adapter}", f"hf/{clean}", f"hf/{bad}"])
    assert result.exit_code == 3, result.output
    assert f"hf/{clean} (float32) is the same model as hf/{tuned.adapter}: KL" in result.stdout
    assert f"hf/{bad} parts from hf/{tuned.adapter} at its merge: the adapter is not merged." in result.stdout
    assert "  Fix: merge this adapter once" in result.stdout
    result = CliRunner().invoke(cli, ["compare-exports", f"hf/{tuned.adapter}", f"hf/{clean}", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["causes"] == [None]


def test_what_cannot_be_compared_is_refused(tuned, tmp_path):
    with pytest.raises(ConfigError, match="there is one form"):
        compare_exports([f"hf/{tuned.adapter}"])
    with pytest.raises(ConfigError, match="gives text alone"):
        compare_exports(["server/meadow", f"hf/{tuned.adapter}"])
    nameless = shutil.copytree(tuned.adapter, tmp_path / "nameless")
    edited("adapter_config.json", base_model_name_or_path=None)(nameless)
    with pytest.raises(UnknownModel, match="does not name its base"):
        compare_exports([f"hf/{nameless}", f"hf/{tuned.adapter}"])
