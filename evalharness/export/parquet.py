"""Parquet, through pandas and pyarrow."""

import io

from evalharness.errors import load_extra
from evalharness.export import Choices, Exported
from evalharness.export.frames import Row, rows_of
from evalharness.store import Run


def to_parquet(run: Run, choices: Choices) -> Exported:
    """One table as a Parquet file.

    Raises:
        SharingError: the table has no rows.
        MissingExtra: pandas or pyarrow is not installed.
    """
    pandas = load_extra("pandas", "Parquet", "parquet")
    load_extra("pyarrow", "Parquet", "parquet")
    rows = [_encodable(row) for row in rows_of(run, choices.table)]
    content = io.BytesIO()
    pandas.DataFrame(rows).to_parquet(content, engine="pyarrow", index=False)
    return Exported(content.getvalue())


def _encodable(row: Row) -> Row:
    """A lone surrogate has no UTF-8, which is all that Parquet holds."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
