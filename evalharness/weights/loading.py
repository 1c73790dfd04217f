"""Finding, checking and loading checkpoints for transformers: Hub ids, folders, GGUF files, PEFT adapters.

Only safetensors and GGUF weights are read: a pickle file executes code when it is loaded.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import save_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from evalharness.errors import BackendError, UnknownModel, UnsafeCheckpoint
from evalharness.weights.files import cache_folder, digest_files, file_digest

WEIGHTS = "*.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json", "spiece.model")
SETTINGS = ("config.json", "generation_config.json")
log = logging.getLogger(__name__)
BROKEN = (OSError, ValueError, KeyError, IndexError, RuntimeError, ImportError, SafetensorError)
"""What the libraries raise for a file that is damaged, incomplete or of a kind they do not know."""
UNPACK_LIMIT = 2**30
"""Parameters up to which a GGUF file is unpacked once into the cache; a larger one is read anew each time."""


@dataclass(frozen=True)
class Source:
    """Where a checkpoint's files are, and what they are."""

    name: str
    """As it was asked for, for messages."""
    folder: Path
    weights_digest: str
    gguf_file: str | None = None
    """Set where the weights are read from a GGUF file in `folder`."""
    quantization: str | None = None


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Say in one sentence what the libraries raise where a checkpoint cannot be loaded.

    Raises:
        BackendError: it is damaged or of an unknown kind, or its weights do not fit into memory.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise BackendError(
            f"the weights of {name} do not fit into memory",
            fix="use dtype=bfloat16, device=cpu or a smaller checkpoint",
        ) from None
    except BROKEN as error:
        said = " ".join(str(error).split())[:300]
        raise BackendError(
            f"{name} cannot be loaded: {type(error).__name__}: {said}",
            fix="check that its files are complete, and that this version of transformers knows it",
        ) from None


def find_source(name: str) -> Source:
    """Find a checkpoint by the name that follows `hf/`.

    Raises:
        UnknownModel: there is no such folder, file or Hub model.
        UnsafeCheckpoint: it has no safetensors weights.
    """
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        return _gguf_source(path)
    if name.startswith((".", "/", "~")) or path.is_dir():
        return _folder_source(path)
    return _hub_source(name)


def _folder_source(folder: Path) -> Source:
    if not folder.is_dir():
        raise UnknownModel(f"there is no folder {folder}", fix="check the path; a Hub model is written hf/org/name")
    _refuse_unsafe(folder, str(folder))
    return Source(str(folder), folder, digest_files(folder, (WEIGHTS, *SETTINGS)))


def _hub_source(name: str) -> Source:
    repository, _, revision = name.partition("@")
    try:
        allowed = [WEIGHTS, "*.json", "*.jinja", "*.model", "*.txt"]
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=allowed))
    except GatedRepoError:
        raise UnknownModel(
            f"{repository} is gated on the Hugging Face Hub", fix="accept its terms there, then `hf auth login`"
        ) from None
    except LocalEntryNotFoundError:
        raise UnknownModel(
            f"{name} is not in the Hugging Face cache, and the Hub cannot be reached",
            fix="check the name, unset HF_HUB_OFFLINE, or give a local folder as hf/./folder",
        ) from None
    except (HfHubHTTPError, HFValidationError):
        raise UnknownModel(
            f"the Hugging Face Hub has no model {name}",
            fix="check the name and revision; a local folder is hf/./folder",
        ) from None
    _refuse_unsafe(folder, name)
    # A snapshot's folder is named after its commit.
    return Source(name, folder, f"commit:{folder.name}")


def _refuse_unsafe(folder: Path, name: str) -> None:
    adapter = (folder / "adapter_config.json").exists()
    if not (folder / "config.json").exists():
        fix = "name its base as the model and give it with -M adapter=PATH" if adapter else "give a complete checkpoint"
        raise UnknownModel(f"{name} has no config.json", fix=fix)
    if adapter:
        raise BackendError(
            f"{name} holds a PEFT adapter beside the weights, which would be applied without a word",
            fix="move the adapter into a folder of its own and give it with -M adapter=PATH",
        )
    if any(folder.glob(WEIGHTS)):
        return
    pickles = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
    found = f"only {', '.join(pickles)}" if pickles else "no weights"
    raise UnsafeCheckpoint(
        f"{name} has no safetensors weights ({found}); a pickle file executes code when it is loaded",
        fix="convert it where you trust it: model.save_pretrained(folder), then use hf/./folder",
    )


# ------------------------------------------------------------------------------------------------ GGUF


def _gguf_source(path: Path) -> Source:
    if not path.is_file():
        raise UnknownModel(
            f"there is no file {path}", fix="check the path; write hf/./file.gguf or hf//absolute/file.gguf"
        )
    with path.open("rb") as handle:
        if handle.read(4) != b"GGUF":
            raise BackendError(f"{path} is not a GGUF file", fix="give a .gguf file, or a folder with safetensors")
    weights = file_digest(path, path.stat().st_mtime_ns)
    folder = cache_folder() / "unpacked" / weights.removeprefix("sha256:")
    facts = folder / "gguf.json"
    if not facts.exists():
        with reading(path):
            parameters, quantization = _gguf_facts(path)
            if parameters > UNPACK_LIMIT:
                return Source(str(path), path.parent, weights, path.name, quantization)
            _unpack(path, folder, quantization)
    return Source(str(path), folder, weights, quantization=json.loads(facts.read_text())["quantization"])


def _gguf_facts(path: Path) -> tuple[int, str | None]:
    from gguf import GGUFReader, LlamaFileType

    reader = GGUFReader(path)
    field = reader.get_field("general.file_type")
    parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    return parameters, None if field is None else LlamaFileType(field.contents()).name.removeprefix("MOSTLY_")


def _unpack(path: Path, folder: Path, quantization: str | None) -> None:
    """Write the weights once as float32 safetensors: reading a GGUF file takes tens of times longer."""
    log.info("unpacking %s, once", path.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        scratch = Path(parent, "unpacked")
        model = load_complete(AutoModelForCausalLM, path, path.parent, gguf_file=path.name, dtype=torch.float32)
        scratch.mkdir()
        # save_pretrained refuses a model that came from GGUF, although its weights are plain float32 by now.
        save_model(model, str(scratch / "model.safetensors"), metadata={"format": "pt"})
        AutoConfig.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(scratch)
        model.generation_config.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(scratch)
        (scratch / "gguf.json").write_text(json.dumps({"quantization": quantization}))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # Another process has put it there.
            scratch.replace(folder)


def load_complete(kind: Any, name: object, folder: Path, **settings: Any) -> Any:
    """A model all of whose weights come from its files: what is missing would be filled with random numbers.

    Args:
        kind: the class of transformers that loads it, such as `AutoModelForCausalLM`.
        name: as it was asked for, for messages.
        folder: where its files are.
        settings: for `from_pretrained`.

    Raises:
        BackendError: weights are missing.
    """
    model, info = kind.from_pretrained(folder, output_loading_info=True, **settings)
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise BackendError(
            f"{name} lacks {len(missing)} of its weights, such as {missing[0]}", fix="fetch it again, completely"
        )
    return model


# ----------------------------------------------------------------------------------------- identity


def load_settings(source: Source, *, trust_remote_code: bool) -> Any:
    """The model's configuration, without weights.

    Raises:
        UnsafeCheckpoint: the checkpoint brings its own modelling code.
    """
    with reading(source.name):
        if source.gguf_file is None and not trust_remote_code:
            _refuse_custom_code(source.folder)
        return AutoConfig.from_pretrained(
            source.folder, gguf_file=source.gguf_file, trust_remote_code=trust_remote_code
        )


def load_generation_settings(source: Source) -> dict[str, Any]:
    """What `generation_config.json` says; empty where there is none."""
    if source.gguf_file or not (source.folder / "generation_config.json").exists():
        return {}
    with reading(source.name):
        return dict(GenerationConfig.from_pretrained(source.folder).to_diff_dict())


def _refuse_custom_code(folder: Path) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists() and json.loads(path.read_text(encoding="utf-8")).get("auto_map"):
            raise UnsafeCheckpoint(
                f"{folder} brings its own code ({name} has auto_map), which would be executed",
                fix="read that code, then allow it with -M trust_remote_code=true",
            )


def count_parameters(source: Source, settings: Any, *, trust_remote_code: bool) -> int:
    """How many parameters a model of this configuration has, without allocating them."""
    with reading(source.name), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(settings, trust_remote_code=trust_remote_code)
    return sum(parameter.numel() for parameter in model.parameters())


def cache_bytes_per_token(settings: Any, dtype: torch.dtype) -> int:
    """Bytes of keys and values that one token takes in all layers; an upper bound where a window slides."""
    text = settings.get_text_config()
    # Which of the two a configuration has differs between architectures.
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * width * dtype.itemsize)


def load_tokenizer(source: Source, *, trust_remote_code: bool) -> Any:
    """The tokenizer, padded on the left."""
    with reading(f"the tokenizer of {source.name}"):
        return AutoTokenizer.from_pretrained(
            source.folder, gguf_file=source.gguf_file, trust_remote_code=trust_remote_code, padding_side="left"
        )


def load_model(
    source: Source, *, device: str, dtype: torch.dtype, attention: str, adapter: Path | None, trust_remote_code: bool
) -> Any:
    """The weights on the device, with the adapter merged in, ready for inference."""
    with reading(source.name):
        model = load_complete(
            AutoModelForCausalLM,
            source.name,
            source.folder,
            gguf_file=source.gguf_file,
            dtype=dtype,
            attn_implementation=attention,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
        )
    if adapter is not None:
        from peft import PeftModel

        with reading(f"the adapter {adapter}"):
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    with reading(source.name):
        return model.to(device).eval()


def check_adapter(adapter: Path) -> str:
    """The digest of a PEFT adapter's files.

    Raises:
        UnknownModel: it is not an adapter folder.
        UnsafeCheckpoint: its weights are a pickle file.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise UnknownModel(f"{adapter} is not a PEFT adapter: it has no adapter_config.json", fix="give its folder")
    if not (adapter / "adapter_model.safetensors").is_file():
        raise UnsafeCheckpoint(
            f"{adapter} has no adapter_model.safetensors; a pickle file executes code when it is loaded",
            fix="save it again with save_pretrained, which writes safetensors",
        )
    return digest_files(adapter, ("adapter_model.safetensors", "adapter_config.json"))
