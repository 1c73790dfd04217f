"""CSV (RFC 4180, UTF-8) that a spreadsheet opens without executing anything.

Spreadsheets treat a text cell that begins with `=`, `+`, `-` or `@` as a formula, also after spaces and quotes and in
full width (OWASP, CSV injection). A leading apostrophe makes it text. Under other locales, spreadsheets split at
semicolons and treat lines within a cell as rows, so the same applies after every semicolon, tab and line end.

This can be undone exactly (`original`): text that already has an apostrophe in such a position gets another, so
exactly one is removed at each. Numbers stay numbers.
"""

import csv
import io
import re

from evalharness.export import Choices, Exported
from evalharness.export.frames import Cell, rows_of
from evalharness.store import Run

FORMULA = frozenset("=+-@＝＋－＠﹦﹢﹣﹫−")
SEPARATORS = frozenset(";\t\r\n")
SKIPPED = "\\s\"'`‘’“”«»\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Characters that a spreadsheet or CSV reader may drop before a formula."""
RUN = re.compile(f"(?:^|[;\t\r\n])[{SKIPPED};]*")
MARKED = re.compile("(^|[;\t\r\n])'")


def inert(text: str) -> str:
    """The text with an apostrophe at each place where a spreadsheet would begin a formula.

    >>> inert("=1+1"), inert("a; @b"), inert("'quoted'"), inert("3 - 2")
    ("'=1+1", "a;' @b", "''quoted'", '3 - 2')
    """
    marked = RUN.sub(_marked, text)
    # A cell that begins with a tab or a line end is a formula to some readers whatever comes after it.
    return f"'{marked}" if text[:1] in ("\t", "\r", "\n") and marked[:1] != "'" else marked


def _marked(match: re.Match[str]) -> str:
    """Positions where a cell may begin, with characters that are dropped there; matches in linear time."""
    run, following = match[0], match.string[match.end() : match.end() + 1]
    # What comes before a semicolon stands in another cell than the formula after it.
    formula_from = run.rfind(";") + 1 if following in FORMULA else len(run) + 1
    parts, at_start = [], match.start() == 0
    for index, character in enumerate([*run, following]):
        if at_start and (character == "'" or index >= formula_from):
            parts.append("'")
        parts.append(character)
        at_start = character in SEPARATORS
    return "".join(parts[:-1])


def original(cell: str) -> str:
    """What `inert` was given.

    >>> original("'=1+1"), original("a;' @b"), original("''quoted'")
    ('=1+1', 'a; @b', "'quoted'")
    """
    return MARKED.sub(r"\1", cell)


def to_csv(run: Run, choices: Choices) -> Exported:
    """One table with a header; text is quoted, numbers are not, and missing values are empty."""
    rows = rows_of(run, choices.table)
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([inert(name) for name in rows[0]])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    # A lone surrogate has no UTF-8, and CSV no escapes.
    return Exported(text.getvalue().encode("utf-8", "replace"))


def _cell(value: Cell) -> Cell:
    if isinstance(value, bool):
        return int(value)
    return inert(value) if isinstance(value, str) else value
