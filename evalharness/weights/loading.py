"""Finding, checking and loading checkpoints for transformers: Hub ids, folders, GGUF files, PEFT adapters.

Only safetensors and GGUF weights are read: a pickle file executes code when it is loaded.
"""

import json
import logging
import os
import re
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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from evalharness.errors import BackendError, EvalHarnessError, UnknownModel, UnsafeCheckpoint
from evalharness.parsing import Unparsable, read_regular
from evalharness.weights import files
from evalharness.weights.gguf_header import Header, HeaderError, read_header

log = logging.getLogger(__name__)
OURS = Path(files.__file__).parent.parent
TEMPLATE = "chat_template.jinja"
PARTS = re.compile(r"(^|_)(layers?|experts|blocks|stages)$")
"""Fields of a configuration for how many parts a model has, each of which has weights."""
WEIGHTS_A_BYTE = 8
"""More than any quantization packs into a byte."""
UNPACK_LIMIT = 2**30
"""Parameters up to which a GGUF file is unpacked once into the cache; a larger one is read anew each time."""


@dataclass(frozen=True)
class Source:
    """Location and kind of a checkpoint's files."""

    name: str
    """The name given by the user, for messages."""
    folder: Path
    weights_digest: str
    gguf_file: str | None = None
    """Set where the weights are read from a GGUF file in `folder`."""
    quantization: str | None = None

    @property
    def tokenizer_digest(self) -> str:
        """Digest over what the tokenizer is read from."""
        return self.weights_digest if self.gguf_file else files.tokenizer_digest(self.folder)

    @property
    def settings_name(self) -> str:
        """Where the configuration is read from, for messages."""
        return self.name if self.gguf_file else f"config.json of {self.name}"

    @property
    def template_file(self) -> str:
        """Where a chat template is read from, for messages."""
        names = (TEMPLATE, "tokenizer_config.json")
        there = [self.folder / name for name in names if (self.folder / name).exists()]
        return self.name if self.name.endswith(".gguf") or not there else str(there[0])


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Turn any error of the libraries into one sentence if a checkpoint cannot be loaded.

    A wrong value can raise any type, including a bare `Exception` from Rust, so no list of types is complete. An error
    raised by our own code is a bug and is not caught.

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
    except EvalHarnessError:
        raise
    except Exception as error:
        if _is_ours(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise BackendError(
            f"{name} cannot be loaded: {type(error).__name__}: {said}",
            fix="check that its files are complete and that this version of transformers supports it",
        ) from None


def _is_ours(error: Exception) -> bool:
    """Whether a line of this package raised it, rather than a library's."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    raised_in = Path(place.tb_frame.f_code.co_filename) if place is not None else OURS
    # Compiled code has no frame, so a call of it from here is the innermost line; these are what it raises.
    return raised_in.is_relative_to(OURS) and not isinstance(error, OSError | RuntimeError | SafetensorError)


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
    return Source(str(folder), folder, files.weights_digest(folder))


def _hub_source(name: str) -> Source:
    repository, _, revision = name.partition("@")
    try:
        allowed = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=allowed))
    except GatedRepoError:
        raise UnknownModel(
            f"{repository} is gated on the Hugging Face Hub", fix="accept its terms there, then `hf auth login`"
        ) from None
    except LocalEntryNotFoundError:
        raise UnknownModel(
            f"{name} is not in the Hugging Face cache, and the Hub is unreachable",
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
    adapter = os.path.lexists(folder / "adapter_config.json")
    if not (folder / "config.json").exists():
        fix = "name its base as the model and give it with -M adapter=PATH" if adapter else "give a complete checkpoint"
        raise UnknownModel(f"{name} has no config.json", fix=fix)
    if adapter:
        raise BackendError(
            f"{name} contains a PEFT adapter next to the weights, which would be applied silently",
            fix="move the adapter into a folder of its own and give it with -M adapter=PATH",
        )
    for path in (*files.weight_files(folder), *(folder / one for one in files.SETTINGS)):
        if os.path.lexists(path):
            files.refuse_outside(folder, path)
    files.tokenizer_digest(folder)
    settings = files.read_json(folder / "config.json")
    if settings.get("transformers_weights") is not None:
        raise UnsafeCheckpoint(
            f"{folder / 'config.json'}: transformers_weights names another file of weights",
            fix=f"name the file {files.WEIGHTS} and remove the field",
        )
    for field, value in _leaves(settings):
        if field.endswith("_implementation") and "/" in str(value):
            raise UnsafeCheckpoint(
                f"{folder / 'config.json'}: {field} refers to code on the Hub, {value!r}, which would be executed",
                fix="remove the field; -M attention= chooses an implementation",
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
    weights = files.file_digest(path, path.stat().st_mtime_ns)
    folder = files.cache_folder() / "unpacked" / weights.removeprefix("sha256:")
    facts = folder / "gguf.json"
    if not facts.exists():
        with reading(path):
            header = _header(path)
            alone = _alone(path, weights)
            if header.parameters > UNPACK_LIMIT:
                return Source(str(path), alone.parent, weights, alone.name, _quantization(header))
            _unpack(alone, folder, header)
    return Source(str(path), folder, weights, quantization=json.loads(facts.read_text())["quantization"])


def _header(path: Path) -> Header:
    try:
        return read_header(path)
    except HeaderError as error:
        raise BackendError(f"{path} is damaged: {error}", fix="download the complete checkpoint again") from None


def _quantization(header: Header) -> str | None:
    from gguf import LlamaFileType

    name = None if header.file_type is None else LlamaFileType(header.file_type).name
    return name and name.removeprefix("MOSTLY_")


def _alone(path: Path, weights: str) -> Path:
    """The file in a folder of its own: the library would also read a tokenizer and templates next to it."""
    folder = files.cache_folder() / "gguf" / weights.removeprefix("sha256:")
    folder.mkdir(parents=True, exist_ok=True)
    link, made = folder / "model.gguf", folder / f".{os.getpid()}"
    made.unlink(missing_ok=True)
    made.symlink_to(path.resolve())
    made.replace(link)
    return link


def _unpack(path: Path, folder: Path, header: Header) -> None:
    """Convert the weights once to float32 safetensors: reading a GGUF file takes tens of times longer."""
    log.info("unpacking %s, once", path.resolve().name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        scratch = Path(parent, "unpacked")
        settings = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
        _refuse_more(_parameters(settings, trust_remote_code=False), header.parameters, path.resolve())
        model = load_complete(
            AutoModelForCausalLM, path.resolve(), path.parent, gguf_file=path.name, dtype=torch.float32
        )
        scratch.mkdir()
        # save_pretrained refuses a model that came from GGUF, although its weights are plain float32 by now.
        save_model(model, str(scratch / "model.safetensors"), metadata={"format": "pt"})
        settings.save_pretrained(scratch)
        model.generation_config.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(scratch)
        (scratch / "gguf.json").write_text(json.dumps({"quantization": _quantization(header)}))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # Another process has put it there.
            scratch.replace(folder)


def load_complete(kind: Any, name: object, folder: Path, **settings: Any) -> Any:
    """Load a model and check that no weights are missing: transformers would fill them with random numbers.

    Args:
        kind: the class of transformers that loads it, such as `AutoModelForCausalLM`.
        name: as given by the user, for messages.
        folder: where its files are.
        settings: for `from_pretrained`.

    Raises:
        BackendError: weights are missing.
    """
    model, info = kind.from_pretrained(folder, output_loading_info=True, **settings)
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise BackendError(
            f"{name} lacks {len(missing)} of its weights, such as {missing[0]}",
            fix="download the complete checkpoint again",
        )
    return model


# ----------------------------------------------------------------------------------------- identity


def load_settings(source: Source, *, trust_remote_code: bool) -> Any:
    """The model's configuration, without weights.

    Raises:
        UnsafeCheckpoint: the checkpoint brings its own modelling code.
    """
    with reading(source.settings_name):
        if source.gguf_file is None and not trust_remote_code:
            _refuse_custom_code(source.folder)
        return AutoConfig.from_pretrained(
            source.folder, gguf_file=source.gguf_file, trust_remote_code=trust_remote_code
        )


def load_generation_settings(source: Source) -> dict[str, Any]:
    """The content of `generation_config.json`; empty if there is none."""
    if source.gguf_file or not (source.folder / "generation_config.json").exists():
        return {}
    with reading(f"generation_config.json of {source.name}"):
        return dict(GenerationConfig.from_pretrained(source.folder).to_diff_dict())


def _refuse_custom_code(folder: Path) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists() and files.read_json(path).get("auto_map"):
            raise UnsafeCheckpoint(
                f"{folder} brings its own code ({name} has auto_map), which would be executed",
                fix="read that code, then allow it with -M trust_remote_code=true",
            )


def count_parameters(source: Source, settings: Any, *, trust_remote_code: bool) -> int:
    """How many parameters a model of this configuration has, without allocating them."""
    if source.gguf_file is None:
        _refuse_more_parts(source)
    with reading(source.settings_name):
        parameters = _parameters(settings, trust_remote_code=trust_remote_code)
    if source.gguf_file is None:
        stored = sum(path.stat().st_size for path in files.weight_files(source.folder))
        _refuse_more(parameters, WEIGHTS_A_BYTE * stored, source.folder / "config.json")
    return parameters


def _parameters(settings: Any, *, trust_remote_code: bool) -> int:
    with torch.device("meta"):
        # The configuration could name an implementation of attention that is code from the Hub.
        model = AutoModelForCausalLM.from_config(
            settings, trust_remote_code=trust_remote_code, attn_implementation="eager"
        )
    return sum(parameter.numel() for parameter in model.parameters())


def _refuse_more(parameters: int, most: int, path: Path) -> None:
    if parameters > 2 * most:
        raise BackendError(
            f"{path} describes a model of {parameters:.3g} parameters, more than its weights can hold",
            fix="download the complete checkpoint again",
        )


def _refuse_more_parts(source: Source) -> None:
    """Building a model of a billion layers would take hours before its missing weights are noticed."""
    path = source.folder / "config.json"
    with reading(source.name):
        tensors = len(tensor_names(source.folder))
    for field, value in _leaves(files.read_json(path)):
        if PARTS.search(field) and isinstance(value, int | float) and value > tensors:
            raise BackendError(
                f"{path}: {field} is {value}, and the weights have {tensors} tensors",
                fix="download the complete checkpoint again",
            )


def _leaves(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All fields of a JSON object and of those inside it, with their values."""
    for field, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield field, value


def tensor_names(folder: Path) -> set[str]:
    """The names of all loaded weights, from the file headers."""
    names: set[str] = set()
    for path in files.weight_files(folder):
        with safe_open(path, "pt") as weights:
            names |= set(weights.keys())
    return names


def cache_bytes_per_token(settings: Any, dtype: torch.dtype) -> int:
    """Bytes of keys and values per token over all layers; an upper bound with sliding windows."""
    text = settings.get_text_config()
    # Which of the two a configuration has differs between architectures.
    heads = getattr(text, "num_key_value_heads", None) or positive(text, "num_attention_heads")
    width = getattr(text, "head_dim", None) or positive(text, "hidden_size") // positive(text, "num_attention_heads")
    return int(2 * positive(text, "num_hidden_layers") * heads * width * dtype.itemsize)


def positive(settings: Any, field: str) -> int:
    """A number of a configuration.

    Raises:
        BackendError: it is missing or not a positive whole number.
    """
    value = getattr(settings, field, None)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BackendError(
            f"config.json of {settings.name_or_path}: {field} is {value!r}, not a positive whole number",
            fix="correct that field, or download the checkpoint again",
        )
    return value


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
    files.read_json(adapter / "adapter_config.json")
    return files.digest_files(adapter, ("adapter_model.safetensors", "adapter_config.json", TEMPLATE))


def adapter_template(adapter: Path) -> str | None:
    """The chat template that training saved with an adapter, for a base that has none; None if there is no such file.

    Raises:
        BackendError: it is not UTF-8 text.
        UnsafeCheckpoint: it is a link out of the adapter's folder.
    """
    path = adapter / TEMPLATE
    if not os.path.lexists(path):
        return None
    files.refuse_outside(adapter, path)
    try:
        return read_regular(path).decode()
    except (UnicodeDecodeError, Unparsable, OSError) as error:
        raise BackendError(f"{path} cannot be read: {error}", fix="save the adapter again") from None
