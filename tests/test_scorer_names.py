"""A scorer owns its facts: nothing outside `scorers/` and the suites spells the name of one, or of its metrics.

Looked for are, in Python's string constants (docstrings aside) and in the quoted strings of scripts and templates:
a string that is a scorer's name; `NAME.value`, the name of a metric, anywhere in a string; `--NAME-model` and
`scorer.NAME`; and imports from one scorer's room.
"""

import ast
import re
from pathlib import Path

import pytest

import evalharness
from evalharness.scorers import SCORERS

PACKAGE = Path(evalharness.__file__).parent
NAMES = "|".join(SCORERS)
SPELLED = re.compile(
    rf"^(?:{NAMES})(?:_\d+)?$|(?<![\w.])(?:{NAMES})(?:_\d+)?\.[a-z_]+|--(?:{NAMES})-model|scorer\.(?:{NAMES})\b"
)
QUOTED = re.compile(r""""((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`""")
OWNERS = ("scorers", "suites")
PLAIN_WORDS = {
    # A source of preferences, and the role of a metric: any scorer may give rewards.
    "reward": {
        "cli/sharing.py",
        "export/__init__.py",
        "export/trl.py",
        "preferences/__init__.py",
        "records/scores.py",
        "report/page.py",
        "report/static/detail.js",
    },
    # Suites that are called like a scorer.
    "refusal": {"cli/setting_up.py"},
    "style": {"cli/setting_up.py"},
    # A kind of sample, next to a text to be continued.
    "instruction": {
        "preferences/judge/asking.py",
        "prompting/__init__.py",
        "records/suites.py",
    },
}


def strings_of(path):
    if path.suffix == ".py":
        tree = ast.parse(path.read_text())
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                yield node.value
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalharness.scorers."):
                yield node.module.removeprefix("evalharness.scorers.").partition(".")[0]
    else:
        for match in QUOTED.finditer(path.read_text()):
            yield next(part for part in match.groups() if part is not None)


def spelled_in(path):
    name = path.relative_to(PACKAGE).as_posix()
    words = {word for word, files in PLAIN_WORDS.items() if name in files}
    if name == "sharing/redaction/aliases.py":
        # How the names of many models begin.
        words = set(SCORERS)
    return [text for text in strings_of(path) if SPELLED.search(text) and text not in words]


FILES = [
    path
    for pattern in ("*.py", "*.js", "*.j2")
    for path in sorted(PACKAGE.rglob(pattern))
    if path.relative_to(PACKAGE).parts[0] not in OWNERS
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_scorer_is_spelled_outside_its_room(path):
    assert spelled_in(path) == []


def test_the_rule_sees_what_it_is_for(tmp_path, monkeypatch):
    monkeypatch.setattr("test_scorer_names.PACKAGE", tmp_path)
    python, script = tmp_path / "a.py", tmp_path / "a.js"
    python.write_text(
        '"""style"""\nfrom evalharness.scorers.reward.bundled import x\n'
        'a = "style"\nb = f"{a} refusal.refused"\nc = "in good style. Next"\nd = "[scorer.reward]"\ne = "reward"\n'
    )
    script.write_text("list.style.height = `${x}`; if (score.scorer === 'style') valueOf(cell, \"style.words\");")
    assert sorted(spelled_in(python)) == [" refusal.refused", "[scorer.reward]", "reward", "reward", "style"]
    assert spelled_in(script) == ["style", "style.words"]


def test_every_word_that_is_allowed_is_used():
    for word, files in PLAIN_WORDS.items():
        for file in files:
            assert word in list(strings_of(PACKAGE / file)), f"{file} does not say {word!r}"
