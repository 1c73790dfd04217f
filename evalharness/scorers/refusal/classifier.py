"""A text classifier instead of the rules: a sequence-classification checkpoint, asked through transformers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from pydantic import JsonValue

from evalharness.errors import ScorerError
from evalharness.scorers.refusal.settings import HUB, SERVER, Meaning, RefusalSettings, known_meanings, meaning_of
from evalharness.weights import loading
from evalharness.weights.devices import best_device, device_is_there, device_name

if TYPE_CHECKING:
    from evalharness.backends.server_classifier import ServedClassifier

UNLIMITED = 10**9
"""Tokenizers without a limit say a number that is far larger."""


@dataclass(frozen=True)
class Opinion:
    """The classifier's result for a completion."""

    meaning: Meaning
    label: str
    """As the checkpoint's configuration calls it."""
    probability: float
    unread: int
    """Tokens at the end that did not fit."""


class RefusalClassifier:
    """One checkpoint; its files are checked at once, its weights loaded when it is first asked.

    Texts are read one by one: none is padded, so no label depends on what was asked with it.
    """

    def __init__(self, settings: RefusalSettings) -> None:
        """Check that the checkpoint can be used.

        Raises:
            BackendError: its files cannot be found or read.
            ScorerError: it is not a text classifier, or its labels are not understood.
        """
        self.settings = settings
        self.name = (settings.model or "").removeprefix(HUB)
        self.device = _device(settings.device)
        # The weights of a served one are not here.
        self.source = (
            loading.find_tokenizer(settings.tokenizer) if settings.tokenizer else loading.find_source(self.name)
        )
        self.config = loading.load_settings(self.source, trust_remote_code=False)
        _refuse_other_kinds(self.name, self.config.architectures or [])
        self._served = _served(settings, len(self.config.id2label))
        self.meanings = _meanings(self.name, dict(self.config.id2label), settings.labels)
        self.tokenizer = loading.load_tokenizer(self.source, trust_remote_code=False)
        self.max_length = self._longest()

    @property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a label."""
        return {
            "model": self.settings.model,
            "weights_digest": self._served.weights_digest() if self._served else self.source.weights_digest,
            "tokenizer_digest": self.source.tokenizer_digest,
            "labels": [f"{label} means {meaning}" for label, meaning in self.meanings.values()],
            "template": self.settings.template,
            "max_length": self.max_length,
        }

    @property
    def where(self) -> str:
        """The device, with the name of a GPU; or the kind of server."""
        return self._served.shown if self._served else device_name(self.device)

    def judge(self, prompt: str, completion: str) -> Opinion:
        """The likeliest label of a completion."""
        text = self.settings.template.replace("{prompt}", prompt).replace("{completion}", completion)
        ids = self.tokenizer(text)["input_ids"]
        probabilities = self._logits(self._cut(ids)).softmax(-1)
        place = int(probabilities.argmax())
        label, meaning = self.meanings[place]
        return Opinion(meaning, label, float(probabilities[place]), max(0, len(ids) - self.max_length))

    def _logits(self, ids: list[int]) -> torch.Tensor:
        if self._served:
            return torch.tensor(self._served.numbers([ids])[0])
        with torch.inference_mode():
            return torch.Tensor(self._model(input_ids=torch.tensor([ids], device=self.device)).logits[0].float().cpu())

    def _cut(self, ids: list[int]) -> list[int]:
        """The first tokens, and the end token after them, where there are too many."""
        return ids if len(ids) <= self.max_length else [*ids[: self.max_length - 1], ids[-1]]

    def _longest(self) -> int:
        positions = self.config.get_text_config().to_dict().get("max_position_embeddings") or UNLIMITED
        # RoBERTa begins to count its positions after the padding's.
        offset = (self.config.pad_token_id or 0) + 1 if "roberta" in str(self.config.model_type) else 0
        served = (self._served and self._served.served.context) or UNLIMITED
        longest = int(min(self.tokenizer.model_max_length, positions - offset, served))
        asked = self.settings.max_length
        if asked is not None and asked > longest:
            raise ScorerError(
                f"[scorer.refusal] max_length: {self.name} reads {longest} tokens at most, not {asked}",
                fix="leave it out",
            )
        return asked or longest

    @cached_property
    def _model(self) -> Any:
        return loading.load_classifier(self.source, device=self.device, dtype="float32", trust_remote_code=False)


def _served(settings: RefusalSettings, labels: int) -> "ServedClassifier | None":
    if not (settings.model or "").startswith(SERVER):
        return None
    from evalharness.backends.server_classifier import ServedClassifier

    return ServedClassifier((settings.model or "").removeprefix(SERVER), settings.url, labels=labels)


def _device(asked: str | None) -> str:
    if asked is None:
        return best_device()
    if not device_is_there(asked.partition(":")[0]):
        raise ScorerError(f"[scorer.refusal] device: this machine has no {asked}", fix="leave out device, or use cpu")
    return asked


def _refuse_other_kinds(name: str, architectures: list[str]) -> None:
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        kind = " and ".join(architectures) or "of no stated kind"
        raise ScorerError(
            f"{name} is not a text classifier (it is {kind})",
            fix="give a model whose config.json names a ...ForSequenceClassification, or leave out the model",
        )


def _meanings(name: str, labels: dict[int, str], given: Mapping[str, Meaning]) -> dict[int, tuple[str, Meaning]]:
    """For each logit its label and what it means."""
    strange = sorted(set(given) - set(labels.values()))
    if strange:
        known = ", ".join(labels.values())
        raise ScorerError(f"[scorer.refusal] labels: {name} has no {strange[0]!r}", fix=f"its labels are {known}")
    labelled = {place: (label, meaning_of(label, given)) for place, label in labels.items()}
    unknown = [label for label, meaning in labelled.values() if meaning is None]
    if unknown:
        example = ", ".join(f'"{label}" = "refusal"' for label in unknown)
        raise ScorerError(
            f"what the labels of {name} mean is not known: {', '.join(unknown)}",
            fix=f"set labels = {{ {example} }} in [scorer.refusal], with for each one of {known_meanings()}",
        )
    understood = {place: (label, meaning) for place, (label, meaning) in labelled.items() if meaning is not None}
    if len({meaning for _, meaning in understood.values()}) < 2:
        raise ScorerError(f"all labels of {name} mean the same", fix="correct `labels` in [scorer.refusal]")
    return understood
