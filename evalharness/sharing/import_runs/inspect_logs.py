"""Logs of Inspect: `.eval` through inspect_ai's own reader, `.json` (log format json) as it stands.

Fields as inspect_ai 0.3.285 writes them (inspect_ai/log/_log.py, `EvalLog`).
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalharness.errors import MissingExtra, SharingError
from evalharness.parsing import parse_json, read_regular
from evalharness.records import FinishReason, GenerationConfig, Message
from evalharness.sharing.import_runs.sides import Answer, Side
from evalharness.store import files as stored

ENDS: Mapping[str, FinishReason] = {"stop": "stop", "max_tokens": "length", "model_length": "length"}
"""By `stop_reason`; others, such as tool calls, are not an end of an answer."""
STATED = ("max_tokens", "temperature", "top_p", "top_k", "seed")
"""Settings that Inspect calls as we do."""
WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Correct, incorrect, partial and no answer, as Inspect's `value_to_float` counts them."""


def is_log(path: Path) -> bool:
    """Whether this is a log of Inspect."""
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as text:
        head = text.read(2_000)
    return '"eval"' in head and '"version"' in head and '"status"' in head


def read_log(path: Path) -> Side:
    """One model's samples.

    Raises:
        MissingExtra: an `.eval` archive needs inspect_ai, which is not installed.
        SharingError: it is no log, or holds no sample.
    """
    log = _content(path)
    about = log.get("eval") or {}
    if not isinstance(about, dict) or not log.get("samples"):
        raise SharingError(
            f"{path} holds no samples (status {log.get('status', 'unknown')})",
            fix="run the evaluation again with log_samples on",
        )
    task = str(about.get("task") or path.stem).rpartition("/")[2]
    stated = [about.get("model_generate_config") or {}, (log.get("plan") or {}).get("config") or {}]
    config = _config({name: value for given in stated for name, value in given.items() if value is not None})
    answers = tuple(_answer(sample, task, config) for sample in log["samples"])
    packages = {name: str(version) for name, version in (about.get("packages") or {}).items()}
    names = {name for answer in answers for name in answer.values}
    return Side(
        model=str(about.get("model") or "model"),
        program=f"Inspect {packages.get('inspect_ai', '')}".strip(),
        scorer="inspect",
        file=path.name,
        digest=stored.digest(path),
        answers=answers,
        prompt_format="chat",
        better=dict.fromkeys(names, "higher"),
        versions=packages,
    )


def _content(path: Path) -> dict[str, Any]:
    if path.suffix == ".eval":
        return _archive(path)
    try:
        data = parse_json(read_regular(path).decode(), nan=True)
    except (OSError, ValueError) as error:
        raise SharingError(f"{path} cannot be read: {error}", fix="give a log as Inspect wrote it") from None
    return data if isinstance(data, dict) else {}


def _archive(path: Path) -> dict[str, Any]:
    try:
        from inspect_ai.log import read_eval_log
    except ModuleNotFoundError:
        raise MissingExtra(
            f"{path} is an archive of Inspect, and inspect_ai is not installed",
            fix=f"pip install 'evalharness[inspect]', or inspect log convert {path} --to json --output-dir .",
        ) from None
    data: dict[str, Any] = read_eval_log(str(path)).model_dump(mode="json")
    return data


def _config(given: Mapping[str, Any]) -> GenerationConfig | None:
    """None unless temperature and length are stated: a provider's own defaults are not in the log."""
    if given.get("temperature") is None or given.get("max_tokens") is None:
        return None
    fields = {name: given[name] for name in STATED if given.get(name) is not None}
    try:
        return GenerationConfig(**fields, stop=tuple(given.get("stop_seqs") or ()))
    except (ValidationError, TypeError):
        return None


# ---------------------------------------------------------------------------------------------- samples


def _answer(sample: Mapping[str, Any], task: str, config: GenerationConfig | None) -> Answer:
    output = sample.get("output") or {}
    choice = (output.get("choices") or [{}])[0]
    error = (sample.get("error") or {}).get("message") or ""
    target = sample.get("target")
    return Answer(
        task=task,
        key=str(sample["id"]),
        id=f"{task}-{sample['id']}",
        messages=_turns(sample),
        text=_text((choice.get("message") or {}).get("content")),
        failure=str(error)[:500] if error else "" if output.get("choices") else "the log has no output",
        replicate=int(sample.get("epoch") or 1) - 1,
        target="; ".join(map(str, target)) if isinstance(target, list) else target or None,
        finish_reason=ENDS.get(choice.get("stop_reason") or ""),
        completion_tokens=(output.get("usage") or {}).get("output_tokens"),
        seconds=output.get("time"),
        values=dict(_values(sample.get("scores") or {})),
        config=config,
    )


def _turns(sample: Mapping[str, Any]) -> tuple[Message, ...]:
    """The conversation before the last answer; the sample's own input if tools took part."""
    turns = [(turn["role"], _text(turn.get("content"))) for turn in sample.get("messages") or ()]
    while turns and turns[-1][0] == "assistant":
        turns.pop()
    given = sample.get("input")
    if not turns or any(role not in ("system", "user", "assistant") or not text.strip() for role, text in turns):
        asked = (
            [("user", given)]
            if isinstance(given, str)
            else [(one["role"], _text(one["content"])) for one in given or ()]
        )
        turns = [(role, text) for role, text in asked if role in ("system", "user", "assistant")]
    return tuple(Message.model_validate({"role": role, "content": text}) for role, text in turns)


def _text(content: Any) -> str:
    """The text of a message; parts that are no text are left out."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _values(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, one in parts:
            number = WORDS.get(one) if isinstance(one, str) else one
            if isinstance(number, bool | int | float) and math.isfinite(number):
                yield f"{name}:{part}" if part else str(name), float(number)
