"""Numbers of whole next-token distributions at single positions.

Logits are read in float32, a few rows at a time: nothing of the vocabulary's size is kept. A divergence is the sum of
small differences, never the difference of two entropies, which would lose all digits where two distributions are close.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

LIKELIEST = 5
BLOCK = 512
"""The five largest of a row are in the five blocks of so many logits with the largest maxima."""
LOWEST = -1e4
"""Takes the place of a logit of minus infinity, below the largest: its probability is 0 in float32 too."""
ROW_BYTES = 2**20
"""A processor is fastest with rows of about this size at a time: they stay in its cache."""
DEVICE_ROWS = 64
"""Rows at a time on a GPU, where a call costs more than a row."""


@dataclass(frozen=True)
class Numbers:
    """One reader's numbers at each of n positions: tensors (n,), but for the likeliest."""

    logprobs: torch.Tensor
    ranks: torch.Tensor
    """1 plus the number of logits that are strictly larger."""
    ties: torch.Tensor
    entropies: torch.Tensor
    ends: torch.Tensor
    """The probability of all end tokens together."""
    likeliest: torch.Tensor
    """Token ids, (n, LIKELIEST)."""
    probabilities: torch.Tensor
    """Of the likeliest, same shape."""


@dataclass(frozen=True)
class Reader:
    """Logits of one reader."""

    logits: torch.Tensor
    """(rows, vocabulary), in any floating-point type."""
    ends: torch.Tensor
    """Ids of the tokens that end a completion."""


Pairs = Sequence[tuple[int, int]]
"""Readers that are compared, by their places."""


def read(
    readers: Sequence[Reader], places: torch.Tensor, tokens: torch.Tensor, pairs: Pairs
) -> tuple[list[Numbers], list[torch.Tensor]]:
    """The numbers of each reader, and KL(first || second) and KL(second || first) of each pair, (n, 2), in nats.

    Args:
        readers: logits at the same positions, over the same vocabulary.
        places: the n rows of the logits that count, (n,).
        tokens: the token that is at each, (n,).
        pairs: which readers are compared.
    """
    vocabulary = readers[0].logits.shape[-1]
    rows = max(1, ROW_BYTES // (4 * vocabulary)) if tokens.device.type == "cpu" else DEVICE_ROWS
    room = _room(2 * len(readers) + 1, min(rows, len(tokens)), vocabulary, tokens.device)
    parts = [
        _read(readers, places[at : at + rows], tokens[at : at + rows], pairs, room)
        for at in range(0, len(tokens), rows)
    ]
    numbers = [_joined([part[0][place] for part in parts]) for place in range(len(readers))]
    return numbers, [torch.cat([part[1][place] for part in parts]) for place in range(len(pairs))]


def _room(count: int, rows: int, vocabulary: int, device: torch.device) -> list[torch.Tensor]:
    """Memory for whole rows, used again for each part: to ask the system for it each time costs more than the sums."""
    return [torch.empty(rows, vocabulary, device=device) for _ in range(count)]


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return Numbers(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Numbers)))


def _read(
    readers: Sequence[Reader], places: torch.Tensor, tokens: torch.Tensor, pairs: Pairs, room: Sequence[torch.Tensor]
) -> tuple[list[Numbers], list[torch.Tensor]]:
    logits = [_taken(reader.logits, places).float() for reader in readers]
    apart, *free = (one[: len(logits[0])] for one in room)
    weighed = [_Weighed(one, free[2 * place], free[2 * place + 1]) for place, one in enumerate(logits)]
    numbers = [one.numbers(tokens, reader.ends) for one, reader in zip(weighed, readers, strict=True)]
    return numbers, [_divergence(weighed[one], weighed[two], apart) for one, two in pairs]


def _taken(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """These rows; a single row is not copied."""
    return logits[int(places[0])][None] if len(places) == 1 else logits[places]


class _Weighed:
    """A few distributions, as logits below their largest and their exponentials."""

    def __init__(self, logits: torch.Tensor, below: torch.Tensor, weights: torch.Tensor) -> None:
        self.logits = logits
        self.top, self.ids = _largest(logits)
        self.below = torch.sub(logits, self.top[:, :1], out=below)
        if torch.isneginf(self.below.amin()):
            self.below.clamp_(min=LOWEST)
        self.weights = torch.exp(self.below, out=weights)
        self.total = self.weights.sum(-1)
        self.log_total = _wide(self.total).log()

    def numbers(self, tokens: torch.Tensor, ends: torch.Tensor) -> Numbers:
        """Everything about these distributions alone."""
        own, below = (values.gather(-1, tokens[:, None]) for values in (self.logits, self.below))
        ranks, ties = self._ranks(own)
        return Numbers(
            logprobs=below[:, 0] - self.log_total,
            ranks=ranks,
            ties=ties,
            entropies=self.log_total - _wide(_dot(self.weights, self.below)) / self.total,
            ends=self.weights[:, ends].sum(-1) / self.total,
            likeliest=self.ids,
            probabilities=(self.top - self.top[:, :1]).exp() / self.total[:, None],
        )

    def _ranks(self, own: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Only a token that is not above the last of the largest has to be counted in the whole row."""
        ranks, ties = 1 + (self.top > own).sum(-1), (self.top == own).sum(-1) - 1
        deep = (own <= self.top[:, -1:])[:, 0]
        if deep.any():
            ranks = torch.where(deep, 1 + _count(self.logits > own), ranks)
            ties = torch.where(deep, _count(self.logits == own) - 1, ties)
        return ranks, ties


def _divergence(first: _Weighed, second: _Weighed, apart: torch.Tensor) -> torch.Tensor:
    """Both directions, (n, 2); rounding may leave a divergence of nearly 0 below it."""
    torch.sub(first.below, second.below, out=apart)
    totals = second.log_total - first.log_total
    forward = _wide(_dot(first.weights, apart)) / first.total + totals
    backward = -_wide(_dot(second.weights, apart)) / second.total - totals
    return torch.stack([forward, backward], dim=-1).clamp_(min=0.0)


def _wide(sums: torch.Tensor) -> torch.Tensor:
    """In float64, which Apple's GPUs do not have."""
    return sums if sums.device.type == "mps" else sums.double()


def _dot(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The scalar product of each row; of a single row by BLAS, which needs no room for the products."""
    return torch.dot(left[0], right[0])[None] if len(left) == 1 else torch.linalg.vecdot(left, right)


def _count(mask: torch.Tensor) -> torch.Tensor:
    """How many of each row are true; of a single row without turning all of it into integers first."""
    return mask.count_nonzero()[None] if len(mask) == 1 else mask.sum(-1)


def _largest(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest logits of each row in order with their ids, found by the maxima of blocks."""
    n, vocabulary = logits.shape
    whole = vocabulary // BLOCK
    if whole <= LIKELIEST:
        top = logits.topk(min(LIKELIEST, vocabulary), dim=-1)
        return top.values, top.indices
    blocks = logits[:, : whole * BLOCK].view(n, whole, BLOCK).amax(-1).topk(LIKELIEST, dim=-1).indices
    within = torch.arange(BLOCK, device=logits.device)
    ids = (blocks[:, :, None] * BLOCK + within).flatten(1)
    rest = torch.arange(whole * BLOCK, vocabulary, device=logits.device).expand(n, -1)
    ids = torch.cat([ids, rest], dim=-1)
    top = logits.gather(-1, ids).topk(LIKELIEST, dim=-1)
    return top.values, ids.gather(-1, top.indices)
