"""What is shipped: the wheel, its metadata, and code that imports on every system."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import evalharness

PACKAGE = Path(evalharness.__file__).parent
REPOSITORY = PACKAGE.parent
POSIX_ONLY = frozenset({"crypt", "curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog"})
POSIX_ONLY |= {"termios", "tty"}


def imported(node, guarded=False):
    """The modules that a tree imports on every system: not under a test of `sys.platform`, not in a `try`."""
    if isinstance(node, ast.Import):
        yield from () if guarded else (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from () if guarded else (node.module.partition(".")[0],)
    guarded = (
        guarded or isinstance(node, ast.Try) or (isinstance(node, ast.If) and "sys.platform" in ast.unparse(node.test))
    )
    for child in ast.iter_child_nodes(node):
        yield from imported(child, guarded)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_what_only_posix_has(path):
    assert not POSIX_ONLY & set(imported(ast.parse(path.read_text(encoding="utf-8"))))


def test_an_import_that_is_not_guarded_is_seen():
    assert "fcntl" in set(imported(ast.parse("def take():\n    import fcntl")))
    assert "fcntl" not in set(
        imported(ast.parse("if sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl"))
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if find_spec("hatchling") is None or find_spec("build") is None:
        pytest.skip("hatchling and build are not installed: pip install build hatchling; `make package` needs neither")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPOSITORY]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_metadata_is_valid_and_complete(wheel):
    metadata = pytest.importorskip("packaging.metadata")
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    read = metadata.Metadata.from_email(wheel.read(name))
    assert read.name == "evalharness"
    assert read.summary and read.description and read.description_content_type == "text/markdown"
    assert read.license_expression == "Apache-2.0"
    assert {"ollama", "hf", "demo", "parquet"} <= set(read.provides_extra)


def test_the_wheel_has_the_package_and_the_suites_and_nothing_else(wheel):
    names = wheel.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"evalharness"}
    assert {"evalharness/py.typed", "evalharness/prompts/core/suite.toml"} <= set(names)
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(REPOSITORY).as_posix() in names


MADE = REPOSITORY / "tests" / "made_elsewhere" / "lm_eval"
MOST_PACKAGES, MOST_MEGABYTES = 30, 200


def test_the_wheel_alone_imports_compares_reports_and_exports(tmp_path, request):
    """In an environment that has nothing else and no extra."""
    if not request.config.getoption("--run-install"):
        pytest.skip("it installs packages from an index, which takes a minute: --run-install")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*command):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    pip, empty = (sys.executable, "-m", "pip", "--disable-pip-version-check"), tmp_path / "empty"
    call(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, REPOSITORY)
    call(sys.executable, "-m", "venv", "--without-pip", empty)
    call(*pip, "--python", empty, "install", next(tmp_path.glob("*.whl")))
    packages = {one["name"] for one in json.loads(call(*pip, "--python", empty, "list", "--format", "json"))}
    size = sum(path.stat().st_size for path in empty.rglob("*") if path.is_file()) / 1e6
    assert len(packages) <= MOST_PACKAGES and size <= MOST_MEGABYTES, (len(packages), size, packages)
    sides = (MADE / "SmolLM2-135M-Instruct", MADE / "gemma-3-270m")
    python = empty / "bin" / "python"
    frame = "import evalharness; evalharness.load_run('run').differences"
    for command in (
        ("import", *sides, "--out", "run"),
        ("compare", "run"),
        ("report", "run"),
        ("export", "run", "--format", "markdown"),
        ("export", "run", "--format", "csv"),
        ("demo", "--out", "demo"),
    ):
        call(empty / "bin" / "evalharness", *command)
    done = subprocess.run([python, "-c", frame], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "a frame needs pandas, which is not installed" in done.stderr
    sys.stdout.write(f"{len(packages)} packages, {size:.0f} MB\n")
