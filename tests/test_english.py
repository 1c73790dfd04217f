"""The words that CONTRIBUTING.md bans, looked for in every string that a user or a reader of the code sees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "evalharness"

WORD_TABLE = re.compile(r"^\| (`.+?`) \|", re.MULTILINE)
"""The first column of the table in CONTRIBUTING.md: banned phrases in backticks."""

DATA = (
    "evalharness/completion/",
    "evalharness/constraints/",
    "evalharness/scorers/refusal/",
    "evalharness/scorers/style/",
    "evalharness/preferences/judge/prompt.py",
    "evalharness/prompting/__init__.py",
)
"""Files whose strings are word lists or prompts that are sent to models: only their docstrings are our prose."""

LABELLING = "labelling.md"
"""The guide under which the gold set was labelled: its wording is part of the protocol."""

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def banned() -> list[str]:
    """The phrases of the table in CONTRIBUTING.md, the longest first."""
    rows = WORD_TABLE.findall((ROOT / "CONTRIBUTING.md").read_text())
    return sorted((p for row in rows for p in re.findall(r"`([^`]+)`", row)), key=len, reverse=True)


BANNED = re.compile(rf"(?<![\w'-])(?:{'|'.join(map(re.escape, banned()))})(?![\w'-])", re.IGNORECASE)


def prose_of_python(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings and, outside of files of data, every string with a space in it."""
    tree = ast.parse(path.read_text())
    only_docstrings = str(path.relative_to(ROOT)).startswith(DATA)
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if id(node) in docstrings:
            yield node.lineno, re.sub(r">>>.*?(?:\n\s*\n|\Z)", "", node.value, flags=re.DOTALL)
        elif " " in node.value.strip() and not only_docstrings:
            yield node.lineno, node.value


def prose_of_text(path: Path) -> Iterator[tuple[int, str]]:
    """Paragraphs of Markdown without code; of the changelog only the newest version."""
    text = path.read_text()
    if path.name == "CHANGELOG.md":
        text = text.split("\n## ", 2)[1]
    if path.name == "CONTRIBUTING.md":
        text = re.sub(r"^\|.*\n", "", text, flags=re.MULTILINE)
    yield 0, CODE.sub(lambda code: "\n" * code[0].count("\n"), text)


def prose_of_template(path: Path) -> Iterator[tuple[int, str]]:
    """The text of a template, without tags and expressions."""
    yield 0, re.sub(r"<[^>]*>|\{[{%#].*?[}%#]\}", " ", path.read_text(), flags=re.DOTALL)


def prose_of_script(path: Path) -> Iterator[tuple[int, str]]:
    """The strings and documentation comments of a script."""
    for match in re.finditer(r'"[^"\n]* [^"\n]*"|`[^`]* [^`]*`|/\*\*.*?\*/|//.*', path.read_text(), re.DOTALL):
        yield 0, match[0].split("\n")[0] if match[0].startswith("//") else match[0]


def prose() -> Iterator[tuple[Path, int, str]]:
    """All prose with its file and, for Python, its line."""
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    documents += [path for path in (ROOT / "docs").glob("*.md") if path.name != LABELLING]
    documents.append(ROOT / "prompts" / "README.md")
    readers = [
        (prose_of_python, sorted(PACKAGE.rglob("*.py"))),
        (prose_of_template, sorted(PACKAGE.rglob("*.j2"))),
        (prose_of_script, sorted(PACKAGE.rglob("*.js"))),
        (prose_of_text, sorted(documents)),
    ]
    for reader, paths in readers:
        for path in paths:
            for line, text in reader(path):
                yield path, line, text


def uses(text: str) -> list[str]:
    """The banned phrases in a text."""
    return [match[0] for match in BANNED.finditer(" ".join(text.split()))]


def test_no_text_uses_a_word_that_is_not_used_here():
    results = [
        f"{path.relative_to(ROOT)}:{line or ''} {phrase!r}" for path, line, text in prose() for phrase in uses(text)
    ]
    assert not results, "see the table in CONTRIBUTING.md:\n" + "\n".join(results)


@pytest.mark.parametrize("phrase", banned())
def test_a_banned_phrase_is_found_in_a_sentence_but_not_within_a_word(phrase):
    assert uses(f"The run: {phrase}, and more.") == [phrase]
    assert uses(f"x{phrase}x") == []


def test_all_kinds_of_text_are_read():
    suffixes = {path.suffix for path, _, text in prose() if len(text.split()) > 3}
    assert suffixes == {".py", ".j2", ".js", ".md"}
