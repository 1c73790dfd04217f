"""JSON Lines: a table's rows, one per line, complete and unescaped."""

import json
from collections.abc import Iterable, Mapping

from evalharness.export import Choices, Exported
from evalharness.export.frames import rows_of
from evalharness.store import Run


def to_jsonl(run: Run, choices: Choices) -> Exported:
    """One table; missing values are null.

    Raises:
        SharingError: the table has no rows.
    """
    return Exported(json_lines(rows_of(run, choices.table)))


def json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Rows as UTF-8 JSON Lines; a lone surrogate, which has no UTF-8, stays as its JSON escape."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")
