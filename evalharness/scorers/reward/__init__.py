"""The `reward` scorer: the raw value of a reward model for each completion.

A reward is one model's number on one model's scale. It is comparable only within that model, which is why the model
is part of the scorer's version; it tends to prefer what is longer; and it knows nothing of what the model never saw.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from pydantic import JsonValue, ValidationError

from evalharness.errors import BackendError, ScorerError
from evalharness.records import Metric, Score, ScorerFacts, Span, digest, explain
from evalharness.scorers import Item, Scorer
from evalharness.scorers.reward.bundled import BundledReward, bundled_is_installed
from evalharness.scorers.reward.encoding import Encoded, Encoder, Unreadable
from evalharness.scorers.reward.settings import BUNDLED, HUB, SERVER, RewardSettings

__all__ = ["Reward", "bundled_is_installed"]
CODE_VERSION = "1"
METRICS = (
    Metric(
        name="reward.value",
        title="reward",
        description=(
            "The reward model's raw value of the completion, on the model's own scale. Comparable only within the "
            "same reward model."
        ),
        kind="mean",
        better="higher",
        headline=True,
        role="reward",
    ),
    Metric(
        name="reward.truncated",
        title="is only partly read by the reward model",
        description="The completion is longer than the reward model reads; its reward is that of its beginning.",
        kind="rate",
        better="lower",
    ),
)
FACTS = ScorerFacts(
    name="reward",
    metrics=METRICS,
    unscored="continuation samples, and prompts that leave no room for a completion",
    model_help="hf/org/name, hf/./folder, server/NAME, bundled, or none.  [default: bundled, where it is installed]",
)


class RewardModel(Protocol):
    """What gives rewards: opening one checks it, its weights are loaded when it is first asked."""

    @property
    def device(self) -> str:
        """Where it runs, as torch names it."""

    @property
    def encoder(self) -> Encoder:
        """What turns a prompt and a completion into tokens."""

    @property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a reward."""

    @property
    def where(self) -> str:
        """The device, with the name of a GPU."""

    def rewards(self, batch: Sequence[Encoded]) -> list[float]:
        """The raw reward of each item, in order."""


class Reward(Scorer):
    """Asks a reward model about each completion, in batches of similar length."""

    facts = FACTS
    settings_kind = RewardSettings

    def __init__(self, **given: Any) -> None:
        """Check the settings and the model's files; see `RewardSettings` for what they mean.

        Raises:
            ScorerError: a setting is invalid, or the reward model does not exist.
        """
        self.settings = _settings(given)
        self._model = _open(self.settings)

    @cached_property
    def version(self) -> str:
        """The code's version and the model's digest: rewards of two models are never compared."""
        return f"{CODE_VERSION} {digest(self._model.identity).removeprefix('sha256:')[:12]}"

    @property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a reward: the model's digests, template, longest input and number format; and the device."""
        return {**self._model.identity, "device": self._model.where}

    @classmethod
    def is_default(cls) -> bool:
        """Where the bundled reward model is installed."""
        return bundled_is_installed()

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order."""
        encoded = [self._encode(item) for item in items]
        readable = [tokens for tokens in encoded if isinstance(tokens, Encoded)]
        rewards = iter(self._read(readable))
        return [
            self.unscored(item, tokens.reason)
            if isinstance(tokens, Unreadable)
            else self._scored(item, tokens, next(rewards))
            for item, tokens in zip(items, encoded, strict=True)
        ]

    def _encode(self, item: Item) -> Encoded | Unreadable:
        if item.sample.kind == "continuation":
            return Unreadable("a continuation sample does not ask for an answer, and reward models judge answers")
        return self._model.encoder.encode(item.sample.messages, item.completion.text)

    def _read(self, readable: Sequence[Encoded]) -> list[float | None]:
        if not readable:
            return []
        from evalharness.scorers.reward.batches import read_in_batches

        return read_in_batches(
            readable, self._model.rewards, batch_tokens=self.settings.batch_tokens, device=self._model.device
        )

    def _scored(self, item: Item, encoded: Encoded, reward: float | None) -> Score:
        if reward is None:
            return self.failed(item, f"{len(encoded.ids)} tokens do not fit into memory")
        if not math.isfinite(reward):
            return self.failed(item, f"the reward model gave {reward}")
        spans, explanation = _unread(item.completion.text, encoded.read_to)
        values = {"value": reward, "truncated": float(encoded.read_to is not None)}
        return self.scored(item, values, spans=spans, explanation=explanation)


def _unread(text: str, read_to: int | None) -> tuple[tuple[Span, ...], str]:
    """The part of a completion that was not read, and a sentence about it."""
    if read_to is None:
        return (), ""
    spans = (Span(start=read_to, end=len(text), label="not read by the reward model"),) if read_to < len(text) else ()
    return spans, f"the reward model read the first {read_to} of {len(text)} characters"


def _settings(given: dict[str, Any]) -> RewardSettings:
    try:
        settings = RewardSettings.model_validate(given)
    except ValidationError as error:
        raise ScorerError(f"[scorer.reward] {explain(error)}", fix="correct that value, or leave it out") from None
    if settings.model.strip() in ("", HUB, SERVER):
        raise ScorerError("[scorer.reward] model names nothing", fix="write hf/org/name, hf/./folder or bundled")
    if settings.model != BUNDLED and not settings.model.startswith((HUB, SERVER)):
        raise ScorerError(
            f"[scorer.reward] model: {settings.model!r} is not a reward model",
            fix=f"write hf/org/name, hf/./folder or server/NAME, {BUNDLED} for evalharness's own, or none",
        )
    return settings


def _open(settings: RewardSettings) -> RewardModel:
    try:
        if settings.model == BUNDLED:
            return BundledReward(settings)
        if settings.model.startswith(SERVER):
            from evalharness.scorers.reward.served import ServedReward

            return ServedReward(settings)
        from evalharness.scorers.reward.classifier import ClassifierReward

        return ClassifierReward(settings)
    except ModuleNotFoundError as error:
        raise ScorerError(
            f"the reward scorer needs {error.name}, which is not installed", fix="pip install 'evalharness[hf]'"
        ) from None
    except BackendError as error:
        # The fix of a checkpoint's own flag is a key of the scorer's table here.
        raise ScorerError(f"[scorer.reward] {error.problem}", fix=error.fix.replace("-M ", "")) from None
