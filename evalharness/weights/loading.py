"""Finding, checking and loading checkpoints for transformers: Hub ids, folders, GGUF files, PEFT adapters.

Only safetensors and GGUF weights are read: a pickle file executes code when it is loaded.
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
)

from evalharness.errors import BackendError, UnknownModel, UnsafeCheckpoint
from evalharness.weights import files
from evalharness.weights.bundled import MODELS
from evalharness.weights.devices import DTYPES
from evalharness.weights.files import Source
from evalharness.weights.gguf_header import Header, HeaderError, read_header
from evalharness.weights.reading import reading
from evalharness.weights.sizes import leaves, parameters_of, refuse_more

log = logging.getLogger(__name__)
DESCRIPTIONS = ("*.json", "*.jinja", "*.model", "*.txt")
"""The files of a Hub model that are not weights."""
VOCABULARIES = ("tokenizer.*", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
"""The files that hold the tokens of a tokenizer; a few kinds need none."""
UNPACK_LIMIT = 2**30
"""Parameters up to which a GGUF file is unpacked once into the cache; a larger one is read anew each time."""

UNPACKED = "unpacked-2"
"""Where in the cache; another name where other files are written, since what is there already is used as it is."""


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
    _refuse_no_folder(folder)
    _refuse_unsafe(folder, str(folder))
    return Source(str(folder), folder, files.weights_digest(folder))


def _refuse_no_folder(path: Path) -> None:
    if path.is_file():
        raise UnknownModel(f"{path} is a file", fix="name its folder, or a file that ends with .gguf")
    if not path.is_dir():
        raise UnknownModel(f"there is no folder {path}", fix="check the path; a Hub model is written hf/org/name")


def find_tokenizer(name: str) -> Source:
    """Find the tokenizer of a model, by a folder, a GGUF file or a Hub name, without its weights.

    Raises:
        UnknownModel: there is no such folder, file or Hub model.
        UnsafeCheckpoint: it brings code.
    """
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        return _gguf_source(path)
    if name.startswith((".", "/", "~")) or path.is_dir():
        _refuse_no_folder(path)
        folder = path
    else:
        folder = _hub_folder(name, DESCRIPTIONS)
    _refuse_custom_code(folder)
    return Source(name, folder, weights_digest="")


def _hub_source(name: str) -> Source:
    folder = _hub_folder(name, ("*.safetensors", *DESCRIPTIONS))
    _refuse_unsafe(folder, name)
    # A snapshot's folder is named after its commit.
    return Source(name, folder, f"commit:{folder.name}")


def _hub_folder(name: str, allowed: Sequence[str]) -> Path:
    """The snapshot of a Hub model in the cache, with the files that match `allowed`."""
    repository, _, revision = name.partition("@")
    bundled = f"the bundled checkpoint is {name}, without hf/" if name in MODELS else ""
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(allowed)))
    except GatedRepoError:
        raise UnknownModel(
            f"{repository} is gated on the Hugging Face Hub", fix="accept its terms there, then `hf auth login`"
        ) from None
    except LocalEntryNotFoundError:
        raise UnknownModel(
            f"{name} is not in the Hugging Face cache, and the Hub is unreachable",
            fix=bundled or "check the name, unset HF_HUB_OFFLINE, or give a local folder as hf/./folder",
        ) from None
    except (HfHubHTTPError, HFValidationError):
        raise UnknownModel(
            f"the Hugging Face Hub has no model {name}",
            fix=bundled or "check the name and revision; a local folder is hf/./folder",
        ) from None


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
    for path in (*files.weight_files(folder), *(folder / setting for setting in files.SETTINGS)):
        if os.path.lexists(path):
            files.refuse_outside(folder, path)
    files.tokenizer_digest(folder)
    settings = files.read_json(folder / "config.json")
    if settings.get("transformers_weights") is not None:
        raise UnsafeCheckpoint(
            f"{folder / 'config.json'}: transformers_weights names another file of weights",
            fix=f"name the file {files.WEIGHTS} and remove the field",
        )
    for field, value in leaves(settings):
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
    folder = files.cache_folder() / UNPACKED / weights.removeprefix("sha256:")
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
        refuse_more(parameters_of(settings, trust_remote_code=False), header.parameters, path.resolve())
        model = load_complete(
            AutoModelForCausalLM, path.resolve(), path.parent, gguf_file=path.name, dtype=torch.float32
        )
        # Its weights are plain float32 by now. What save_pretrained writes is what other programs load.
        model.hf_quantizer.remove_quantization_config(model)
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(scratch)
        (scratch / "gguf.json").write_text(json.dumps({"quantization": _quantization(header)}))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # Another process has put it there.
            scratch.replace(folder)


def load_complete(kind: Any, name: object, folder: Path, **settings: Any) -> Any:
    """Load a model and check that no weights are missing: transformers would fill them with random numbers.

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


def load_tokenizer(source: Source, *, trust_remote_code: bool) -> Any:
    """The tokenizer, padded on the left."""
    with reading(f"the tokenizer of {source.name}"):
        try:
            return AutoTokenizer.from_pretrained(
                source.folder, gguf_file=source.gguf_file, trust_remote_code=trust_remote_code, padding_side="left"
            )
        except (OSError, ValueError):
            if source.gguf_file or any(place for name in VOCABULARIES for place in source.folder.glob(name)):
                raise
            raise BackendError(
                f"{source.name} has no tokenizer, only weights",
                fix="save it in that folder too, with tokenizer.save_pretrained(FOLDER)",
            ) from None


def load_classifier(source: Source, *, device: str, dtype: str, trust_remote_code: bool) -> Any:
    """A sequence classifier on the device, ready for inference."""
    with reading(source.name):
        model = load_complete(
            AutoModelForSequenceClassification,
            source.name,
            source.folder,
            dtype=DTYPES[dtype],
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
        )
        return model.to(device).eval()


@dataclass(frozen=True)
class Placement:
    """Where and how weights are held."""

    device: str
    dtype: torch.dtype
    attention: str = "sdpa"
    quantization: Literal["8bit", "4bit"] | None = None
    """By bitsandbytes, while loading."""
    spread: bool = False
    """Over all GPUs, layer by layer."""

    @property
    def bytes_per_parameter(self) -> float:
        """Of most weights; bitsandbytes keeps a scale for each row or block."""
        return {"8bit": 1.03, "4bit": 0.57, None: float(self.dtype.itemsize)}[self.quantization]

    @property
    def merges(self) -> bool:
        """Whether an adapter is added to the weights, which is exact to rounding in float32 alone."""
        return self.dtype == torch.float32 and self.quantization is None

    @property
    def settings(self) -> dict[str, Any]:
        """For transformers."""
        where = "auto" if self.spread else {"": self.device}
        how: dict[str, Any] = {"dtype": self.dtype, "attn_implementation": self.attention}
        if self.quantization:
            how["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=self.quantization == "4bit",
                load_in_8bit=self.quantization == "8bit",
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=self.dtype,
            )
        # On a GPU, weights are read there at once, without room for all of them in the machine's own memory.
        at_once = self.quantization or self.spread or self.device.startswith("cuda")
        return {**how, "device_map": where} if at_once else how


def load_model(
    source: Source, placement: Placement, *, adapter: Path | None = None, trust_remote_code: bool = False
) -> Any:
    """The weights on the device, with the adapter, ready for inference."""
    with reading(source.name):
        model = load_complete(
            AutoModelForCausalLM,
            source.name,
            source.folder,
            gguf_file=source.gguf_file,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            **placement.settings,
        )
    if adapter is not None:
        from peft import PeftModel

        with reading(f"the adapter {adapter}"):
            adapted = PeftModel.from_pretrained(model, adapter)
            model = adapted.merge_and_unload() if placement.merges else adapted.get_base_model()
    with reading(source.name):
        return (model if "device_map" in placement.settings else model.to(placement.device)).eval()
