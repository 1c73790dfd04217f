"""What the bundled head reads: hidden states of several layers, pooled over a completion and its prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from evalharness.scorers.reward.classifier import pad_right
from evalharness.scorers.reward.encoding import ChatEncoder, Encoded
from evalharness.weights import loading
from evalharness.weights.devices import DTYPES

POOLS = ("mean", "end", "highest", "prompt")
"""Of a completion's tokens: their mean, the token that ends the turn, and the largest value of each number; and the
mean of the prompt's tokens."""


class Backbone:
    """The bundled checkpoint up to the last layer that is read."""

    def __init__(self, file: Path, layers: Sequence[int], *, device: str, dtype: str, max_length: int) -> None:
        """Load it.

        Args:
            layers: the hidden states that are read; 0 is the embedding.

        Raises:
            BackendError: the file is damaged.
        """
        source = loading.find_source(str(file))
        tokenizer = loading.load_tokenizer(source, trust_remote_code=False)
        self.encoder = ChatEncoder(tokenizer, max_length)
        self.device = device
        self._pad = int(tokenizer.pad_token_id)
        whole = loading.load_model(source, loading.Placement(device, DTYPES[dtype]))
        self._layers = tuple(layers)
        # Neither the layers above nor the language-model head are needed: a third of the work.
        self._model: Any = whole.base_model
        self._model.layers = self._model.layers[: max(layers)]
        # The last state would be normalised, and the others are not.
        self._model.norm = torch.nn.Identity()

    def features(self, batch: Sequence[Encoded]) -> torch.Tensor:
        """Pooled hidden states in float32, of the shape [items, layers, pools, width]."""
        inputs = pad_right([encoded.ids for encoded in batch], self._pad, self.device)
        with torch.inference_mode():
            states = self._model(**inputs, output_hidden_states=True, use_cache=False).hidden_states
            chosen = torch.stack([states[layer] for layer in self._layers]).float()
            return torch.stack([pool(chosen[:, row], encoded) for row, encoded in enumerate(batch)]).cpu()


def pool(states: torch.Tensor, encoded: Encoded) -> torch.Tensor:
    """One item's states [layers, tokens, width] as [layers, pools, width]."""
    first, last = encoded.completion
    end = states[:, min(last, states.shape[1] - 1)]
    # An empty completion is the token that ends its turn.
    completion = states[:, first:last] if last > first else end.unsqueeze(1)
    prompt = states[:, encoded.prompt[0] : encoded.prompt[1]].mean(1)
    return torch.stack([completion.mean(1), end, completion.amax(1), prompt], dim=1)
