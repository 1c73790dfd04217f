"""The bundled head: what it makes of hidden states, and its file, which holds weights and what they belong to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from evalharness.errors import ScorerError

FORMAT = 1
TENSORS = ("weights", "centre", "scale", "relevance")
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A reward from pooled hidden states: a linear map with the similarity of completion and prompt."""

    weights: Array
    """[layers, 3, width]: of the completion's mean, its end and its highest values."""
    centre: Array
    """[layers, 2, width]: the average of the completions' and of the prompts' means."""
    scale: Array
    """[layers, 2, width]: their spread."""
    relevance: Array
    """[layers, 2]: of the cosine between completion and prompt, so standardised, and of its square: a completion
    should be near to its prompt, and an echo is too near."""
    offset: float
    """Taken off, so that the completions of the training have the reward 0 on average."""
    layers: tuple[int, ...]
    """Which hidden states are read; 0 is the embedding."""
    backbone_digest: str
    """Sha256 of the backbone's file."""
    template_digest: str
    """Of the backbone's chat template, which renders what is read."""
    training: dict[str, Any]
    """What it was trained with, for people."""

    def rewards(self, features: Array) -> NDArray[np.float64]:
        """The rewards of features of the shape [items, layers, pools, width], in order."""
        linear = np.einsum("ilkw,lkw->i", features[:, :, :3].astype(np.float64), self.weights.astype(np.float64))
        near = cosines(features, self.centre, self.scale)
        result: NDArray[np.float64] = (
            linear + near @ self.relevance[:, 0] + near**2 @ self.relevance[:, 1] - self.offset
        )
        return result


def cosines(features: Array, centre: Array, scale: Array) -> NDArray[np.float64]:
    """How near each completion is to its prompt in each layer, from -1 to 1: [items, layers]."""
    means = features[:, :, [0, 3]].astype(np.float64)
    completion, prompt = np.moveaxis((means - centre) / scale, 2, 0)
    lengths = np.linalg.norm(completion, axis=-1) * np.linalg.norm(prompt, axis=-1)
    result: NDArray[np.float64] = (completion * prompt).sum(-1) / lengths
    return result


def write_head(head: Head, path: Path) -> None:
    """Write a head; the same head gives the same bytes."""
    facts = {name: value for name, value in vars(head).items() if name not in TENSORS} | {"format": FORMAT}
    tensors = {name: np.ascontiguousarray(vars(head)[name]) for name in TENSORS}
    save_file(tensors, path, metadata={"head": json.dumps(facts, sort_keys=True)})


def read_head(path: Path) -> Head:
    """Read a head.

    Raises:
        ScorerError: there is no such file, or it is of another format.
    """
    if not path.is_file():
        raise ScorerError(f"the bundled reward head {path.name} is missing", fix="install evalharness again")
    with safe_open(path, "numpy") as file:
        facts = json.loads((file.metadata() or {}).get("head", "{}"))
        if facts.pop("format", None) != FORMAT:
            raise ScorerError(f"{path.name} is no head of this format", fix="train it with training/reward_head.py")
        tensors = {name: file.get_tensor(name) for name in TENSORS}
    return Head(**tensors, **facts | {"layers": tuple(facts["layers"])})
