"""Every write, rename, fsync, truncation and opening of a run's files fails once, as SQLite's tests do.

Each step of the pipeline is done as often as it has such calls. In each, another call fails: with a full disk, with an
error of the device, or because the process is killed there (from then on, nothing reaches the disk). Afterwards nothing
is lost, nothing false is shown, and the step done again ends where the unbroken one does.
"""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from small_run import small_config, write_ratings

from evalharness import pipeline, sharing
from evalharness.errors import EvalHarnessError, StoreError
from evalharness.store import RunStore, files, lock
from evalharness.store.check import check_run
from evalharness.store.outputs import write_output

COUNTED = frozenset(("open", "write", "fsync", "replace", "ftruncate", "unlink", "chmod"))
ERRORS = (errno.ENOSPC, errno.EIO)
MODES = ("error", "kill")
ALL = (0, 1) if os.environ.get("ALL_FAULTS") else (0,)
"""By default each call fails once, by an error or a kill in turn; with ALL_FAULTS=1 by both."""


class Killed(BaseException):
    """The process is dead: nothing that it still tries reaches the disk."""


class FaultyOS:
    """The `os` module, of which one call fails; a write that fails has written half."""

    def __init__(self, at, mode):
        self.at, self.mode, self.count, self.dead = at, mode, 0, False

    def __getattr__(self, name):
        real = getattr(os, name)
        return (lambda *given: self._call(name, real, given)) if name in COUNTED else real

    def _call(self, name, real, given):
        if self.dead:
            raise Killed
        self.count += 1
        if self.count != self.at:
            return real(*given)
        if name == "write":
            real(given[0], given[1][: len(given[1]) // 2])
        if self.mode == "kill":
            self.dead = True
            raise Killed
        number = ERRORS[self.at // 2 % len(ERRORS)]
        raise OSError(number, os.strerror(number))


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
        outcomes = {key: one.text for key, one in run.outcomes.items()}
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


SCENES = [Run, Resume, Score, Compare, Gate, Import]


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__.lower())
def test_a_step_that_fails_anywhere_loses_nothing_and_shows_nothing_false(scene, first, tmp_path, monkeypatch):
    (tmp_path / "before").mkdir()
    before = scene(tmp_path / "before")
    before.prepare()
    unbroken, calls = _copy(scene, before, tmp_path / "unbroken"), FaultyOS(0, "error")
    _with(monkeypatch, calls, unbroken.step)
    expected = unbroken.results()
    assert check_run(unbroken.run).whole
    assert calls.count > 15
    for at in range(1, calls.count + 1):
        place = tmp_path / f"{at}"
        broken = _copy(scene, before, place)
        with suppress(EvalHarnessError, Killed):
            _with(monkeypatch, FaultyOS(at, MODES[(at + first) % 2]), broken.step)
        _check_nothing_lost(before.run, broken.run)
        _check_nothing_false(broken, expected)
        if broken.run.exists() or scene is Run:
            broken.again()
        assert broken.results() == expected, at
        assert check_run(broken.run).whole, (at, check_run(broken.run).problems)
        assert not list(broken.run.glob(".*.new")), at
        shutil.rmtree(place)


def _copy(scene, before, folder):
    """The state in a folder of its own; the replayed files and the suite are those of `before`."""
    folder.mkdir()
    made = object.__new__(scene)
    made.folder, made.run, made.config = before.folder, folder / "run", before.config
    if before.run.exists():
        shutil.copytree(before.run, made.run)
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
    texts = {key: one.text for key, one in shown.outcomes.items()}
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
    for at in range(1, calls.count + 1):
        out.write_bytes(b"earlier") if existing else out.unlink(missing_ok=True)
        with pytest.raises((EvalHarnessError, Killed)):
            _with(monkeypatch, FaultyOS(at, mode), step)
        left = out.read_bytes() if out.exists() else None
        assert left in (b"new" * 1000, b"earlier" if existing else None)
    assert Path(out).exists() or not existing
