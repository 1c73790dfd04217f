"""Appends to `outcomes.jsonl`, line by line."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from evalharness.records import Completion, DeterminismCheck, Failure, Notice
from evalharness.store import files


class Appender:
    """Appends events to `outcomes.jsonl`; each line is written completely or not at all."""

    def __init__(self, descriptor: int, writing: Callable[[], AbstractContextManager[None]]) -> None:
        self._descriptor = descriptor
        self._writing = writing

    def append(self, event: Completion | Failure | Notice | DeterminismCheck) -> None:
        """Write one line.

        Raises:
            StoreError: the disk is full; the partly written line is removed.
        """
        line = event.model_dump_json().encode() + b"\n"
        with self._writing():
            files.append(self._descriptor, line)
