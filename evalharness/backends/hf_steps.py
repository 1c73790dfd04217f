"""Steps over a cache that stays in its place, so that a GPU's kernels are recorded once and replayed as one call.

A step of a model of 8 billion parameters is over a thousand small kernels. To ask for them from Python one by one takes
several times as long as they run, and a cache that grows by concatenation is copied at every step.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin, DynamicSlidingWindowLayer

from evalharness.backends.hf_batch import Batch

COLUMNS = 128
"""Widths of the cache are multiples: the columns that are not used yet are read and masked."""
ROWS = (1, 4, 8, 16, 32)
MORE_ROWS = 64
"""Numbers of rows that are recorded: these, then multiples. Other batches are filled up."""
BEFORE = 2
"""Steps of a shape before it is recorded: a library may prepare something in the first."""
CHECKS = 2
"""Replays of a shape that are compared with steps without the recording: at the second, its column is another."""
CLOSE, CLOSE_IF_ROUNDED = 1e-3, 0.03
"""Largest difference of logits, as a share of the largest logit: in float32, and in lower precision."""


class FixedLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer, (rows, heads, width, numbers); a step writes those of one column."""

    is_compileable = True
    """No reading of values on the host is needed to make the mask."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, column: torch.Tensor, *, is_sliding: bool) -> None:
        super().__init__()
        self.keys, self.values, self.column = keys, values, column
        self.is_sliding = is_sliding
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing is left to do."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a column; all columns, of which the mask hides those that are not used."""
        self.keys.index_copy_(2, self.column, key_states)
        self.values.index_copy_(2, self.column, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The width and the first column."""
        return int(self.keys.shape[-2]), 0

    def get_seq_length(self) -> Any:
        """The column that is written next, as a tensor: it changes while the recorded kernels stay."""
        return self.column

    def get_max_length(self) -> int:
        """The width."""
        return int(self.keys.shape[-2])


@dataclass
class Shape:
    """The inputs of a step at fixed addresses, for so many rows and columns."""

    ids: torch.Tensor
    """(rows, 1)"""
    positions: torch.Tensor
    """(rows, 1)"""
    mask: torch.Tensor
    """(rows, width)"""
    column: torch.Tensor
    """(1,): the one that is written next."""
    cache: Cache
    logits: torch.Tensor
    """(rows, vocabulary), float32."""
    steps: int = 0
    graph: Any = None
    checks: int = 0
    """Replays that were equal to steps without the recording."""


KINDS = {"full_attention", "sliding_attention"}
"""Kinds of layers whose masks follow from the columns alone."""


def fits(model: Any) -> bool:
    """Whether a model on one device reads no values on the host, and its masks are made from columns."""
    config = model.config.get_text_config()
    spread = set((getattr(model, "hf_device_map", None) or {}).values())
    return (
        bool(getattr(model, "_can_compile_fullgraph", False))
        and set(getattr(config, "layer_types", None) or KINDS) <= KINDS
        and config._attn_implementation in ("sdpa", "eager")
        and len(spread) < 2
    )


class Steps:
    """Steps of one model on one device."""

    def __init__(self, model: Any, *, record: bool) -> None:
        self.model = model
        self.device: torch.device = model.device
        self.record = record
        self.problem = ""
        """Why the kernels could not be recorded."""
        self._forget(0)
        self._batch: Batch | None = None
        self._shape: Shape
        self._columns = 0

    def step(self, batch: Batch, tokens: torch.Tensor) -> None:
        """Put one token of each row, (rows,), into the cache of a batch."""
        if self._batch is not batch or self._columns == self._shape.mask.shape[1]:
            self.leave()
            self._enter(batch)
        self._shape.ids[: len(tokens), 0] = tokens
        self._run(self._shape)
        self._columns += 1
        batch.logits = self._shape.logits[: len(tokens)]

    def leave(self) -> None:
        """Give the batch back what was added to its cache; the next step copies it again."""
        if self._batch is None:
            return
        batch, columns, shape = self._batch, self._columns, self._shape
        self._batch = None
        rows = len(batch.rows)
        batch.mask = shape.mask[:rows, :columns]
        for layer, fixed in zip(batch.cache.layers, shape.cache.layers, strict=True):
            first = 0
            if isinstance(layer, DynamicSlidingWindowLayer):
                first, layer.cumulative_length = max(0, columns - layer.sliding_window + 1), columns
            layer.keys, layer.values = (part[:rows, :, first:columns] for part in (fixed.keys, fixed.values))

    def _enter(self, batch: Batch) -> None:
        rows, columns = batch.mask.shape
        shape = self._shape_of(batch)
        shape.mask.zero_()
        shape.mask[:rows, :columns] = batch.mask
        # Rows that only fill up count too, and a model may have no more positions than its context.
        shape.positions.zero_()
        shape.positions[:rows] = batch.mask.sum(dim=-1, keepdim=True)
        shape.column.fill_(columns)
        for layer, fixed in zip(batch.cache.layers, shape.cache.layers, strict=True):
            first = columns - layer.keys.shape[-2]
            # They may be in the same memory at another width.
            fixed.keys[:rows, :, first:columns] = layer.keys.clone()
            fixed.values[:rows, :, first:columns] = layer.values.clone()
            layer.keys, layer.values = (part[:rows, :, first:columns] for part in (fixed.keys, fixed.values))
        self._batch, self._shape, self._columns = batch, shape, columns

    def _shape_of(self, batch: Batch) -> Shape:
        rows = _filled_up(len(batch.rows))
        width = _multiple(batch.mask.shape[1] + 1, COLUMNS)
        if (rows, width) not in self._shapes:
            most = max(width, _multiple(max(row.size for row in batch.rows) + 1, COLUMNS))
            if rows * width > self._room or rows > self._logits.shape[0]:
                self._forget(max(self._room, rows * most))
            self._shapes[rows, width] = self._made(batch, rows, width)
        return self._shapes[rows, width]

    def _forget(self, room: int) -> None:
        """Free the memory, in favour of one for so many tokens, rows times columns."""
        self._room = room
        self._shapes: dict[tuple[int, int], Shape] = {}
        self._memory: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._logits = torch.empty(0)
        self._pool: Any = None

    def _made(self, batch: Batch, rows: int, width: int) -> Shape:
        """A shape in the common memory. It begins as zeros: what is masked is multiplied by 0, and must be finite."""
        layers, device = batch.cache.layers, self.device
        if not self._memory:
            self._logits = torch.empty(rows, batch.logits.shape[-1], device=device)
            self._memory = [(self._zeros(layer.keys), self._zeros(layer.values)) for layer in layers]
        column = torch.zeros(1, dtype=torch.long, device=device)
        fixed = [
            FixedLayer(
                _seen_as(keys, layer.keys, rows, width),
                _seen_as(values, layer.values, rows, width),
                column,
                is_sliding=layer.is_sliding,
            )
            for layer, (keys, values) in zip(layers, self._memory, strict=True)
        ]
        ids, positions = (torch.zeros(rows, 1, dtype=torch.long, device=device) for _ in range(2))
        mask = torch.zeros(rows, width, dtype=batch.mask.dtype, device=device)
        return Shape(ids, positions, mask, column, Cache(layers=fixed), self._logits[:rows])

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_zeros(self._room * like.shape[1] * like.shape[-1])

    def _run(self, shape: Shape) -> None:
        shape.steps += 1
        if self.record and shape.graph is None and shape.steps > BEFORE:
            self._record(shape)
        if shape.graph is None:
            self._pass(shape)
        elif shape.checks < CHECKS:
            self._check(shape)
        else:
            shape.graph.replay()

    def _check(self, shape: Shape) -> None:
        """A step with the recording, then again without it, which counts; a recording that differs is given up."""
        places, column = shape.positions.clone(), shape.column.clone()
        shape.graph.replay()
        replayed = shape.logits.clone()
        shape.positions.copy_(places)
        shape.column.copy_(column)
        self._pass(shape)
        close = CLOSE if self.model.dtype == torch.float32 else CLOSE_IF_ROUNDED
        if bool((replayed - shape.logits).abs().max() <= close * shape.logits.abs().max()):
            shape.checks += 1
        else:
            self._give_up("a recorded step gives other logits")

    def _give_up(self, problem: str) -> None:
        self.record, self.problem = False, problem
        for shape in self._shapes.values():
            shape.graph = None

    def _pass(self, shape: Shape) -> None:
        shape.mask.index_fill_(1, shape.column, 1)
        out = self.model(
            input_ids=shape.ids,
            attention_mask=shape.mask,
            position_ids=shape.positions,
            past_key_values=shape.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        shape.logits.copy_(out.logits[:, -1])
        shape.positions.add_(1)
        shape.column.add_(1)

    def _record(self, shape: Shape) -> None:
        """Record the kernels of a step without running them. Models that read values on the host cannot be recorded."""
        try:
            graph = torch.cuda.CUDAGraph()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            # After an error, `torch.cuda.graph` would leave its own stream the current one.
            with (
                torch.cuda.device(self.device),
                torch.cuda.stream(torch.cuda.current_stream(self.device)),
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
            ):
                self._pass(shape)
        except RuntimeError as error:
            # Ending the recording fails too, and hides why.
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            self._give_up(" ".join(str(cause).split())[:200])
        else:
            shape.graph = graph


def _seen_as(memory: torch.Tensor, like: torch.Tensor, rows: int, width: int) -> torch.Tensor:
    """The first part of the memory as (rows, heads, width, numbers)."""
    heads, numbers = like.shape[1], like.shape[-1]
    return memory[: rows * heads * width * numbers].view(rows, heads, width, numbers)


def _filled_up(rows: int) -> int:
    return next((count for count in ROWS if count >= rows), _multiple(rows, MORE_ROWS))


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of
