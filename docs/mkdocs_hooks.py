"""Hooks of `mkdocs build`: the README is the first page, and a link to a file outside the docs becomes its path."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^)\s#:]+)(#[^)]*)?\)")
OUTSIDE = {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}
"""Pages of the site that are files of the repository's root."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside the docs."""
    for name, source in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead each link to the page of the site, or print the path of a file that is not in it."""
    place = page.file.src_uri
    source = OUTSIDE.get(place, f"docs/{place}")

    def lead(link: re.Match[str]) -> str:
        image, text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        inside = next((name for name, outside in OUTSIDE.items() if outside == path), path.removeprefix("docs/"))
        if files.get_file_from_path(inside):
            return (
                f"{image}[{LINK.sub(lead, text)}]({posixpath.relpath(inside, posixpath.dirname(place))}{anchor or ''})"
            )
        shown = LINK.sub(lead, text)
        return shown if image or "![" in text or text.strip("`") == path else f"{shown} (`{path}`)"

    return LINK.sub(lead, markdown)
