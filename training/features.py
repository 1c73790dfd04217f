"""Pooled hidden states of completions, computed once and kept in a folder outside the repository."""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Message
from evalharness.scorers.reward.backbone import POOLS, Backbone
from evalharness.scorers.reward.encoding import Encoded
from evalharness.weights import bundled

LAYERS = (12, 16, 20, 24)
"""The middle and upper middle, where single layers did best; the first and last did worse."""
MAX_LENGTH = 1_024
BATCH_TOKENS = 4_096
Text = tuple[str, str]
"""A prompt and a completion."""


class FeatureCache:
    """Features by prompt and completion, in one file per part; what is there already is not computed again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._backbone: Backbone | None = None

    def features(self, part: str, texts: Sequence[Text]) -> NDArray[np.float16]:
        """Features of all texts, of the shape [texts, layers, pools, width]."""
        path = self.folder / f"{part}-{_digest(texts)}.npy"
        if not path.exists():
            found = self._compute(part, texts)
            np.save(path, found)
        stored: NDArray[np.float16] = np.load(path)
        return stored

    def _compute(self, part: str, texts: Sequence[Text]) -> NDArray[np.float16]:
        backbone = self._loaded()
        encoded = [_encode(backbone, text) for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids), reverse=True)
        found = np.zeros((len(texts), len(LAYERS), len(POOLS), 576), np.float16)
        started, done = time.monotonic(), 0
        while order:
            batch = order[: max(1, BATCH_TOKENS // len(encoded[order[0]].ids))]
            order = order[len(batch) :]
            found[batch] = backbone.features([encoded[place] for place in batch]).numpy()
            done += sum(len(encoded[place].ids) for place in batch)
            rate = done / (time.monotonic() - started)
            sys.stderr.write(f"{part}: {len(order)} of {len(texts)} left, {rate:.0f} tokens a second\n")
        return found

    def _loaded(self) -> Backbone:
        if self._backbone is None:
            self._backbone = Backbone(
                bundled.LOCATE["smollm2"](), LAYERS, device="cpu", dtype="bfloat16", max_length=MAX_LENGTH
            )
        return self._backbone


def _digest(texts: Sequence[Text]) -> str:
    content = json.dumps([LAYERS, POOLS, MAX_LENGTH, texts])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _encode(backbone: Backbone, text: Text) -> Encoded:
    encoded = backbone.encoder.encode([Message(role="user", content=text[0])], text[1])
    if isinstance(encoded, Encoded):
        return encoded
    raise SystemExit(f"a prompt of the training data is too long: {encoded.reason}")
