"""Checks a file for removed text before it is written, by the threat model of `docs/exports.md`.

Texts are checked as the reader gets them, before compression; nothing is decompressed or decoded here, so that
untrusted text cannot make the check run forever.
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
BLOCK = re.compile(
    r"</?(?:article|caption|dd|details|div|dl|dt|h[1-6]|header|li|ol|p|pre|section|summary|t[dhr]|ul)\b[^>]*>"
)
"""Tags within which a whole text is printed; a label before a completion is no part of what it quotes."""
OWN_PARTS = re.compile(r"<(script|style)\b[^>]*>.*?</\1>", re.DOTALL)


def strings(value: Any) -> Iterator[str]:
    """Every text in nested data, keys as well."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from strings(item)
        case list() | tuple():
            for item in value:
                yield from strings(item)


def page_texts(page: str) -> Iterator[str]:
    """The text of a page outside its embedded data, including tags and attribute values."""
    shown = OWN_PARTS.sub(" ", EMBEDDED.sub(" ", page))
    yield from (html.unescape(TAG.sub(" ", block)) for block in BLOCK.split(shown))
    yield from map(html.unescape, TAG.findall(shown))


def file_texts(content: str) -> Iterator[str]:
    """The text of an exported file, also with Markdown and JSON escapes undone."""
    yield html.unescape(content)
    for line in content.splitlines():
        try:
            yield from strings(json.loads(line))
        except ValueError:
            continue


@cache
def own_words() -> str:
    """All text of evalharness itself: the strings of its code, its templates and scripts."""
    package = Path(evalharness.__file__).parent
    files = sorted(path for suffix in ("j2", "js") for path in package.rglob(f"*.{suffix}"))
    said = [path.read_text(encoding="utf-8") for path in files]
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said += [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return "\n".join(said)


def sought_names(names: Iterable[str], shortest: int) -> tuple[str, ...]:
    """The names, in lower case, to search for in a page: no very short ones, and no words that it contains anyway."""
    own = own_words().lower()
    lowered = {name.lower() for name in names if len(name) >= shortest}
    return tuple(sorted(name for name in lowered if not (name.isalpha() and name in own)))
