"""Batched decoding with transformers: left-padded rows; finished rows leave the batch."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from evalharness.records import Completion, GenerationConfig, GenerationRequest, RawPrompt

COMPACT_AT = 0.75
"""Finished rows are dropped from the cache once at most this share is unfinished, because copying is expensive."""


@dataclass
class Row:
    """A request being generated."""

    request: GenerationRequest
    prompt: tuple[int, ...]
    limit: int
    """Most tokens to generate: `max_tokens`, or the rest of the context."""
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None
    stopped_by: str | None = None
    kept: int | None = None
    """Tokens that the text needs, where a stop string ended it; None keeps all."""

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
        return Row(self.request, self.prompt, self.limit)

    def completion(self, seconds: float) -> Completion:
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
                "seconds": round(seconds, 3),
            }
        )


class Decoder:
    """Generates with one model."""

    def __init__(self, model: Any, tokenizer: Any, end_tokens: dict[int, str]) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens
        self.pad_id = next(iter(end_tokens), 0)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def decode(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Generate one batch; each row is yielded as soon as it is finished."""
        ids, mask = self._left_padded(rows)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        logits = self._forward(ids, mask, positions, cache)
        choose = Chooser(rows, self.model.device, logits.shape[-1])
        live = list(rows)
        while True:
            chosen = choose(logits)
            for row, token in zip(live, chosen.tolist(), strict=True):
                if row.finish_reason is None:
                    self._extend(row, token)
                    if row.finish_reason is not None:
                        yield row
            left = [index for index, row in enumerate(live) if row.finish_reason is None]
            if not left:
                return
            if len(left) <= COMPACT_AT * len(live):
                keep = torch.tensor(left, device=mask.device)
                cache.batch_select_indices(keep)
                choose.keep(keep)
                live = [live[index] for index in left]
                mask, positions, chosen = mask[keep], positions[keep], chosen[keep]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=-1)
            positions = positions[:, -1:] + 1
            logits = self._forward(chosen[:, None], mask, positions, cache)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits of the last position, (rows, vocabulary), in float32."""
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits

    def _left_padded(self, rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(row.prompt) for row in rows)
        ids = [[self.pad_id] * (width - len(row.prompt)) + list(row.prompt) for row in rows]
        mask = [[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
        device = self.model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _extend(self, row: Row, token: int) -> None:
        row.tokens.append(token)
        if token in self.end_tokens:
            self._finish(row, row.tokens[:-1], "stop", self.end_tokens[token])
        elif row.stop and (stop := self._stop_string(row)):
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


class Chooser:
    """Picks each row's next token: the most likely, or a random draw that depends only on the request, not on its
    batch.
    """

    def __init__(self, rows: Sequence[Row], device: torch.device, vocabulary: int) -> None:
        config = rows[0].request.config
        self.config = config
        self.warpers = _warpers(config)
        self.generators = [_generator(row.request, device) for row in rows] if config.temperature > 0 else []
        self.seen = _seen(rows, device, vocabulary) if config.repeat_penalty != 1.0 else None

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Token ids, (rows,), from logits (rows, vocabulary)."""
        if self.seen is not None:
            penalty = self.config.repeat_penalty
            penalised = torch.where(logits < 0, logits * penalty, logits / penalty)
            logits = torch.where(self.seen, penalised, logits)
        for warper in self.warpers:
            logits = warper(None, logits)
        if self.generators:
            # The largest of log-probabilities plus Gumbel noise is a draw from the softmax (Gumbel 1954).
            logits = logits - torch.log(-torch.log(self._uniform(logits)))
        chosen = logits.argmax(dim=-1)
        if self.seen is not None:
            self.seen[torch.arange(len(chosen), device=chosen.device), chosen] = True
        return chosen

    def keep(self, indices: torch.Tensor) -> None:
        """Forget the rows that left the batch."""
        if self.generators:
            self.generators = [self.generators[index] for index in indices.tolist()]
        if self.seen is not None:
            self.seen = self.seen[indices]

    def _uniform(self, logits: torch.Tensor) -> torch.Tensor:
        tiny = torch.finfo(torch.float32).tiny
        draws = [
            torch.rand(logits.shape[-1], generator=generator, device=logits.device) for generator in self.generators
        ]
        return torch.stack(draws).clamp(min=tiny, max=1 - 1e-7)


def _warpers(config: GenerationConfig) -> list[Any]:
    if config.temperature == 0:
        return []
    warpers: list[Any] = [TemperatureLogitsWarper(config.temperature)]
    if config.top_k:
        warpers.append(TopKLogitsWarper(config.top_k))
    if config.top_p < 1:
        warpers.append(TopPLogitsWarper(config.top_p))
    return warpers


def _generator(request: GenerationRequest, device: torch.device) -> torch.Generator:
    """Seeded by the configured seed, the sample and the replicate, so that replicates differ and both sides pair."""
    key = f"{request.config.seed}/{request.sample_id}/{request.replicate}".encode()
    seed = int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1
    return torch.Generator(device=device).manual_seed(seed)


def _seen(rows: Sequence[Row], device: torch.device, vocabulary: int) -> torch.Tensor:
    seen = torch.zeros(len(rows), vocabulary, dtype=torch.bool, device=device)
    for index, row in enumerate(rows):
        seen[index, list(row.prompt)] = True
    return seen
