"""The house: who may import whom, and what `--help` must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import evalharness

PACKAGE = Path(evalharness.__file__).parent
LAYERS = {
    "errors": 0,
    "parsing": 0,
    "statistics": 0,
    "records": 1,
    "plugins": 1,
    "formatting": 2,
    "constraints": 2,
    "completion": 2,
    "config": 3,
    "prompting": 3,
    "observations": 3,
    "store": 4,
    "suites": 5,
    "tokens": 5,
    "weights": 3,
    "backends": 4,
    "scorers": 5,
    "compare": 5,
    "preferences": 5,
    "gate": 6,
    "report": 6,
    "export": 6,
    "pipeline": 7,
    "sharing": 8,
    "cli": 9,
    "__main__": 10,
}
HEAVY = ("torch", "transformers", "pandas", "numpy", "httpx", "jinja2", "rich", "pydantic")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    result = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("evalharness"):
            parts = node.module.split(".")
            result |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return result - {room(path)}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_layers(path):
    own = room(path)
    for other in imported_rooms(path):
        assert LAYERS[other] < LAYERS[own], (
            f"{path.name} of layer {LAYERS[own]} imports {other} of layer {LAYERS[other]}"
        )


def test_every_module_has_a_layer():
    assert {room(path) for path in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_has_a_name_that_says_nothing(path):
    assert not {"utils", "helpers", "common", "base", "core"} & set(path.with_suffix("").parts[len(PACKAGE.parts) :])


def catches_everything(handler):
    """Whether an `except` takes any error and does not raise it again as it is."""
    caught = [handler.type] if not isinstance(handler.type, ast.Tuple) else handler.type.elts
    broad = any(
        caught_type is None or ast.unparse(caught_type) in ("Exception", "BaseException") for caught_type in caught
    )
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def test_only_a_backend_and_a_scorer_may_crash_in_any_way():
    """Elsewhere an unknown error is a bug, and a bug has a traceback."""
    rooms = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    }
    assert rooms == {"pipeline/generating.py", "pipeline/scoring.py"}


def test_help_loads_nothing_heavy():
    code = f"""
import sys
from click.testing import CliRunner
from evalharness.cli import cli
result = CliRunner().invoke(cli, ["--help"])
assert result.exit_code == 0, result.output
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_names_are_importable_and_sorted():
    assert evalharness.__all__ == sorted(evalharness.__all__)
    for name in evalharness.__all__:
        assert getattr(evalharness, name).__doc__


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = evalharness.nothing
