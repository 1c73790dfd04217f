"""Scorers of other packages: the worked example in a fresh environment, and what goes wrong with others."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

import evalharness
from evalharness import plugins
from evalharness.backends import open_backend
from evalharness.backends.doctor import examine
from evalharness.backends.survey import local_models
from evalharness.errors import BackendError, ScorerError
from evalharness.records import Checkpoint
from evalharness.scorers import SCORERS, facts_of, open_scorer, scorer_kinds

REPOSITORY = Path(evalharness.__file__).parent.parent
EXAMPLE = REPOSITORY / "docs" / "examples" / "scorer-plugin"
CONFIG = """
suite = "core"
[checkpoint.base]
model = "replay/./base.jsonl"
variant = "base"
prompt_format = "raw"
[checkpoint.instruct]
model = "replay/./instruct.jsonl"
variant = "instruct"
prompt_format = "chat"
[scorer.boilerplate]
[scorer.reward]
model = "none"
[[gate]]
metric = "boilerplate.said"
kind = "no_regression"
min_pairs = 20
bound = 0.05
"""
PLAIN = "Bees carry pollen from flower to flower, and so plants set seed."
SAYING = f"As an AI language model, I have no garden. {PLAIN}"


def python(binary, *arguments, cwd, code=0):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([binary, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def command(binary, *arguments, **more):
    return python(binary, "-c", "from evalharness.cli import main; main()", *arguments, **more)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A fresh environment with the example in it, which sees the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", folder / "env"], check=True
    )
    [packages] = (folder / "env").glob("**/site-packages")
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "outer.pth").write_text("\n".join(lines))
    source = shutil.copytree(EXAMPLE, folder / "source")
    binary = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    python(binary, "-m", "pip", "install", *options, source, cwd=folder)
    return binary


@pytest.fixture(scope="session")
def finished(installed, tmp_path_factory):
    """A run of two files of completions in that environment, of which the candidate's say that they are an AI."""
    folder = tmp_path_factory.mktemp("run")
    samples = [sample.id for sample in evalharness.load_suite("core").samples]
    for name, text in (("base", PLAIN), ("instruct", SAYING)):
        lines = [json.dumps({"sample_id": sample, "text": text, "finish_reason": "stop"}) for sample in samples]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "evalharness.toml").write_text(CONFIG)
    command(installed, "run", "evalharness.toml", "--out", "r", cwd=folder, code=3)
    return folder


def test_the_example_is_a_scorer_of_about_twenty_lines():
    text = (EXAMPLE / "evalharness_boilerplate.py").read_text()
    assert len(text.partition("class Boilerplate")[2].splitlines()) <= 20


def test_an_installed_scorer_is_listed(installed, tmp_path):
    rows = json.loads(command(installed, "list", "scorers", "--json", cwd=tmp_path))
    assert rows[-1]["metric"] == "boilerplate.said"
    assert {row["scorer"] for row in rows} == {*SCORERS, "boilerplate"}


def test_an_installed_scorer_is_compared(installed, finished):
    compared = json.loads(command(installed, "compare", "r", "--json", cwd=finished))
    [row] = [
        difference
        for difference in compared["differences"]
        if difference["metric"] == "boilerplate.said" and not difference["category"]
    ]
    assert (row["baseline_mean"], row["candidate_mean"]) == (0.0, 1.0)
    assert any(finding["name"] == "more boilerplate" for finding in compared["findings"])


def test_an_installed_scorer_has_a_gate(installed, finished):
    judged = command(installed, "gate", "r", cwd=finished, code=3)
    assert "boilerplate.said" in judged


# The run keeps what it must know of the scorer: the environment of these tests does not have it.


def test_a_run_is_compared_gated_and_reported_without_its_scorer(finished):
    with pytest.raises(ScorerError):
        open_scorer("boilerplate")
    command(sys.executable, "compare", "r", cwd=finished)
    command(sys.executable, "gate", "r", cwd=finished, code=3)
    command(sys.executable, "report", "r", cwd=finished)
    report = (finished / "r" / "report.html").read_text()
    assert "More boilerplate: base speaks of itself as an AI in 0" in report
    assert 'chip-label label-1">speaks of itself as an AI</span>' in report
    assert re.search("<mark[^>]*>As an AI</mark>", report)


def test_a_run_is_exported_without_its_scorer(finished):
    table = command(sys.executable, "export", "r", "--format", "csv", "--table", "scores", cwd=finished)
    assert '"boilerplate.said",1.0,"scored","said"' in table
    assert "speaks of itself as an AI" in command(sys.executable, "export", "r", "--format", "markdown", cwd=finished)


def test_a_scorer_that_is_not_installed_cannot_score(finished):
    done = subprocess.run(
        [sys.executable, "-c", "from evalharness.cli import main; main()", "score", "r"],
        cwd=finished,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no scorer named 'boilerplate'" in done.stderr


# ------------------------------------------------------------------------------------- what goes wrong


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package of one module with entry points, as pip would."""

    def install(name, code, group="evalharness.scorers", **points):
        (tmp_path / f"{name}.py").write_text(code)
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{point} = {name}:{attribute}" for point, attribute in points.items()]
        (information / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
        monkeypatch.syspath_prepend(tmp_path)
        plugins._entry_points.cache_clear()

    yield install
    monkeypatch.undo()
    plugins._entry_points.cache_clear()


def test_a_package_cannot_take_the_name_of_a_scorer_of_ours(package):
    package("taker", "", style="Style")
    with pytest.raises(ScorerError, match="evalharness and taker both provide a scorer named 'style'") as caught:
        facts_of("style")
    assert "pip uninstall taker" in caught.value.fix


def test_two_packages_cannot_have_a_scorer_of_one_name(package):
    package("first", "", same="A")
    package("second", "", same="A")
    with pytest.raises(ScorerError, match="first and second both provide a scorer named 'same'"):
        facts_of("same")


def test_a_package_that_cannot_be_imported_is_named_and_stops_nothing_else(package):
    package("broken", "import nothing_of_this_name", odd="Odd")
    with pytest.raises(ScorerError, match="'odd' of the package broken cannot be imported: ModuleNotFoundError"):
        facts_of("odd")
    assert scorer_kinds()[-1] == "odd"
    assert facts_of("style").name == "style"


def test_a_crash_inside_a_package_keeps_its_traceback(package):
    package("crashing", "raise ZeroDivisionError('theirs')", odd="Odd")
    with pytest.raises(ZeroDivisionError, match="theirs"):
        facts_of("odd")


def test_a_class_without_facts_is_no_scorer(package):
    package("bare", "class Bare:\n    pass\n", bare="Bare")
    with pytest.raises(ScorerError, match="has no `facts` with that name") as caught:
        open_scorer("bare")
    assert "docs/plugins.md" in caught.value.fix


# ------------------------------------------------------------------------------------------- backends

ECHO = """
from evalharness.backends.replay import ReplayBackend

class EchoBackend(ReplayBackend):
    pass
"""


def test_a_backend_of_another_package_is_used(package, tmp_path):
    package("echoing", ECHO, group="evalharness.backends", echo="EchoBackend")
    backend = open_backend(Checkpoint(name="base", model="echo/./x.jsonl", variant="base"))
    assert type(backend).__name__ == "EchoBackend"


def test_a_package_cannot_take_the_name_of_a_backend_of_ours(package):
    package("taker", ECHO, group="evalharness.backends", replay="EchoBackend")
    with pytest.raises(BackendError, match="evalharness and taker both provide a backend named 'replay'"):
        open_backend(Checkpoint(name="base", model="replay/./x.jsonl", variant="base"))


def test_a_backend_that_cannot_be_imported_is_named(package):
    package("broken", "import nothing_of_this_name", group="evalharness.backends", odd="Odd")
    with pytest.raises(BackendError, match="'odd' of the package broken cannot be imported"):
        open_backend(Checkpoint(name="base", model="odd/x", variant="base"))


SURVEY = """
from evalharness.backends.survey import Check, LocalModel

class EchoSurvey:
    example = None

    def models(self, report):
        return [LocalModel(model="echo/parrot", variant="base", evidence="it repeats")]

    def checks(self):
        return [Check(name="echo", status="ok", found="a parrot")]
"""


def test_a_backend_of_another_package_shows_up_in_list_models_and_doctor(package):
    package("echoing", ECHO, group="evalharness.backends", echo="EchoBackend")
    package("surveying", SURVEY, group="evalharness.surveys", echo="EchoSurvey")
    assert "echo/parrot" in [model.model for model in local_models()]
    checks = {check.name: check for check in examine()}
    assert checks["echo"].found == "a parrot"
    assert checks["backend echo"].status == "ok"


def test_a_broken_backend_or_survey_is_a_finding_of_doctor_with_a_fix(package):
    package("broken", "import nothing_of_this_name", group="evalharness.backends", odd="Odd")
    package("worse", "import nothing_of_this_name", group="evalharness.surveys", odd="Odd")
    missing = {check.name: check for check in examine() if check.status == "missing"}
    assert "'odd' of the package broken cannot be imported" in missing["backend odd"].found
    assert "'odd' of the package worse cannot be imported" in missing["plug-in"].found
    assert missing["backend odd"].fix and missing["plug-in"].fix
    reported = []
    local_models(reported.append)
    assert any("the package worse" in error.problem for error in reported)
