"""The suite folder: written to a temporary name, checked by loading, then renamed."""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.errors import SuiteError
from evalharness.parsing import parse_toml
from evalharness.records import Sample, Suite
from evalharness.suites import HEAD, SAMPLES, load_suite, suite_from
from evalharness.suites.import_prompts.formats import Format


@dataclass(frozen=True)
class SuiteText:
    """The two files of a suite, as text."""

    head: str
    samples: str

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Their names, and what they hold."""
        return (HEAD, self.head), (SAMPLES, self.samples)

    @classmethod
    def of(
        cls,
        path: Path,
        form: Format,
        samples: Sequence[Sample],
        name: str,
        license_name: str | None,
        source: str | None,
    ) -> "SuiteText":
        """Write the samples with their source: the data set, the file's name and its digest."""
        file = f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
        head: dict[str, str | list[str]] = {
            "name": name,
            "version": "1",
            "license": license_name or form.license,
            "source": ": ".join(part for part in (source or form.source, file) if part),
            "scorers": scorers_for(samples),
            "description": _description(form, samples),
        }
        return cls.from_rows(head, map(_line, samples))

    @classmethod
    def from_rows(cls, head: Mapping[str, str | list[str]], rows: Iterable[Mapping[str, Any]]) -> "SuiteText":
        """The text of a head and of lines of `samples.jsonl`."""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return cls("".join(f"{key} = {_toml(value)}\n" for key, value in head.items()), lines)


def scorers_for(samples: Sequence[Sample]) -> list[str]:
    """Scorers that apply to the samples: `refusal` needs an expected value, `instruction` a constraint."""
    refusal = ["refusal"] if any(sample.expected for sample in samples) else []
    instruction = ["instruction"] if any(sample.constraints for sample in samples) else []
    return ["style", *refusal, *instruction]


def _description(form: Format, samples: Sequence[Sample]) -> str:
    count = "1 sample" if len(samples) == 1 else f"{len(samples)} samples"
    categories = Counter(sample.category for sample in samples)
    kinds = "1 category" if len(categories) == 1 else f"{len(categories)} categories"
    return f"{count} in {kinds}, imported from {form.title}." + (f" Note: {form.note}." if form.note else "")


def _line(sample: Sample) -> dict[str, Any]:
    data = sample.model_dump(mode="json", exclude_defaults=True)
    if data.get("group") == sample.id:
        del data["group"]
    if [message.role for message in sample.messages] == ["user"]:
        data = {"id": data.pop("id"), "prompt": sample.messages[0].content} | data
        del data["messages"]
    return data


def _toml(value: str | list[str]) -> str:
    """A value as TOML: JSON's strings and arrays of strings are TOML too, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def in_memory(text: SuiteText, samples: Sequence[Sample]) -> Suite:
    """The suite as if it had been written and loaded."""
    return suite_from(parse_toml(text.head), samples)


def write_suite(folder: Path, text: SuiteText, *, force: bool) -> Suite:
    """Write a suite folder as a whole, and load it.

    Raises:
        SuiteError: the folder is there and `force` is not set, it holds other files, or it cannot be written.
    """
    try:
        _check_place(folder, force)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".suite-", dir=folder.parent) as parent:
            _write(Path(parent) / "new", text)
            load_suite(Path(parent) / "new")
            _move(Path(parent) / "new", folder, Path(parent) / "old")
    except OSError as error:
        raise SuiteError(
            f"{folder} cannot be written: {error.strerror}", fix="choose another path with --out"
        ) from None
    return load_suite(folder)


def _write(folder: Path, text: SuiteText) -> None:
    folder.mkdir()
    for name, content in text.files:
        with (folder / name).open("w", encoding="utf-8", newline="\n") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())


def _check_place(folder: Path, force: bool) -> None:
    if not folder.exists() and not folder.is_symlink():
        return
    if not force:
        raise SuiteError(f"{folder} already exists", fix="choose another path with --out, or overwrite it with --force")
    if folder.is_symlink() or not folder.is_dir():
        raise SuiteError(f"{folder} is a file or a link", fix="choose another path with --out")
    others = sorted(path.name for path in folder.iterdir() if path.name not in (HEAD, SAMPLES))
    if others:
        raise SuiteError(
            f"{folder} has files that are not part of a suite: {others[0]!r}",
            fix="move them away, or choose another path with --out",
        )


def _move(new: Path, folder: Path, old: Path) -> None:
    """Rename the new folder; the old folder is kept until then."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    finally:
        # Also where Ctrl-C comes between the two.
        if old.exists() and not folder.exists():
            old.rename(folder)
