"""The checks of each form, as records."""

from typing import Literal

from evalharness.formatting import format_number, format_share
from evalharness.records import Record

Cause = Literal[
    "template", "BOS", "end token", "tokenizer", "merge", "quantization", "weights", "context", "configuration",
    "computation",
]  # fmt: skip
"""In the order in which they are looked for."""
State = Literal["same", "noted", "parted", "not checked"]


class Finding(Record):
    """The result of one check of one form."""

    check: Cause
    state: State
    said: str = ""
    """What differs, or why it was not checked, as the end of a sentence."""
    reference: str = ""
    """The evidence: what the reference has."""
    form: str = ""
    """The evidence: what this form has."""
    fix: str = ""
    """What to do; empty unless it parted."""


class Reading(Record):
    """Both forms read the reference's answers after the same prompts."""

    tokens: int
    kl: float
    """The mean KL(reference || form) of a next token over the whole vocabulary, in nats."""
    agreement: float
    """Share of tokens that are the likeliest in both."""


class FormFindings(Record):
    """All checks of one form."""

    form: str
    stored_as: str
    """The precision of its weights: `Q8_0`, `bfloat16`; empty for a server's model."""
    findings: tuple[Finding, ...]
    reading: Reading | None = None
    sentence: str = ""

    @property
    def cause(self) -> Cause | None:
        """The first cause of parting; None if it is the same model."""
        return next((finding.check for finding in self.findings if finding.state == "parted"), None)


class ExportComparison(Record):
    """Forms of one fine-tune, compared with the first."""

    reference: str
    forms: tuple[FormFindings, ...]
    causes: tuple[Cause | None, ...]
    """The first cause of each form, None where it is the same model."""


def with_sentence(form: FormFindings, reference: str) -> FormFindings:
    """The form with its one sentence."""
    first = next((finding for finding in form.findings if finding.state == "parted"), None)
    if first is not None:
        sentence = f"{form.form} parts from {reference} at its {first.check}: {first.said}."
    else:
        numbers = f": {reading_text(form.reading)}" if form.reading else ""
        stored = f" ({form.stored_as})" if form.stored_as else ""
        sentence = f"{form.form}{stored} is the same model as {reference}{numbers}."
    return form.model_copy(update={"sentence": sentence})


def reading_text(reading: Reading) -> str:
    """The numbers in words.

    >>> reading_text(Reading(tokens=144, kl=0.00132, agreement=0.986))
    'KL 0.00132 nats a token, the likeliest next token is the same for 99 % of 144'
    """
    kl, share = format_number(reading.kl), format_share(reading.agreement)
    return f"KL {kl} nats a token, the likeliest next token is the same for {share} of {reading.tokens:,}"


def same(check: Cause, said: str = "") -> Finding:
    """Nothing that differs, or nothing that matters."""
    return Finding(check=check, state="noted" if said else "same", said=said)


def parted(check: Cause, said: str, *, reference: str = "", form: str = "", fix: str) -> Finding:
    """A fault."""
    return Finding(check=check, state="parted", said=said, reference=reference, form=form, fix=fix)


def not_checked(check: Cause, why: str) -> Finding:
    """What this form does not show."""
    return Finding(check=check, state="not checked", said=why)


def excerpts(one: str, other: str, around: int = 30) -> tuple[str, str]:
    r"""Where two texts part: both, from a little before that place.

    >>> excerpts("<s>user\nHi</s>", "<s>user:Hi</s>", 4)
    ("...'user\\nHi<'...", "...'user:Hi<'...")
    """
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return _excerpt(one, at, around), _excerpt(other, at, around)


def _excerpt(text: str, at: int, around: int) -> str:
    before, after = "..." * (at > around), "..." * (at + around < len(text))
    return f"{before}{text[max(0, at - around) : at + around]!r}{after}"
