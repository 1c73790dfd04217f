"""Checks what is about to be written against what was taken out, by the threat model of `docs/exports.md`.

The texts are looked at as a reader gets them, before they are packed; nothing is unpacked or decoded here, so that no
text of a stranger can make it work without end.
"""

import ast
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import evalharness
from evalharness.report.embedded import EMBEDDED

TAG = re.compile(r"<[^>]*>")
OWN_PARTS = re.compile(r"<(script|style)\b[^>]*>.*?</\1>", re.DOTALL)


def strings(value: Any) -> Iterator[str]:
    """Every text in nested data, keys as well."""
    match value:
        case str():
            yield value
        case dict():
            for key, one in value.items():
                yield key
                yield from strings(one)
        case list() | tuple():
            for one in value:
                yield from strings(one)


def page_texts(page: str) -> Iterator[str]:
    """What a page shows outside its packed data: its text, and its tags with what their attributes say."""
    shown = OWN_PARTS.sub(" ", EMBEDDED.sub(" ", page))
    yield html.unescape(TAG.sub(" ", shown))
    yield from map(html.unescape, TAG.findall(shown))


def file_texts(content: str) -> Iterator[str]:
    """What an exported text file says, also with the escapes of Markdown and of JSON undone."""
    yield html.unescape(content)
    for line in content.splitlines():
        try:
            yield from strings(json.loads(line))
        except ValueError:
            continue


@cache
def own_words() -> str:
    """All that evalharness itself can say: the strings of its code, and its templates and scripts."""
    package = Path(evalharness.__file__).parent
    files = sorted(path for suffix in ("j2", "js") for path in package.rglob(f"*.{suffix}"))
    said = [path.read_text(encoding="utf-8") for path in files]
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said += [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return "\n".join(said)


def sought_names(names: Iterable[str], shortest: int) -> tuple[str, ...]:
    """The names, in lower case, that may be looked for in a page: not the shortest, and no word that it has anyway."""
    own = own_words().lower()
    lowered = {name.lower() for name in names if len(name) >= shortest}
    return tuple(sorted(name for name in lowered if not (name.isalpha() and name in own)))
