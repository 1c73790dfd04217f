"""Tensor by tensor: rounding and quantization are expected, and what is beyond them is explained where it can be.

Expected is the error of rounding to steps: those of a float, or a block's largest number divided by the levels of its
quantization (github.com/ggml-org/ggml, src/ggml-quants.c). Uniform errors of a step d have a variance of d^2 / 12.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from evalharness.formatting import format_number, format_share
from evalharness.tokens.exported_models.findings import Finding, not_checked, parted, same
from evalharness.tokens.exported_models.forms import LocalForm

BLOCKS = {
    "Q8_0": (32, 127, 1), "Q5_0": (32, 16, 1), "Q5_1": (32, 31, 0), "Q4_0": (32, 8, 1), "Q4_1": (32, 15, 0),
    "Q6_K": (16, 32, 1), "Q5_K": (32, 31, 0), "Q4_K": (32, 15, 0), "Q3_K": (16, 4, 1), "Q2_K": (16, 3, 0),
    "IQ4_NL": (32, 8, 1), "IQ4_XS": (32, 8, 1), "MXFP4": (32, 4, 1),
}  # fmt: skip
"""Numbers of a block, levels from zero to its largest number (or from its smallest), and which of the two."""
FRACTION = {"bfloat16": 7, "float16": 10, "float32": 23}
"""Bits of the fraction of each float."""
TIMES = 2.0
"""Times the expected error: scales are rounded too, and weights may have been rounded twice."""
LEAST = 1e-3
"""A share of the weights that is never a fault: less than bfloat16 rounds away, and what a rounded adapter leaves."""
SHARE = 0.1
"""A share of the adapter that is more than chance, if it is also this many of its own errors:"""
ERRORS = 6.0
RANK = 64
LOW_RANK = 0.9
"""Share of a difference that few directions explain, where it is the product of two thin matrices."""


@dataclass(frozen=True)
class Tensor:
    """One tensor in both forms."""

    name: str
    reference: torch.Tensor
    form: torch.Tensor
    error: float
    """Root mean square of the difference."""
    allowed: float
    """The largest error that rounding explains."""

    @property
    def apart(self) -> torch.Tensor:
        """The difference."""
        return self.form - self.reference

    @property
    def relative(self) -> float:
        """The error as a share of the reference."""
        return self.error / max(_rms(self.reference), 1e-30)


def check_weights(reference: LocalForm, form: LocalForm, base: LocalForm | None) -> tuple[Finding, str]:
    """The weights of a form, and how they are stored."""
    mine, theirs = reference.state, form.state
    if problem := _other_tensors(mine, theirs):
        fix = "export it again from the reference's weights"
        return parted("weights", problem, fix=fix), ""
    pairs = [_pair(name, mine[name], theirs[name], reference.kinds[name], form.kinds[name]) for name in mine]
    stored = _stored(form, theirs)
    differing = [pair for pair in pairs if pair.error > 0 and not _is_tied_by_mistake(pair, reference, form)]
    if not differing:
        return same("weights"), stored
    finding = _lost_adapter(_added(pairs, base), differing) or _unexplained(differing, form)
    return finding or same("weights"), stored


def _stored(form: LocalForm, tensors: Mapping[str, torch.Tensor]) -> str:
    """The type of most numbers, behind what a quantized GGUF file says of itself if that names another."""
    sizes: dict[str, int] = {}
    for name, kind in form.kinds.items():
        sizes[kind] = sizes.get(kind, 0) + tensors[name].numel()
    most = max(sizes, key=lambda kind: sizes[kind])
    stated = form.gguf and form.backend.source.quantization
    if not stated or most in FRACTION:
        return most
    return stated if stated.startswith(most) else f"{stated}, mostly {most}"


def _other_tensors(mine: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> str:
    """What makes two models different ones; more rows of an embedding do not."""
    if absent := sorted(mine.keys() - theirs.keys()):
        return f"it lacks {len(absent)} of {len(mine)} tensors, such as {absent[0]}"
    for name, tensor in mine.items():
        other = theirs[name].shape
        if other[1:] != tensor.shape[1:] or (other[:1] < tensor.shape[:1]):
            return f"{name} has the shape {tuple(other)} instead of {tuple(tensor.shape)}"
    broken = [name for name in mine if not torch.isfinite(theirs[name]).all() and torch.isfinite(mine[name]).all()]
    return f"{broken[0]} has numbers that are not finite" if broken else ""


def _pair(name: str, mine: torch.Tensor, theirs: torch.Tensor, my_kind: str, kind: str) -> Tensor:
    mine, theirs = mine.float(), theirs[: len(mine)].float() if mine.ndim else theirs.float()
    variance = _variance(mine, my_kind) + _variance(mine, kind)
    return Tensor(name, mine, theirs, _rms(theirs - mine), TIMES * variance**0.5 + LEAST * _rms(mine))


def _variance(tensor: torch.Tensor, kind: str) -> float:
    """Of the errors of a type; infinite for one whose steps are not known."""
    if kind in FRACTION:
        return float((tensor * 2.0 ** -FRACTION[kind]).square().mean()) / 12
    if kind not in BLOCKS or tensor.shape[-1] % BLOCKS[kind][0]:
        return float("inf")
    width, levels, symmetric = BLOCKS[kind]
    blocks = tensor.reshape(-1, width)
    reach = blocks.abs().amax(-1) if symmetric else blocks.amax(-1).clamp(min=0) - blocks.amin(-1).clamp(max=0)
    return float((reach / levels).square().mean()) / 12


def _rms(tensor: torch.Tensor) -> float:
    return float(tensor.square().mean().sqrt())


# ------------------------------------------------------------------------------------------------ adapter


def _added(pairs: list[Tensor], base: LocalForm | None) -> dict[str, torch.Tensor]:
    """What the adapter adds to each tensor that it changes; empty where the base is not known."""
    if base is None:
        return {}
    bare = base.state
    known = [pair for pair in pairs if pair.name in bare and bare[pair.name].shape == pair.reference.shape]
    added = {pair.name: pair.reference - bare[pair.name].float() for pair in known}
    return {name: tensor for name, tensor in added.items() if _rms(tensor) > 0}


class Share(NamedTuple):
    """How much of what the adapter adds to a tensor is in the difference: -1 if all of it is missing."""

    value: float
    error: float
    """Its standard error."""
    left: float
    """Root mean square of the rest of the difference."""


def _lost_adapter(added: Mapping[str, torch.Tensor], pairs: list[Tensor]) -> Finding | None:
    """Whether the difference holds a part of what the adapter adds."""
    shares = {pair.name: _share(pair, added[pair.name]) for pair in pairs if pair.name in added}
    wrong = {name: share for name, share in shares.items() if abs(share.value) > max(SHARE, ERRORS * share.error)}
    if not wrong:
        return None
    allowed = {pair.name: pair.allowed for pair in pairs}
    strange = sum(share.left > allowed[name] for name, share in wrong.items())
    how, kept = _how(wrong)
    if 2 * strange > len(wrong):
        how, kept = "is another one, such as an earlier version", f"{kept}, and something else"
    where = f" in {len(wrong)} of {len(added)} tensors, such as {min(wrong)}" if len(wrong) < len(added) else ""
    fix = "merge this adapter once, with its own adapter_config.json, in float32 (PEFT: merge_and_unload)"
    return parted("merge", f"the adapter {how}{where}", reference="all of what it adds", form=kept, fix=fix)


def _share(pair: Tensor, added: torch.Tensor) -> Share:
    """By least squares."""
    weight = float(added.square().sum())
    value = float((pair.apart * added).sum()) / weight
    left = _rms(pair.apart - value * added)
    return Share(value, left / weight**0.5, left)


def _how(wrong: Mapping[str, Share]) -> tuple[str, str]:
    """What happened to the adapter, and how much of it is there."""
    weights = [1 / max(share.error, 1e-3) ** 2 for share in wrong.values()]
    values = [share.value for share in wrong.values()]
    middle = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    if any(abs(share.value - middle) > max(SHARE, ERRORS * share.error) for share in wrong.values()):
        low, high = 1 + min(values), 1 + max(values)
        kept = f"{format_share(round(low, 2))} to {format_share(round(high, 2))} of it"
        return f"has {low:.2f} to {high:.2f} times its scale", kept
    kept = f"{format_share(abs(round(1 + middle, 2)))} of it"
    if abs(middle + 1) < SHARE:
        return "is not merged", kept
    return ("is merged twice" if abs(middle - 1) < SHARE else f"has {1 + middle:.2f} times its scale"), kept


# --------------------------------------------------------------------------------------------- the rest


def _unexplained(pairs: list[Tensor], form: LocalForm) -> Finding | None:
    """The tensor whose difference is furthest beyond what its precision explains."""
    beyond = [pair for pair in pairs if pair.error > pair.allowed]
    if not beyond:
        unknown = [pair for pair in pairs if pair.allowed == float("inf")]
        why = f"the error of its quantization is not known ({len(unknown)} tensors)"
        return not_checked("weights", why) if unknown else None
    worst = max(beyond, key=lambda pair: pair.error / pair.allowed)
    kind = form.kinds[worst.name]
    where = f"in {len(beyond)} of {len(pairs)} differing tensors, such as {worst.name}"
    evidence = {
        "reference": f"{kind} explains {format_share(worst.allowed * worst.relative / worst.error, digits=1)}",
        "form": f"{worst.name} is off by {format_share(worst.relative, digits=1)}",
    }
    return _structured(worst, where, form, evidence) or _noise(worst, kind, where, evidence)


def _structured(worst: Tensor, where: str, form: LocalForm, evidence: dict[str, str]) -> Finding | None:
    """Differences with a shape of their own."""
    again = "convert it again, with a current converter"
    if _is_reordered(worst, form):
        said = f"the rows of attention heads are in the order of llama.cpp, not of transformers, {where}"
        return parted("weights", said, fix=again, **evidence)
    if worst.reference.ndim == 1 and _rms(worst.apart - worst.apart.mean()) < 0.01 * abs(float(worst.apart.mean())):
        said = f"all numbers are larger by {format_number(float(worst.apart.mean()))} {where}"
        return parted("weights", said, fix=again, **evidence)
    if worst.reference.ndim == 2 and _is_low_rank(worst.apart):
        said = f"the difference is of low rank, as of an adapter that is missing or merged with another scale, {where}"
        fix = "give the adapter as the first form, which tells how much of it is there, and merge it again"
        return parted("merge", said, fix=fix, **evidence)
    return None


def _noise(worst: Tensor, kind: str, where: str, evidence: dict[str, str]) -> Finding:
    """Errors without a shape: small ones as of a coarser type than the file claims, or other weights."""
    if worst.relative < 0.5:
        said = f"its weights are further off than {kind} explains, {where}"
        fix = "quantize from the unquantized weights, not from a file that is quantized already"
        return parted("quantization", said, fix=fix, **evidence)
    fix = "export it again from the reference's weights"
    return parted("weights", f"it has other weights {where}", fix=fix, **evidence)


def _is_low_rank(apart: torch.Tensor) -> bool:
    few = min(RANK, min(apart.shape) // 4)
    if few < 1:
        return False
    largest = torch.svd_lowrank(apart, q=few, niter=4)[1]
    return float(largest.square().sum()) > LOW_RANK * float(apart.square().sum())


def _is_reordered(worst: Tensor, form: LocalForm) -> bool:
    """Whether a converter has left, or made once too often, the other order of a head's rotated halves."""
    field = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    heads: Any = next((form.settings.get(named) for part, named in field.items() if part in worst.name), None)
    if not heads or worst.form.shape[0] % (2 * heads):
        return False
    halves = worst.form.unflatten(0, (heads, 2, -1)).swapaxes(1, 2).flatten(0, 2)
    turns = worst.form.unflatten(0, (heads, -1, 2)).swapaxes(1, 2).flatten(0, 2)
    return min(_rms(one - worst.reference) for one in (halves, turns)) < max(worst.allowed, 0.1 * worst.error)


def _is_tied_by_mistake(pair: Tensor, reference: LocalForm, form: LocalForm) -> bool:
    """The configuration is at fault, and checked apart."""
    tied = [one.settings.get("tie_word_embeddings") for one in (reference, form)]
    return pair.name == "lm_head.weight" and tied == [False, True]
