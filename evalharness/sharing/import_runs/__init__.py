"""Runs that another program made: `import_run` turns its files into a run like any other.

    files ─> sides (a reader for each program) ─> samples, requests, outcomes (joining) ─> score, compare, gate, report

Nothing in a file is executed, rendered or used as a path. What a file does not say is not made up: it is named in the
report, and a gate rule that compares two sides is undecided unless both are known to be generated alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalharness import pipeline
from evalharness.config import CompareSettings, GateSettings, RunConfig, Tables, read_tables
from evalharness.errors import SharingError
from evalharness.records import Variant
from evalharness.sharing.import_runs.inspect_logs import is_log, read_log
from evalharness.sharing.import_runs.joining import Joined, names_of
from evalharness.sharing.import_runs.lm_eval import is_samples, read_samples
from evalharness.sharing.import_runs.sides import Side
from evalharness.sharing.import_runs.tables import Columns, read_sides
from evalharness.store import Run

READERS = ((is_samples, read_samples), (is_log, read_log))
"""Whether a file is of a program, and what reads it."""
UNEXPECTED = (AttributeError, TypeError, LookupError, ValueError)
"""What a reader raises for a file with the right names and other contents."""


@dataclass(frozen=True)
class ImportChoices:
    """What the user says besides the files."""

    columns: Columns = field(default_factory=lambda: Columns({}))
    names: tuple[str, ...] = ()
    variants: tuple[Variant | None, ...] = (None, None)
    source: Path | None = None
    """A TOML file whose `[scorer.NAME]`, `[[gate]]` and `[compare]` tables count."""


@dataclass(frozen=True)
class Imported:
    """A run made of files, and notes for the user."""

    run: Run
    notes: tuple[str, ...]


def import_run(paths: Sequence[Path], choices: ImportChoices, *, out: Path | None = None) -> Imported:
    """Score and compare what other programs generated.

    Args:
        paths: the baseline's file, then the candidates'; or one table that holds all sides.

    Raises:
        EvalHarnessError: a file cannot be read, or the sides share no sample.
    """
    try:
        joined = _joined(paths, choices)
        planned, outcomes = joined.plan(), [outcome for _, outcome in joined.outcomes]
    except UNEXPECTED as error:
        raise SharingError(
            f"{' and '.join(map(str, paths))} cannot be read: {type(error).__name__}: {error}",
            fix="write it again with its program; docs/imports.md says which versions are read",
        ) from None
    run = pipeline.adopt(planned, outcomes, _config(joined, choices), out=out)
    return Imported(run, tuple(note for side in joined.sides for note in side.notes))


def _joined(paths: Sequence[Path], choices: ImportChoices) -> Joined:
    sides = _sides(paths, choices.columns)
    if choices.names and len(choices.names) != len(sides):
        raise SharingError(f"--names gives {len(choices.names)} names for {len(sides)} sides", fix="give one for each")
    return Joined(tuple(sides), names_of(sides, choices.names), choices.variants)


def _sides(paths: Sequence[Path], columns: Columns) -> list[Side]:
    for path in paths:
        if not path.exists():
            raise SharingError(f"there is no file {path}", fix="give the path of a file on this machine")
    for fits, reader in READERS:
        if all(fits(path) for path in paths):
            sides = [reader(path) for path in paths]
            if len(sides) < 2:
                raise SharingError(
                    f"{paths[0]} is one side of a comparison", fix="give the baseline's file and the candidate's"
                )
            return sides
    odd = next((path for path in paths if path.is_dir() or is_samples(path) or is_log(path)), None)
    if odd is not None:
        raise SharingError(
            f"{odd} is of another program than the other file" if len(paths) > 1 else f"{odd} holds no samples",
            fix="give samples_*.jsonl of lm-evaluation-harness, logs of Inspect, or tables",
        )
    return read_sides(paths, columns)


def _config(joined: Joined, choices: ImportChoices) -> RunConfig:
    """The configuration of the run: what was asked of it here, and the tables of the user's file."""
    source = choices.source
    own = read_tables(source) if source else Tables({}, GateSettings(), CompareSettings())
    config = RunConfig(
        suites=tuple(dict.fromkeys(task for task, _ in joined.shared)),
        baseline=joined.names[0],
        candidate=joined.names[1],
        checkpoints=tuple(one.checkpoint for one in joined.checkpoints),
        scorer={**joined.scorers, **own.scorer},
        gate=own.gate.rules,
        preset=own.gate.preset,
        compare=own.compare,
    )
    return config.of_file(source) if source else config
