"""The prompt lint: detects mistakes in prompting before the first token is generated."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from evalharness.prompting import TURN_ENDS, guess_variant, lacks_template
from evalharness.records import (
    Elsewhere,
    GenerationRequest,
    LintFinding,
    Modelfile,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
)

CONTROL_TOKENS = (
    "<s>",
    "<bos>",
    "<|im_start|>",
    "<start_of_turn>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "[INST]",
)
SAME_SIZE = 1.05
"""Tokens that tuning adds make a model larger by less than this."""
LIMITS = frozenset({"num_ctx", "num_predict", "seed"})
DRAWS = frozenset({"temperature", "top_k", "top_p", "min_p", "typical_p"})
PENALTIES = frozenset({"repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty"})
OVERRIDDEN = LIMITS | DRAWS | PENALTIES
"""Parameters of a Modelfile that the run's own settings override in every request."""


class Mistake(NamedTuple):
    """The text of one kind of finding; names in braces are replaced."""

    level: Literal["error", "warning", "note"]
    message: str
    fix: str


MISTAKES = {
    "base-as-chat": Mistake(
        "warning", "a base checkpoint is prompted with a chat template that it may never have seen", "use raw or icl"
    ),
    "base-with-template": Mistake(
        "note",
        "it counts as a base checkpoint and is prompted as raw, though it has a chat template as instruct models do",
        'if it is an instruct model: --baseline-variant instruct, or variant = "instruct"',
    ),
    "instruct-without-template": Mistake(
        "warning",
        "an instruct checkpoint is prompted as {format}, without the template that it was tuned on",
        'set prompt_format = "chat", unless this is intended',
    ),
    "double-bos": Mistake("error", "prompts begin with two BOS tokens", "remove the BOS from the text"),
    "missing-bos": Mistake(
        "warning", "prompts lack the BOS token that the tokenizer adds to plain text", "check the chat template"
    ),
    "system-dropped": Mistake("error", "the chat template drops the system turn", "move it into the user turn"),
    "built-in-system": Mistake(
        "note",
        "the chat template adds its own system prompt if the sample has none",
        "no action needed if the model is served this way; otherwise give the samples a system turn",
    ),
    "modelfile-system": Mistake(
        "warning",
        "the Modelfile adds a system prompt if the sample has none: {system!r}",
        "no action needed if the model is served this way; otherwise give the samples a system turn, or use a model "
        "without it",
    ),
    "server-template": Mistake(
        "error",
        "the Modelfile has no chat template: the server wraps chats in ChatML, which the checkpoint may not know",
        "use a model with a chat template, or raw or icl",
    ),
    "modelfile-messages": Mistake(
        "warning",
        "the Modelfile adds {count} turns before every chat",
        "no action needed if the model is served this way; otherwise use a model without them",
    ),
    "modelfile-parameters": Mistake(
        "note",
        "the Modelfile sets {parameters}; the run's own settings are used instead",
        "set them in [generation] if the model is served with them",
    ),
    "no-end-token": Mistake(
        "error", "no end token is known: completions end only at the token limit", "set stop in [generation]"
    ),
    "stop-mismatch": Mistake(
        "error",
        "the template ends turns with {turn_end}, generation ends at {ends}",
        'add stop = ["{turn_end}"] to [generation]',
    ),
    "trailing-space": Mistake(
        "warning", "raw prompts end with a space, which most tokenizers merge with the next word", "remove it"
    ),
    "turns-joined": Mistake(
        "note",
        "several turns are joined by blank lines, without role markers",
        "no action needed: the raw format has no roles",
    ),
    "special-token-in-prompt": Mistake(
        "warning", "prompts contain text that is read as a control token", "reword them"
    ),
    "prompt-too-long": Mistake(
        "error", "prompts do not fit the context of {limit} tokens and will fail", "shorten them"
    ),
    "empty-prompt": Mistake(
        "error", "prompts have no tokens and will fail", "remove them, or use a format that adds tokens"
    ),
    "context-cuts-completion": Mistake(
        "warning",
        "prompt and max_tokens together exceed the context of {limit} tokens: completions may be truncated early",
        "lower max_tokens",
    ),
    "generated-elsewhere": Mistake(
        "warning",
        "{names} generated elsewhere, by {program}; not known are the {unknown}",
        "generate the completions with evalharness where that matters",
    ),
    "different-formats": Mistake(
        "note",
        "the checkpoints are prompted differently ({formats}): differences may come from the weights or the format",
        "add a checkpoint with the same weights and the other format to separate the two",
    ),
    "different-quantization": Mistake(
        "warning",
        "the weights are quantized differently ({quantizations})",
        "pull both with the same quantization: part of the difference may come from quantization, not from tuning",
    ),
    "different-family": Mistake(
        "warning",
        "the checkpoints are of different families ({families}): differences do not come from tuning alone",
        "compare checkpoints that were tuned from the same base model",
    ),
    "same-base": Mistake(
        "note",
        "{one} and {other} share their base weights: their comparison shows {shown}",
        "no action needed",
    ),
    "same-weights": Mistake(
        "note",
        "{one} and {other} are the same weights: their comparison shows {shown}",
        "change one model unless this is intended",
    ),
}


def lint_checkpoint(
    resolved: ResolvedCheckpoint,
    samples: Sequence[Sample],
    requests: Sequence[GenerationRequest],
    rendered: Sequence[RenderedPrompt],
) -> list[LintFinding]:
    """Mistakes in prompting one checkpoint; `samples`, `requests` and `rendered` run in parallel."""
    return [
        *_lint_variant(resolved),
        *_lint_bos(resolved, requests, rendered),
        *_lint_template(resolved, samples, rendered),
        *_lint_modelfile(resolved, samples),
        *_lint_stop(resolved),
        *_lint_text(resolved, samples, requests),
        *_lint_length(resolved, requests),
    ]


def lint_pair(resolved: Sequence[ResolvedCheckpoint]) -> list[LintFinding]:
    """Mistakes in comparing these checkpoints with each other."""
    findings = []
    formats = {checkpoint.name: checkpoint.checkpoint.prompt_format for checkpoint in resolved}
    if len(set(formats.values())) > 1:
        findings.append(_finding("different-formats", formats=", ".join(map(" as ".join, formats.items()))))
    stored = {
        checkpoint.name: checkpoint.identity.quantization for checkpoint in resolved if checkpoint.identity.quantization
    }
    if len(set(stored.values())) > 1:
        findings.append(_finding("different-quantization", quantizations=", ".join(map(" as ".join, stored.items()))))
    findings += _made_elsewhere(resolved)
    if families := _families(resolved):
        findings.append(_finding("different-family", families=families))
    for left, other in combinations(resolved, 2):
        if left.identity.weights_digest == other.identity.weights_digest:
            findings.append(_same_weights(left, other))
    return findings


def _made_elsewhere(resolved: Sequence[ResolvedCheckpoint]) -> Iterator[LintFinding]:
    """One finding for all checkpoints of which the same is known."""
    by_facts: dict[Elsewhere, list[str]] = {}
    for checkpoint in resolved:
        if checkpoint.elsewhere is not None:
            by_facts.setdefault(checkpoint.elsewhere, []).append(checkpoint.name)
    for made, names in by_facts.items():
        unknown = " and ".join(filter(None, [", ".join(made.unknown[:-1]), made.unknown[-1]]))
        yield _finding(
            "generated-elsewhere",
            names=f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'}",
            program=made.program,
            unknown=unknown,
        )


def _families(resolved: Sequence[ResolvedCheckpoint]) -> str:
    """The checkpoints with what tells their families apart; empty if nothing does.

    Tuning adds a few tokens at most, so it keeps the size of a model; and it keeps the id of the BOS.
    """
    sizes = {checkpoint.name: checkpoint.parameters for checkpoint in resolved if checkpoint.parameters}
    if sizes and max(sizes.values()) > SAME_SIZE * min(sizes.values()):
        return ", ".join(f"{name} has {size / 1e6:,.0f} million parameters" for name, size in sizes.items())
    known = [checkpoint for checkpoint in resolved if checkpoint.tokenizer and checkpoint.tokenizer.bos_token_id]
    begins = {checkpoint.name: checkpoint.tokenizer.bos_token_id for checkpoint in known if checkpoint.tokenizer}
    if len(set(begins.values())) > 1:
        return ", ".join(f"the BOS of {name} is token {token}" for name, token in begins.items())
    return ""


def _same_weights(one: ResolvedCheckpoint, other: ResolvedCheckpoint) -> LintFinding:
    left, right = _beside_the_weights(one), _beside_the_weights(other)
    differs = [name for name in left if left[name] != right[name]]
    shown = f"what {' and '.join(differs)} change{'s' if len(differs) == 1 else ''}" if differs else "chance alone"
    code = "same-weights" if one.identity.adapter_digest == other.identity.adapter_digest else "same-base"
    return _finding(code, one=one.name, other=other.name, shown=shown)


def _beside_the_weights(resolved: ResolvedCheckpoint) -> dict[str, object]:
    modelfile = resolved.modelfile or Modelfile(template="")
    return {
        "the adapter": resolved.identity.adapter_digest,
        "the prompt format": resolved.checkpoint.prompt_format,
        "the Modelfile's system prompt": modelfile.system,
        "the Modelfile's template": modelfile.template,
        "the Modelfile's messages": modelfile.messages,
    }


def _lint_variant(resolved: ResolvedCheckpoint) -> Iterator[LintFinding]:
    variant, prompt_format = resolved.checkpoint.variant, resolved.checkpoint.prompt_format
    if variant == "base" and prompt_format == "chat":
        yield _finding("base-as-chat", resolved)
    named_base = guess_variant(resolved.checkpoint.model_name) == "base"
    has_template = (resolved.tokenizer or resolved.modelfile) is not None and not lacks_template(resolved)
    if variant == "base" and prompt_format == "raw" and has_template and not named_base:
        yield _finding("base-with-template", resolved)
    if variant == "instruct" and prompt_format != "chat" and not resolved.recorded:
        yield _finding("instruct-without-template", resolved, format=prompt_format)


def _lint_bos(
    resolved: ResolvedCheckpoint, requests: Sequence[GenerationRequest], rendered: Sequence[RenderedPrompt]
) -> Iterator[LintFinding]:
    facts = resolved.tokenizer
    if facts is None or facts.bos_token_id is None:
        return
    bos = facts.bos_token_id
    tokens = [(r.sample_id, text.token_ids) for r, text in zip(requests, rendered, strict=True) if text.token_ids]
    yield from _in_samples("double-bos", resolved, [sample for sample, ids in tokens if ids[:2] == (bos, bos)])
    if facts.adds_bos:
        yield from _in_samples("missing-bos", resolved, [sample for sample, ids in tokens if ids[0] != bos])


def _lint_template(
    resolved: ResolvedCheckpoint, samples: Sequence[Sample], rendered: Sequence[RenderedPrompt]
) -> Iterator[LintFinding]:
    dropped = [
        sample.id
        for sample, text in zip(samples, rendered, strict=True)
        for message in sample.messages
        if message.role == "system" and text.text is not None and message.content.strip() not in text.text
    ]
    yield from _in_samples("system-dropped", resolved, dropped)
    added = [s.id for s, text in zip(samples, rendered, strict=True) if _has_built_in_system(resolved, s, text)]
    yield from _in_samples("built-in-system", resolved, added)


def _lint_modelfile(resolved: ResolvedCheckpoint, samples: Sequence[Sample]) -> Iterator[LintFinding]:
    modelfile = resolved.modelfile
    if modelfile is None:
        return
    if resolved.checkpoint.prompt_format == "chat":
        plain = [sample.id for sample in samples if all(message.role != "system" for message in sample.messages)]
        if modelfile.system:
            yield from _in_samples("modelfile-system", resolved, plain, system=modelfile.system)
        if lacks_template(resolved):
            yield _finding("server-template", resolved)
        if modelfile.messages:
            yield _finding("modelfile-messages", resolved, count=modelfile.messages)
    overridden = sorted({name for name, _ in modelfile.parameters} & OVERRIDDEN)
    if overridden:
        yield _finding("modelfile-parameters", resolved, parameters=", ".join(overridden))


def _has_built_in_system(resolved: ResolvedCheckpoint, sample: Sample, text: RenderedPrompt) -> bool:
    if resolved.checkpoint.prompt_format != "chat" or text.text is None:
        return False
    has_system = any(message.role == "system" for message in sample.messages)
    before, _, _ = text.text.partition(sample.messages[0].content.strip())
    return not has_system and re.search(r"system", before) is not None


def _lint_stop(resolved: ResolvedCheckpoint) -> Iterator[LintFinding]:
    facts = resolved.tokenizer
    if facts is None:
        return
    if not facts.end_tokens:
        yield _finding("no-end-token", resolved)
    if resolved.checkpoint.prompt_format != "chat" or facts.chat_template is None:
        return
    used = [end for end in TURN_ENDS if end in facts.chat_template]
    if used and not set(used) & set(facts.end_tokens.values()):
        yield _finding("stop-mismatch", resolved, turn_end=used[0], ends=", ".join(facts.end_tokens.values()))


def _lint_text(
    resolved: ResolvedCheckpoint, samples: Sequence[Sample], requests: Sequence[GenerationRequest]
) -> Iterator[LintFinding]:
    raw = [(s, r.prompt) for s, r in zip(samples, requests, strict=True) if isinstance(r.prompt, RawPrompt)]
    spaced = [s.id for s, prompt in raw if prompt.text[-1:] in (" ", "\t")]
    yield from _in_samples("trailing-space", resolved, spaced)
    yield from _in_samples("turns-joined", resolved, [s.id for s, _ in raw if len(s.messages) > 1])
    facts = resolved.tokenizer
    marks = (*CONTROL_TOKENS, *TURN_ENDS, *(facts.end_tokens.values() if facts else ()))
    special = [s.id for s in samples if any(mark in s.prompt for mark in marks)]
    yield from _in_samples("special-token-in-prompt", resolved, special)


def _lint_length(resolved: ResolvedCheckpoint, requests: Sequence[GenerationRequest]) -> Iterator[LintFinding]:
    empty = [request.sample_id for request in requests if request.prompt_tokens == 0]
    yield from _in_samples("empty-prompt", resolved, empty)
    limit = resolved.context_length
    if limit is None:
        return
    known = [(r.sample_id, r.prompt_tokens, r.config.max_tokens) for r in requests if r.prompt_tokens is not None]
    too_long = [sample for sample, tokens, _ in known if tokens >= limit]
    yield from _in_samples("prompt-too-long", resolved, too_long, limit=limit)
    tight = [sample for sample, tokens, most in known if tokens < limit < tokens + most]
    yield from _in_samples("context-cuts-completion", resolved, tight, limit=limit)


def _in_samples(
    code: str, resolved: ResolvedCheckpoint, sample_ids: Sequence[str], **details: object
) -> Iterator[LintFinding]:
    """A finding if any sample is affected."""
    if sample_ids:
        yield _finding(code, resolved, sample_ids, **details)


def _finding(
    code: str, resolved: ResolvedCheckpoint | None = None, sample_ids: Sequence[str] = (), **details: object
) -> LintFinding:
    level, message, fix = MISTAKES[code]
    count = f" ({len(sample_ids)} samples)" if sample_ids else ""
    return LintFinding(
        code=code,
        level=level,
        checkpoint=resolved.name if resolved else None,
        message=message.format(**details) + count,
        fix=fix.format(**details),
        sample_ids=tuple(sample_ids),
    )
