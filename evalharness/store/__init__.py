"""The run directory: its layout, atomic writes, append and resume. Nobody else opens run files.

manifest.json     where the run came from
plan.json         suites, resolved checkpoints, requests
outcomes.jsonl    append-only, one line an event of the generation: outcomes, notices, determinism checks
scores.jsonl      one line a score
scorers.json      what made them: versions, models with their digests, what each measures and how it is shown
comparison.json   summaries, paired differences, findings
gate.json         what the gate rules came to, where there are any
preferences.jsonl what people and judge models preferred, where any were asked
judgings.jsonl    one line a judge model that was asked: what it was sent, and where it failed
aa_test.json  how much the baseline differs from itself, in a run that measured that
report.html       all of it, for people
"""

import errno
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from evalharness.errors import FormatVersionError, StoreError
from evalharness.records import (
    AATest,
    Comparison,
    Completion,
    DeterminismCheck,
    Failure,
    GateReport,
    GenerationEvent,
    Judging,
    Manifest,
    Notice,
    Plan,
    Preference,
    Record,
    Score,
    ScorerIdentity,
    explain,
)
from evalharness.store import files, lock
from evalharness.store.appending import Appender
from evalharness.store.collection import uncollected
from evalharness.store.conditions import what_differs
from evalharness.store.run import Run

__all__ = ["FORMAT_VERSION", "RETRIED", "Appender", "Run", "RunStore", "uncollected"]

FORMAT_VERSION = 1
# 1: the first format.

EVENTS: TypeAdapter[Completion | Failure | Notice | DeterminismCheck] = TypeAdapter(GenerationEvent)
RETRIED = frozenset({"server", "timeout", "out_of_memory", "error"})
"""Kinds of failure that may pass: `--resume` tries these requests again."""
SCORERS = TypeAdapter(tuple[ScorerIdentity, ...])
AnyRecord = TypeVar("AnyRecord", bound=Record)


class RunStore:
    """Reads and writes one run directory.

    Whole files are written beside and renamed, so a reader never sees half of one. `outcomes.jsonl` is flushed after
    each line, which survives the death of the process, and synced to the disk when the lock is given back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # ------------------------------------------------------------------------------------------ lock

    @contextmanager
    def lock(self, *, create: bool = False) -> Iterator[None]:
        """Keep every other process from writing here; the lock goes with the process, however it ends.

        Raises:
            RunInUse: another process holds it.
            StoreError: the directory cannot be written, or is no run directory (unless `create`).
        """
        if create:
            with self._writing():
                self.path.mkdir(parents=True, exist_ok=True)
        else:
            self.read_manifest()
        with self._writing():
            descriptor = lock.take(self.path)
        try:
            with self._writing():
                files.remove_left_over(self.path)
            yield
        finally:
            lock.release(self.path, descriptor)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreError(
                    f"no space left to write {self.path}; everything written so far is intact",
                    fix="free some space, then go on with --resume",
                ) from None
            raise StoreError(
                f"{self.path} cannot be written: {error.strerror}", fix="give another place with --out"
            ) from None

    # ----------------------------------------------------------------------------------------- start

    def start(self, manifest: Manifest, plan: Plan, *, resume: bool) -> Plan:
        """Begin a new run, or take up the one that is here, and return its plan.

        Raises:
            StoreError: there is a run and `resume` is not set, or its plan differs from this one.
        """
        if not self._holds("plan.json"):
            self._write("manifest.json", manifest.model_dump_json(indent=2))
            self._write("plan.json", plan.model_dump_json())
            return plan
        self.refuse_existing(resume=resume)
        self._check_same(self.read_plan(), plan)
        return self.read_plan()

    def refuse_existing(self, *, resume: bool) -> None:
        """Raise StoreError where a run is here already and must not, or cannot, be gone on with."""
        if not self._holds("manifest.json"):
            return
        if not resume:
            raise StoreError(
                f"{self.path} holds a run already", fix="go on with it (--resume), or give another place with --out"
            )
        if self.read_manifest().paired_from:
            raise StoreError(
                f"{self.path} was put together from finished runs and has nothing to go on with",
                fix="go on with those runs, then compare them again",
            )

    def _check_same(self, stored: Plan, planned: Plan) -> None:
        if difference := what_differs(stored, planned):
            raise StoreError(
                f"{self.path} was started under other conditions: {difference}",
                fix="restore them, or start a new run with another --out",
            )

    # -------------------------------------------------------------------------------------- outcomes

    @contextmanager
    def appending(self) -> Iterator[Appender]:
        """Open `outcomes.jsonl` for appending, a torn last line cut off first."""
        with self._writing():
            descriptor = files.open_to_append(self.path / "outcomes.jsonl")
        try:
            yield Appender(descriptor, self._writing)
        finally:
            with self._writing():
                files.sync_and_close(descriptor)

    def recover(self) -> bool:
        """Cut off a last line that was torn by a kill or a full disk; True where there was one."""
        with self._writing():
            return files.cut_torn_line(self.path / "outcomes.jsonl")

    def read_events(self) -> list[Completion | Failure | Notice | DeterminismCheck]:
        """All events in the order they were written; a torn last line is left out.

        Raises:
            StoreError: a line other than the last is not an event.
        """
        if not self._holds("outcomes.jsonl"):
            return []
        lines = self._read_bytes("outcomes.jsonl").split(b"\n")[:-1]
        return [self._event(line, number) for number, line in enumerate(lines, start=1)]

    def _event(self, line: bytes, number: int) -> Completion | Failure | Notice | DeterminismCheck:
        try:
            return EVENTS.validate_json(line)
        except ValidationError:
            raise StoreError(
                f"{self.path / 'outcomes.jsonl'}:{number} is not an outcome of this version",
                fix="delete that line and go on with --resume: its request is generated again",
            ) from None

    def read_outcomes(self) -> dict[str, Completion | Failure]:
        """Outcomes by request id; where a failed request was tried again, the later outcome."""
        return {one.request_id: one for one in self.read_events() if isinstance(one, Completion | Failure)}

    # ------------------------------------------------------------------------------------ whole files

    def read_manifest(self) -> Manifest:
        """Read the manifest and refuse a run of a newer format.

        Raises:
            StoreError: this is not a run directory.
            FormatVersionError: it was written by a later evalharness.
        """
        text = self._read("manifest.json")
        try:
            version = TypeAdapter(dict[str, object]).validate_json(text).get("format_version")
        except ValidationError:
            version = None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise FormatVersionError(
                f"{self.path} has run format {version}; this evalharness reads up to {FORMAT_VERSION}",
                fix="upgrade evalharness: pip install --upgrade evalharness",
            )
        return self._parse(Manifest, "manifest.json")

    def keep_scorers(self, settings: dict[str, dict[str, JsonValue]]) -> None:
        """Keep the settings that the run was scored with, so that the next scoring is the same."""
        manifest = self.read_manifest()
        if manifest.config.get("scorer") != settings:
            config = {**manifest.config, "scorer": settings}
            self._write("manifest.json", manifest.model_copy(update={"config": config}).model_dump_json(indent=2))

    def read_plan(self) -> Plan:
        """Read the plan."""
        return self._parse(Plan, "plan.json")

    def write_scores(self, scores: Iterable[Score], scorers: Iterable[ScorerIdentity] = ()) -> None:
        """Replace all scores; a comparison of the old ones and its gate go with them."""
        with self._writing():
            for name in ("comparison.json", "gate.json"):
                files.remove(self.path / name)
        self._write("scores.jsonl", "".join(score.model_dump_json() + "\n" for score in scores))
        self._write("scorers.json", SCORERS.dump_json(tuple(scorers), indent=2).decode())

    def read_scores(self) -> tuple[Score, ...]:
        """Read all scores; none where the run was not scored yet."""
        return self._parse_lines(Score, "scores.jsonl")

    def read_scorers(self) -> tuple[ScorerIdentity, ...]:
        """What made the scores; nothing where an earlier version made them."""
        if not self._holds("scorers.json"):
            return ()
        try:
            return SCORERS.validate_json(self._read("scorers.json"))
        except ValidationError as error:
            raise self._not_valid("scorers.json", error) from None

    def evidence_digest(self) -> str:
        """Digest over the files of outcomes and scores: what a comparison is made from."""
        paths = [self.path / name for name in ("outcomes.jsonl", "scores.jsonl")]
        content = b"\0".join(files.read_bytes(path) for path in paths if files.exists(path))
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def write_comparison(self, comparison: Comparison) -> None:
        """Replace the comparison."""
        self._write("comparison.json", comparison.model_dump_json(indent=2))

    def read_comparison(self) -> Comparison | None:
        """Read the comparison; None where there is none yet."""
        return self._parse(Comparison, "comparison.json") if self._holds("comparison.json") else None

    def write_gate(self, report: GateReport) -> None:
        """Replace what the gate rules came to."""
        self._write("gate.json", report.model_dump_json(indent=2))

    def read_gate(self) -> GateReport | None:
        """Read what the gate rules came to; None where they were not judged."""
        return self._parse(GateReport, "gate.json") if self._holds("gate.json") else None

    def write_preferences(self, preferences: Iterable[Preference]) -> None:
        """Replace all preferences."""
        self._write("preferences.jsonl", "".join(one.model_dump_json() + "\n" for one in preferences))

    def read_preferences(self) -> tuple[Preference, ...]:
        """Read what people and judges preferred; nothing where nobody was asked."""
        return self._parse_lines(Preference, "preferences.jsonl")

    def write_judgings(self, judgings: Iterable[Judging]) -> None:
        """Replace what is known of the judges that were asked."""
        self._write("judgings.jsonl", "".join(one.model_dump_json() + "\n" for one in judgings))

    def read_judgings(self) -> tuple[Judging, ...]:
        """Read what is known of the judges that were asked; nothing where none was."""
        return self._parse_lines(Judging, "judgings.jsonl")

    def write_aa_test(self, test: AATest) -> None:
        """Write what a checkpoint was found to differ from itself."""
        self._write("aa_test.json", test.model_dump_json(indent=2))

    def read_aa_test(self) -> AATest:
        """Read it.

        Raises:
            StoreError: this run was no A/A test.
        """
        return self._parse(AATest, "aa_test.json")

    def write_report(self, html: str) -> Path:
        """Replace the report and return its path."""
        self._write("report.html", html)
        return self.path / "report.html"

    @uncollected()
    def load(self) -> Run:
        """Read the whole run."""
        manifest, events = self.read_manifest(), self.read_events()
        return Run(
            path=self.path,
            manifest=manifest,
            plan=self.read_plan(),
            outcomes={one.request_id: one for one in events if isinstance(one, Completion | Failure)},
            notices=tuple(one for one in events if isinstance(one, Notice)),
            determinism=tuple(one for one in events if isinstance(one, DeterminismCheck)),
            scores=self.read_scores(),
            scorers=self.read_scorers(),
            comparison=self.read_comparison(),
            gate=self.read_gate(),
            preferences=self.read_preferences(),
            judgings=self.read_judgings(),
        )

    def _holds(self, name: str) -> bool:
        return files.exists(self.path / name)

    def _write(self, name: str, text: str) -> None:
        with self._writing(), files.replacing(self.path) as new:
            new.write(name, [text.encode()])

    def _read(self, name: str) -> str:
        try:
            return self._read_bytes(name).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error}", fix="check the file") from None

    def _read_bytes(self, name: str) -> bytes:
        try:
            return files.read_bytes(self.path / name)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{self.path} is not a run directory: it has no {name}", fix="`evalharness list runs` names the runs"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error.strerror}", fix="check the file") from None

    def _parse(self, record: type[AnyRecord], name: str) -> AnyRecord:
        try:
            return record.model_validate_json(self._read(name))
        except ValidationError as error:
            raise self._not_valid(name, error) from None

    def _parse_lines(self, record: type[AnyRecord], name: str) -> tuple[AnyRecord, ...]:
        """A record a line; nothing where there is no such file yet."""
        if not self._holds(name):
            return ()
        try:
            return tuple(record.model_validate_json(line) for line in self._read(name).split("\n") if line)
        except ValidationError as error:
            raise self._not_valid(name, error) from None

    def _not_valid(self, name: str, error: ValidationError) -> StoreError:
        derived = name in ("scores.jsonl", "scorers.json", "comparison.json", "gate.json")
        fix = f"write it again: evalharness score {self.path}" if derived else "restore the file, or run again"
        return StoreError(f"{self.path / name} is not valid: {explain(error)}", fix=fix)
