"""Both forms read the reference's own answers after the same prompts: teacher forcing."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch

from evalharness.backends.hf_teacher import HfTeacher
from evalharness.errors import BackendError
from evalharness.formatting import format_number
from evalharness.records import ChatPrompt, RawPrompt
from evalharness.tokens.divergences import Reader, read
from evalharness.tokens.exported_models.findings import Finding, Reading, parted, reading_text, same
from evalharness.tokens.exported_models.forms import FLOATS, LocalForm, answers
from evalharness.tokens.exported_models.prompts import CHATS
from evalharness.tokens.exported_models.vocabulary import PROBES
from evalharness.weights.gguf_facts import GgufFacts
from evalharness.weights.sizes import leaves

CLOSE = 0.05
"""Nats a token that weights without quantization never reach by rounding alone."""
LEAST = 1e-3
"""Nats a token that another setting has to explain before it is blamed."""
STATED = {
    "rope_parameters": ("rope.freq_base", 10_000.0),
    "rms_norm_eps": ("attention.layer_norm_rms_epsilon", None),
    "sliding_window": ("attention.sliding_window", None),
    "head_dim": ("attention.key_length", None),
}
"""Settings with their keys in GGUF, and what llama.cpp takes if a file has none."""
NEVER = (
    "transformers_version", "dtype", "torch_dtype", "_name_or_path", "architectures", "use_cache", "vocab_size",
    "max_position_embeddings", "quantization_config", "bos_token_id", "eos_token_id", "pad_token_id", "model_type",
    "initializer_range", "attention_dropout",
)  # fmt: skip
"""Fields of a configuration that change no number."""


@dataclass(frozen=True)
class Texts:
    """The reference's answers, the longest first, with the prompts as it saw them."""

    prompts: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[int, ...], ...]


def prompts_of(reference: LocalForm) -> list[ChatPrompt | RawPrompt]:
    """Chats that its template renders; plain text where it has none."""
    if not reference.has_template:
        return [RawPrompt(text=text) for text in PROBES]
    return [ChatPrompt(messages=chat) for chat in CHATS if not reference.rendered(chat).startswith("error:")]


def texts_of(reference: LocalForm) -> Texts:
    """What the reference writes.

    Raises:
        BackendError: nothing.
    """
    prompts = prompts_of(reference)
    written, _ = answers(reference, prompts)
    shown = [one.token_ids or () for one in reference.backend.render(prompts)]
    pairs = [(ids, one.token_ids) for ids, one in zip(shown, written, strict=True) if one.token_ids]
    if not pairs:
        raise BackendError(f"{reference.name} answers no chat", fix="give a form first that answers")
    pairs.sort(key=lambda pair: len(pair[1]), reverse=True)
    return Texts(tuple(ids for ids, _ in pairs), tuple(ids for _, ids in pairs))


def read_both(reference: HfTeacher, form: HfTeacher, texts: Texts) -> Reading:
    """The divergence of both readers over the tokens that both have, and how often their first choice is the same."""
    width = min(reference.width, form.width)
    totals = torch.zeros(3, dtype=torch.float64)
    passes = [teacher.logits(texts.prompts, texts.answers, columns=8) for teacher in (reference, form)]
    at = 0
    for one, other in zip(*passes, strict=True):
        totals += _sums(one[..., :width], other[..., :width].to(one.device), texts.answers, at)
        at += one.shape[1]
    count = int(totals[2])
    return Reading(tokens=count, kl=float(totals[0]) / count, agreement=float(totals[1]) / count)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _sums(one: torch.Tensor, other: torch.Tensor, written: Sequence[Sequence[int]], at: int) -> torch.Tensor:
    """The divergences, equal first choices and positions of a part."""
    columns = one.shape[1]
    places = [(row, column) for row in range(len(one)) for column in range(columns) if at + column < len(written[row])]
    rows = torch.tensor([row * columns + column for row, column in places], device=one.device)
    tokens = torch.tensor([written[row][at + column] for row, column in places], device=one.device)
    ends = torch.zeros(0, dtype=torch.long, device=one.device)
    readers = [Reader(logits.flatten(0, 1), ends) for logits in (one, other)]
    numbers, [apart] = read(readers, rows, tokens, [(0, 1)])
    agree = (numbers[0].likeliest[:, 0] == numbers[1].likeliest[:, 0]).sum()
    return torch.tensor([float(apart[:, 0].sum()), float(agree), len(places)], dtype=torch.float64)


# ------------------------------------------------------------------------------------------ configuration


def check_context(reference: LocalForm, form: LocalForm) -> Finding:
    """It reads prompts as long as the reference's."""
    mine, theirs = (one.backend.context for one in (reference, form))
    if theirs >= mine:
        return same("context")
    fix = "set max_position_embeddings as in the reference's config.json (context_length in GGUF)"
    said = f"it reads at most {theirs:,} tokens instead of {mine:,}"
    return parted("context", said, reference=f"{mine:,}", form=f"{theirs:,}", fix=fix)


def check_configuration(reference: LocalForm, form: LocalForm, texts: Texts, reading: Reading) -> Finding:
    """Settings that change what the same weights compute; harmless ones give the same with the reference's."""
    mine, theirs = reference.settings, form.settings
    differing = sorted(name for name in mine.keys() | theirs.keys() if _differ(mine.get(name), theirs.get(name)))
    differing = [name for name in differing if name not in NEVER]
    if _lost_output(reference, form):
        differing, falls = ["tie_word_embeddings"], "its output layer is the embedding, and the reference's is not"
    elif differing and reading.kl > 0:
        swapped = read_both(reference.teacher, _with_weights(reference, form), texts)
        if reading.kl - swapped.kl < max(LEAST, reading.kl / 2):
            return same("configuration")
        kl = [format_number(one.kl) for one in (reading, swapped)]
        falls = f"with the reference's settings, KL falls from {kl[0]} to {kl[1]} nats a token"
    else:
        return same("configuration")
    said = f"{' and '.join(differing[:3])} {'differs' if len(differing) == 1 else 'differ'}; {falls}"
    if form.gguf and not any(_states_another(form.gguf, name, mine.get(name)) for name in differing):
        return same("configuration", f"as transformers reads the file, {said}; the file itself states no other value")
    shown = [", ".join(f"{name}={one.get(name)}" for name in differing[:3])[:200] for one in (mine, theirs)]
    fix = "copy these fields from the reference's config.json, or convert it again with a current converter"
    return parted("configuration", said, reference=shown[0], form=shown[1], fix=fix)


def _states_another(facts: GgufFacts, name: str, expected: Any) -> bool:
    """Whether a GGUF file has another value than the reference, where transformers may only fill in its own."""
    if name not in STATED:
        return name == "tie_word_embeddings"
    key, default = STATED[name]
    numbers = [value for _, value in leaves(expected)] if isinstance(expected, dict) else [expected]
    stated = facts.settings.get(key, default)
    return stated is not None and all(_differ(stated, number) for number in numbers)


def _differ(one: Any, other: Any) -> bool:
    """A GGUF file has its numbers in float32."""
    if isinstance(one, dict) and isinstance(other, dict):
        return any(_differ(one.get(name), other.get(name)) for name in one.keys() | other.keys())
    if isinstance(one, int | float) and isinstance(other, int | float):
        return not math.isclose(one, other, rel_tol=1e-5)
    return bool(one != other)


def _lost_output(reference: LocalForm, form: LocalForm) -> bool:
    """Whether a separate output layer was lost, and the embedding is in its place."""
    layers = [(one.get_input_embeddings().weight, one.get_output_embeddings().weight) for one in
              (reference.teacher.model, form.teacher.model)]  # fmt: skip
    return torch.equal(*layers[1]) and not torch.equal(*layers[0])


def _with_weights(reference: LocalForm, form: LocalForm) -> HfTeacher:
    """The reference's computation with the form's weights."""
    teacher, state = copy(reference.teacher), form.state
    # Of two tied parameters only the first is listed, and given.
    listed = {name: state[name] for name, _ in teacher.model.named_parameters()}
    teacher.model = _Borrowed(teacher.model, listed)
    return teacher


class _Borrowed:
    """A model that is called with the weights of another."""

    def __init__(self, model: Any, state: dict[str, torch.Tensor]) -> None:
        self._model, self._state = model, state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **inputs: Any) -> Any:
        return torch.func.functional_call(self._model, self._state, (), inputs)


def check_computation(stored_as: str, reading: Reading) -> Finding:
    """The last check: the same weights, settings and prompts give the same probabilities."""
    if stored_as not in FLOATS.values() or reading.kl < CLOSE:
        return same("computation")
    said = f"its files agree with the reference's, and its probabilities do not: {reading_text(reading)}"
    return parted("computation", said, fix="check that this version of transformers supports both forms")
