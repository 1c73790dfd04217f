"""Which files of a checkpoint's folder are loaded, checks that they are inside it, and their digests."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalharness.errors import BackendError, UnknownModel, UnsafeCheckpoint
from evalharness.parsing import Unparsable, parse_json, read_regular
from evalharness.records import digest

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
SETTINGS = ("config.json", "generation_config.json")
DATA = frozenset({".json", ".jinja", ".model", ".txt", ".spm", ".tiktoken", ".bpe", ".codes", ".vocab"})
"""Kinds of files that tokenizers are read from; which of them, differs between tokenizers."""
TEMPLATE = "chat_template.jinja"
TEMPLATES = "additional_chat_templates"
"""A folder of named chat templates, as `save_pretrained` writes it."""


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
        return self.weights_digest if self.gguf_file else tokenizer_digest(self.folder)

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


def cache_folder() -> Path:
    """Where unpacked weights are kept: `$XDG_CACHE_HOME/evalharness` or `~/.cache/evalharness`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalharness"


@lru_cache
def file_digest(path: Path, modified_ns: int) -> str:
    """Sha256 of a file; `modified_ns` makes a changed file a new one."""
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def digest_files(folder: Path, names: Iterable[str]) -> str:
    """Digest over the names and contents of those of these files that exist.

    Raises:
        UnsafeCheckpoint: a file is outside the folder or not a regular file.
    """
    there = [folder / name for name in sorted(set(names)) if os.path.lexists(folder / name)]
    for path in there:
        refuse_outside(folder, path)
    return digest({str(path.relative_to(folder)): file_digest(path, path.stat().st_mtime_ns) for path in there})


def refuse_outside(folder: Path, path: Path) -> None:
    """Refuse a file that is not a regular file inside the folder; links of a Hugging Face cache stay in its `blobs`.

    Raises:
        UnsafeCheckpoint: it is a link out of the folder, a pipe or a device.
    """
    real, root = path.resolve(), folder.resolve()
    blobs = root.parent.parent / "blobs" if root.parent.name == "snapshots" else None
    if not real.is_relative_to(root) and (blobs is None or real.parent != blobs):
        raise UnsafeCheckpoint(
            f"{path} is a link out of the checkpoint's folder", fix="replace the link by the file itself"
        )
    if not real.is_file():
        raise UnsafeCheckpoint(f"{path} is not a regular file", fix="download the complete checkpoint again")


def weights_digest(folder: Path) -> str:
    """Digest over the weights that are loaded, their index, the settings, and code that may be executed."""
    code = [path.name for path in folder.glob("*.py")]
    return digest_files(folder, (*(path.name for path in weight_files(folder)), INDEX, *SETTINGS, *code))


def tokenizer_digest(folder: Path) -> str:
    """Digest over all files that a tokenizer and its chat templates can be read from."""
    others = [path.name for path in folder.iterdir() if path.suffix in DATA and not path.is_dir()]
    templates = [f"{TEMPLATES}/{path.name}" for path in (folder / TEMPLATES).glob("*.jinja")]
    return digest_files(folder, {*others, *templates} - {INDEX, *SETTINGS})


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files that transformers loads with `use_safetensors`: the single file, else those of the index.

    Raises:
        UnsafeCheckpoint: there are only pickles, or the index names anything but safetensors in this folder.
        BackendError: there are no weights, or the index cannot be read.
    """
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if not (folder / INDEX).is_file():
        _refuse_none(folder)
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise BackendError(
            f"{folder / INDEX}: weight_map is not a table of files", fix="download the complete checkpoint again"
        )
    names = sorted(set(shards.values()))
    wrong = [name for name in names if not name.endswith(".safetensors") or Path(name).name != name or "\\" in name]
    if wrong:
        raise UnsafeCheckpoint(
            f"{folder / INDEX} names {wrong[0]!r}, which is not a safetensors file of this folder",
            fix="if you trust it, convert it: model.save_pretrained(folder), then use hf/./folder",
        )
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise BackendError(
            f"{folder} lacks {absent[0]}, which its index names", fix="download the complete checkpoint again"
        )
    return tuple(folder / name for name in names)


def _refuse_none(folder: Path) -> None:
    pickles = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
    if not pickles:
        raise BackendError(
            f"{folder} has no weights: neither {WEIGHTS} nor {INDEX}", fix="download the complete checkpoint again"
        )
    raise UnsafeCheckpoint(
        f"{folder} has no safetensors weights, only {', '.join(pickles)}; a pickle executes code when it is loaded",
        fix="if you trust it, convert it: model.save_pretrained(folder), then use hf/./folder",
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint.

    Raises:
        BackendError: it cannot be read, or is not an object.
    """
    try:
        data = parse_json(read_regular(path).decode())
    except (Unparsable, UnicodeDecodeError, OSError) as error:
        raise BackendError(f"{path} is not valid JSON: {error}", fix="download the complete checkpoint again") from None
    if not isinstance(data, dict):
        raise BackendError(f"{path} is not a JSON object", fix="download the complete checkpoint again")
    return data


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
    read_json(adapter / "adapter_config.json")
    return digest_files(adapter, ("adapter_model.safetensors", "adapter_config.json", TEMPLATE))


def adapter_template(adapter: Path) -> str | None:
    """The chat template that training saved with an adapter, for a base that has none; None if there is no such file.

    Raises:
        BackendError: it is not UTF-8 text.
        UnsafeCheckpoint: it is a link out of the adapter's folder.
    """
    path = adapter / TEMPLATE
    if not os.path.lexists(path):
        return None
    refuse_outside(adapter, path)
    try:
        return read_regular(path).decode()
    except (UnicodeDecodeError, Unparsable, OSError) as error:
        raise BackendError(f"{path} cannot be read: {error}", fix="save the adapter again") from None
