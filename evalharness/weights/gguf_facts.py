"""What a GGUF file says about its tokenizer and tensors, for the programs that read it directly."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFReader, get_tensor_name_map

from evalharness.weights.gguf_header import read_header
from evalharness.weights.reading import reading

KEY = "tokenizer.ggml."
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")
OUTPUT, EMBEDDING = "output.weight", "token_embd.weight"
PLAIN_TEXT = 1
"""The type of a token that is never recognised as a marker within a text."""


@dataclass(frozen=True)
class GgufFacts:
    """The tokenizer as stored, which transformers partly replaces by its own, and the types of the tensors."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    """The type of each token; empty if the file does not say."""
    merges: tuple[str, ...]
    ends: frozenset[int]
    """The ids that end a completion, as the file names them."""
    adds_bos: bool | None
    """None if the file leaves it to the program."""
    settings: dict[str, Any]
    """The numbers of its architecture, without the architecture's name in front."""
    types: dict[str, str]
    """The quantization of each tensor, by the file's own names."""
    names: Any
    """From the names of transformers to those of the file."""

    def type_of(self, name: str) -> str | None:
        """The quantization of a tensor by its name in transformers; None if it is not in the file."""
        there: str | None = self.names and self.names.get_name(name, try_suffixes=(".weight", ".bias"))
        tied = there == OUTPUT and OUTPUT not in self.types
        return self.types.get(EMBEDDING if tied else there or "")


def read_facts(path: Path) -> GgufFacts:
    """Read them from a file.

    Raises:
        BackendError: the file is damaged.
    """
    with reading(path):
        read_header(path)  # It does not trust the lengths in the file, as the library does.
        reader = GGUFReader(path)
        architecture = str(_value(reader, "general.architecture"))
        blocks = int(_value(reader, f"{architecture}.block_count") or 0)
        known = next((arch for arch, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
        return GgufFacts(
            tokens=tuple(_value(reader, f"{KEY}tokens") or ()),
            kinds=tuple(_value(reader, f"{KEY}token_type") or ()),
            merges=tuple(_value(reader, f"{KEY}merges") or ()),
            ends=frozenset(end for name in ENDS if (end := _value(reader, KEY + name)) is not None),
            adds_bos=_value(reader, f"{KEY}add_bos_token"),
            settings={
                name.removeprefix(f"{architecture}."): field.contents()
                for name, field in reader.fields.items()
                if name.startswith(f"{architecture}.") and len(field.types) == 1
            },
            types={tensor.name: tensor.tensor_type.name for tensor in reader.tensors},
            names=None if known is None else get_tensor_name_map(MODEL_ARCH(known), blocks),
        )


def _value(reader: GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()
