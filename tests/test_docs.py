"""The docs say what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", REPOSITORY / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "configuration.md", "errors.md", "metrics.md", "design.md"])
def test_a_generated_page_is_what_the_code_generates(name):
    assert (REPOSITORY / "docs" / name).read_text() == generator().PAGES[name](), "run `make docs`"


def test_the_table_of_run_files_names_every_file_that_the_store_names():
    table = set(re.findall(r"^\| `([\w.]+)`", generator().run_files_table(), re.MULTILINE))
    code = "".join(path.read_text() for path in (REPOSITORY / "evalharness" / "store").glob("*.py"))
    assert table == set(re.findall(r'"([a-z_]+\.(?:jsonl?|html))"', code))


@pytest.mark.parametrize("page", sorted(REPOSITORY.glob("**/*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    if ".venv" in page.parts:
        pytest.skip("not ours")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_table_of_changes_names_what_is_there():
    """A path exists, and a name in capitals is defined in one of the files of its row."""
    table = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("## Where to change what")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([\w/.]+)`", row) for row in table.splitlines() if row.startswith("| a")]
    assert len(rows) >= 8
    for row in rows:
        paths = [REPOSITORY / "evalharness" / name for name in row if "/" in name or "." in name]
        assert paths and all(path.exists() for path in paths), row
        code = "".join(path.read_text() for path in paths if path.suffix == ".py")
        for name in row:
            assert not name.isupper() or re.search(rf"^{name}\b", code, re.MULTILINE), name
