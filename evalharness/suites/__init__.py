"""Suites on disk: `prompts/<suite>/suite.toml` and `samples.jsonl`, data only, validated on loading."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, field_validator

from evalharness.constraints import validate
from evalharness.errors import SuiteError, near
from evalharness.parsing import Unparsable, parse_json, parse_toml, read_regular
from evalharness.records import Message, Record, Sample, Suite, digest, explain

HEAD, SAMPLES = "suite.toml", "samples.jsonl"
SAMPLE_KEYS = ("prompt", *Sample.model_fields)


class SuiteHead(Record):
    """What `suite.toml` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    name: str
    version: str
    license: str
    source: str
    scorers: tuple[str, ...] = Field(min_length=1)
    description: str = ""

    @field_validator("scorers")
    @classmethod
    def _each_scorer_once(cls, scorers: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in scorers if scorers.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} occurs twice")
        return scorers


def shipped_folder() -> Path:
    """Where the shipped suites are: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"


def list_suites() -> list[Path]:
    """The folders of the shipped suites, by name."""
    return sorted(head.parent for head in shipped_folder().glob(f"*/{HEAD}"))


def load_suite(name_or_folder: str | Path) -> Suite:
    """Load and validate a suite, by the name of a shipped suite, by folder, or from a file of prompts.

    Raises:
        SuiteError: it is missing or not valid; the message names the file and the line.
        ConfigError: it is a file of which no column holds prompts.
    """
    if os.path.isfile(name_or_folder) and name_or_folder not in {path.name for path in list_suites()}:
        from evalharness.suites.import_prompts import prompts_of

        return prompts_of(Path(name_or_folder))[0]
    folder = _find(name_or_folder)
    head = _read_head(folder / HEAD)
    samples = tuple(_read_samples(folder / SAMPLES))
    if not samples:
        raise SuiteError(f"{folder / SAMPLES} holds no sample", fix="write one sample per line")
    return suite_from(head.model_dump(), samples)


def suite_from(head: dict[str, Any], samples: Sequence[Sample]) -> Suite:
    """A suite of valid parts, with the digest over everything that can change a result."""
    valid = SuiteHead.model_validate(head)
    content = [valid.model_dump(mode="json"), [sample.model_dump(mode="json") for sample in samples]]
    return Suite(**valid.model_dump(), samples=tuple(samples), digest=digest(content))


def _find(name_or_folder: str | Path) -> Path:
    folder = Path(name_or_folder)
    shipped = {path.name: path for path in list_suites()}
    # os.path: those of pathlib raise for a name that no file system can hold.
    if os.path.isfile(folder / HEAD) or (os.path.isdir(folder) and str(name_or_folder) not in shipped):
        return folder
    if str(name_or_folder) in shipped:
        return shipped[str(name_or_folder)]
    fix = near(str(name_or_folder), shipped, f"use one of {', '.join(shipped)}, a folder, or a file of prompts")
    if "," in str(name_or_folder):
        fix = 'name each by itself: --suite A --suite B, or suite = ["A", "B"] in a file'
    raise SuiteError(f"there is no suite, folder or file {str(name_or_folder)!r}", fix=fix)


# ------------------------------------------------------------------------------------------ suite.toml


def _read_head(path: Path) -> SuiteHead:
    try:
        data = parse_toml(_read(path))
    except Unparsable as error:
        raise SuiteError(f"{path} is not valid TOML: {error}", fix="correct that line") from None
    _refuse_unknown(data, tuple(SuiteHead.model_fields), str(path))
    try:
        return SuiteHead.model_validate(data)
    except ValidationError as error:
        raise SuiteError(f"{path}: {explain(error)}", fix=f"it needs {', '.join(SuiteHead.model_fields)}") from None


def _read(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise SuiteError(f"there is no file {path}", fix=f"a suite is a folder with {HEAD} and {SAMPLES}") from None
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path} is not UTF-8 (byte {error.start})", fix="save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise SuiteError(
            f"{path} cannot be read: {getattr(error, 'strerror', error)}", fix="make the file readable"
        ) from None


# --------------------------------------------------------------------------------------- samples.jsonl


def _read_samples(path: Path) -> Iterator[Sample]:
    lines: dict[str, int] = {}
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        sample = _sample(line, f"{path}:{number}")
        if sample.id in lines:
            raise SuiteError(
                f"{path}: lines {lines[sample.id]} and {number} both have the id {sample.id!r}", fix="rename one"
            )
        lines[sample.id] = number
        yield sample


def _sample(line: str, where: str) -> Sample:
    try:
        data = parse_json(line, unique_keys=True)
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SuiteError(f"{where}: an unpaired surrogate is not valid text", fix="replace that character") from None
    except Unparsable as error:
        raise SuiteError(f"{where} is not valid JSON: {error}", fix="correct it") from None
    if not isinstance(data, dict):
        raise SuiteError(f"{where} is not a JSON object", fix='write {"id": ..., "prompt": ..., "category": ...}')
    return sample_from(data, where)


def sample_from(fields: dict[str, Any], where: str) -> Sample:
    """A sample from the fields of a line of `samples.jsonl`, with every check that a suite on disk gets.

    Raises:
        SuiteError: a field is missing, unknown or wrong; the message begins with `where`.
    """
    data = dict(fields)
    _refuse_unknown(data, SAMPLE_KEYS, where)
    if ("prompt" in data) == ("messages" in data):
        raise SuiteError(f"{where} needs either prompt or messages", fix="give one of the two")
    if "prompt" in data:
        data["messages"] = [{"role": "user", "content": data.pop("prompt")}]
    try:
        sample = Sample.model_validate(data)
    except ValidationError as error:
        raise SuiteError(f"{where}: {explain(error)}", fix="correct that field") from None
    _check(sample, where)
    return sample


def _check(sample: Sample, where: str) -> None:
    """Checks that the field types cannot express."""
    problem = _turn_problem(sample.messages)
    if not sample.id.strip() or not sample.category.strip():
        problem = "id and category must not be empty"
    if problem:
        raise SuiteError(f"{where}: {problem}", fix="correct that field")
    for constraint in sample.constraints:
        try:
            validate(constraint)
        except ValueError as error:
            raise SuiteError(
                f"{where}: constraint {constraint.kind!r}: {error}", fix="correct that constraint"
            ) from None


def _turn_problem(messages: tuple[Message, ...]) -> str | None:
    if any(not message.content.strip() for message in messages):
        return "a turn is empty"
    if messages[-1].role != "user":
        return "the last turn must be the user's"
    if any(message.role == "system" for message in messages[1:]):
        return "a system turn must come first"
    return None


def _refuse_unknown(data: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            raise SuiteError(
                f"{where} has an unknown key {key!r}", fix=near(key, known, f"the keys are {', '.join(known)}")
            )
