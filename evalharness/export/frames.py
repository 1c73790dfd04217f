"""Tables of a run: rows as plain dicts, and as pandas frames for a notebook.

Missing values are None, and every row has every column.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from evalharness.errors import SharingError, load_extra
from evalharness.export import Choices, Exported
from evalharness.observations import Observations
from evalharness.records import Completion, Failure, GenerationRequest, PairedDifference
from evalharness.store import Run

if TYPE_CHECKING:
    import pandas

Cell = str | int | float | bool | None
Row = dict[str, Cell]


def completion_rows(run: Run) -> list[Row]:
    """One row per request: the sample, the outcome, and every label and value of its scores in columns."""
    suites = {sample.id: suite.name for suite in run.plan.suites for sample in suite.samples}
    table = run.observations
    return [
        _sample(run, request, suites[request.sample_id])
        | _outcome(run.outcomes.get(request.id))
        | dict(_results(table, request))
        for request in run.plan.requests
    ]


def score_rows(run: Run) -> list[Row]:
    """One row per score value; scores without a value have one row, with the reason."""
    rows: list[Row] = []
    for request in run.plan.requests:
        cell = request.checkpoint, request.replicate, request.sample_id
        head: Row = {
            "checkpoint": request.checkpoint,
            "sample_id": request.sample_id,
            "category": run.plan.samples[request.sample_id].category,
            "replicate": request.replicate,
        }
        for score in run.scores_of(request.id):
            result = run.observations.result(*cell, score.scorer)
            if result is None:
                continue
            tail: Row = {"status": result.status, "label": result.label, "explanation": score.explanation}
            values: Mapping[str, float | None] = result.values or {"": None}
            rows += [
                head | {"metric": f"{score.scorer}.{name}".rstrip("."), "value": value} | tail
                for name, value in values.items()
            ]
    return rows


def difference_rows(run: Run) -> list[Row]:
    """One row per paired difference, for all candidates; `category` is None for all categories together."""
    compared = run.compared
    sets = [(compared.candidate, compared.differences)]
    sets += [(other.candidate, other.differences) for other in compared.other_comparisons]
    return [
        _difference(compared.baseline, candidate, difference)
        for candidate, differences in sets
        for difference in differences
    ]


TABLES: Mapping[str, Callable[[Run], list[Row]]] = {
    "completions": completion_rows,
    "scores": score_rows,
    "differences": difference_rows,
}


def rows_of(run: Run, table: str) -> list[Row]:
    """The rows of one of the `TABLES`.

    Raises:
        SharingError: the table is empty.
    """
    rows = TABLES[table](run)
    if not rows:
        raise SharingError(f"{run.path} has no {table}", fix=f"evalharness score {run.path}, or export another --table")
    return rows


def completions_frame(run: Run) -> "pandas.DataFrame":
    """`completion_rows` as a frame."""
    return _frame(completion_rows(run))


def differences_frame(run: Run) -> "pandas.DataFrame":
    """`difference_rows` as a frame."""
    return _frame(difference_rows(run))


def _frame(rows: list[Row]) -> "pandas.DataFrame":
    frame: pandas.DataFrame = load_extra("pandas", "a frame", "notebook").DataFrame(rows)
    return frame


def _sample(run: Run, request: GenerationRequest, suite: str) -> Row:
    sample = run.plan.samples[request.sample_id]
    sides = {run.plan.baseline: "baseline", run.plan.candidate: "candidate"}
    return {
        "suite": suite,
        "sample_id": sample.id,
        "category": sample.category,
        "group": sample.group,
        "kind": sample.kind,
        "expected": sample.expected,
        "checkpoint": request.checkpoint,
        "role": sides.get(request.checkpoint, "other"),
        "replicate": request.replicate,
        "prompt_format": "chat" if request.prompt.type == "chat" else "raw",
        "prompt": sample.prompt,
        "rendered": request.rendered,
    }


NOTHING: Row = dict.fromkeys(
    ("completion", "thinking", "finish_reason", "stopped_by", "prompt_tokens", "completion_tokens", "seconds",
     "attempts", "failure", "failure_message")
)  # fmt: skip


def _outcome(outcome: Completion | Failure | None) -> Row:
    match outcome:
        case Completion():
            kept = (
                "thinking",
                "finish_reason",
                "stopped_by",
                "prompt_tokens",
                "completion_tokens",
                "seconds",
                "attempts",
            )
            return NOTHING | {"completion": outcome.text} | outcome.model_dump(include=set(kept))
        case Failure(kind=kind, message=message, attempts=attempts):
            return NOTHING | {"attempts": attempts, "failure": kind, "failure_message": message}
    return NOTHING


def _results(table: Observations, request: GenerationRequest) -> Iterator[tuple[str, Cell]]:
    """Label and values of each scorer; the same columns for every request."""
    cell = request.checkpoint, request.replicate, request.sample_id
    for scorer in table.versions:
        yield f"{scorer}.label", table.label(*cell, scorer)
        for metric in table.values:
            if metric.partition(".")[0] == scorer:
                yield metric, table.value(*cell, metric)


def _difference(baseline: str, candidate: str, difference: PairedDifference) -> Row:
    facts: Row = {"baseline": baseline, "candidate": candidate, **difference.model_dump(exclude={"interval"})}
    interval = difference.interval
    ends: Row = {"interval_low": None, "interval_high": None}
    return facts | (ends if interval is None else {"interval_low": interval.low, "interval_high": interval.high})


def to_jsonl(run: Run, choices: Choices) -> Exported:
    """One table; missing values are null."""
    return Exported(json_lines(rows_of(run, choices.table)))


def json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Rows as UTF-8 JSON Lines; a lone surrogate, which has no UTF-8, stays as its JSON escape."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")


def to_parquet(run: Run, choices: Choices) -> Exported:
    """One table as a Parquet file."""
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
