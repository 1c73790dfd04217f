"""Loading checkpoints with transformers: what is found, what is refused, and that every refusal says the fix."""

import json
import os
import shutil
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_checkpoint import (
    PROMPT,
    answer,
    cut,
    identity,
    make_model,
    make_tokenizer,
    open_hf,
    refusal,
    save_checkpoint,
)
from transformers import AutoModelForCausalLM

from evalharness.errors import BackendError, ConfigError, EvalHarnessError, MissingExtra, UnknownModel, UnsafeCheckpoint
from evalharness.records import ChatPrompt, Message
from evalharness.weights import devices, loading


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A checkpoint that loads; tests that spoil one work on a copy."""
    return save_checkpoint(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "tiny")


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


# ------------------------------------------------------------------------------------------- what loads


def test_a_folder_is_found_by_its_relative_and_by_its_absolute_path(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert answer("./tiny") == answer(folder) == answer("tiny")
    assert identity("./tiny").weights_digest == identity(folder).weights_digest


def test_resolving_counts_the_parameters_and_reads_the_context(folder):
    resolved = open_hf(folder).resolve()
    model = make_model(len(make_tokenizer()))
    assert resolved.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert resolved.context_length == model.config.max_position_embeddings
    # Keys and values of 2 layers with 2 heads of 8 numbers, of 4 bytes each.
    assert resolved.memory_bytes == 4 * resolved.parameters + 16_384 * 2 * 2 * 2 * 8 * 4


def test_the_same_files_have_the_same_digest_whenever_they_were_written(folder):
    before = identity(folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert identity(folder) == before


def test_other_weights_have_another_digest_and_the_same_tokenizer(folder, tmp_path):
    other = save_checkpoint(tmp_path / "other", seed=1)
    assert identity(folder).weights_digest != identity(other).weights_digest
    assert identity(folder).tokenizer_digest == identity(other).tokenizer_digest
    assert identity(folder).template_digest == identity(other).template_digest


def test_weights_that_were_overwritten_in_place_have_another_digest(folder):
    before = identity(folder).weights_digest
    make_model(len(make_tokenizer()), seed=1).save_pretrained(folder)
    assert identity(folder).weights_digest != before


@pytest.mark.parametrize(("name", "key"), [("config.json", "rope_theta"), ("generation_config.json", "max_length")])
def test_settings_that_can_change_a_completion_are_in_the_digest(folder, name, key):
    before = identity(folder).weights_digest
    change_json(folder / name, **{key: 4321})
    assert identity(folder).weights_digest != before


def test_another_tokenizer_or_template_is_another_identity(folder):
    before = identity(folder)
    make_tokenizer(bos=False, template="{{ messages[0].content }}").save_pretrained(folder)
    assert identity(folder).weights_digest == before.weights_digest
    assert identity(folder).tokenizer_digest != before.tokenizer_digest
    assert identity(folder).template_digest != before.template_digest


# ------------------------------------------------------------------------------------------------ code


def test_weights_in_a_pickle_file_are_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save(make_model(len(make_tokenizer())).state_dict(), folder / "pytorch_model.bin")
    error = refusal(UnsafeCheckpoint, folder)
    assert "pytorch_model.bin" in error.problem
    assert "save_pretrained" in error.fix


def test_a_pickle_file_beside_safetensors_is_not_read(folder):
    expected = answer(folder)
    torch.save(make_model(len(make_tokenizer()), seed=1).state_dict(), folder / "pytorch_model.bin")
    assert answer(folder) == expected


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    assert "no weights" in refusal(BackendError, folder).problem


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
open({mark!r}, "w").close()
"""
AUTO_MAP = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}


@pytest.fixture
def with_code(folder, tmp_path, monkeypatch):
    """A checkpoint that brings its own code, which leaves a mark when it is executed."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (folder / "own.py").write_text(OWN_CODE.format(mark=str(tmp_path / "executed")))
    change_json(folder / "config.json", model_type="own", auto_map=AUTO_MAP)
    return folder


def test_the_checkpoint_s_own_code_is_refused_and_not_executed(with_code, tmp_path):
    error = refusal(UnsafeCheckpoint, with_code)
    assert "config.json has auto_map" in error.problem
    assert "trust_remote_code=true" in error.fix
    assert not (tmp_path / "executed").exists()


def test_a_tokenizer_s_own_code_is_refused(folder):
    change_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]})
    assert "tokenizer_config.json has auto_map" in refusal(UnsafeCheckpoint, folder).problem


def test_the_checkpoint_s_own_code_is_executed_where_that_is_asked_for(with_code, sound, tmp_path):
    assert answer(with_code, trust_remote_code=True) == answer(sound)
    assert (tmp_path / "executed").exists()


# -------------------------------------------------------------------------------------------- adapters


@pytest.fixture(scope="module")
def adapter(sound, tmp_path_factory):
    """A LoRA adapter whose weights are not zero."""
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(folder)
    return folder


def save_adapter(folder, seed=0):
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = make_model(len(make_tokenizer()))
    torch.manual_seed(seed)
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def test_an_adapter_changes_the_text_and_the_identity(sound, adapter):
    assert answer(sound, adapter=str(adapter)) != answer(sound)
    plain, adapted = identity(sound), identity(sound, adapter=str(adapter))
    assert plain.adapter_digest is None
    assert adapted.adapter_digest.startswith("sha256:")
    assert adapted.weights_digest == plain.weights_digest
    assert adapted.digest != plain.digest


def test_another_adapter_has_another_digest(sound, adapter, tmp_path):
    other = save_adapter(tmp_path / "other", seed=1)
    digests = {identity(sound, adapter=str(folder)).adapter_digest for folder in (adapter, other)}
    assert len(digests) == 2


def test_an_adapter_gives_the_text_that_peft_gives(sound, adapter):
    tokenizer = make_tokenizer()
    model = PeftModel.from_pretrained(make_model(len(tokenizer)), adapter)
    ids = tokenizer(PROMPT.text, return_tensors="pt")
    out = model.generate(**ids, do_sample=False, max_new_tokens=12, eos_token_id=[1, 3], pad_token_id=1)
    new = [token for token in out[0, ids["input_ids"].shape[1] :].tolist() if token not in (1, 3)]
    assert answer(sound, adapter=str(adapter)) == tokenizer.decode(new)


@pytest.mark.parametrize(("dtype", "merged"), [("float32", True), ("bfloat16", False)])
def test_an_adapter_is_merged_where_rounding_is_that_of_float32(sound, adapter, dtype, merged):
    """In bfloat16 a sum of weights would be rounded away where the adapter's part is small."""
    backend = open_hf(sound, adapter=str(adapter), dtype=dtype)
    assert any("lora_A" in name for name, _ in backend._loaded().named_parameters()) is not merged
    ids = torch.arange(4, 24)[None]
    with torch.inference_mode():
        plain = AutoModelForCausalLM.from_pretrained(sound, dtype=dtype)
        expected = PeftModel.from_pretrained(plain, adapter)(ids).logits
        difference = (backend._loaded()(ids).logits - expected).abs().max()
    assert difference < 1e-4 if merged else difference == 0


def test_a_chat_template_saved_with_an_adapter_is_used(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    (copy / "chat_template.jinja").write_text("{% for m in messages %}[{{ m.content }}]{% endfor %}")
    [rendered] = open_hf(sound, adapter=str(copy)).render([ChatPrompt(messages=(Message(role="user", content="hi"),))])
    assert rendered.text == "[hi]"
    before, after = (identity(sound, adapter=str(folder)) for folder in (adapter, copy))
    assert before.template_digest != after.template_digest
    assert before.adapter_digest != after.adapter_digest


def test_a_chat_template_that_links_out_of_the_adapter_is_refused(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    (tmp_path / "secret").write_text("key")
    (copy / "chat_template.jinja").symlink_to(tmp_path / "secret")
    assert "link" in refusal(UnsafeCheckpoint, sound, adapter=str(copy)).problem


def test_an_adapter_in_a_pickle_file_is_refused(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    (copy / "adapter_model.safetensors").rename(copy / "adapter_model.bin")
    assert "save_pretrained" in refusal(UnsafeCheckpoint, sound, adapter=str(copy)).fix


def test_an_adapter_that_is_not_there_is_an_error(sound, tmp_path):
    assert "none" in refusal(UnknownModel, sound, adapter=str(tmp_path / "none")).problem


def test_a_folder_that_is_no_adapter_is_an_error(sound):
    assert "adapter_config.json" in refusal(UnknownModel, sound, adapter=str(sound)).problem


def test_an_adapter_as_a_checkpoint_is_an_error(adapter):
    refusal(UnknownModel, adapter)


def test_an_adapter_in_the_checkpoint_s_own_folder_is_not_applied_in_silence(folder, adapter):
    """The library would apply it without a word, and its settings are in no digest."""
    for path in adapter.glob("adapter_*"):
        shutil.copy(path, folder)
    assert "adapter" in refusal(BackendError, folder).fix


def test_an_adapter_of_another_architecture_is_an_error(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    change_json(copy / "adapter_config.json", target_modules=["query_key_value"])
    refusal(BackendError, sound, adapter=str(copy))


def test_an_adapter_of_another_size_is_an_error(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    change_json(copy / "adapter_config.json", r=2)
    refusal(BackendError, sound, adapter=str(copy))


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_corrupt_adapter_is_an_error(sound, adapter, tmp_path, name):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    cut(copy / name)
    refusal(BackendError, sound, adapter=str(copy))


# --------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"dtyp": "float32"}, "dtyp"),
        ({"dtype": "float8"}, "float8"),
        ({"batch_size": "many"}, "batch_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_tokens": -1}, "batch_tokens"),
        ({"trust_remote_code": "perhaps"}, "trust_remote_code"),
        ({"device": "toaster"}, "toaster"),
        ({"attention": "nonsense"}, "nonsense"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(sound, options, word):
    assert word in refusal((ConfigError, BackendError), sound, **options).problem


def test_an_unknown_option_is_answered_with_the_known_ones(sound):
    assert "dtype" in refusal(ConfigError, sound, dtyp="float32").fix


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_cuda_device_that_is_not_there_is_an_error(sound):
    assert "CUDA" in refusal(BackendError, sound, device="cuda").problem


def test_a_gpu_beyond_the_last_is_an_error(sound, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose_device("cuda:1", "here") == "cuda:1"
    assert refusal(BackendError, sound, device="cuda:2").problem == "checkpoint 'tiny': there is no cuda:2"


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an MPS device here")
def test_an_mps_device_that_is_not_there_is_an_error(sound):
    refusal(BackendError, sound, device="mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a CUDA device it may be there")
@pytest.mark.parametrize("attention", ["flash_attention_2", "kernels-community/flash-attn"])
def test_an_attention_implementation_that_is_not_there_is_an_error(sound, attention):
    assert attention in refusal(BackendError, sound, attention=attention).problem


def test_weights_that_are_spread_over_all_devices_give_the_same_text(sound):
    """Here there is one device; which layers are where is up to accelerate."""
    assert answer(sound, device_map="auto") == answer(sound)
    assert "auto" in refusal(ConfigError, sound, device_map="balanced").problem


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
@pytest.mark.parametrize("quantization", ["8bit", "4bit"])
def test_quantization_without_its_package_is_an_error(sound, quantization):
    assert "pip install bitsandbytes" in refusal(MissingExtra, sound, quantization=quantization).fix
    assert "8bit" in refusal(ConfigError, sound, quantization="2bit").problem


def test_weights_that_do_not_fit_are_refused_before_they_are_loaded():
    with pytest.raises(BackendError) as caught:
        devices.refuse_too_large("org/huge", 2**60, "cpu")
    assert caught.value.problem.startswith("the weights of org/huge need 1073741824.0 GiB, and cpu has ")
    assert "quantization=4bit" in caught.value.fix
    devices.refuse_too_large("org/small", 1, "cpu")


def test_on_a_gpu_weights_are_read_where_they_belong():
    assert loading.Placement("cuda:1", torch.bfloat16).settings["device_map"] == {"": "cuda:1"}
    assert "device_map" not in loading.Placement("cpu", torch.bfloat16).settings


def test_the_memory_that_is_said_is_that_of_the_quantized_weights():
    whole, quantized = (loading.Placement("cpu", torch.bfloat16, quantization=how) for how in (None, "4bit"))
    assert (whole.bytes_per_parameter, quantized.bytes_per_parameter) == (2, 0.57)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_dtype_that_was_asked_for_is_the_model_s_and_the_identity_s(sound, dtype):
    backend = open_hf(sound, dtype=dtype)
    assert backend.resolve().identity.dtype == dtype
    assert {str(parameter.dtype) for parameter in backend._loaded().parameters()} == {f"torch.{dtype}"}


# --------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "binary"])
def test_a_damaged_file_is_an_error_that_names_the_folder(folder, name, damage):
    path = folder / name
    match damage:
        case "cut":
            cut(path)
        case "empty":
            path.write_bytes(b"")
        case "binary":
            path.write_bytes(b"\xff\xfe\x00\x01" * 100)
    assert str(folder) in refusal(BackendError, folder).problem


def test_a_damaged_generation_config_is_an_error(folder):
    cut(folder / "generation_config.json")
    assert str(folder) in refusal(BackendError, folder).problem


def test_an_unknown_architecture_is_an_error_that_names_it(folder):
    change_json(folder / "config.json", model_type="never_heard_of")
    assert "never_heard_of" in refusal(BackendError, folder).problem


def test_a_model_that_does_not_generate_text_is_an_error(folder):
    change_json(folder / "config.json", model_type="vit", architectures=["ViTModel"])
    refusal(BackendError, folder)


def test_weights_that_are_missing_are_an_error_and_not_random(folder):
    change_json(folder / "config.json", num_hidden_layers=3)
    refusal(BackendError, folder)


def test_weights_of_another_shape_are_an_error(folder):
    change_json(folder / "config.json", intermediate_size=48)
    refusal(BackendError, folder)


def test_a_missing_tokenizer_is_an_error(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "tokenizer" in refusal(BackendError, folder).problem


def test_a_missing_shard_is_an_error(folder):
    make_model(len(make_tokenizer())).save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    (folder / "model.safetensors").unlink()
    shards[-1].unlink()
    refusal(BackendError, folder)


# -------------------------------------------------------------------------------------- names, the Hub


@pytest.mark.parametrize("model", ["./none", "/none/at/all", "./none.gguf"])
def test_a_path_that_is_not_there_is_an_error(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    assert "none" in refusal(UnknownModel, model).problem


def test_a_folder_that_was_saved_without_its_tokenizer_is_named(tmp_path):
    folder = save_checkpoint(tmp_path / "merged")
    (folder / "tokenizer.json").unlink()
    error = refusal(BackendError, folder)
    assert "has no tokenizer, only weights" in error.problem
    assert "tokenizer.save_pretrained" in error.fix


def test_a_file_in_place_of_its_folder_is_named(sound):
    assert "is a file" in refusal(UnknownModel, sound / "model.safetensors").problem


def test_a_folder_that_is_no_checkpoint_is_an_error(tmp_path):
    assert "config.json" in refusal(UnknownModel, tmp_path).problem


@pytest.mark.parametrize("model", ["org/none", "org/none@main", "none", "not a name", "a/b/c"])
def test_a_hub_model_that_is_not_in_the_cache_is_an_error_offline(monkeypatch, tmp_path, model):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert model in refusal(UnknownModel, model).problem


# ---------------------------------------------------------------------------------- files of strangers


def in_shards(folder, *, names):
    """The weights in one shard and an index that names the shards."""
    (folder / "model.safetensors").rename(folder / "shard.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def keys():
    return list(make_model(len(make_tokenizer())).state_dict())


def test_an_index_of_safetensors_in_the_folder_loads(sound, folder):
    assert answer(in_shards(folder, names=dict.fromkeys(keys(), "shard.safetensors"))) == answer(sound)


@pytest.mark.parametrize(
    "name",
    ["weights.bin", "../outside.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "a\\b.safetensors"],
)
def test_an_index_that_names_anything_but_safetensors_of_the_folder_is_refused_by_name(folder, name):
    """A pickle file beside a decoy was loaded, and no digest covered it."""
    in_shards(folder, names={**dict.fromkeys(keys(), "shard.safetensors"), keys()[0]: name})
    torch.save(make_model(len(make_tokenizer())).state_dict(), folder / "weights.bin")
    shutil.copy(folder / "shard.safetensors", folder.parent / "outside.safetensors")
    assert repr(name) in refusal(UnsafeCheckpoint, folder).problem


@pytest.mark.parametrize("weight_map", [None, [], {}, {"a": 1}, "x"])
def test_an_index_that_is_no_table_of_files_is_an_error(folder, weight_map):
    assert "weight_map" in refusal(BackendError, in_shards(folder, names=weight_map)).problem


def test_a_decoy_beside_the_weights_is_in_no_digest_and_a_shard_of_the_index_is(folder):
    in_shards(folder, names=dict.fromkeys(keys(), "shard.safetensors"))
    before = identity(folder).weights_digest
    shutil.copy(folder / "shard.safetensors", folder / "x.safetensors")
    assert identity(folder).weights_digest == before
    make_model(len(make_tokenizer()), seed=1).save_pretrained(folder)
    (folder / "model.safetensors").replace(folder / "shard.safetensors")
    assert identity(folder).weights_digest != before


def test_a_decoy_alone_is_no_checkpoint(folder):
    (folder / "model.safetensors").rename(folder / "x.safetensors")
    assert "no weights" in refusal(BackendError, folder).problem


def test_a_configuration_that_names_another_file_of_weights_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "x.safetensors")
    shutil.copy(folder / "x.safetensors", folder / "model.safetensors")
    change_json(folder / "config.json", transformers_weights="x.safetensors")
    assert "transformers_weights" in refusal(UnsafeCheckpoint, folder).problem


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_link_out_of_the_folder_is_refused(folder, name):
    outside = (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(outside)
    assert f"{name} is a link out of" in refusal(UnsafeCheckpoint, folder).problem


def test_the_links_of_a_hugging_face_cache_are_followed(sound, tmp_path):
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "c0ffee", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sound.iterdir()):
        shutil.copy(path, blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    assert answer(snapshot) == answer(sound)
    assert identity(snapshot).weights_digest == identity(sound).weights_digest


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_pipe_among_the_files_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refusal(BackendError, folder)


@pytest.mark.parametrize("name", ["chat_template.jinja", "special_tokens_map.json", "spiece.model", "source.spm"])
def test_every_file_of_a_tokenizer_is_in_its_digest(folder, name):
    before = identity(folder).tokenizer_digest
    (folder / name).write_text("{}")
    assert identity(folder).tokenizer_digest != before


def test_an_adapter_s_link_out_of_its_folder_is_refused(sound, adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    outside = (copy / "adapter_model.safetensors").rename(tmp_path / "outside.safetensors")
    (copy / "adapter_model.safetensors").symlink_to(outside)
    assert "link out of" in refusal(UnsafeCheckpoint, sound, adapter=str(copy)).problem


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("config.json", "mlp_bias", None),
        ("config.json", "max_position_embeddings", None),
        ("config.json", "max_position_embeddings", -1),
        ("config.json", "max_position_embeddings", "many"),
        ("config.json", "num_attention_heads", 0),
        ("config.json", "num_hidden_layers", 10**9),
        ("config.json", "intermediate_size", 10**9),
        ("config.json", "vocab_size", 10**12),
        ("config.json", "hidden_size", 2**63),
        ("config.json", "rms_norm_eps", []),
        ("config.json", "rope_theta", "x"),
        ("config.json", "hidden_act", "exec"),
        ("config.json", "torch_dtype", "float7"),
        ("config.json", "architectures", 5),
        ("config.json", "quantization_config", {"quant_method": "none_of_them"}),
        ("generation_config.json", "eos_token_id", 2**63),
        ("generation_config.json", "eos_token_id", 1e309),
        ("generation_config.json", "eos_token_id", [1, "x"]),
        ("generation_config.json", "eos_token_id", {"a": 1}),
        ("tokenizer_config.json", "chat_template", 5),
        ("tokenizer_config.json", "tokenizer_class", "exec"),
        ("tokenizer_config.json", "model_max_length", "x"),
        ("tokenizer.json", "model", {"type": "BPE", "vocab": {}, "merges": ["a b"]}),
        ("tokenizer.json", "added_tokens", 5),
        ("tokenizer.json", "post_processor", {"type": "x"}),
    ],
)
def test_a_wrong_value_is_an_error_and_no_traceback_or_is_not_used(sound, folder, name, field, value):
    """`mlp_bias: null` was a TypeError, a bad tokenizer.json a bare Exception, 2**63 an OverflowError."""
    change_json(folder / name, **{field: value})
    try:
        text = answer(folder)
    except EvalHarnessError as error:
        assert str(folder) in error.problem
        assert name.partition(".")[0].removesuffix("_config") in error.problem
        assert error.fix
    else:
        assert text == answer(sound)


def test_a_mistake_of_our_own_stays_a_traceback():
    with pytest.raises(AttributeError, match="SimpleNamespace"):
        loading.load_settings(SimpleNamespace(name="x"), trust_remote_code=False)


def test_an_implementation_of_attention_from_the_hub_is_refused(folder):
    """The library fetches and executes it, whatever implementation is asked for."""
    change_json(folder / "config.json", _attn_implementation="kernels-community/flash-attn")
    assert "kernels-community/flash-attn" in refusal(UnsafeCheckpoint, folder).problem
