"""The run directory under real faults: another process, a full disk, torn and foreign lines, changed conditions."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import EVALHARNESS, call, refused
from test_cli import CONFIG, SIDES, finished, finished_once, folder  # noqa: F401 - the fixtures

from evalharness import load_run
from evalharness.errors import RunInUse
from evalharness.store import FORMAT_VERSION, RunStore
from evalharness.suites import list_suites

HOLD_LOCK = """
import sys, time
from pathlib import Path
from evalharness.store import RunStore
with RunStore(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(finished):  # noqa: F811
    return finished / "r"


# ---------------------------------------------------------------------------------------------- locks


@pytest.fixture
def holder(run):
    """Another process that holds the lock of the run."""
    command = [sys.executable, "-c", HOLD_LOCK, str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_run_in_use_by_another_process_is_refused_naming_it(run, holder):
    problem, fix = refused("score", "r", cwd=run.parent)
    assert problem == f"r is in use by another process (pid {holder.pid})"
    assert "--out" in fix


def test_the_lock_goes_with_a_killed_process(run, holder):
    with pytest.raises(RunInUse), RunStore(run).lock():
        pass
    holder.kill()
    holder.wait()
    with RunStore(run).lock():
        pass


# ------------------------------------------------------------------------------------------ full disk


def limit_file_size():
    """The kernel refuses to let any file grow beyond 2,000 bytes, in the middle of a line."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))


def test_no_space_stops_the_run_with_whole_lines_and_the_rest_comes_with_resume(run):
    cwd = run.parent
    plan_only = cwd / "full"
    plan_only.mkdir()
    for name in ("manifest.json", "plan.json", "requests.jsonl"):
        (plan_only / name).write_bytes((run / name).read_bytes())
    command = [EVALHARNESS, "run", *SIDES, "--out", "full", "--resume"]
    stopped = subprocess.run(command, cwd=cwd, preexec_fn=limit_file_size, capture_output=True, text=True)
    assert stopped.returncode == 2
    assert "no space left to write full; everything written so far is intact" in stopped.stderr
    assert "Fix: free some space, then repeat the command (for a run, with --resume)" in stopped.stderr
    content = (plan_only / "outcomes.jsonl").read_bytes()
    assert content.endswith(b"}\n")
    assert 0 < content.count(b"\n") < 16
    call("run", *SIDES, "--out", "full", "--resume", cwd=cwd)
    assert load_run(plan_only).outcomes == load_run(run).outcomes
    assert load_run(plan_only).notices == ()


def test_a_whole_file_that_does_not_fit_leaves_the_old_one(run):
    before = (run / "report.html").read_bytes()
    stopped = subprocess.run(
        [EVALHARNESS, "report", "r"], cwd=run.parent, preexec_fn=limit_file_size, capture_output=True, text=True
    )
    assert stopped.returncode == 2
    assert "no space left" in stopped.stderr
    assert (run / "report.html").read_bytes() == before
    assert not list(run.glob(".*.new"))


def test_no_space_at_the_very_start_leaves_no_half_file_and_the_run_can_begin_later(folder):  # noqa: F811
    command = [EVALHARNESS, "run", *SIDES, "--out", "r"]
    stopped = subprocess.run(command, cwd=folder, preexec_fn=limit_file_size, capture_output=True, text=True)
    assert stopped.returncode == 2
    assert "no space left to write r" in stopped.stderr
    assert {path.name for path in (folder / "r").iterdir()} <= {".lock", "digests.json", "manifest.json"}
    call("run", *SIDES, "--out", "r", "--resume", cwd=folder)
    assert len(load_run(folder / "r").outcomes) == 16


# ----------------------------------------------------------------------------------- torn and foreign


def test_a_torn_last_line_is_left_out_by_a_reader_and_kept_on_disk(run):
    path = run / "outcomes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert len(load_run(run).outcomes) == 15
    assert path.read_bytes() == whole[:-30]


def test_a_line_in_the_middle_that_is_no_outcome_is_named(run):
    path = run / "outcomes.jsonl"
    lines = path.read_text().split("\n")
    lines[4] = lines[4][:25]
    path.write_text("\n".join(lines))
    problem, fix = refused("score", "r", cwd=run.parent)
    assert problem.startswith("r/outcomes.jsonl:5 ")
    assert "--resume" in fix


@pytest.mark.parametrize("name", ["manifest.json", "plan.json", "comparison.json", "scores.jsonl"])
def test_a_broken_file_is_named(run, name):
    (run / name).write_text('{"not": "this"}\n')
    problem, _ = refused("report", "r", cwd=run.parent)
    assert problem.startswith(f"r/{name}")


@pytest.mark.parametrize("name", ["comparison.json", "scores.jsonl"])
def test_what_is_derived_is_mended_as_the_error_says(run, name):
    whole = (run / name).read_bytes()
    (run / name).write_text('{"not": "this"}\n')
    _, fix = refused("compare", "r", cwd=run.parent)
    assert fix == "write it again: evalharness score r"
    call("score", "r", cwd=run.parent)
    assert (run / name).read_bytes() == whole


def test_outcomes_that_cannot_be_read_are_named(run):
    (run / "outcomes.jsonl").unlink()
    (run / "outcomes.jsonl").mkdir()
    problem, _ = refused("show", "r", "poem-nature", cwd=run.parent)
    assert problem.startswith("r/outcomes.jsonl cannot be read")


def test_what_else_goes_wrong_while_a_run_is_locked_is_not_blamed_on_its_directory(run):
    with pytest.raises(ConnectionResetError, match="the server hung up"), RunStore(run).lock():
        raise ConnectionResetError("the server hung up")


@pytest.mark.parametrize("kept", [None, 3])
def test_a_completion_without_its_scores_is_not_left_out_in_silence(run, kept):
    lines = (run / "scores.jsonl").read_text().splitlines(keepends=True)
    before = (run / "comparison.json").read_bytes()
    if kept is None:
        (run / "scores.jsonl").unlink()
    else:
        (run / "scores.jsonl").write_text("".join(lines[:-kept]))
    problem, fix = refused("compare", "r", cwd=run.parent)
    assert "score of sample" in problem
    assert fix == "evalharness score r"
    assert (run / "comparison.json").read_bytes() == before


def test_a_report_is_not_drawn_from_two_states_of_a_run(run):
    lines = (run / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
    (run / "outcomes.jsonl").write_bytes(b"".join(lines[:9]))
    problem, fix = refused("report", "r", cwd=run.parent)
    assert "newer than its comparison" in problem
    assert fix == "evalharness score r"


def test_a_run_killed_before_its_plan_was_written_is_taken_up(run):
    for name in ("plan.json", "outcomes.jsonl", "scores.jsonl"):
        (run / name).unlink()
    call("run", *SIDES, "--out", "r", "--resume", cwd=run.parent)
    assert len(load_run(run).outcomes) == 16


# --------------------------------------------------------------------------------- changed conditions


def test_a_run_is_not_resumed_with_another_file_of_completions(run):
    with (run.parent / "base.jsonl").open("a") as base:
        base.write(json.dumps({"sample_id": "more", "text": "more"}) + "\n")
    problem, fix = refused("run", *SIDES, "--out", "r", "--resume", cwd=run.parent)
    assert problem == "r was started under different conditions: checkpoint 'base' has another weights digest"
    assert "--out" in fix


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-tokens", "7"), "the generation has another max tokens"),
        (("--limit", "3"), "the suite has changed"),
        (("--candidate-format", "raw"), "checkpoint 'instruct' is prompted as raw"),
    ],
)
def test_a_run_is_not_resumed_with_another_configuration(run, flags, said):
    problem, _ = refused("run", *SIDES, *flags, "--out", "r", "--resume", cwd=run.parent)
    assert said in problem


def test_a_run_is_not_resumed_with_other_replicates(folder):  # noqa: F811
    warm = (*SIDES, "--temperature", "0.5", "--out", "r")
    call("run", *warm, cwd=folder)
    problem, _ = refused("run", *warm, "--replicates", "2", "--resume", cwd=folder)
    assert "replicates" in problem


def test_a_run_is_not_resumed_with_a_suite_that_expects_something_else(folder):  # noqa: F811
    """The prompts are the same, what counts as right is not: old labels must not pass for new ones."""
    own = folder / "own"
    shutil.copytree(next(path for path in list_suites() if path.name == "smoke"), own)
    call("run", *SIDES[:4], "--suite", "./own", "--out", "r", cwd=folder)
    samples = own / "samples.jsonl"
    samples.write_text(samples.read_text().replace('"comply"', '"refuse"', 1))
    problem, _ = refused("run", *SIDES[:4], "--suite", "./own", "--out", "r", "--resume", cwd=folder)
    assert "the suite has changed" in problem


def test_a_run_is_not_resumed_with_its_sides_exchanged(folder):  # noqa: F811
    (folder / "e.toml").write_text(CONFIG)
    call("run", "e.toml", "--out", "r", cwd=folder)
    exchanged = ("--baseline", "instruct", "--candidate", "base")
    problem, _ = refused("run", "e.toml", *exchanged, "--out", "r", "--resume", cwd=folder)
    assert "baseline" in problem


def test_a_run_of_a_newer_format_is_not_resumed_and_not_touched(run):
    manifest, outcomes = run / "manifest.json", run / "outcomes.jsonl"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": FORMAT_VERSION + 1}))
    outcomes.write_text("".join(outcomes.read_text().splitlines(keepends=True)[:-1]))
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.name != ".lock"}
    problem, _ = refused("run", *SIDES, "--out", "r", "--resume", cwd=run.parent)
    assert problem == f"r has run format {FORMAT_VERSION + 1}; this evalharness reads up to {FORMAT_VERSION}"
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.name != ".lock"} == before


def test_resume_generates_nothing_that_is_there(run):
    before = (run / "outcomes.jsonl").read_bytes()
    call("run", "--out", "r", "--resume", cwd=run.parent)
    assert (run / "outcomes.jsonl").read_bytes() == before


# ------------------------------------------------------------------------------------------ unwritable


def test_a_file_in_the_place_of_the_run_directory_is_refused(folder):  # noqa: F811
    (folder / "r").write_text("a file")
    problem, fix = refused("run", *SIDES, "--out", "r", cwd=folder)
    assert problem.startswith("r cannot be written")
    assert "--out" in fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_the_right_to_write_is_refused(folder):  # noqa: F811
    (folder / "locked").mkdir(mode=0o500)
    problem, _ = refused("run", *SIDES, "--out", "locked/r", cwd=folder)
    assert "cannot be written" in problem


def test_a_place_that_takes_no_files_is_refused(folder):  # noqa: F811
    problem, fix = refused("run", *SIDES, "--out", "/proc/evalharness", cwd=folder)
    assert problem.startswith("/proc/evalharness cannot be written")
    assert "--out" in fix


def test_a_run_that_cannot_begin_leaves_no_directory(folder):  # noqa: F811
    refused("run", "--base", "replay/./none.jsonl", *SIDES[2:], cwd=folder)
    assert not list(folder.glob("reports/*"))


# ------------------------------------------------------------------------------------------- interrupt


INTERRUPTED = """
import os, signal
from evalharness.cli import main
from evalharness.store.generation import Appender

def append(self, event, kept=Appender.append, left=[3]):
    kept(self, event)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGINT)

Appender.append = append
main()
"""


def test_ctrl_c_keeps_what_is_there_and_says_how_to_go_on(folder):  # noqa: F811
    """The signal comes after the third outcome, however fast the machine is."""
    out = Path(folder / "r")
    command = [sys.executable, "-c", INTERRUPTED, "run", *SIDES, "--out", "r"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    stderr = process.stderr
    assert len(load_run(out).outcomes) == 3
    assert process.returncode == 130
    assert stderr.endswith(
        "Error: interrupted; completions so far are saved; resume: evalharness run --out r --resume\n"
    )
    call("run", "--out", "r", "--resume", cwd=folder)
    assert len(load_run(out).outcomes) == 16
