"""Writes, renames, fsyncs, truncations, openings and allocations fail in turn, as in SQLite's tests.

Each step of the pipeline is done again and again. Each time another call fails: with a full disk, with an error of the
device, for want of memory, or because the process is killed there (from then on, nothing reaches the disk). Afterwards
nothing is lost, nothing false is shown, and the step done again ends where the unbroken one does.
"""

import errno
import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from small_run import small_config, write_ratings

from evalharness import pipeline, sharing
from evalharness.cli import cli, main
from evalharness.errors import EvalHarnessError, StoreError
from evalharness.store import RunStore, files, lock
from evalharness.store.check import check_run
from evalharness.store.outputs import write_output

COUNTED = frozenset(("open", "write", "fsync", "replace", "ftruncate", "unlink", "chmod"))
ERRORS = (errno.ENOSPC, errno.EIO)
MODES = ("error", "kill")
ALL = bool(os.environ.get("ALL_FAULTS"))
"""By default the first and the last call of each kind on each file fail, one with an error and one with a kill; with
ALL_FAULTS=1 every call fails, with both."""
ALLOCATIONS = 200 if ALL else 8
"""Places of a step at which memory runs out."""
TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.new$")


class Killed(BaseException):
    """The process is dead: nothing that it still tries reaches the disk."""


class FaultyOS:
    """The `os` module, of which one call fails; a write that fails has written half."""

    def __init__(self, at, mode):
        self.at, self.mode, self.dead = at, mode, False
        self.calls = []
        """What was called, each with its file, such as `write scores.jsonl`."""
        self._names = {}

    def __getattr__(self, name):
        real = getattr(os, name)
        return (lambda *given: self._call(name, real, given)) if name in COUNTED else real

    def _call(self, name, real, given):
        if self.dead:
            raise Killed
        self.calls.append(f"{name} {self._name(given)}")
        if len(self.calls) != self.at:
            result = real(*given)
            if name == "open":
                self._names[result] = self._name(given)
            return result
        if name == "write":
            real(given[0], given[1][: len(given[1]) // 2])
        if self.mode == "kill":
            self.dead = True
            raise Killed
        number = ERRORS[self.at // 2 % len(ERRORS)]
        raise OSError(number, os.strerror(number))

    def _name(self, given):
        if isinstance(given[0], int):
            return self._names.get(given[0], "another")
        kind = "" if len(given) < 2 or not isinstance(given[1], int) else f" {given[1] & os.O_ACCMODE}"
        return TEMPORARY.sub(".new", Path(given[-1] if not kind and len(given) > 1 else given[0]).name) + kind


def faults(calls):
    """Which calls fail, and how."""
    if ALL:
        return [(at, mode) for at in range(1, len(calls) + 1) for mode in MODES]
    places = {}
    for at, call in enumerate(calls, start=1):
        places.setdefault(call, []).append(at)
    ends = [at for place in places.values() for at in sorted({place[0], place[-1]})]
    return [(at, MODES[number % 2]) for number, at in enumerate(ends)]


class NoMemory:
    """Lets the n-th call of a function of evalharness fail for want of memory; for `sys.setprofile`."""

    def __init__(self, at):
        self.at, self.count = at, 0

    def __call__(self, frame, event, _):
        # What a dying process leaves undone (a lock, a file to close), the system does for it.
        ours = frame.f_globals.get("__name__", "").startswith("evalharness.")
        if event == "call" and ours and frame.f_code.co_name not in ("release", "sync_and_close", "__del__"):
            self.count += 1
            if self.count == self.at:
                raise MemoryError


class Scene:
    """A folder with a run in some state, a step to take, and how to go on where that was broken."""

    def __init__(self, folder):
        self.folder, self.run = folder, folder / "run"
        self.config = small_config(folder)

    def prepare(self):
        pipeline.run(self.config, out=self.run)

    def step(self):
        raise NotImplementedError

    def again(self):
        self.step()

    def results(self):
        """What must come out the same."""
        run = pipeline.load_run(self.run)
        outcomes = {key: outcome.text for key, outcome in run.outcomes.items()}
        return outcomes, sorted(map(str, run.scores)), run.comparison, run.gate, set(map(str, run.preferences))


class Run(Scene):
    def prepare(self):
        pass

    def step(self):
        pipeline.run(self.config, out=self.run, resume=self.run.exists())

    def results(self):
        outcomes, scores, comparison, gate, preferences = super().results()
        nothing = {"evidence_digest": "", "warnings": ()}
        return outcomes, scores, comparison.model_copy(update=nothing), gate.results, preferences


class Resume(Run):
    """Three outcomes are there, and half of a fourth."""

    def prepare(self):
        pipeline.run(self.config, out=self.run)
        for name in ("scores.jsonl", "scorers.json", "comparison.json", "gate.json", "report.html"):
            (self.run / name).unlink()
        outcomes = (self.run / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
        (self.run / "outcomes.jsonl").write_bytes(b"".join(outcomes[:3]) + outcomes[3][:40])


class Score(Scene):
    def step(self):
        pipeline.rescore(self.run)


class Compare(Scene):
    """Preferences were stored and not compared."""

    def prepare(self):
        super().prepare()
        sharing.import_ratings(self.run, write_ratings(self.run))
        preferences = self.run / "preferences.jsonl"
        preferences.write_bytes(preferences.read_bytes().splitlines(keepends=True)[0])

    def step(self):
        pipeline.recompare(self.run)


class Gate(Scene):
    """A gate by other rules than before."""

    def prepare(self):
        super().prepare()
        rule = '[[gate]]\nmetric = "style.loop"\nkind = "at_most"\nbound = 0.5\nmin_pairs = 1\nmax_truncated = 1.0\n'
        (self.folder / "gates.toml").write_text(rule)

    def step(self):
        pipeline.regate(self.run, self.folder / "gates.toml")


class Import(Scene):
    def prepare(self):
        super().prepare()
        self.file = write_ratings(self.run)

    def step(self):
        sharing.import_ratings(self.run, self.folder / "somebody.jsonl")

    def again(self):
        pipeline.recompare(self.run)
        self.step()


class Output(Scene):
    """A file for the user, where there is an earlier one."""

    command = ()

    def prepare(self):
        super().prepare()
        self.write()
        self.out.write_bytes(self.out.read_bytes() + b"<!-- an earlier one -->")

    @property
    def out(self):
        return self.run.parent / "out.html"

    def write(self):
        cli.main([*self.command, str(self.run), "--out", str(self.out)], standalone_mode=False)

    step = write

    def results(self):
        return *super().results(), self.out.read_bytes()


class Report(Output):
    command = ("report", "--samples", "2", "--redact", "completions")


class Export(Output):
    command = ("export", "--format", "markdown")


SCENES = [Run, Resume, Score, Compare, Gate, Import, Report, Export]


@pytest.fixture(params=SCENES, ids=lambda scene: scene.__name__.lower())
def scene(request, tmp_path):
    """A scene that is prepared, and what its step leads to if nothing fails."""
    (tmp_path / "before").mkdir()
    before = request.param(tmp_path / "before")
    before.prepare()
    return before


def test_a_step_that_fails_anywhere_loses_nothing_and_shows_nothing_false(scene, tmp_path, monkeypatch):
    unbroken, calls = _copy(scene, tmp_path / "unbroken"), FaultyOS(0, "error")
    _with(monkeypatch, calls, unbroken.step)
    expected = unbroken.results()
    assert check_run(unbroken.run).whole
    assert len(calls.calls) > 10
    for at, mode in faults(calls.calls):
        broken = _copy(scene, tmp_path / f"{at}{mode}")
        with suppress(EvalHarnessError, Killed):
            _with(monkeypatch, FaultyOS(at, mode), broken.step)
        _check(scene, broken, expected, (calls.calls[at - 1], mode))


def test_a_step_without_memory_loses_nothing_and_shows_nothing_false(scene, tmp_path):
    unbroken, calls = _copy(scene, tmp_path / "unbroken"), NoMemory(0)
    _profiled(calls, unbroken.step)
    expected = unbroken.results()
    for number in range(ALLOCATIONS):
        at = 1 + (2 * number + 1) * calls.count // (2 * ALLOCATIONS)
        broken = _copy(scene, tmp_path / f"{at}")
        with suppress(EvalHarnessError, MemoryError):
            _profiled(NoMemory(at), broken.step)
        _check(scene, broken, expected, (at, "memory"))


def test_too_little_memory_is_an_error_and_no_traceback(tmp_path, monkeypatch, capsys):
    before = Score(tmp_path)
    before.prepare()
    monkeypatch.setattr(sys, "argv", ["evalharness", "score", str(before.run)])
    with pytest.raises(SystemExit) as ended:
        _profiled(NoMemory(200), main)
    assert ended.value.code == 2
    assert "not enough memory" in capsys.readouterr().err


def _check(before, broken, expected, failed):
    """After a failure, and after the step was done again."""
    _check_nothing_lost(before.run, broken.run)
    _check_nothing_false(broken, expected)
    if broken.run.exists() or isinstance(broken, Run):
        broken.again()
    assert broken.results() == expected, failed
    assert check_run(broken.run).whole, (failed, check_run(broken.run).problems)
    assert not list(broken.run.glob(".*.new")), failed
    # In a folder of the user's, nobody can know that the process is dead whose file it is.
    assert "kill" in failed or not list(broken.run.parent.glob(".*.new")), failed
    shutil.rmtree(broken.run.parent)


def _profiled(calls, step):
    """Take a step under a profiler; a `MemoryError` that the interpreter cannot raise is ignored, as it is in a run.

    Such an error comes from a generator that is closed because nobody reads on: Python reports it and goes on.
    """
    report = sys.unraisablehook
    sys.unraisablehook = lambda ignored: None if ignored.exc_type is MemoryError else report(ignored)
    sys.setprofile(calls)
    try:
        step()
    finally:
        sys.setprofile(None)
        sys.unraisablehook = report


def _copy(before, folder):
    """The state in a folder of its own; the replayed files and the suite are those of `before`."""
    folder.mkdir()
    made = object.__new__(type(before))
    made.folder, made.run, made.config = before.folder, folder / "run", before.config
    if before.run.exists():
        shutil.copytree(before.run, made.run)
    if isinstance(before, Output):
        made.out.write_bytes(before.out.read_bytes())
    return made


def _with(monkeypatch, faulty, step):
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", faulty)
        patch.setattr(lock, "os", faulty)
        step()


def _check_nothing_lost(before, after):
    for name in ("outcomes.jsonl", "preferences.jsonl", "plan.json"):
        if (before / name).exists():
            old = (before / name).read_bytes()
            assert (after / name).read_bytes().startswith(old[: old.rfind(b"\n") + 1]), name


def _check_nothing_false(broken, expected):
    """What can be read as a finished result is that of the unbroken step, or that of before it."""
    try:
        whole = check_run(broken.run).whole
        shown = pipeline.load_compared(RunStore(broken.run))
    except StoreError:
        return
    if isinstance(broken, Output):
        assert broken.out.read_bytes() in (expected[-1], expected[-1] + b"<!-- an earlier one -->")
    texts = {key: outcome.text for key, outcome in shown.outcomes.items()}
    assert texts.items() <= expected[0].items()
    if whole:
        assert (broken.run / "report.html").read_bytes().endswith(b"</html>")
        assert set(map(str, shown.preferences)) in (set(), expected[4])


@pytest.mark.parametrize("mode", ["error", "kill"])
@pytest.mark.parametrize("existing", [True, False], ids=["over-another", "new"])
def test_a_file_for_the_user_is_whole_or_the_earlier_one(mode, existing, tmp_path, monkeypatch):
    out, calls = tmp_path / "out", FaultyOS(0, mode)

    def step():
        write_output(out, b"new" * 1000, "--out", force=True)

    _with(monkeypatch, calls, step)
    for at in range(1, len(calls.calls) + 1):
        out.write_bytes(b"earlier") if existing else out.unlink(missing_ok=True)
        with pytest.raises((EvalHarnessError, Killed)):
            _with(monkeypatch, FaultyOS(at, mode), step)
        left = out.read_bytes() if out.exists() else None
        assert left in (b"new" * 1000, b"earlier" if existing else None)
    assert Path(out).exists() or not existing
