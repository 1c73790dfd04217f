"""Any table of answers: CSV, JSON Lines, JSON or Parquet, by a map of columns, and chat transcripts.

Two files with a column of completions, or one file with a column for each side or a column that names the model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalharness.errors import SharingError, load_extra, near
from evalharness.parsing import parse_json
from evalharness.records import FinishReason, GenerationConfig, Message, digest, explain
from evalharness.sharing.import_runs.sides import Answer, Better, Side
from evalharness.store import files as stored
from evalharness.suites.import_prompts.formats import PROMPT_NAMES
from evalharness.suites.import_prompts.rows import Row, read_table
from evalharness.suites.import_prompts.samples import slug

PROMPTS = (*(name for name in PROMPT_NAMES if name != "text"), "input")
"""A column `text` holds completions here."""
TEXTS = ("completion", "response", "output", "answer", "generation", "text")
TURNS = ("messages", "conversations")
OTHERS = ("id", "category", "expected", "target", "finish_reason", "replicate", "model")
SIDES = ("baseline", "candidate")
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
"""What other tools call the roles of a conversation."""
ENDS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length", "eos": "stop", "max_tokens": "length"}
PROGRAM = "another program"


@dataclass(frozen=True)
class Columns:
    """How the user names the columns, and what the table does not say."""

    named: Mapping[str, str]
    """Our name -> the column. `baseline` and `candidate` name the completions of two sides in one file."""
    metrics: Mapping[str, Better | None] = field(default_factory=dict)
    """Columns that hold scores, each with the direction that is better."""
    config: GenerationConfig | None = None
    """How it was generated, as the user states."""


def read_sides(paths: Sequence[Path], columns: Columns) -> list[Side]:
    """The sides that a table holds, or that several hold.

    Raises:
        SharingError: a column is missing, or one file does not say which answers are whose.
    """
    tables = [(path, rows, _as_written(columns, rows, len(paths) == 1)) for path in paths for rows in [_rows(path)]]
    for path, rows, written in tables:
        _check_named(rows, written, path)
    if len(tables) > 1:
        return [_side(path, path.stem, rows, written) for path, rows, written in tables]
    path, rows, columns = tables[0]
    named = columns.named
    if "baseline" in named or "candidate" in named:
        both = [named.get(side, side) for side in SIDES]
        return [
            _side(path, name, rows, Columns({**named, "text": name}, columns.metrics, columns.config)) for name in both
        ]
    model = named.get("model", "model")
    names = list(dict.fromkeys(str(row.data[model]) for row in rows if row.data.get(model)))
    if len(names) < 2:
        raise SharingError(
            f"{path} is one file, and nothing in it says which answers are the baseline's",
            fix="give a second file, or --columns baseline=COLUMN,candidate=COLUMN, or a column `model`",
        )
    return [_side(path, name, [row for row in rows if str(row.data.get(model)) == name], columns) for name in names]


def _rows(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        pandas = load_extra("pandas", str(path), "parquet")
        load_extra("pyarrow", str(path), "parquet")
        try:
            frame = pandas.read_parquet(path)
        except (OSError, ValueError) as error:
            raise SharingError(f"{path} cannot be read: {error}", fix="give a Parquet file") from None
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return [
            Row(f"row {number}", {str(name): _plain(value) for name, value in row.items()})
            for number, row in enumerate(rows, 1)
        ]
    table = read_table(path)
    if table.problems:
        first = table.problems[0]
        raise SharingError(f"{path}: {first.place}: {first.problem}", fix=first.fix)
    return list(table.rows)


def _plain(value: Any) -> Any:
    """A value of numpy as one of Python, lists within lists too."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _as_written(columns: Columns, rows: Sequence[Row], alone: bool) -> Columns:
    """The columns as a table writes them, in whatever case; those of `OTHERS` too, which need no name.

    Nor do two columns `baseline` and `candidate` of a table that is `alone`.
    """
    exact = dict.fromkeys(name for row in rows for name in row.data)
    there = {name.strip().casefold(): name for name in exact}
    sides = SIDES if alone and all(side in there for side in SIDES) else ()
    plain = {ours: there[ours] for ours in (*OTHERS, *sides) if ours in there}
    named = {ours: name if name in exact else there.get(name.casefold(), name) for ours, name in columns.named.items()}
    return replace(columns, named={**plain, **named})


def _check_named(rows: Sequence[Row], columns: Columns, path: Path) -> None:
    there = list(dict.fromkeys(name for row in rows for name in row.data))
    for ours in columns.named:
        if ours not in (known := ("prompt", "text", "baseline", "candidate", *TURNS, *OTHERS)):
            raise SharingError(
                f"--columns: there is no field {ours!r}", fix=near(ours, known, f"use {', '.join(known)}")
            )
    for wanted in (*columns.named.values(), *columns.metrics):
        if wanted not in there:
            raise SharingError(
                f"{path} has no column {wanted!r}",
                fix=near(wanted, there, f"the columns are {', '.join(map(repr, there))}"),
            )


def _side(path: Path, model: str, rows: Sequence[Row], columns: Columns) -> Side:
    return Side(
        model=model,
        program=PROGRAM,
        scorer="imported",
        file=path.name,
        digest=digest([stored.digest(path), model]),
        answers=tuple(_answers(path, rows, columns)),
        better={name: better for name, better in columns.metrics.items() if better},
    )


def _answers(path: Path, rows: Sequence[Row], columns: Columns) -> Iterator[Answer]:
    ids = [row.data.get(columns.named.get("id", "id")) for row in rows]
    with_ids = all(value not in (None, "") for value in ids)
    for row, own in zip(rows, ids, strict=True):
        turns, text = _conversation(row, columns, path)
        key = str(own) if with_ids else "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)
        expected = _cell(row, columns, "expected")
        yield Answer(
            task=path.stem if "baseline" in columns.named or "candidate" in columns.named else "imported",
            key=key,
            id=str(own) if with_ids else slug(turns[-1].content) or row.place.replace(" ", "-"),
            messages=turns,
            text=text or "",
            failure="" if text is not None else "the table has no completion",
            replicate=_replicate(row, columns, path),
            target=_cell(row, columns, "target"),
            category=_cell(row, columns, "category") or "",
            expected=expected if expected in ("comply", "refuse") else None,
            finish_reason=ENDS.get(_cell(row, columns, "finish_reason") or ""),
            values=_values(row, columns, path),
            config=columns.config,
        )


def _replicate(row: Row, columns: Columns, path: Path) -> int:
    given = _cell(row, columns, "replicate") or "0"
    if not given.isdecimal():
        raise SharingError(f"{path}: {row.place}: replicate is {given!r}, which is no number", fix="number from 0")
    return int(given)


def _cell(row: Row, columns: Columns, ours: str) -> str | None:
    value = row.data.get(columns.named.get(ours, ours))
    return None if value in (None, "") else str(value)


def _values(row: Row, columns: Columns, path: Path) -> dict[str, float]:
    values = {}
    for name in columns.metrics:
        value = row.data.get(name)
        if value in (None, ""):
            continue
        try:
            values[name] = float({"true": 1, "false": 0}.get(str(value).lower(), value))
        except (TypeError, ValueError):
            raise SharingError(
                f"{path}: {row.place}: {name} is {value!r}, which is no number",
                fix="correct that row; an empty cell is a missing value",
            ) from None
    return values


def _conversation(row: Row, columns: Columns, path: Path) -> tuple[tuple[Message, ...], str | None]:
    """The prompt's turns and the completion; of a transcript, what comes before its last answer and that answer."""
    named = next((name for name in (columns.named.get("messages"), *TURNS) if name and row.data.get(name)), None)
    try:
        if named is not None:
            turns = list(_turns(row.data[named]))
            own = _first(row, columns, "text", ()) if "text" in columns.named else None
            answer = turns.pop().content if own is None and turns and turns[-1].role == "assistant" else own
            return tuple(turns), answer
        prompt = _first(row, columns, "prompt", PROMPTS)
        if prompt is None:
            raise ValueError("the prompt is missing")
        return (Message(role="user", content=prompt),), _first(row, columns, "text", TEXTS)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        what = f"a turn is not valid: {explain(error)}" if isinstance(error, ValidationError) else str(error)
        fix = "correct that row, or name the columns: --columns prompt=COLUMN,text=COLUMN"
        raise SharingError(f"{path}: {row.place}: {what}", fix=fix) from None


def _first(row: Row, columns: Columns, ours: str, names: Sequence[str]) -> str | None:
    wanted = [columns.named[ours]] if ours in columns.named else names
    folded = {str(name).strip().casefold(): name for name in row.data}
    found = next((one for one in wanted if one in row.data), None) or next(
        (folded[one] for one in wanted if one in folded), None
    )
    value = row.data.get(found) if found is not None else None
    # An empty cell of a spreadsheet is no completion; an empty string of JSON is an empty one.
    return None if value is None or (value == "" and row.place.startswith("row")) else str(value)


def _turns(given: Any) -> Iterator[Message]:
    """Turns as OpenAI writes them (`role`, `content`), or ShareGPT (`from`, `value`)."""
    for turn in parse_json(given) if isinstance(given, str) else given:
        role = turn.get("role") or turn["from"]
        content = turn["content"] if "content" in turn else turn["value"]
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        # A turn that only calls tools has no content.
        yield Message.model_validate({"role": ROLES.get(role, role), "content": "" if content is None else content})
