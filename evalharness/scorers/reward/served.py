"""Reward models on a server: the prompt is encoded here, and vLLM gives the raw logits of its token ids."""

from collections.abc import Sequence
from functools import cached_property

from pydantic import JsonValue

from evalharness.backends.server_classifier import ServedClassifier
from evalharness.errors import ScorerError
from evalharness.records import digest
from evalharness.scorers.reward.classifier import choose_head, choose_length, refuse_other_kinds
from evalharness.scorers.reward.encoding import Encoded, Encoder, choose_encoder
from evalharness.scorers.reward.settings import SERVER, RewardSettings
from evalharness.weights import loading


class ServedReward:
    """A sequence-classification model that a vLLM serves."""

    device = "cpu"
    """The memory is the server's."""

    def __init__(self, settings: RewardSettings) -> None:
        """Check that the server serves it and that it can be used as asked.

        Raises:
            BackendError: the server does not answer or does not serve it, or its tokenizer cannot be read.
            ScorerError: a setting does not apply to it, or the server cannot be sent its prompts.
        """
        self.settings = settings
        self.name = settings.model.removeprefix(SERVER)
        if settings.tokenizer is None:
            raise ScorerError(
                f"[scorer.reward] {settings.model}: its tokenizer and labels are not known",
                fix='set tokenizer = "org/name" or "./folder" in [scorer.reward]; no weights are read there',
            )
        self.source = loading.find_tokenizer(settings.tokenizer)
        config = loading.load_settings(self.source, trust_remote_code=False)
        refuse_other_kinds(settings.tokenizer, config, served=True)
        self.labels = dict(config.id2label)
        self._classifier = ServedClassifier(self.name, settings.url, labels=len(self.labels))
        self.head = choose_head(self.name, self.labels, settings.head)
        self.tokenizer = loading.load_tokenizer(self.source, trust_remote_code=False)
        longest = min(filter(None, (self._classifier.served.context, self.tokenizer.model_max_length)))
        self.max_length = choose_length(self.name, settings.max_length, int(longest))
        self.encoder: Encoder = choose_encoder(self.tokenizer, settings.encoding, self.max_length, self.name)
        if self.encoder.kind == "pair" and "token_type_ids" in self.tokenizer.model_input_names:
            raise ScorerError(
                f"{self.name} distinguishes the texts of a pair by token types, which cannot be sent with token ids",
                fix="load it here instead of from a server",
            )

    @cached_property
    def identity(self) -> dict[str, JsonValue]:
        """What determines a reward."""
        template = self.tokenizer.chat_template if self.encoder.kind == "chat" else None
        return {
            "model": self.settings.model,
            "weights_digest": self._classifier.weights_digest(self.settings.weights),
            "tokenizer_digest": self.source.tokenizer_digest,
            "template_digest": digest(template) if template else None,
            "encoding": self.encoder.kind,
            "head": self.labels[self.head],
            "head_index": self.head,
            "max_length": self.max_length,
        }

    @property
    def where(self) -> str:
        """The kind of server."""
        return self._classifier.shown

    def rewards(self, batch: Sequence[Encoded]) -> list[float]:
        """The raw logit of each item, in order.

        Raises:
            BackendError: the server does not answer, or serves another model.
        """
        return [row[self.head] for row in self._classifier.numbers([encoded.ids for encoded in batch])]
