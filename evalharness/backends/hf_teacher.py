"""Teacher forcing with transformers: the distribution over the next token before each token of a given completion."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from evalharness.backends.hf_batch import logits_of, select_rows
from evalharness.backends.tokenizing import TokenTexts
from evalharness.weights.devices import free_memory, is_out_of_memory


class HfTeacher(TokenTexts):
    """Reads completions with one loaded model."""

    top = None

    def __init__(
        self, model: Any, tokenizer: Any, end_tokens: Mapping[int, str], *, batch_size: int, batch_tokens: int
    ) -> None:
        super().__init__(tokenizer, end_tokens)
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.width: int = model.get_output_embeddings().weight.shape[0]
        """Tokens that have a logit."""
        self.model = model

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        """Whether a smaller batch may do."""
        return is_out_of_memory(error)

    def free_memory(self) -> None:
        """Free the memory of a batch that was given up."""
        free_memory(str(self.model.device))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def logits(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], columns: int
    ) -> Iterator[torch.Tensor]:
        """Logits before each token of the completions, at most `columns` positions at a time.

        The prompts are read at once, the completions in parts over a cache: only positions of completions are
        projected to the vocabulary, and only a part of them is in memory.

        Args:
            prompts: token ids.
            completions: token ids, the longest completion first.
            columns: most positions of a part.

        Yields:
            Tensors (rows, positions, vocabulary) in the model's dtype, as many positions in all as the longest
            completion has tokens. Rows leave when they have ended; the last positions of some mean nothing.
        """
        device = self.model.device
        ids, mask = _left_padded(prompts, device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        yield logits_of(self.model, ids, mask, positions, cache)
        known = _right_padded([tokens[:-1] for tokens in completions], device)
        last = positions[:, -1:]
        for start in range(0, known.shape[1], columns):
            live = sum(len(tokens) - 1 > start for tokens in completions)
            if live < len(mask):
                select_rows(cache, torch.arange(live, device=device))
                mask, last = mask[:live], last[:live]
            part = known[:live, start : start + columns]
            mask = torch.cat([mask, mask.new_ones(part.shape)], dim=-1)
            positions = last + 1 + torch.arange(start, start + part.shape[1], device=device)
            yield logits_of(self.model, part, mask, positions, cache, part.shape[1])


def _left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = [[0] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """What follows a row changes nothing: attention only looks back."""
    width = max(map(len, rows))
    padded = [[*row, *[0] * (width - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=device).reshape(len(rows), width)
