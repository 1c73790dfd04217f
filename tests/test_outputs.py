"""Files that a user asks for: never one of a run, never somebody else's unasked, and whole or not at all."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from command import EVALHARNESS
from test_cli import SIDES

from evalharness.cli import cli
from evalharness.errors import EvalHarnessError, SharingError
from evalharness.store import outputs
from evalharness.suites import load_suite

GATE = """
[[gate]]
metric = "style.words"
kind = "at_least"
bound = 0.1
min_pairs = 1
max_truncated = 1.0
"""


def call(*words, code=0, env=None):
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False, env=env)
    assert result.exit_code == code, result.output
    return result


def refused(*words, env=None):
    with pytest.raises(EvalHarnessError) as caught:
        call(*words, env=env)
    return caught.value.problem, caught.value.fix


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run in `r`, and gate rules."""
    path = tmp_path_factory.mktemp("outputs")
    for side in ("base", "instruct"):
        texts = [{"sample_id": sample.id, "text": f"{side} says so."} for sample in load_suite("smoke").samples]
        (path / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in texts))
    (path / "gates.toml").write_text(GATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        call("run", *SIDES, "--out", "r")
    return path


@pytest.fixture
def run(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


COMMANDS = {
    "report": (("report", "r", "--redact", "completions"), "--out"),
    "export": (("export", "r", "--format", "csv"), "--out"),
    "junit": (("gate", "r", "--config", "gates.toml"), "--junit"),
    "markdown": (("gate", "r", "--config", "gates.toml"), "--markdown"),
    "init": (("init",), "--out"),
}


def content(path):
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != ".lock"}


@pytest.mark.parametrize("which", COMMANDS)
def test_no_flag_writes_over_a_file_of_a_run(run, which):
    words, flag = COMMANDS[which]
    (run / "link").unlink(missing_ok=True)
    (run / "link").symlink_to(run / "r" / "plan.json")
    before = content(run / "r")
    for name in ("r/outcomes.jsonl", "r/gate.json", "r/../r/Manifest.JSON", "link"):
        problem, _ = refused(*words, flag, name, "--force")
        assert problem == f"{flag}: {name} is a file of the run r"
    assert content(run / "r") == before


def test_a_run_does_not_begin_where_its_ci_file_would_be_one_of_its_own(run):
    problem, _ = refused("run", *SIDES, "--out", "new", "--junit", "new/outcomes.jsonl")
    assert "is a file of the run new" in problem
    assert not (run / "new").exists()


@pytest.mark.parametrize("which", COMMANDS)
def test_a_file_of_another_origin_is_replaced_only_when_asked(run, which, tmp_path):
    words, flag = COMMANDS[which]
    out = tmp_path / "thesis.txt"
    out.write_text("three years of work")
    out.chmod(0o640)
    problem, fix = refused(*words, flag, out)
    assert problem.startswith(f"{flag}: {out} already exists") and "--force" in fix
    assert out.read_text() == "three years of work"
    call(*words, flag, out, "--force")
    assert out.read_text() != "three years of work"
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


@pytest.mark.parametrize("which", ["report", "junit", "markdown"])
def test_what_evalharness_wrote_is_written_again_unasked_and_so_is_an_empty_file(run, which, tmp_path):
    words, flag = COMMANDS[which]
    out = tmp_path / "out"
    out.touch()
    call(*words, flag, out)
    first = out.read_bytes()
    call(*words, flag, out)
    assert out.read_bytes() == first != b""


def test_a_link_that_the_user_made_stays_and_leads_to_the_new_content(run, tmp_path):
    (tmp_path / "latest").symlink_to(tmp_path / "of-today")
    call("export", "r", "--format", "csv", "--out", tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "of-today").read_bytes().count(b"\n") > 16


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("which", [which for which in COMMANDS if which != "init"])
def test_stdout_takes_the_file_and_nothing_else(run, which, name, tmp_path):
    words, flag = COMMANDS[which]
    call(*words, flag, tmp_path / "out")
    assert call(*words, flag, name).stdout_bytes == (tmp_path / "out").read_bytes()


def test_a_fifo_is_written_to_and_stays_one(run, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        call("export", "r", "--format", "markdown", "--out", fifo)
        assert reader.communicate()[0].startswith(b"# instruct against base")
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@contextmanager
def no_room():
    """The kernel refuses to let any file grow beyond 200 bytes, the log of these tests included: keep it short."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("which", ["report", "export", "init"])
def test_a_full_disk_leaves_the_earlier_file_whole(run, which, tmp_path):
    words, flag = COMMANDS[which]
    out = tmp_path / "out"
    call(*words, flag, out)
    before = out.read_bytes()
    with no_room():
        problem, _ = refused(*words, flag, out, "--force")
    assert problem == f"{flag}: {out} cannot be written: File too large"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out": before}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    "words",
    [("export", "r", "--format", "jsonl"), ("show", "r", "poem-nature")],
    ids=lambda words: words[0],
)
def test_a_full_stdout_is_a_sentence(run, words):
    with open("/dev/full", "wb") as full:
        stopped = subprocess.run([EVALHARNESS, *words], cwd=run, stdout=full, stderr=subprocess.PIPE, text=True)
    assert stopped.returncode == 2
    assert stopped.stderr.startswith("Error: the output cannot be used: No space left on device\n  Fix: ")
    assert "Traceback" not in stopped.stderr and "Exception ignored" not in stopped.stderr


def test_a_github_summary_is_added_to(run, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("# of an earlier step\n")
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    call("gate", "r", "--config", "gates.toml", env=environment)
    assert summary.read_text().startswith("# of an earlier step\n## The gate passed")
    environment = {"GITHUB_STEP_SUMMARY": "r/outcomes.jsonl"}
    problem, _ = refused("gate", "r", "--config", "gates.toml", env=environment)
    assert "is a file of the run r" in problem


def test_a_name_of_five_thousand_letters_is_a_sentence(run):
    command = [EVALHARNESS, "plan", "--suite", "a" * 5000, *SIDES[:4]]
    stopped = subprocess.run(command, capture_output=True, text=True)
    assert stopped.returncode == 2 and "Traceback" not in stopped.stderr and len(stopped.stderr) < 1000


def test_a_folder_is_no_place_for_a_report(tmp_path):
    with pytest.raises(SharingError, match="is a folder"):
        outputs.write_output(tmp_path, b"", "--out")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no links for everybody")
def test_no_link_that_was_put_there_in_advance_is_written_through(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".out.new").symlink_to(tmp_path / "victim")
    outputs.write_output(tmp_path / "out", b"new", "--out")
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "out").read_bytes() == b"new"
