"""Proves that a file does not hold what was to be removed, in any encoding that a page or its data could use.

The file is read as it is, with its markup and its escapes undone (HTML, JSON, URL), and with the compressed data in it
unpacked; the removed texts are looked for as UTF-8, as UTF-16 and as base64.
"""

import base64
import html
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import evalharness

Hashes = NDArray[np.uint64]
SHORTEST = 8
"""Characters; what is shorter is in every file by chance."""
WINDOW = 32
"""Bytes. Of a longer text every piece of twice as many is found; a shorter text is found as a whole."""
PACKED = re.compile(rb"[A-Za-z0-9+/\r\n]{16,}={0,2}")
TAG = re.compile(rb"<[^>]*>")
JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
JSON_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
MOST_LAYERS = 4
"""Of packed data within packed data."""


def find_leaks(content: bytes, removed: Iterable[str], kept: Iterable[str] = ()) -> list[str]:
    """Where a file still holds a removed text, in words that do not repeat it; nothing where it holds none.

    Args:
        content: the whole file.
        removed: texts that must not be in it; those under `SHORTEST` characters are not looked for.
        kept: texts that may be in it; what is in one of them too is no leak.
    """
    wanted = [one for one in dict.fromkeys(removed) if len(one) >= SHORTEST and any(map(str.isalpha, one))]
    allowed = "\0".join(kept)
    long = [one for one in wanted if len(_utf8(one)) >= 2 * WINDOW]
    short = [one for one in wanted if len(_utf8(one)) < 2 * WINDOW and one not in allowed]
    needles = _Needles(long, short, _utf8(allowed))
    return [where for where, view, encoded in _views(content) if needles.are_in(view, encoded=encoded)]


def own_words() -> str:
    """All that evalharness itself can say: the text of its own files. A page is made of it, so none of it is a leak."""
    package = Path(evalharness.__file__).parent
    files = sorted(path for suffix in ("py", "j2", "js", "css") for path in package.rglob(f"*.{suffix}"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


class _Needles:
    """The removed texts, ready to be looked for all at once."""

    def __init__(self, long: list[str], short: list[str], allowed: bytes) -> None:
        # What long texts share with those that stay, they share in every encoding.
        self.plain = _without(_pieces(map(_utf8, long)), [allowed])
        self.encoded = _without(_pieces(_forms(long)), _forms([allowed.decode("utf-8", "replace")]))
        self.short_plain = _by_beginning(map(_utf8, short))
        self.short_encoded = _by_beginning(_forms(short))

    def are_in(self, view: bytes, *, encoded: bool) -> bool:
        """Whether one of them is in a view, also in another encoding where asked."""
        hashes = _windows(view, WINDOW)
        if _among(hashes, self.plain).any() or (encoded and _among(hashes, self.encoded).any()):
            return True
        tables = [self.short_plain, self.short_encoded] if encoded else [self.short_plain]
        return any(_any_begins(view, table) for table in tables)


def _forms(texts: Iterable[str]) -> Iterator[bytes]:
    """Each text as UTF-16 of both orders, and as base64 at each of the three places where it may begin."""
    for text in texts:
        yield text.encode("utf-16-le", "surrogatepass")
        yield text.encode("utf-16-be", "surrogatepass")
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + _utf8(text)).rstrip(b"=")
            # The first and the last characters depend on what stands beside the text.
            yield coded[(0, 2, 3)[shift] : len(coded) - 1]


# ------------------------------------------------------------------------------------------- search


def _windows(data: bytes, width: int) -> Hashes:
    """A hash of the `width` bytes (a multiple of 8) that begin at each place, shape (n_places,)."""
    if len(data) < width:
        return np.zeros(0, dtype=np.uint64)
    words = sliding_window_view(np.frombuffer(data, dtype=np.uint8), 8)
    eights = np.ascontiguousarray(words).view("<u8").ravel()
    count = len(data) - width + 1
    found = np.zeros(count, dtype=np.uint64)
    for start in range(0, width, 8):
        found = (found ^ eights[start : start + count]) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
    return found


def _pieces(texts: Iterable[bytes]) -> Hashes:
    """Sorted hashes of the windows at each multiple of their length, and of the last one."""
    all_hashes = [_windows(text, WINDOW) for text in texts]
    found = [np.append(hashes[::WINDOW], hashes[-1]) for hashes in all_hashes if hashes.size]
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.uint64)


def _without(pieces: Hashes, texts: Iterable[bytes]) -> Hashes:
    """The pieces that are in none of the texts, still sorted."""
    for text in texts:
        hashes = _windows(text, WINDOW)
        pieces = pieces[~_among(pieces, np.sort(hashes[_among(hashes, pieces)]))]
    return pieces


def _among(hashes: Hashes, table: Hashes) -> NDArray[np.bool_]:
    """Which of the hashes are in a sorted table, shape as `hashes`."""
    found = np.zeros(hashes.shape, dtype=np.bool_)
    if table.size:
        # Few are in it: a look at some bits of each spares the search for nearly all others.
        mask = np.uint64(2 ** min(26, max(12, int(table.size * 32).bit_length())) - 1)
        may_be = np.zeros(int(mask) + 1, dtype=np.bool_)
        may_be[table & mask] = True
        left = np.flatnonzero(may_be[hashes & mask])
        places = np.minimum(np.searchsorted(table, hashes[left]), table.size - 1)
        found[left] = table[places] == hashes[left]
    return found


def _by_beginning(texts: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for text in texts:
        if len(text) >= SHORTEST:
            found.setdefault(text[:SHORTEST], []).append(text)
    return found


def _any_begins(view: bytes, table: dict[bytes, list[bytes]]) -> bool:
    if not table:
        return False
    beginnings = np.sort(np.concatenate([_windows(one, SHORTEST) for one in table]))
    places = np.flatnonzero(_among(_windows(view, SHORTEST), beginnings))
    return any(
        view.startswith(text, int(place))
        for place in places
        for text in table.get(view[int(place) : int(place) + SHORTEST], ())
    )


# -------------------------------------------------------------------------------------------- views


def _views(content: bytes, where: str = "the file", layer: int = 0) -> Iterator[tuple[str, bytes, bool]]:
    """The content as a reader could see it, each view with whether other encodings may be in it."""
    yield where, content, True
    for name, view in _decoded(content):
        if view != content:
            yield f"{where}, {name}", view, False
    if layer < MOST_LAYERS:
        for number, packed in enumerate(_unpacked(content), start=1):
            yield from _views(packed, f"packed data {number} in {where}", layer + 1)


def _decoded(content: bytes) -> Iterator[tuple[str, bytes]]:
    text = content.decode("utf-8", "replace")
    yield "its HTML escapes undone", _utf8(html.unescape(text))
    yield "without its markup", _utf8(html.unescape(TAG.sub(b"", content).decode("utf-8", "replace")))
    unescaped = JSON_ESCAPE.sub(_json_character, text)
    yield "its JSON escapes undone", _utf8(unescaped)
    yield "its JSON and HTML escapes undone", _utf8(html.unescape(unescaped))
    yield "its URL escapes undone", unquote_to_bytes(content)


def _json_character(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return JSON_SHORT.get(found[2], found[2])


def _unpacked(content: bytes) -> Iterator[bytes]:
    """What gzip, zlib or raw deflate make of the file itself or of each run of base64 in it."""
    for found in PACKED.finditer(content):
        coded = re.sub(rb"[\s=]", b"", found[0])
        yield from _inflated(base64.b64decode(coded[: len(coded) // 4 * 4]))
    yield from _inflated(content)


def _inflated(data: bytes) -> Iterator[bytes]:
    for bits in (47, -15):
        try:
            found = zlib.decompressobj(bits).decompress(data)
        except zlib.error:
            continue
        if len(found) >= SHORTEST:
            yield found
            return
