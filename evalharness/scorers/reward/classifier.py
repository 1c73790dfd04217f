"""Reward models as transformers has them: a sequence classifier with one logit, or with several named ones."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from transformers import AutoModelForSequenceClassification

from evalharness.errors import ScorerError
from evalharness.records import digest
from evalharness.scorers.reward.encoding import Encoded, Encoder, choose_encoder
from evalharness.scorers.reward.settings import BUNDLED, HUB, RewardSettings
from evalharness.weights import files, loading, sizes
from evalharness.weights.devices import choose_device, default_dtype, device_name
from evalharness.weights.reading import reading

AUTO_CLASS = "AutoModelForSequenceClassification"
A_REWARD_MODEL = (
    "give a model whose config.json names a ...ForSequenceClassification, such as "
    f"{HUB}Skywork/Skywork-Reward-V2-Qwen3-0.6B, or {BUNDLED}"
)
UNLIMITED = 10**9
"""Tokenizers without a limit say a number that is far larger."""


class ClassifierReward:
    """One sequence-classification model; its files are checked at once, its weights loaded when it is first asked."""

    def __init__(self, settings: RewardSettings) -> None:
        """Check that the model can be used as asked.

        Raises:
            BackendError: its files cannot be found or read.
            ScorerError: it is not a reward model, or a setting does not apply to it.
        """
        self.settings = settings
        self.name = settings.model.removeprefix(HUB)
        self.device = choose_device(settings.device, "device")
        self.dtype = settings.dtype or default_dtype(self.device)
        self.source = _find(self.name)
        self.config = loading.load_settings(self.source, trust_remote_code=settings.trust_remote_code)
        refuse_other_kinds(self.name, self.config)
        _refuse_missing_head(self.name, self.source.folder, self.config, settings.trust_remote_code)
        self.head = choose_head(self.name, dict(self.config.id2label), settings.head)
        self.tokenizer = loading.load_tokenizer(self.source, trust_remote_code=settings.trust_remote_code)
        self.max_length = choose_length(self.name, settings.max_length, self._longest())
        self.encoder: Encoder = choose_encoder(self.tokenizer, settings.encoding, self.max_length, self.name)

    @cached_property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a reward."""
        template = self.tokenizer.chat_template if self.encoder.kind == "chat" else None
        return {
            "model": self.settings.model,
            "weights_digest": self.source.weights_digest,
            "tokenizer_digest": self.source.tokenizer_digest,
            "template_digest": digest(template) if template else None,
            "encoding": self.encoder.kind,
            "head": self.config.id2label[self.head],
            "head_index": self.head,
            "max_length": self.max_length,
            "dtype": self.dtype,
        }

    @property
    def where(self) -> str:
        """The device, with the name of a GPU."""
        return device_name(self.device)

    def rewards(self, batch: Sequence[Encoded]) -> list[float]:
        """The raw logit of each item, in order.

        Raises:
            RuntimeError: the batch does not fit into memory.
        """
        inputs = self._padded(batch)
        with torch.inference_mode():
            logits = self._model(**inputs).logits
        return [float(value) for value in logits[:, self.head].float().cpu()]

    def _longest(self) -> int:
        limits = [self.tokenizer.model_max_length]
        # Absent where positions are relative without an end.
        limits.append(self.config.get_text_config().to_dict().get("max_position_embeddings") or UNLIMITED)
        return int(min(limits))

    @cached_property
    def _model(self) -> Any:
        trusted = self.settings.trust_remote_code
        return loading.load_classifier(self.source, device=self.device, dtype=self.dtype, trust_remote_code=trusted)

    def _padded(self, batch: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Padded on the right whatever the tokenizer does: a pair's model pools the first token."""
        pad = self._pad_id(batch)
        inputs = pad_right([encoded.ids for encoded in batch], pad, self.device)
        if "token_type_ids" in self.tokenizer.model_input_names and batch[0].types is not None:
            types = [encoded.types or () for encoded in batch]
            inputs["token_type_ids"] = pad_right(types, 0, self.device)["input_ids"]
        return inputs

    def _pad_id(self, batch: Sequence[Encoded]) -> int:
        """The padding that the model itself looks for, to find the last token; one that is not in the batch else."""
        config = self._model.config.get_text_config()
        configured = self.config.get_text_config().pad_token_id
        if configured is not None and 0 <= configured < config.vocab_size:
            return int(configured)
        used = {token for encoded in batch for token in encoded.ids}
        config.pad_token_id = next(token for token in range(config.vocab_size) if token not in used)
        return int(config.pad_token_id)


def pad_right(rows: Sequence[Sequence[int]], pad: int, device: str) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` of rows by longest, on the device."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def choose_length(name: str, asked: int | None, longest: int) -> int:
    """The most tokens that are read.

    Raises:
        ScorerError: the model cannot read that many.
    """
    if asked is not None and asked > longest:
        raise ScorerError(
            f"[scorer.reward] max_length: {name} reads {longest} tokens at most, not {asked}", fix="leave it out"
        )
    return asked or longest


def choose_head(name: str, labels: dict[int, str], asked: int | str | None) -> int:
    """Which logit is the reward.

    Raises:
        ScorerError: there are several and none is selected, or the selected output does not exist.
    """
    known = ", ".join(labels[place] for place in sorted(labels))
    if asked is None and len(labels) == 1:
        return 0
    if asked is None:
        raise ScorerError(
            f"{name} gives {len(labels)} numbers ({known}), and which one is the reward is not said",
            fix=f'set head = "{labels[0]}" or another of them in [scorer.reward], as its model card says',
        )
    places = {label: place for place, label in labels.items()}
    place = places.get(asked) if isinstance(asked, str) else asked
    if place not in labels:
        raise ScorerError(f"[scorer.reward] head: {name} has no {asked!r}", fix=f"use one of {known}")
    return place


def refuse_other_kinds(name: str, config: Any, *, served: bool = False) -> None:
    """Refuse a model that gives no numbers of a classifier, such as one that generates text.

    Args:
        served: only its tokenizer is loaded here, so that its kind may be unknown: the server checks it.

    Raises:
        ScorerError: it is no sequence classifier.
    """
    architectures = config.architectures or []
    custom = (config.to_dict().get("auto_map") or {}).get(AUTO_CLASS)
    if custom or any(architecture.endswith("ForSequenceClassification") for architecture in architectures):
        return
    generates = any(
        architecture.endswith(("ForCausalLM", "ForConditionalGeneration")) for architecture in architectures
    )
    if served and not generates:
        return
    kind = "it generates text" if generates else "it has no sequence-classification head"
    raise ScorerError(
        f"{name} is no reward model: {kind} ({' and '.join(architectures) or 'of no stated kind'})",
        fix="set tokenizer = to the folder or Hub name of the served reward model" if served else A_REWARD_MODEL,
    )


def _find(name: str) -> files.Source:
    if name.endswith(".gguf"):
        raise ScorerError(f"{name} is a GGUF file, which holds no reward head", fix="give a folder or a Hub model")
    return loading.find_source(name)


def _refuse_missing_head(name: str, folder: Path, config: Any, trusted: bool) -> None:
    """Checked by the names of the weights, before hours of generation."""
    with reading(name), torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=trusted)
    prefix = f"{model.base_model_prefix}."
    head = {key for key in model.state_dict() if not key.startswith(prefix)}
    with reading(name):
        stored = sizes.tensor_names(folder)
    missing = sorted(head - stored)
    if missing:
        raise ScorerError(
            f"{name} lacks weights of its reward head, such as {missing[0]}", fix="give a complete reward model"
        )
