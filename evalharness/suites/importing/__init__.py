"""Imports public prompt files: `import_suite` reads a file, checks every row, and writes a suite folder.

    file ─> rows (read_table) ─> fields (a format's reader) ─> samples (checked as `load_suite` checks them) ─> folder

Prompts are only data: nothing in a row is executed, rendered or used as a path.
"""

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import ConfigError
from evalharness.records import Suite
from evalharness.suites import list_suites
from evalharness.suites.importing.formats import FORMATS, PLAIN_FIELDS, Format, guess_format
from evalharness.suites.importing.rows import Row, Table, read_table, refuse
from evalharness.suites.importing.samples import Converted, convert
from evalharness.suites.importing.writing import SuiteText, write_suite


@dataclass(frozen=True)
class ImportOptions:
    """The user's options for an import; None means taken from the file."""

    out: Path | None = None
    """The folder to write; `./NAME` without it."""
    name: str | None = None
    format: str | None = None
    columns: Mapping[str, str] | None = None
    """Our name for a column (or the format's name) -> the name in the file."""
    license: str | None = None
    source: str | None = None
    force: bool = False
    """Overwrite an existing suite."""


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    folder: Path
    suite: Suite
    format: str
    guessed: bool
    notes: tuple[str, ...]
    """Notes for the user, one sentence each."""


def import_suite(path: Path, options: ImportOptions) -> Imported:
    """Turn a public prompt file into a suite folder, completely or not at all.

    Raises:
        ConfigError: the format or the map of columns does not fit the file.
        SuiteError: rows are wrong (each is named), or the folder is there already.
    """
    table = read_table(path)
    if not table.rows:
        refuse(path, table.problems)
    table = _renamed(table, options.columns or {}, path)
    kind = options.format or _guess(table.columns, path)
    name = options.name or (_slug(path.stem) if kind == "plain" else kind)
    _check_name(name, path)
    form = FORMATS[kind]
    _check_columns(table.columns, form, options, path)
    converted = convert(table.rows, form, prefix=name)
    problems = (*table.problems, *converted.problems)
    if problems:
        refuse(path, tuple(sorted(problems, key=lambda problem: int(problem.place.split()[1]))))
    text = SuiteText.of(path, form, converted.samples, name, options.license, options.source)
    folder = options.out or Path(name)
    suite = write_suite(folder, text, force=options.force)
    return Imported(folder, suite, kind, options.format is None, _notes(table, form, converted, suite))


def _guess(columns: tuple[str, ...], path: Path) -> str:
    kind = guess_format(columns)
    if kind is None:
        raise ConfigError(
            f"{path} has no known prompt column; its columns are {', '.join(map(repr, columns)) or 'none'}",
            fix="name the columns, such as --columns prompt=COLUMN,category=COLUMN",
        )
    return kind


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "suite"


def _check_name(name: str, path: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(f"{name!r} is not a valid suite name", fix="use up to 100 letters, digits, '.', '_' and '-'")
    if name in {folder.name for folder in list_suites()}:
        raise ConfigError(f"a suite {name!r} ships with evalharness", fix=f"--name my-{name}, for {path.name}")


# ---------------------------------------------------------------------------------------------- columns


def _renamed(table: Table, columns: Mapping[str, str], path: Path) -> Table:
    for wanted in columns.values():
        if wanted not in table.columns:
            close = difflib.get_close_matches(wanted, table.columns, n=1)
            fix = f"write {close[0]!r}" if close else f"the columns are {', '.join(map(repr, table.columns))}"
            raise ConfigError(f"--columns: {path} has no column {wanted!r}", fix=fix)
    if not columns:
        return table
    rows = tuple(Row(row.place, _renamed_data(row.data, columns)) for row in table.rows)
    return Table(rows, tuple(dict.fromkeys(name for row in rows for name in row.data)), table.problems)


def _renamed_data(data: dict[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    """The row with columns renamed; a column whose name a mapped column takes is dropped, unless it is mapped
    itself.
    """
    kept = {name: value for name, value in data.items() if name not in columns and name not in columns.values()}
    return kept | {ours: data.get(theirs) for ours, theirs in columns.items()}


def _check_columns(columns: tuple[str, ...], form: Format, options: ImportOptions, path: Path) -> None:
    missing = [name for name in form.needs if name not in columns]
    if missing:
        raise ConfigError(
            f"{path} has no column {missing[0]!r}, which {form.title} needs",
            fix=f"give another --format, or --columns {missing[0]}=COLUMN",
        )
    if form.needs:
        return
    for ours in options.columns or {}:
        if ours not in PLAIN_FIELDS:
            close = difflib.get_close_matches(ours, PLAIN_FIELDS, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"use {', '.join(PLAIN_FIELDS)}"
            raise ConfigError(f"--columns: a sample has no field {ours!r}", fix=fix)


# ------------------------------------------------------------------------------------------------ notes


def _notes(table: Table, form: Format, converted: Converted, suite: Suite) -> tuple[str, ...]:
    notes = [form.note] if form.note else []
    if not form.needs:
        dropped = [name for name in table.columns if name not in PLAIN_FIELDS]
        notes += [f"columns left out: {', '.join(map(repr, dropped))}"] if dropped else []
    notes += converted.notes
    if suite.license == "not stated":
        notes.append("the licence is unknown: set it with --license or in suite.toml")
    expected = Counter(sample.expected for sample in suite.samples)
    if not expected["refuse"] and not expected["comply"]:
        notes.append("no sample has an expected value, so refusals are not judged: add a column `expected`")
    return tuple(notes)
