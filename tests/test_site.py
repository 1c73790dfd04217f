"""The site of the documentation: every page is in its navigation, and every link of it leads somewhere."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FROM_THE_ROOT = {"index.md", "changelog.md"}
"""Pages that `docs/mkdocs_hooks.py` takes from the README and the changelog."""


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r": ([\w/.-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    assert listed == pages | FROM_THE_ROOT | {"decisions/README.md"}


def test_the_site_is_built_without_a_warning_and_its_links_lead_somewhere(tmp_path):
    if find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: pip install 'evalharness[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = [page for page in tmp_path.rglob("*.html") if page.name != "404.html"]
    assert len(pages) > 30
    for page in pages:
        for target in re.findall(r'(?:href|src)="([^"#]+)', page.read_text()):
            assert ":" in target or (page.parent / target).exists(), (page.name, target)
    outside = (
        target for page in pages for target in re.findall(r'(?:src|<link[^>]+href)="(https?:[^"]+)', page.read_text())
    )
    assert not list(outside), "a page loads something from elsewhere"
