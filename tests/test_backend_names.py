"""Facts of a backend are the backend's: nothing outside `backends/` acts on the name of one.

Looked for are strings of the code (docstrings aside) that are a backend's name, or a model `NAME/...` of one.
"""

import re
from typing import get_args

import pytest
from test_scorer_names import PACKAGE, strings_of

from evalharness.backends import BACKENDS
from evalharness.records.outcomes import FailureKind

NAMES = "|".join(BACKENDS)
ALONE = "|".join(set(BACKENDS) - set(get_args(FailureKind)))
"""`server` is a kind of failure too."""
SPELLED = re.compile(rf"^(?:{ALONE})$|(?<![\w./-])(?:{NAMES})/")
ALLOWED = {
    "cli/__init__.py": "a command is called demo",
    "cli/demo.py": "the default folder of that command",
    "cli/flags.py": "an example in a fix",
    "cli/judging.py": "examples in a help text",
    "cli/options.py": "an example in a help text",
    "export/every_eval_ever.py": "what their schema calls an engine",
    "preferences/judge/asking.py": "examples in a fix",
    "scorers/refusal/settings.py": "a classifier is loaded with transformers, and is written as such a checkpoint",
    "scorers/reward/__init__.py": "a reward model is too",
    "scorers/reward/settings.py": "a reward model is too",
    "sharing/redaction/aliases.py": "how models are named, which redaction must recognise",
    "tokens/exported_models/forms.py": "which forms of a model are read here, and an example in a fix",
    "weights/bundled.py": "the folder of the bundled adapters and recordings",
    "weights/files.py": "how a checkpoint in a folder is written, in a fix",
    "weights/loading.py": "the same",
}


def spelled_in(path):
    return [text for text in strings_of(path) if SPELLED.search(text)]


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] != "backends"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_backend_is_spelled_outside_its_room(path):
    assert bool(spelled_in(path)) == (path.relative_to(PACKAGE).as_posix() in ALLOWED), spelled_in(path)


def test_the_rule_sees_what_it_is_for(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""hf/x"""\na = model.startswith("ollama/")\nb = "hf"\nc = "https://hf/x or cache/hf/x"\n')
    assert sorted(spelled_in(path)) == ["hf", "ollama/"]
