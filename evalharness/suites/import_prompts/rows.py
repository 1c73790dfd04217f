"""The rows of a prompt file: CSV with any of three delimiters, JSON Lines, one JSON array, or a line a prompt.

The kind is detected from the first character, not from the file name: public files are often misnamed. Only a `.txt`
file whose first line does not name columns is read as a line a prompt.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from evalharness.errors import SuiteError
from evalharness.parsing import Unparsable, parse_json
from evalharness.suites.import_prompts.formats import guess_format

DELIMITERS = ",;\t"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class Row:
    """A row of a file and its name: the row of a spreadsheet (the header is row 1), the line, the item."""

    place: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row, and the fix."""

    place: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Table:
    """The rows that could be read, the names of their columns in order, and what could not be read."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_table(path: Path) -> Table:
    """Read a prompt file: UTF-8 with or without a byte order mark, any line ends, empty lines left out.

    Raises:
        SuiteError: there is no such file, it is not UTF-8, or it has no rows.
    """
    text = _read(path)
    first = text.lstrip()[:1]
    if not first:
        raise SuiteError(f"{path} is empty", fix="give a CSV, JSON Lines, JSON or text file with one prompt per row")
    items = list(_items(path, text, first))
    rows = tuple(row for row in items if isinstance(row, Row))
    problems = tuple(row for row in items if isinstance(row, Problem))
    if not items:
        raise SuiteError(f"{path} has no rows", fix="give a CSV, JSON Lines, JSON or text file with one prompt per row")
    columns = tuple(dict.fromkeys(name for row in rows for name in row.data))
    return Table(rows, columns, problems)


def _items(path: Path, text: str, first: str) -> Iterator[Row | Problem]:
    if first == "[":
        return _json_array(path, text)
    if first == "{" or (first == '"' and path.suffix in (".jsonl", ".ndjson")):
        return _json_lines(text)
    if path.suffix == ".txt" and not _names_columns(text):
        return _lines(text)
    return _csv(path, text)


def _names_columns(text: str) -> bool:
    """Whether the first line is the header of a table: several names, one of which is a prompt's."""
    _, head = next(_csv_lines(text))
    return isinstance(head, list) and len(head) > 1 and guess_format(tuple(head)) is not None


def _lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield Row(f"line {number}", {"prompt": line.strip()})


def refuse(path: Path, problems: tuple[Problem, ...]) -> NoReturn:
    """Raise SuiteError with the first ten problems, each with its row and fix."""
    shown = [f"{problem.place}: {problem.problem} ({problem.fix})" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    count = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
    raise SuiteError(
        f"{path}: {count} cannot be imported, so nothing was: {'; '.join(shown)}",
        fix="fix these rows, or remove them from the file",
    )


def _read(path: Path) -> str:
    try:
        # newline="" keeps the line ends inside quoted fields for the CSV reader.
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        raise SuiteError(f"there is no file {path}", fix="give the path of a prompt file on this machine") from None
    except OSError as error:
        raise SuiteError(f"{path} cannot be read: {error.strerror}", fix="give a readable file") from None
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path} is not UTF-8 (byte {error.start})", fix="save it as UTF-8") from None


# ------------------------------------------------------------------------------------------------ CSV


def _csv(path: Path, text: str) -> Iterator[Row | Problem]:
    lines = _csv_lines(text)
    _, head = next(lines)
    if isinstance(head, csv.Error):
        raise SuiteError(f"the header of {path} is not valid CSV: {head}", fix="close or double the quotation marks")
    twice = [name for name in head if head.count(name) > 1]
    if twice:
        raise SuiteError(f"{path}: the column {twice[0]!r} occurs twice", fix="rename one of them")
    for number, fields in lines:
        if isinstance(fields, csv.Error):
            yield Problem(f"row {number}", f"not valid CSV: {fields}", "close or double the quotation marks")
        elif len(fields) != len(head):
            fix = "put fields that hold a delimiter in quotation marks"
            yield Problem(f"row {number}", f"{len(fields)} fields where the header has {len(head)}", fix)
        else:
            yield Row(f"row {number}", dict(zip(head, fields, strict=True)))


def _csv_lines(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Rows with their number in a spreadsheet; empty ones are counted but left out."""
    start = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=start.count)
    # A StringIO with newline="" gives CR, LF and CRLF as they are; a lone CR is a line end of old spreadsheets.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, error
            continue
        if any(field.strip() for field in fields):
            yield number, fields


# ----------------------------------------------------------------------------------------------- JSON


def _json_lines(text: str) -> Iterator[Row | Problem]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _row(f"line {number}", line)


def _row(place: str, line: str) -> Row | Problem:
    try:
        data = parse_json(line)
    except Unparsable as error:
        return Problem(place, f"not valid JSON: {error}", "write one JSON object per line")
    return _object(place, data)


def _object(place: str, data: Any) -> Row | Problem:
    if isinstance(data, dict):
        return Row(place, data)
    if isinstance(data, str):
        return Row(place, {"prompt": data})
    return Problem(place, "not a JSON object or a text", 'write {"prompt": ...}')


def _json_array(path: Path, text: str) -> Iterator[Row | Problem]:
    try:
        items = parse_json(text)
    except Unparsable as error:
        raise SuiteError(f"{path} is not valid JSON: {error}", fix="correct it there") from None
    yield from (_object(f"item {number}", item) for number, item in enumerate(items, start=1))
