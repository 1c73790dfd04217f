"""Appends to a file of a run, line by line."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from evalharness.records import Record
from evalharness.store import files


class Appender:
    """Appends records; each line is written completely or not at all."""

    def __init__(self, descriptor: int, writing: Callable[[], AbstractContextManager[None]]) -> None:
        self._descriptor = descriptor
        self._writing = writing

    def append(self, record: Record) -> None:
        """Write one line.

        Raises:
            StoreError: the disk is full; the partly written line is removed.
        """
        line = record.model_dump_json().encode() + b"\n"
        with self._writing():
            files.append(self._descriptor, line)
