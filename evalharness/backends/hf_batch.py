"""The rows in flight: their cache, and how their next tokens are chosen. Rows leave and join between two steps.

Every row ends in the last column; a shorter one begins with masked columns. So the distance between two tokens of a
row is that of their columns, which is what sliding windows count by, and a row may join however long the others are.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import DynamicCache, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from evalharness.backends.hf_rows import Row
from evalharness.records import GenerationConfig, GenerationRequest

JOINABLE = (DynamicLayer, DynamicSlidingWindowLayer)
"""Kinds of cache that hold one entry a column. Others, such as the states of linear attention, are never joined."""


@dataclass
class Batch:
    """Rows in flight, each with the logits of its next token."""

    rows: list[Row]
    cache: DynamicCache
    mask: torch.Tensor
    """(rows, columns): 1 for a token, 0 for what precedes a row's first."""
    logits: torch.Tensor
    """(rows, vocabulary), float32."""
    choose: "Chooser"

    @property
    def unfinished(self) -> list[int]:
        """Indices of the rows that are not finished."""
        return [index for index, row in enumerate(self.rows) if row.finish_reason is None]

    @property
    def is_joinable(self) -> bool:
        """Whether other rows may join."""
        return all(type(layer) in JOINABLE for layer in self.cache.layers)

    @property
    def is_complete(self) -> bool:
        """Whether other rows may join, and every layer has keys of its own."""
        return self.is_joinable and all(layer.is_initialized for layer in self.cache.layers)

    def can_take_back(self, columns: int) -> bool:
        """Whether so many columns can be added and removed again: a window that slides forgets what it left."""
        layers = self.cache.layers
        windows = [layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)]
        return self.is_complete and all(self.mask.shape[1] + columns < window for window in windows)

    def keep(self, left: Sequence[int], indices: torch.Tensor) -> None:
        """Drop the other rows, and the columns that only they needed. `indices` are those of `left`, on the device."""
        self.rows = [self.rows[index] for index in left]
        select_rows(self.cache, indices)
        self.choose.keep(left, indices)
        self.mask = self.mask[indices]
        if left and self.is_joinable:
            # The last token of each is not in the cache yet.
            self._resize(max(len(row.prompt) + len(row.tokens) for row in self.rows) - 1)

    def join(self, other: "Batch") -> None:
        """Add the rows of another batch of the same model."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        self._resize(width)
        other._resize(width)
        for layer, joining in zip(self.cache.layers, other.cache.layers, strict=True):
            if layer.is_initialized:
                layer.keys = torch.cat([layer.keys, joining.keys])
                layer.values = torch.cat([layer.values, joining.values])
        self.rows += other.rows
        self.mask = torch.cat([self.mask, other.mask])
        self.logits = torch.cat([self.logits, other.logits])
        self.choose.join(other.choose)

    def _resize(self, width: int) -> None:
        """Add or remove masked columns on the left."""
        self.mask = pad(self.mask, (width - self.mask.shape[1], 0))
        for layer in self.cache.layers:
            if not layer.is_initialized:
                continue
            held = width
            if isinstance(layer, DynamicSlidingWindowLayer):
                held, layer.cumulative_length = min(width, layer.sliding_window - 1), width
            missing = held - layer.keys.shape[-2]
            layer.keys, layer.values = pad(layer.keys, (0, 0, missing, 0)), pad(layer.values, (0, 0, missing, 0))


def select_rows(cache: DynamicCache, indices: torch.Tensor) -> None:
    """Drop the other rows; the layers may be on several devices."""
    moved = {indices.device: indices}
    for layer in cache.layers:
        device = getattr(layer, "device", indices.device)
        if device not in moved:
            moved[device] = indices.to(device)
        layer.batch_select_indices(moved[device])


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

    @property
    def takes_likeliest(self) -> bool:
        """Whether the logits of a token alone decide about it."""
        return not self.generators and self.seen is None and not self.warpers

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

    def keep(self, left: Sequence[int], indices: torch.Tensor) -> None:
        """Forget the rows that left the batch."""
        if self.generators:
            self.generators = [self.generators[index] for index in left]
        if self.seen is not None:
            self.seen = self.seen[indices]

    def join(self, other: "Chooser") -> None:
        """Add rows with the same settings."""
        self.generators += other.generators
        if self.seen is not None and other.seen is not None:
            self.seen = torch.cat([self.seen, other.seen])

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
    places = [(index, token) for index, row in enumerate(rows) for token in (*row.prompt, *row.given)]
    indices, tokens = torch.tensor(places, device=device).T
    seen[indices, tokens] = True
    return seen


def logits_of(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any, keep: int = 1
) -> torch.Tensor:
    """Logits of the last `keep` positions, (rows, `keep`, vocabulary), in the dtype of the model; `cache` grows."""
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    )
    logits: torch.Tensor = out.logits[:, -keep:]
    return logits
