"""Samples of lm-evaluation-harness: `samples_TASK_TIME.jsonl`, as `lm_eval --log_samples` writes them.

Read as its 0.4.13 writes them (lm_eval/loggers/evaluation_tracker.py); `results_TIME.json` in the same folder says what
made them. A file has a line for each document and filter.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import SharingError
from evalharness.parsing import Unparsable, parse_json, read_regular
from evalharness.records import GenerationConfig, Message
from evalharness.sharing.import_runs.sides import Answer, Better, Side
from evalharness.store import files as stored
from evalharness.suites.import_prompts.rows import Row, read_table

NAME = re.compile(r"samples_(?P<task>.+?)_(?P<time>\d{4}-\d\d-\d\dT.+)\.jsonl")
PROGRAM = "lm-evaluation-harness"
KEYS = ("doc_hash", "resps", "arguments")
MOST_TOKENS = 256
"""lm_eval's own `max_gen_toks` where neither the task nor the model's arguments set one."""
LOWER = re.compile(r"perplexity|ppl|bits_per_byte|brier|\bter\b|wer$|loss", re.IGNORECASE)
"""Metrics of its registry of which less is better; `results_*.json` says so itself."""


def is_samples(path: Path) -> bool:
    """Whether this is a file of samples, or a folder that holds some."""
    if path.is_dir():
        return any(path.rglob("samples_*.jsonl"))
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        head = lines.readline()
    return all(f'"{key}"' in head for key in KEYS)


def read_samples(path: Path) -> Side:
    """One model's samples, of every task in the file or folder that generated text.

    Raises:
        SharingError: no task has text, or a line is not as lm_eval writes it.
    """
    files = _files(path)
    results = _results(files)
    tasks = {task: list(_answers(file, task, results)) for task, file in files.items()}
    silent = [task for task, answers in tasks.items() if not answers]
    if len(silent) == len(tasks):
        raise SharingError(
            f"{path}: {', '.join(silent)} generated no text: it compares the likelihood of given choices",
            fix="import a task of output_type generate_until; there is nothing to read or score in these samples",
        )
    config = results.get("config") or {}
    arguments = config.get("model_args") or {}
    folder = next(iter(files.values())).parent.name
    return Side(
        model=str(results.get("model_name") or folder.replace("__", "/")),
        program=f"{PROGRAM} {results.get('lm_eval_version', '')}".strip(),
        scorer="lm_eval",
        file=path.name,
        digest=stored.digest(*files.values()),
        answers=tuple(answer for answers in tasks.values() for answer in answers),
        prompt_format="chat" if results.get("chat_template") else "raw",
        better=_better(results, tasks),
        versions={name: str(results[key]) for name, key in VERSIONS.items() if results.get(key)},
        dtype=arguments.get("dtype") if isinstance(arguments, dict) else None,
        parameters=count if isinstance(count := config.get("model_num_parameters"), int) and count > 0 else None,
        notes=tuple(f"{task} generated no text and is left out" for task in silent),
    )


VERSIONS = {"lm_eval": "lm_eval_version", "transformers": "transformers_version"}


def _files(path: Path) -> dict[str, Path]:
    """The newest file of each task."""
    names = sorted(path.rglob("samples_*.jsonl"), key=lambda file: file.name) if path.is_dir() else [path]
    folders = sorted({str(file.parent) for file in names})
    if len(folders) > 1:
        raise SharingError(
            f"{path} holds samples of several models: {', '.join(folders)}",
            fix=f"give the folder of each side: evalharness import {folders[0]} {folders[1]}",
        )
    known = [(NAME.fullmatch(file.name), file) for file in names]
    return {match["task"] if match else file.stem: file for match, file in known}


def _results(files: Mapping[str, Path]) -> dict[str, Any]:
    """What `results_*.json` of the same time says; empty without one."""
    for file in files.values():
        match = NAME.fullmatch(file.name)
        found = file.with_name(f"results_{match['time']}.json") if match else file
        if match and found.is_file():
            try:
                data = parse_json(read_regular(found).decode())
            except (OSError, ValueError):
                continue
            return data if isinstance(data, dict) else {}
    return {}


def _better(results: Mapping[str, Any], tasks: Mapping[str, Sequence[Answer]]) -> dict[str, Better]:
    said = {
        name: higher for one in (results.get("higher_is_better") or {}).values() for name, higher in (one or {}).items()
    }
    names = {name for answers in tasks.values() for answer in answers for name in answer.values}
    higher = {name: said.get(name.partition(":")[0], not LOWER.search(name)) for name in names}
    return {name: "higher" if is_higher else "lower" for name, is_higher in higher.items()}


# ---------------------------------------------------------------------------------------------- samples


def _answers(path: Path, task: str, results: Mapping[str, Any]) -> Iterator[Answer]:
    """The answers of one task; none if it generated no text."""
    rows = [_checked(row, path) for row in _rows(path)]
    filters = {str(row.get("filter")) for row in rows}
    by_document: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_document.setdefault((row["doc_hash"], row.get("doc_id")), []).append(row)
    seen: dict[str, int] = {}
    for (digest, number), lines in by_document.items():
        texts = _texts(lines[0])
        copy = seen[digest] = seen.get(digest, 0) + 1
        for replicate, text in enumerate(texts):
            yield Answer(
                task=task,
                key=digest if copy == 1 else f"{digest}:{copy}",
                id=f"{task}-{number}",
                text=text,
                replicate=replicate,
                target=target if isinstance(target := lines[0].get("target"), str) and target else None,
                values=_values(lines, many=len(filters) > 1),
                config=_config(lines[0], results),
                **_prompt(lines[0]),
            )


def _rows(path: Path) -> Iterator[Row]:
    table = read_table(path)
    if table.problems:
        first = table.problems[0]
        raise SharingError(f"{path}: {first.place}: {first.problem}", fix="write it again: lm_eval --log_samples")
    yield from table.rows


def _checked(row: Row, path: Path) -> dict[str, Any]:
    missing = [key for key in KEYS if key not in row.data]
    if missing or not isinstance(row.data["arguments"], dict | list):
        raise SharingError(
            f"{path}: {row.place} has no {missing[0] if missing else 'arguments'!s}, which lm_eval writes",
            fix="write it again with lm-evaluation-harness 0.4 and --log_samples",
        )
    return row.data


def _texts(row: Mapping[str, Any]) -> list[str]:
    """What was generated, once for each repeat; empty where likelihoods were compared."""
    responses = row["resps"]
    first = responses[0] if isinstance(responses, list) and len(responses) == 1 else None
    texts = first if isinstance(first, list) else []
    return texts if all(isinstance(text, str) for text in texts) else []


def _arguments(row: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The prompt and the settings of the first request."""
    given = row["arguments"]
    first = next(iter(given.values()), {}) if isinstance(given, dict) else given[0] if given else {}
    prompt, settings = (first.get("arg_0"), first.get("arg_1")) if isinstance(first, dict) else (*first, None, None)[:2]
    return prompt, settings if isinstance(settings, dict) else {}


def _prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    """The text as the model saw it; a chat sent to a server as its turns."""
    prompt, _ = _arguments(row)
    text = prompt[0] if isinstance(prompt, list) and prompt else prompt
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    try:
        turns = parse_json(text) if text.startswith('[{"role"') else None
        messages = tuple(
            Message.model_validate({"role": one["role"], "content": one["content"]}) for one in turns or ()
        )
    except (Unparsable, ValueError, KeyError, TypeError):
        messages = ()
    if messages:
        return {"messages": messages}
    return {"messages": (Message(role="user", content=text),), "rendered": text}


def _values(lines: Sequence[Mapping[str, Any]], *, many: bool) -> dict[str, float]:
    """Its metrics that are numbers, by `metric`, or `metric:filter` where a task has several filters."""
    values = {}
    for line in lines:
        for name in line.get("metrics") or ():
            value = line.get(name)
            if isinstance(value, bool | int | float) and math.isfinite(value):
                values[f"{name}:{line.get('filter')}" if many else str(name)] = float(value)
    return values


def _config(row: Mapping[str, Any], results: Mapping[str, Any]) -> GenerationConfig | None:
    """The settings that the samples carry; sampling happens only with `do_sample`."""
    _, settings = _arguments(row)
    arguments = (results.get("config") or {}).get("model_args") or {}
    default = arguments.get("max_gen_toks", MOST_TOKENS) if isinstance(arguments, dict) else MOST_TOKENS
    until = settings.get("until") or ()
    samples = settings.get("do_sample") is not False and bool(settings.get("temperature"))
    try:
        return GenerationConfig(
            max_tokens=int(settings.get("max_gen_toks", default)),
            temperature=float(settings["temperature"]) if samples else 0.0,
            top_p=float(settings.get("top_p") or 1.0) if samples else 1.0,
            stop=tuple([until] if isinstance(until, str) else until),
        )
    except (ValueError, TypeError):
        return None
