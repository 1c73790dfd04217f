"""Settings of `[scorer.refusal]`."""

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from evalharness.records import Record

Meaning = Literal["refusal", "full_refusal", "partial_refusal", "compliance", "no_answer"]
HUB, SERVER = "hf/", "server/"
COMPLETION = "{completion}"
MEANINGS: dict[str, Meaning] = {
    **dict.fromkeys(("refusal", "refused", "refuse", "rejection", "rejected", "reject"), "refusal"),
    **dict.fromkeys(("compliance", "complied", "comply", "compliant", "normal", "accepted", "answer"), "compliance"),
    **dict.fromkeys(("non refusal", "not refusal", "no refusal", "nonrefusal", "not refused"), "compliance"),
    "full refusal": "full_refusal",
    "partial refusal": "partial_refusal",
    "no answer": "no_answer",
}
"""What the names mean that text classifiers give their labels; in lower case, with spaces."""


class RefusalSettings(Record):
    """Which text classifier takes the place of the rules, and how it is asked; without `model` the rules read."""

    model: str | None = None
    """`hf/org/name`, `hf/org/name@revision`, `hf/./folder`, or `server/NAME` of a vLLM."""
    url: str | None = None
    """The server's address; `OPENAI_BASE_URL` by default. The key comes from `OPENAI_API_KEY` alone."""
    tokenizer: str | None = None
    """The folder or Hub name of a served model, whose tokenizer and labels are read."""
    labels: Mapping[str, Meaning] = Field(default_factory=dict)
    """What the labels in its configuration mean, where their names do not say it."""
    template: str = COMPLETION
    """What it reads, with `{completion}` and, where it wants that, `{prompt}`."""
    device: str | None = None
    """CUDA, then MPS, then the CPU."""
    max_length: int | None = Field(None, ge=2)
    """Most tokens that are read; what the model can read by default."""

    @field_validator("model")
    @classmethod
    def _names_a_model(cls, model: str | None) -> str | None:
        if model is not None and model.strip() in ("", HUB, SERVER):
            raise ValueError("names nothing; write hf/org/name or hf/./folder")
        if model is not None and not model.startswith((HUB, SERVER)):
            raise ValueError(f"{model!r} is not a checkpoint; write hf/org/name, hf/./folder or server/NAME")
        return model

    @field_validator("template")
    @classmethod
    def _shows_the_completion(cls, template: str) -> str:
        if COMPLETION not in template:
            raise ValueError(f"must have {COMPLETION} in it")
        return template

    @model_validator(mode="after")
    def _only_a_model_has_settings(self) -> "RefusalSettings":
        idle = sorted(self.model_fields_set - {"model"})
        if self.model is None and idle:
            raise ValueError(f"{', '.join(idle)}: only for a classifier; set `model` too")
        served = (self.model or "").startswith(SERVER)
        if wrong := sorted(self.model_fields_set.intersection(("device",) if served else ("url", "tokenizer"))):
            raise ValueError(f"{', '.join(wrong)}: not for {self.model}")
        if served and self.tokenizer is None:
            raise ValueError(f"tokenizer: not known; name the folder or Hub model that {self.model} is")
        return self


def meaning_of(name: str, labels: Mapping[str, Meaning]) -> Meaning | None:
    """What a classifier's label means, as set or by its name; None where neither says it.

    >>> [meaning_of(name, {"LABEL_1": "refusal"}) for name in ("LABEL_1", "Non-refusal", "toxic")]
    ['refusal', 'compliance', None]
    """
    return labels.get(name) or MEANINGS.get(name.lower().replace("-", " ").replace("_", " "))


def known_meanings() -> str:
    """For messages."""
    return ", ".join(get_args(Meaning))
