"""The size that a checkpoint's configuration claims, compared with what its files hold before anything is allocated."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from evalharness.errors import BackendError
from evalharness.weights import files
from evalharness.weights.files import Source
from evalharness.weights.reading import reading

PARTS = re.compile(r"(^|_)(layers?|experts|blocks|stages)$")
"""Fields of a configuration for how many parts a model has, each of which has weights."""
WEIGHTS_A_BYTE = 8
"""More than any quantization packs into a byte."""


def count_parameters(source: Source, settings: Any, *, trust_remote_code: bool) -> int:
    """How many parameters a model of this configuration has, without allocating them."""
    if source.gguf_file is None:
        _refuse_more_parts(source)
    with reading(source.settings_name):
        parameters = parameters_of(settings, trust_remote_code=trust_remote_code)
    if source.gguf_file is None:
        stored = sum(path.stat().st_size for path in files.weight_files(source.folder))
        refuse_more(parameters, WEIGHTS_A_BYTE * stored, source.folder / "config.json")
    return parameters


def parameters_of(settings: Any, *, trust_remote_code: bool) -> int:
    """How many parameters a model of this configuration has, by building it without memory."""
    with torch.device("meta"):
        # The configuration could name an implementation of attention that is code from the Hub.
        model = AutoModelForCausalLM.from_config(
            settings, trust_remote_code=trust_remote_code, attn_implementation="eager"
        )
    return sum(parameter.numel() for parameter in model.parameters())


def refuse_more(parameters: int, most: int, path: Path) -> None:
    """Raise BackendError if a configuration describes more parameters than the files hold, by far."""
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
    for field, value in leaves(files.read_json(path)):
        if PARTS.search(field) and isinstance(value, int | float) and value > tensors:
            raise BackendError(
                f"{path}: {field} is {value}, and the weights have {tensors} tensors",
                fix="download the complete checkpoint again",
            )


def leaves(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All fields of a JSON object and of those inside it, with their values."""
    for field, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield field, value


def tensor_names(folder: Path) -> set[str]:
    """The names of all loaded weights, from the file headers."""
    names: set[str] = set()
    for path in files.weight_files(folder):
        with safe_open(path, "pt") as weights:
            names |= set(weights.keys())
    return names


def unquantized_parameters(settings: Any) -> int:
    """Those of the embedding and of the last layer, which bitsandbytes leaves as they are."""
    text = settings.get_text_config()
    return positive(text, "vocab_size") * positive(text, "hidden_size") * (1 if text.tie_word_embeddings else 2)


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
