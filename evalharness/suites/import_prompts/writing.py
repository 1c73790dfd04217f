"""The suite folder: written to a temporary name, checked by loading, then renamed."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import SuiteError
from evalharness.records import Sample, Suite
from evalharness.store import files
from evalharness.suites import HEAD, SAMPLES, load_suite
from evalharness.suites.import_prompts.formats import Format

Head = dict[str, str | list[str]]


def head_of(
    path: Path, form: Format, samples: Sequence[Sample], name: str, license_name: str | None, source: str | None
) -> Head:
    """`suite.toml` with the source of the samples: the data set, the file's name and its digest."""
    file = f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    count = "1 sample" if len(samples) == 1 else f"{len(samples)} samples"
    categories = Counter(sample.category for sample in samples)
    kinds = "1 category" if len(categories) == 1 else f"{len(categories)} categories"
    note = f" Note: {form.note}." if form.note else ""
    return {
        "name": name,
        "version": "1",
        "license": license_name or form.license,
        "source": ": ".join(part for part in (source or form.source, file) if part),
        "scorers": scorers_for(samples),
        "description": f"{count} in {kinds}, imported from {form.title}.{note}",
    }


def scorers_for(samples: Sequence[Sample]) -> list[str]:
    """Scorers that apply to the samples: `refusal` needs an expected value, `instruction` a constraint."""
    refusal = ["refusal"] if any(sample.expected for sample in samples) else []
    instruction = ["instruction"] if any(sample.constraints for sample in samples) else []
    return ["style", *refusal, *instruction]


def row_of(sample: Sample) -> dict[str, Any]:
    """A line of `samples.jsonl`, without what goes without saying."""
    data = sample.model_dump(mode="json", exclude_defaults=True)
    if data.get("group") == sample.id:
        del data["group"]
    if [message.role for message in sample.messages] == ["user"]:
        data = {"id": data.pop("id"), "prompt": sample.messages[0].content} | data
        del data["messages"]
    return data


def write_suite(folder: Path, head: Head, rows: Iterable[Mapping[str, Any]], *, force: bool) -> Suite:
    """Write a suite folder as a whole, and load it.

    Raises:
        SuiteError: the folder is there and `force` is not set, it holds other files, or it cannot be written.
    """
    # JSON's strings and arrays of strings are TOML too, but for the delete character.
    toml = {key: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") for key, value in head.items()}
    try:
        _check_place(folder, force)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".suite-", dir=folder.parent) as parent:
            new, old = Path(parent) / "new", Path(parent) / "old"
            new.mkdir()
            with files.replacing(new) as made:
                made.write(HEAD, (f"{key} = {value}\n".encode() for key, value in toml.items()))
                made.write(SAMPLES, (f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in rows))
            load_suite(new)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            finally:
                # Also where Ctrl-C comes between the two.
                if old.exists() and not folder.exists():
                    old.rename(folder)
            files.sync_folder(folder.parent)
    except OSError as error:
        raise SuiteError(
            f"{folder} cannot be written: {error.strerror}", fix="choose another path with --out"
        ) from None
    return load_suite(folder)


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
