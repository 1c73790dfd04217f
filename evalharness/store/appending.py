"""Appends to `outcomes.jsonl`, line by line."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from evalharness.records import Completion, DeterminismCheck, Failure, Notice


class Appender:
    """Appends events to `outcomes.jsonl`; a line is there as a whole or not at all."""

    def __init__(self, descriptor: int, writing: Callable[[], AbstractContextManager[None]]) -> None:
        self._descriptor = descriptor
        self._writing = writing

    def append(self, event: Completion | Failure | Notice | DeterminismCheck) -> None:
        """Write one line.

        Raises:
            StoreError: the disk is full; the part of the line that was written is taken back.
        """
        line = event.model_dump_json().encode() + b"\n"
        before = os.fstat(self._descriptor).st_size
        with self._writing():
            try:
                written = os.write(self._descriptor, line)
                while written < len(line):
                    written += os.write(self._descriptor, line[written:])
            except OSError:
                os.ftruncate(self._descriptor, before)
                raise
