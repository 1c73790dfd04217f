"""Checks the header of a GGUF file before a library reads it.

Lengths in the header are untrusted, but the libraries trust them. The layout is that of versions 2 and 3
of the specification (github.com/ggml-org/ggml, docs/gguf.md), little-endian.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Value types by number, as `struct` writes them."""
STRING, ARRAY = 8, 9
MOST_VALUES = 2**22
"""Values of all arrays together: three times those of a vocabulary of 262,144 tokens with its merges."""
MOST_DIMENSIONS = 4
PIECES = (".block_count", ".expert_count")
"""Keys for how many parts a model has, each of which has a tensor."""


@dataclass(frozen=True)
class Header:
    """The header's facts about the weights."""

    parameters: int
    file_type: int | None
    """The quantization by its number."""


class HeaderError(ValueError):
    """The header is damaged, or claims more than the file can hold."""


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file.

    Raises:
        HeaderError: it is damaged, or claims more than the file can hold.
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        return _Reader(handle, path.stat().st_size).header()


class _Reader:
    """Reads forward and rejects lengths beyond the end of the file."""

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self.handle = handle
        self.size = size
        self.values = 0

    def header(self) -> Header:
        if self._bytes(4) != b"GGUF":
            raise HeaderError("it does not begin with GGUF")
        version = self._number("I")
        if version not in (2, 3):
            raise HeaderError(f"version {version} is not 2 or 3 in little-endian order")
        # The shortest tensor takes 24 bytes, the shortest key and value 13.
        tensors, keys = self._count("Q", 24, "tensors"), self._count("Q", 13, "keys")
        facts = dict(self._key_and_value() for _ in range(keys))
        for name, value in facts.items():
            if name.endswith(PIECES) and isinstance(value, int | float) and value > tensors:
                raise HeaderError(f"{name} is {value}, and there are {tensors} tensors")
        file_type = facts.get("general.file_type")
        parameters = sum(self._elements() for _ in range(tensors))
        return Header(parameters, file_type if isinstance(file_type, int) else None)

    def _key_and_value(self) -> tuple[str, float | None]:
        try:
            name = self._string().decode()
        except UnicodeDecodeError:
            raise HeaderError("a key is not UTF-8") from None
        return name, self._value(self._number("I"), name)

    def _value(self, kind: float, name: str) -> float | None:
        """A number; None for a skipped value."""
        if kind == STRING:
            self._string()
        elif kind == ARRAY:
            self._skip_array(name)
        elif kind in NUMBERS:
            return self._number(NUMBERS[int(kind)])
        else:
            raise HeaderError(f"{name[:100]} has the unknown type {kind}")
        return None

    def _skip_array(self, name: str) -> None:
        kind = self._number("I")
        size = 8 if kind == STRING else struct.calcsize(NUMBERS.get(int(kind), ""))
        if not size:
            raise HeaderError(f"{name[:100]} is an array of the type {kind}")
        count = self._count("Q", size, f"values in {name[:100]}")
        self.values += count
        if self.values > MOST_VALUES:
            raise HeaderError(f"the arrays up to {name[:100]} have more than {MOST_VALUES} values")
        if kind == STRING:
            for _ in range(count):
                self._string()
        else:
            self._bytes(count * size)

    def _elements(self) -> int:
        """Elements of the next tensor."""
        name = self._string()
        dimensions = int(self._number("I"))
        if dimensions > MOST_DIMENSIONS:
            raise HeaderError(f"the tensor {name[:100]!r} has {dimensions} dimensions")
        elements = math.prod(int(self._number("Q")) for _ in range(dimensions))
        self._bytes(12)  # The type, and where its data begin.
        # A byte holds fewer than 8 weights in every quantization there is.
        if elements > 8 * self.size:
            raise HeaderError(f"the tensor {name[:100]!r} has {elements} elements, and the file {self.size} bytes")
        return elements

    def _string(self) -> bytes:
        return self._bytes(self._count("Q", 1, "bytes in a text"))

    def _count(self, form: str, size: int, what: str) -> int:
        count, left = int(self._number(form)), self.size - self.handle.tell()
        if count * size > left:
            raise HeaderError(f"it claims {count} {what}, and has {left} bytes left")
        return count

    def _number(self, form: str) -> float:
        number: float = struct.unpack("<" + form, self._bytes(struct.calcsize("<" + form)))[0]
        return number

    def _bytes(self, count: int) -> bytes:
        content = self.handle.read(count) if count <= self.size else b""
        if len(content) < count:
            raise HeaderError("the file ends within its header")
        return content
