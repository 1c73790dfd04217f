"""GGUF files: the same checkpoint in another file, unpacked once, whoever else unpacks it."""

import json
import shutil
import struct
import sys

import pytest
import torch
from safetensors.torch import load_file
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
    save_gguf,
    write_gguf,
)

from evalharness.errors import BackendError
from evalharness.weights.gguf_header import read_header
from evalharness.weights.loading import UNPACKED


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The checkpoint that the GGUF file is made from."""
    return save_checkpoint(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def gguf_file(tmp_path, monkeypatch):
    """The sound checkpoint as a GGUF file, and an empty cache to unpack it into."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return save_gguf(tmp_path / "tiny.gguf")


def unpacked(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "evalharness" / UNPACKED).iterdir())


def test_a_gguf_file_gives_the_text_of_the_checkpoint_it_was_made_from(sound, gguf_file):
    assert open_hf(gguf_file).render([PROMPT]) == open_hf(sound).render([PROMPT])
    assert answer(gguf_file) == answer(sound)


def test_a_gguf_file_is_known_by_its_content_and_says_its_quantization(gguf_file, tmp_path):
    result = identity(gguf_file)
    assert result.quantization == "ALL_F32"
    assert result.weights_digest == identity(shutil.copy(gguf_file, tmp_path / "copy.gguf")).weights_digest
    assert result.weights_digest != identity(save_gguf(tmp_path / "other.gguf", seed=1)).weights_digest


def test_a_gguf_file_brings_its_chat_template_and_facts(sound, gguf_file):
    assert open_hf(gguf_file).resolve().tokenizer == open_hf(sound).resolve().tokenizer


def test_a_gguf_file_is_unpacked_once(gguf_file, tmp_path):
    answer(gguf_file)
    [before] = [path.stat() for path in tmp_path.glob(f"cache/evalharness/{UNPACKED}/*/model.safetensors")]
    answer(gguf_file)
    [after] = [path.stat() for path in tmp_path.glob(f"cache/evalharness/{UNPACKED}/*/model.safetensors")]
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_unpacked_file_has_the_names_that_other_programs_load(tmp_path, monkeypatch):
    """vLLM and llama.cpp's converter look for tied weights under the name of the embedding, and for `architectures`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer), tie_word_embeddings=True)
    model.save_pretrained(tmp_path / "sound")
    answer(write_gguf(tmp_path / "tied.gguf", model, tokenizer))
    [folder] = (tmp_path / "cache" / "evalharness" / UNPACKED).iterdir()
    ours, theirs = (load_file(where / "model.safetensors") for where in (folder, tmp_path / "sound"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    settings = json.loads((folder / "config.json").read_text())
    assert (settings["architectures"], settings["tie_word_embeddings"]) == (["LlamaForCausalLM"], True)


def test_two_processes_may_unpack_the_same_file_at_once(sound, gguf_file, tmp_path):
    """The other one finishes just before this one puts its folder in place."""
    others = []

    def other_process_is_faster(event, arguments):
        if event == "os.rename" and f"/{UNPACKED}/" in str(arguments[1]) and not others:
            others.append(None)
            others[0] = identity(gguf_file)

    sys.addaudithook(other_process_is_faster)
    assert [identity(gguf_file)] == others
    assert len(unpacked(tmp_path)) == 1
    assert answer(gguf_file) == answer(sound)


def test_what_a_killed_process_left_half_unpacked_is_made_good(sound, gguf_file, tmp_path):
    answer(gguf_file)
    [folder] = (tmp_path / "cache" / "evalharness" / UNPACKED).iterdir()
    for name in ("gguf.json", "tokenizer.json"):
        (folder / name).unlink()
    assert answer(gguf_file) == answer(sound)


def test_a_file_that_is_no_gguf_is_an_error(tmp_path):
    (tmp_path / "text.gguf").write_text("a text")
    assert "not a GGUF file" in refusal(BackendError, tmp_path / "text.gguf").problem


@pytest.mark.parametrize("damage", ["garbage", "cut", "magic only"])
def test_a_damaged_gguf_file_is_an_error_and_leaves_nothing(gguf_file, tmp_path, damage):
    match damage:
        case "garbage":
            gguf_file.write_bytes(b"GGUF" + b"\x07" * 5000)
        case "cut":
            cut(gguf_file)
        case "magic only":
            gguf_file.write_bytes(b"GGUF")
    assert "tiny.gguf" in refusal(BackendError, gguf_file).problem
    assert not list(tmp_path.glob("cache/**/*.safetensors"))


def test_a_gguf_file_of_an_unknown_architecture_is_an_error(gguf_file):
    gguf_file.write_bytes(gguf_file.read_bytes().replace(b"llama", b"lemur"))
    assert "tiny.gguf" in refusal(BackendError, gguf_file).problem


def test_a_tensor_that_is_missing_is_an_error_and_not_random(gguf_file):
    save_gguf(gguf_file, without="blk.1.ffn_up.weight")
    assert "tiny.gguf" in refusal(BackendError, gguf_file).problem


# --------------------------------------------------------------------------------- files of strangers


def header(*pairs, tensors=0, keys=None):
    """A file's head: pairs of a key and its type with its value."""
    count = len(pairs) if keys is None else keys
    body = b"".join(struct.pack("<Q", len(key)) + key + value for key, value in pairs)
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + body


def array(kind, count, content=b""):
    return struct.pack("<IIQ", 9, kind, count) + content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header((b"a", array(0, 2**40))), "claims 1099511627776 values in a"),
        (header((b"a", array(8, 2**60))), "claims"),
        (header((b"a", array(9, 1, array(9, 1, b"")))), "array of the type 9"),
        (header((b"a", array(77, 1))), "array of the type 77"),
        (header((b"a", struct.pack("<IQ", 8, 2**63)), keys=1), "claims"),
        (header(keys=2**63), "keys"),
        (header(tensors=2**63), "tensors"),
        (header((b"a", struct.pack("<I", 99) + b"\0" * 20)), "unknown type 99"),
        (header((b"\xff", struct.pack("<IB", 0, 0))), "not UTF-8"),
        (header((b"llama.block_count", struct.pack("<II", 4, 2**31))), "block_count is 2147483648"),
        (header(tensors=1) + struct.pack("<Q", 1) + b"t" + struct.pack("<I4QIQ", 4, *[2**60] * 4, 0, 0), "elements"),
        (header(tensors=1) + struct.pack("<Q", 1) + b"t" + struct.pack("<I", 2**31) + b"\0" * 40, "dimensions"),
        (b"GGUF" + struct.pack(">I", 3) + b"\0" * 40, "version"),
        (header((b"a", array(0, 2**22 + 1, b"\0" * (2**22 + 1)))), "more than 4194304 values"),
    ],
)
def test_a_header_that_claims_more_than_the_file_holds_is_refused_at_once(tmp_path, content, said):
    """51 bytes with an array of 2**40 numbers took memory without end."""
    (tmp_path / "tiny.gguf").write_bytes(content)
    assert said in refusal(BackendError, tmp_path / "tiny.gguf").problem


def test_the_bounds_of_the_header_let_a_real_file_through(gguf_file):
    header = read_header(gguf_file)
    assert (header.parameters, header.file_type) == (open_hf(gguf_file).resolve().parameters, 0)


def test_what_lies_beside_a_gguf_file_is_not_read(gguf_file):
    before = identity(gguf_file)
    (gguf_file.parent / "chat_template.jinja").write_text("{{ 'other' }}")
    (gguf_file.parent / "tokenizer_config.json").write_text('{"chat_template": "other"}')
    shutil.rmtree(gguf_file.parent / "cache")
    assert identity(gguf_file) == before
