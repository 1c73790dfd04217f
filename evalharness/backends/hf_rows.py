"""Requests as rows of a batch, and the queue in which they wait for a place."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from evalharness.records import Completion, GenerationRequest, RawPrompt


@dataclass
class Row:
    """A request being generated."""

    request: GenerationRequest
    prompt: tuple[int, ...]
    limit: int
    """Most tokens of the completion: `max_tokens`, or the rest of the context."""
    given: tuple[int, ...] = ()
    """What the completion is made to begin with."""
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None
    stopped_by: str | None = None
    kept: int | None = None
    """Tokens that the text needs, where a stop string ended it; None keeps all."""
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tokens = list(self.given)

    @property
    def stop(self) -> tuple[str, ...]:
        """All stop strings, including those of a scaffold."""
        prompt = self.request.prompt
        return (*self.request.config.stop, *(prompt.stop if isinstance(prompt, RawPrompt) else ()))

    @property
    def size(self) -> int:
        """Most tokens that it may need in the cache."""
        return len(self.prompt) + self.limit

    def begun_again(self) -> "Row":
        """The row without what was generated so far."""
        return Row(self.request, self.prompt, self.limit, self.given)

    def completion(self) -> Completion:
        """The finished row as a record."""
        return Completion.model_validate(
            {
                "request_id": self.request.id,
                "text": self.text,
                "finish_reason": self.finish_reason,
                "stopped_by": self.stopped_by,
                "prompt_tokens": len(self.prompt),
                "completion_tokens": len(self.tokens),
                "token_ids": tuple(self.tokens[: self.kept]),
                "seconds": round(time.monotonic() - self.begun, 3),
            }
        )


class Queue:
    """Rows that wait, the largest first, so that lack of memory shows early."""

    def __init__(self, rows: Iterable[Row], *, most_rows: int, most_tokens: int) -> None:
        self.waiting = sorted(rows, key=lambda row: row.size, reverse=True)
        self.most_rows = self.limit = most_rows
        self.most_tokens = most_tokens
        self._taken: list[Row] = []

    @property
    def tokens_underway(self) -> int:
        """Tokens generated so far in unfinished rows."""
        return sum(len(row.tokens) for row in self._taken if row.finish_reason is None)

    def take(self, live: Sequence[Row]) -> list[Row]:
        """Rows with the settings of `live` that fit next to it; at least one if `live` is empty.

        All are counted at the size of the largest, to which shorter ones are padded.
        """
        if not self.waiting:
            return []
        first = (*live, self.waiting[0])
        room = min(self.limit, self.most_tokens // max(row.size for row in first)) - len(live)
        if not live:
            room = max(room, 1)
        config = first[0].request.config
        rows = list(takewhile(lambda row: row.request.config == config, self.waiting[: max(room, 0)]))
        self.waiting = self.waiting[len(rows) :]
        for row in rows:
            row.begun = time.monotonic()
        self._taken = [*live, *rows]
        return rows

    def begin_again(self) -> list[Row]:
        """Empty the batch, which did not fit into memory, and allow half as many rows from now on.

        The unfinished rows wait again. A row that did not fit alone is dropped, and the others get their whole batch.

        Returns:
            The rows of the batch, without what was generated of them.
        """
        rows = [row.begun_again() for row in self._taken if row.finish_reason is None]
        self._taken = []
        self.limit = len(rows) // 2 or self.most_rows
        if len(rows) > 1:
            self.waiting = [*rows, *self.waiting]
        return rows
