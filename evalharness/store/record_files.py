"""The files of a run directory as records; an error names the file, the line and what to do."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from evalharness.errors import StoreError
from evalharness.records import Record, explain
from evalharness.store import files
from evalharness.store.lines import Lines

AnyRecord = TypeVar("AnyRecord", bound=Record)
DIGESTS = "digests.json"
DIGESTS_FORM = TypeAdapter(dict[str, tuple[str, ...]])
WITNESSED = frozenset(("outcomes.jsonl", "scores.jsonl", "preferences.jsonl", "judgings.jsonl", "ratings.jsonl"))
"""Files whose digests are in others."""
KEPT = 4
"""Most digests of a file that are kept."""


def lines_of(records: Iterable[Record]) -> Iterator[bytes]:
    """Records as lines of JSON."""
    return (record.model_dump_json().encode() + b"\n" for record in records)


class RecordFiles:
    """Reads and writes the files of one folder, each a record or one record a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreError(
                    f"no space left to write {self.path}; everything written so far is intact",
                    fix="free some space, then repeat the command (for a run, with --resume)",
                ) from None
            raise StoreError(
                f"{self.path} cannot be written: {error.strerror}", fix="choose another path with --out"
            ) from None

    @contextmanager
    def _replacing(self) -> Iterator[files.Replacement]:
        """Replace files, and add their digests to those in `digests.json`, which is renamed first.

        The digests of the last few contents stay there, so that it holds that of each file wherever a kill falls.
        """
        with self._writing(), files.replacing(self.path) as new:
            yield new
            try:
                kept = self.read_digests()
            except StoreError:
                kept = {}
            made = {
                name: digest
                for name, digest in new.digests.items()
                if name not in WITNESSED and digest not in kept.get(name, ())[-1:]
            }
            if made:
                kept |= {name: (*kept.get(name, ())[1 - KEPT :], digest) for name, digest in made.items()}
                new.write(DIGESTS, [DIGESTS_FORM.dump_json(kept, indent=2)])

    def read_digests(self) -> dict[str, tuple[str, ...]]:
        """Digests of the last contents of files, by name; empty in an older run.

        Raises:
            StoreError: the file is not valid.
        """
        if not self._holds(DIGESTS):
            return {}
        try:
            return DIGESTS_FORM.validate_json(self._read(DIGESTS))
        except ValidationError as error:
            raise StoreError(
                f"{self.path / DIGESTS} is not valid: {explain(error)}", fix="delete it: it is written again"
            ) from None

    def _holds(self, name: str) -> bool:
        return files.exists(self.path / name)

    def _write(self, name: str, text: str) -> None:
        with self._replacing() as new:
            new.write(name, [text.encode()])

    def _write_lines(self, name: str, records: Iterable[Record]) -> None:
        with self._replacing() as new:
            new.write(name, lines_of(records))

    def _read(self, name: str) -> str:
        try:
            return self._read_bytes(name).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error}", fix="check the file") from None

    def _read_bytes(self, name: str) -> bytes:
        with self._reading(name):
            return files.read_bytes(self.path / name)

    def _digest(self, name: str) -> str:
        try:
            return files.digest(self.path / name) if self._holds(name) else ""
        except OSError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error.strerror}", fix="check the file") from None

    def _replace_shown(self, name: str, text: str) -> None:
        """Replace a file that the report shows; if it changes, the old report is removed first."""
        if self._holds(name) and self._read_bytes(name) == text.encode():
            return
        with self._replacing() as new:
            new.write(name, [text.encode()])
            files.remove(self.path / "report.html")

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{self.path} is not a run directory: it has no {name}", fix="`evalharness list runs` names the runs"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error.strerror}", fix="check the file") from None

    def _parse(self, record: type[AnyRecord], name: str) -> AnyRecord:
        try:
            return record.model_validate_json(self._read(name))
        except ValidationError as error:
            raise self._not_valid(name, error) from None

    def _parse_if_there(self, record: type[AnyRecord], name: str) -> AnyRecord | None:
        return self._parse(record, name) if self._holds(name) else None

    def _parse_lines(self, record: type[AnyRecord], name: str) -> tuple[AnyRecord, ...]:
        """One record per line; empty if the file does not exist yet."""
        with self._reading(name):
            return tuple(parsed for _, parsed in Lines(self.path / name, self._line_parser(record, name)))

    def _line_parser(self, record: type[AnyRecord], name: str) -> Callable[[bytes, int], AnyRecord]:
        def parse(line: bytes, number: int) -> AnyRecord:
            try:
                return record.model_validate_json(line)
            except ValidationError as error:
                raise self._not_valid(f"{name}:{number}" if number else name, error) from None

        return parse

    def _not_valid(self, name: str, error: ValidationError) -> StoreError:
        derived = name.partition(":")[0] in ("scores.jsonl", "scorers.json", "comparison.json", "gate.json")
        fix = f"write it again: evalharness score {self.path}" if derived else "restore the file, or run again"
        if name.startswith(("tokens.json", "depth.json")):
            depth = " --depth" if name.startswith("depth") else ""
            fix = f"delete the file, then evalharness tokens {self.path}{depth}"
        return StoreError(f"{self.path / name} is not valid: {explain(error)}", fix=fix)
