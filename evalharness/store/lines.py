"""Outcomes and scores of a run, read from its files when needed.

Memory holds only the offset of each line, so a run of a million completions needs no more than its index. The view
stays that of the time of loading, even if the file is replaced.
"""

import gc
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from operator import eq
from pathlib import Path
from typing import Any, Generic, TypeVar

from evalharness.records import Completion, DeterminismCheck, Failure, Notice, Record, Score, Spent
from evalharness.records.tokens import TokenFacts
from evalharness.store import files

AnyRecord = TypeVar("AnyRecord", bound=Record)
Parse = Callable[[bytes, int], AnyRecord]
"""Makes a record of a line; the number is for messages, and 0 if unknown."""
Change = Callable[[Any], Any]
"""A record to the record that is read in its place, of the same type."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable garbage collection while making many long-lived records.

    Each collection would visit every record and free nothing, which takes twice as long as the reading.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Lines(Generic[AnyRecord]):
    """A JSON Lines file that stays open for reading."""

    def __init__(self, path: Path, parse: Parse[AnyRecord], *, growing: bool = False, needed: bool = False) -> None:
        self._parse, self._growing = parse, growing
        self._handle = files.open_to_read(path) if needed or files.exists(path) else None

    def __iter__(self) -> Iterator[tuple[int, AnyRecord]]:
        """Each record with the offset of its line; in a growing file, an incomplete last line is left out."""
        start, number = 0, 0
        while self._handle:
            self._handle.seek(start)
            line = self._handle.readline()
            if not line or (self._growing and not line.endswith(b"\n")):
                return
            number += 1
            if line != b"\n":
                yield start, self._parse(line, number)
            start += len(line)

    def at(self, start: int) -> AnyRecord:
        """The record at an offset."""
        return self._parse(self.line(start), 0)

    def line(self, start: int) -> bytes:
        """The line at an offset, with its end."""
        if self._handle is None:
            raise KeyError(start)
        self._handle.seek(start)
        return self._handle.readline()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._handle.close()  # type: ignore[union-attr]


def _unchanged(record: AnyRecord) -> AnyRecord:
    return record


class StoredOutcomes(Mapping[str, Completion | Failure]):
    """Outcomes by request id; for a retried request, the last outcome."""

    def __init__(self, lines: Lines[Completion | Failure | Notice | DeterminismCheck | Spent]) -> None:
        self._lines = lines
        self._starts: dict[str, int] = {}
        notices, checks, spent = [], [], []
        for start, event in lines:
            match event:
                case Completion() | Failure():
                    self._starts[event.request_id] = start
                case Notice():
                    notices.append(event)
                case DeterminismCheck():
                    checks.append(event)
                case Spent():
                    spent.append(event)
        self.notices, self.determinism, self.spent = tuple(notices), tuple(checks), tuple(spent)
        self._change: Change = _unchanged

    def through(self, change: Change) -> "StoredOutcomes":
        """The same outcomes, each changed whenever it is read; all other events are left out."""
        changed = copy(self)
        changed._change, changed.notices, changed.determinism, changed.spent = change, (), (), ()
        return changed

    def line_of(self, request_id: str) -> bytes:
        """The outcome as it is stored."""
        return self._lines.line(self._starts[request_id])

    def __getitem__(self, request_id: str) -> Completion | Failure:
        outcome = self._change(self._lines.at(self._starts[request_id]))
        assert isinstance(outcome, Completion | Failure)
        return outcome

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._starts


class StoredTokens(Mapping[tuple[str, str], TokenFacts]):
    """What both checkpoints make of each completion, by the ids of its request and of the other side's."""

    def __init__(self, lines: Lines[TokenFacts]) -> None:
        self._lines = lines
        self._starts = {(facts.request_id, facts.other_id): start for start, facts in lines}

    def __getitem__(self, ids: tuple[str, str]) -> TokenFacts:
        return self._lines.at(self._starts[ids])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)


class StoredScores(Collection[Score]):
    """All scores of a run, and those of each request."""

    def __init__(self, lines: Lines[Score]) -> None:
        self._lines = lines
        self._starts: dict[str, tuple[int, ...]] | None = None
        """Made by the first reading, of which there is at least one: for the table of observations."""
        self._change: Change = _unchanged

    def through(self, change: Change) -> "StoredScores":
        """The same scores, each changed whenever it is read."""
        changed = copy(self)
        changed._change = change
        return changed

    def of(self, request_id: str) -> list[Score]:
        """The scores of one request's completion."""
        return [self._change(self._lines.at(start)) for start in self._indexed().get(request_id, ())]

    def lines_of(self, request_id: str) -> list[bytes]:
        """The scores of one request's completion as they are stored."""
        return [self._lines.line(start) for start in self._indexed().get(request_id, ())]

    def __iter__(self) -> Iterator[Score]:
        if self._starts is not None:
            yield from (self._change(score) for _, score in self._lines)
            return
        starts: dict[str, tuple[int, ...]] = {}
        for start, score in self._lines:
            starts[score.request_id] = (*starts.get(score.request_id, ()), start)
            yield self._change(score)
        self._starts = starts

    def _indexed(self) -> dict[str, tuple[int, ...]]:
        if self._starts is None:
            deque(self, maxlen=0)
        return self._starts or {}

    def __len__(self) -> int:
        return sum(map(len, self._indexed().values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collection) and len(self) == len(other) and all(map(eq, self, other))

    def __contains__(self, score: object) -> bool:
        return isinstance(score, Score) and score in self.of(score.request_id)
