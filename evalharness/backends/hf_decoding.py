"""Batched decoding with transformers: finished rows leave the batch, and waiting rows take their places."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from evalharness.backends.hf_batch import Batch, Chooser, logits_of
from evalharness.backends.hf_drafts import drafts_of
from evalharness.backends.hf_rows import Queue, Row
from evalharness.backends.hf_steps import Steps

REFILL_AT = 0.75
"""Rows leave and join once at most this share is unfinished: copying the cache and reading prompts is expensive."""


class Decoder:
    """Generates with one model."""

    def __init__(self, model: Any, tokenizer: Any, end_tokens: dict[int, str], steps: Steps | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens
        self.pad_id = next(iter(end_tokens), 0)
        self.steps = steps
        self._may_end: dict[tuple[tuple[str, ...], int], bool] = {}

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def decode(self, queue: Queue) -> Iterator[list[Row]]:
        """Generate all rows of a queue; after each step, the rows that it finished."""
        while rows := queue.take([]):
            batch = self._read(rows)
            while batch.rows:
                tokens = batch.choose(batch.logits)
                yield self._extend(batch.rows, tokens.tolist())
                left, new = batch.unfinished, []
                if len(left) <= REFILL_AT * len(batch.rows):
                    tokens = self._keep(batch, left, tokens)
                    new = queue.take(batch.rows) if left and batch.is_joinable else []
                if left and not new and (drafts := self._drafts(batch)):
                    yield from self._leap(batch, tokens, torch.tensor(drafts, device=tokens.device))
                elif left and not new and self.steps is not None and batch.is_complete:
                    self.steps.step(batch, tokens)
                elif left:
                    self._step(batch, tokens)
                if new:
                    batch.join(self._read(new))

    def _keep(self, batch: Batch, left: Sequence[int], tokens: torch.Tensor) -> torch.Tensor:
        """Drop the finished rows; the tokens of the others."""
        if self.steps is not None:
            self.steps.leave()
        indices = torch.tensor(left, device=tokens.device, dtype=torch.long)
        batch.keep(left, indices)
        return tokens[indices]

    def _read(self, rows: Sequence[Row]) -> Batch:
        """A batch of which the prompts are in the cache."""
        shown = [(*row.prompt, *row.given) for row in rows]
        width, device = max(map(len, shown)), self.model.device
        ids = [[self.pad_id] * (width - len(known)) + list(known) for known in shown]
        mask = torch.tensor([[0] * (width - len(known)) + [1] * len(known) for known in shown], device=device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        logits = logits_of(self.model, torch.tensor(ids, device=device), mask, positions, cache)[:, -1].float()
        return Batch(list(rows), cache, mask, logits, Chooser(rows, device, logits.shape[-1]))

    def _step(self, batch: Batch, tokens: torch.Tensor) -> None:
        """Put one token of each row, (rows,), into the cache."""
        positions = batch.mask.sum(dim=-1, keepdim=True)
        batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.rows), 1)], dim=-1)
        batch.logits = logits_of(self.model, tokens[:, None], batch.mask, positions, batch.cache)[:, -1].float()

    def _drafts(self, batch: Batch) -> list[list[int]] | None:
        """In lower precision, a pass over several tokens rounds otherwise than one over a token."""
        return drafts_of(batch) if self.steps is None and self.model.dtype == torch.float32 else None

    def _leap(self, batch: Batch, tokens: torch.Tensor, drafts: torch.Tensor) -> Iterator[list[Row]]:
        """Put a token of each row into the cache, and of its draft, (rows, count), what all rows would choose."""
        rows, count = drafts.shape
        positions = batch.mask.sum(dim=-1, keepdim=True) + torch.arange(count + 1, device=drafts.device)
        mask = torch.cat([batch.mask, batch.mask.new_ones(rows, count + 1)], dim=-1)
        ids = torch.cat([tokens[:, None], drafts], dim=-1)
        logits = logits_of(self.model, ids, mask, positions, batch.cache, count + 1).float()
        chosen = logits[batch.unfinished, :-1].argmax(dim=-1) == drafts[batch.unfinished]
        agreed = int(chosen.all(dim=0).int().cumprod(dim=0).sum())
        batch.cache.crop(agreed - count)
        batch.mask = mask[:, : mask.shape[1] - count + agreed]
        batch.logits = logits[:, agreed]
        for column in drafts[:, :agreed].T.tolist():
            yield self._extend(batch.rows, column)

    def _extend(self, rows: Sequence[Row], tokens: Sequence[int]) -> list[Row]:
        """Add a token to each unfinished row; those that it finishes."""
        unfinished = [(row, token) for row, token in zip(rows, tokens, strict=True) if row.finish_reason is None]
        for row, token in unfinished:
            self._append(row, token)
        return [row for row, _ in unfinished if row.finish_reason is not None]

    def _append(self, row: Row, token: int) -> None:
        row.tokens.append(token)
        if token in self.end_tokens:
            self._finish(row, row.tokens[:-1], "stop", self.end_tokens[token])
        elif row.stop and self._may_stop(row.stop, token) and (stop := self._stop_string(row)):
            self._finish(row, row.tokens, "stop", stop)
            row.text = row.text.partition(stop)[0]
            row.kept = self._needed(row)
        elif len(row.tokens) >= row.limit:
            self._finish(row, row.tokens, "length", None)

    def _finish(self, row: Row, tokens: list[int], reason: str, stopped_by: str | None) -> None:
        row.text = self._text(tokens)
        row.finish_reason, row.stopped_by = reason, stopped_by

    def _needed(self, row: Row) -> int:
        """The fewest tokens whose text begins with the completion's; the last may hold the stop string's beginning."""
        count = len(row.tokens)
        while count and self._text(row.tokens[: count - 1]).startswith(row.text):
            count -= 1
        return count

    def _may_stop(self, stops: tuple[str, ...], token: int) -> bool:
        """Whether a token can hold the last character of a stop string: most cannot, and need not be decoded again.

        What a token adds may depend on its neighbours if that is a space, or a character of several bytes.
        """
        if (stops, token) not in self._may_end:
            last, text = {stop[-1] for stop in stops}, self._text([token])
            self._may_end[stops, token] = any(sign in text or not sign.isascii() or sign == " " for sign in last)
        return self._may_end[stops, token]

    def _stop_string(self, row: Row) -> str | None:
        """The stop string that begins first; only the tail is searched, and a token may end within a stop string."""
        # A token can be a single byte of a character.
        tail = self._text(row.tokens[-max(len(stop.encode()) for stop in row.stop) - 8 :])
        results = [(tail.index(stop), stop) for stop in row.stop if stop in tail]
        return min(results)[1] if results else None

    def _text(self, tokens: list[int]) -> str:
        """Keep role markers and other special tokens that the model wrote: scorers look for them."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
