"""A run that is killed at any moment and resumed gives the same outcomes as one that was never stopped."""

import json
import signal
import subprocess
import time
from collections import Counter

import pytest
from command import EVALHARNESS, anew, call

from evalharness import load_run

SAMPLES = 500
LINE = 300
"""About how many bytes an outcome takes."""
OUTCOMES = 2 * SAMPLES
KILLS = 20
COMMAND = ("run", "--base", "replay/./base.jsonl", "--instruct", "replay/./instruct.jsonl", "--suite", "./many")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A suite with many samples, two files that answer it (some samples are left out), and an unbroken run of them."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "many").mkdir()
    head = 'name = "many"\nversion = "1"\nlicense = "Apache-2.0"\nsource = "numbers"\nscorers = ["style"]\n'
    (folder / "many" / "suite.toml").write_text(head)
    samples = [{"id": f"s{n}", "prompt": f"Say the number {n}.", "category": "numbers"} for n in range(SAMPLES)]
    (folder / "many" / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    for side, every in (("base", 7), ("instruct", 11)):
        rows = [{"sample_id": f"s{n}", "text": f"{side} says {n}.\u2028" * 9} for n in range(SAMPLES) if n % every]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call(*COMMAND, "--out", "unbroken", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def seconds(folder):
    """How long an unbroken run takes here and now."""
    start = time.monotonic()
    call(*COMMAND, "--out", "timed", cwd=folder, start=anew)
    return time.monotonic() - start


def kill_when(folder, out, *, lines=None, seconds=None):
    """Start or resume the run and SIGKILL it after so many more outcomes or seconds; how many outcomes it had then."""
    path = folder / out / "outcomes.jsonl"
    enough = size(path) + (lines or 0) * LINE
    command = [EVALHARNESS, *COMMAND, "--out", out, "--resume"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        start = time.monotonic()
        while run.poll() is None:
            if lines is not None and size(path) >= enough:
                break
            if seconds is not None and time.monotonic() - start >= seconds:
                break
            time.sleep(0.0005)
        run.send_signal(signal.SIGKILL)
    return path.read_bytes().count(b"\n") if path.exists() else 0


def size(path):
    return path.stat().st_size if path.exists() else 0


def assert_as_unbroken(folder, out):
    call(*COMMAND, "--out", out, "--resume", cwd=folder)
    run, unbroken = load_run(folder / out), load_run(folder / "unbroken")
    assert run.outcomes == unbroken.outcomes
    assert run.scores == unbroken.scores
    lines = [line for line in (folder / out / "outcomes.jsonl").read_bytes().split(b"\n") if b"request_id" in line]
    counted = Counter(json.loads(line)["request_id"] for line in lines)
    assert len(counted) == OUTCOMES
    assert set(counted.values()) == {1}


def test_killed_twenty_times_within_generation(folder):
    """Killed again and again; a run that got through all the same is checked, and another one begun."""
    landed, out = 0, 0
    while landed < KILLS:
        if 0 < kill_when(folder, f"often-{out}", lines=20) < OUTCOMES:
            landed += 1
        else:
            assert_as_unbroken(folder, f"often-{out}")
            out += 1
            assert out < KILLS, "no kill lands within generation"
    assert_as_unbroken(folder, f"often-{out}")


@pytest.mark.parametrize("part", [0.3, 0.45, 0.5, 0.55, 0.6, 0.7, 0.85])
def test_killed_at_any_time_of_the_run(folder, seconds, part):
    kill_when(folder, f"at-{part}", seconds=part * seconds)
    assert_as_unbroken(folder, f"at-{part}")


def test_a_line_torn_by_the_kill_is_cut_off_said_and_generated_again(folder):
    kill_when(folder, "torn", lines=500)
    path = folder / "torn" / "outcomes.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert_as_unbroken(folder, "torn")
    run = load_run(folder / "torn")
    assert [notice.kind for notice in run.notices] == ["recovered"]
    assert "the last line was incomplete" in (folder / "torn" / "report.html").read_text()
