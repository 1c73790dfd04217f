"""The prompt lint: detects mistakes in prompting before the first token is generated."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from evalharness.prompting import TURN_ENDS, lacks_template
from evalharness.records import (
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
LIMITS = frozenset({"num_ctx", "num_predict", "seed"})
DRAWS = frozenset({"temperature", "top_k", "top_p", "min_p", "typical_p"})
PENALTIES = frozenset({"repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty"})
OVERRIDDEN = LIMITS | DRAWS | PENALTIES
"""Parameters of a Modelfile that the run's own settings override in every request."""


def lint_checkpoint(
    resolved: ResolvedCheckpoint,
    samples: Sequence[Sample],
    requests: Sequence[GenerationRequest],
    rendered: Sequence[RenderedPrompt],
) -> list[LintFinding]:
    """Mistakes in prompting one checkpoint; `samples`, `requests` and `rendered` run in parallel."""
    found = [
        *_lint_variant(resolved),
        *_lint_bos(resolved, requests, rendered),
        *_lint_template(resolved, samples, rendered),
        *_lint_modelfile(resolved, samples),
    ]
    found += [*_lint_stop(resolved), *_lint_text(resolved, samples, requests), *_lint_length(resolved, requests)]
    return found


def lint_pair(resolved: Sequence[ResolvedCheckpoint]) -> list[LintFinding]:
    """Mistakes in comparing these checkpoints with each other."""
    formats = {one.name: one.checkpoint.prompt_format for one in resolved}
    found = []
    if len(set(formats.values())) > 1:
        said = ", ".join(f"{name} as {prompt_format}" for name, prompt_format in formats.items())
        found.append(
            LintFinding(
                code="different-formats",
                level="note",
                checkpoint=None,
                message=f"the checkpoints are prompted differently ({said}): differences may come from the weights "
                "or the format",
                fix="add a checkpoint with the same weights and the other format to separate the two",
            )
        )
    stored = {one.name: one.identity.quantization for one in resolved if one.identity.quantization}
    if len(set(stored.values())) > 1:
        found.append(
            LintFinding(
                code="different-quantization",
                level="warning",
                checkpoint=None,
                message=f"the weights are quantized differently ({', '.join(map(' as '.join, stored.items()))})",
                fix="pull both with the same quantization: part of the difference may come from quantization, not "
                "from tuning",
            )
        )
    for one, other in combinations(resolved, 2):
        if one.identity.weights_digest == other.identity.weights_digest:
            found.append(_same_weights(one, other))
    return found


def _same_weights(one: ResolvedCheckpoint, other: ResolvedCheckpoint) -> LintFinding:
    left, right = _beside_the_weights(one), _beside_the_weights(other)
    differs = [name for name in left if left[name] != right[name]]
    shown = f"what {' and '.join(differs)} change{'s' if len(differs) == 1 else ''}" if differs else "chance alone"
    return LintFinding(
        code="same-weights",
        level="note",
        checkpoint=None,
        message=f"{one.name} and {other.name} are the same weights: their comparison shows {shown}",
        fix="change one model unless this is intended",
    )


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
    checkpoint = resolved.checkpoint
    if checkpoint.variant == "base" and checkpoint.prompt_format == "chat":
        yield _finding(
            resolved,
            "base-as-chat",
            "warning",
            "a base checkpoint is prompted with a chat template that it may never have seen",
            "use raw or icl",
        )
    if checkpoint.variant == "instruct" and checkpoint.prompt_format != "chat" and not resolved.recorded:
        yield _finding(
            resolved,
            "instruct-without-template",
            "warning",
            f"an instruct checkpoint is prompted as {checkpoint.prompt_format}, without the template that it was "
            "tuned on",
            'set prompt_format = "chat", unless this is intended',
        )


def _lint_bos(
    resolved: ResolvedCheckpoint, requests: Sequence[GenerationRequest], rendered: Sequence[RenderedPrompt]
) -> Iterator[LintFinding]:
    facts = resolved.tokenizer
    if facts is None or facts.bos_token_id is None:
        return
    bos = facts.bos_token_id
    doubled = [
        r.sample_id
        for r, text in zip(requests, rendered, strict=True)
        if text.token_ids and text.token_ids[:2] == (bos, bos)
    ]
    missing = [
        r.sample_id for r, text in zip(requests, rendered, strict=True) if text.token_ids and text.token_ids[0] != bos
    ]
    if doubled:
        yield _finding(
            resolved,
            "double-bos",
            "error",
            "prompts begin with two BOS tokens",
            "remove the BOS from the text",
            doubled,
        )
    if missing and facts.adds_bos:
        yield _finding(
            resolved,
            "missing-bos",
            "warning",
            "prompts lack the BOS token that the tokenizer adds to plain text",
            "check the chat template",
            missing,
        )


def _lint_template(
    resolved: ResolvedCheckpoint, samples: Sequence[Sample], rendered: Sequence[RenderedPrompt]
) -> Iterator[LintFinding]:
    dropped = [
        sample.id
        for sample, text in zip(samples, rendered, strict=True)
        for message in sample.messages
        if message.role == "system" and text.text is not None and message.content.strip() not in text.text
    ]
    if dropped:
        yield _finding(
            resolved,
            "system-dropped",
            "error",
            "the chat template drops the system turn",
            "move it into the user turn",
            dropped,
        )
    added = [s.id for s, text in zip(samples, rendered, strict=True) if _has_built_in_system(resolved, s, text)]
    if added:
        yield _finding(
            resolved,
            "built-in-system",
            "note",
            "the chat template adds its own system prompt if the sample has none",
            "no action needed if the model is served this way; otherwise give the samples a system turn",
            added,
        )


def _lint_modelfile(resolved: ResolvedCheckpoint, samples: Sequence[Sample]) -> Iterator[LintFinding]:
    modelfile = resolved.modelfile
    if modelfile is None:
        return
    plain = [one.id for one in samples if all(message.role != "system" for message in one.messages)]
    if modelfile.system and resolved.checkpoint.prompt_format == "chat" and plain:
        yield _finding(
            resolved,
            "modelfile-system",
            "warning",
            f"the Modelfile adds a system prompt if the sample has none: {modelfile.system!r}",
            "no action needed if the model is served this way; otherwise give the samples a system turn, or use a "
            "model without it",
            plain,
        )
    if resolved.checkpoint.prompt_format == "chat" and lacks_template(resolved):
        yield _finding(
            resolved,
            "server-template",
            "error",
            "the Modelfile has no chat template: the server wraps chats in ChatML, which the checkpoint may not know",
            "use a model with a chat template, or raw or icl",
        )
    if resolved.checkpoint.prompt_format == "chat" and modelfile.messages:
        yield _finding(
            resolved,
            "modelfile-messages",
            "warning",
            f"the Modelfile adds {modelfile.messages} turns before every chat",
            "no action needed if the model is served this way; otherwise use a model without them",
        )
    overridden = sorted({name for name, _ in modelfile.parameters} & OVERRIDDEN)
    if overridden:
        yield _finding(
            resolved,
            "modelfile-parameters",
            "note",
            f"the Modelfile sets {', '.join(overridden)}; the run's own settings are used instead",
            "set them in [generation] if the model is served with them",
        )


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
        yield _finding(
            resolved,
            "no-end-token",
            "error",
            "no end token is known: completions end only at the token limit",
            "set stop in [generation]",
        )
    if resolved.checkpoint.prompt_format != "chat" or facts.chat_template is None:
        return
    used = [end for end in TURN_ENDS if end in facts.chat_template]
    if used and not set(used) & set(facts.end_tokens.values()):
        yield _finding(
            resolved,
            "stop-mismatch",
            "error",
            f"the template ends turns with {used[0]}, generation ends at {', '.join(facts.end_tokens.values())}",
            f'add stop = ["{used[0]}"] to [generation]',
        )


def _lint_text(
    resolved: ResolvedCheckpoint, samples: Sequence[Sample], requests: Sequence[GenerationRequest]
) -> Iterator[LintFinding]:
    raw = [(s, r) for s, r in zip(samples, requests, strict=True) if isinstance(r.prompt, RawPrompt)]
    spaced = [s.id for s, r in raw if isinstance(r.prompt, RawPrompt) and r.prompt.text[-1:] in (" ", "\t")]
    if spaced:
        yield _finding(
            resolved,
            "trailing-space",
            "warning",
            "raw prompts end with a space, which most tokenizers merge with the next word",
            "remove it",
            spaced,
        )
    turns = [s.id for s, _ in raw if len(s.messages) > 1]
    if turns:
        yield _finding(
            resolved,
            "turns-joined",
            "note",
            "several turns are joined by blank lines, without role markers",
            "no action needed: the raw format has no roles",
            turns,
        )
    facts = resolved.tokenizer
    marks = (*CONTROL_TOKENS, *TURN_ENDS, *(facts.end_tokens.values() if facts else ()))
    special = [s.id for s in samples if any(mark in s.prompt for mark in marks)]
    if special:
        yield _finding(
            resolved,
            "special-token-in-prompt",
            "warning",
            "prompts contain text that is read as a control token",
            "reword them",
            special,
        )


def _lint_length(resolved: ResolvedCheckpoint, requests: Sequence[GenerationRequest]) -> Iterator[LintFinding]:
    limit = resolved.context_length
    if limit is None:
        return
    too_long = [r.sample_id for r in requests if r.prompt_tokens is not None and r.prompt_tokens >= limit]
    if too_long:
        yield _finding(
            resolved,
            "prompt-too-long",
            "error",
            f"prompts do not fit the context of {limit} tokens and will fail",
            "shorten them",
            too_long,
        )
    tight = [
        r.sample_id
        for r in requests
        if r.prompt_tokens is not None and r.prompt_tokens < limit < r.prompt_tokens + r.config.max_tokens
    ]
    if tight:
        yield _finding(
            resolved,
            "context-cuts-completion",
            "warning",
            f"prompt and max_tokens together exceed the context of {limit} tokens: completions may be truncated early",
            "lower max_tokens",
            tight,
        )


def _finding(
    resolved: ResolvedCheckpoint, code: str, level: str, message: str, fix: str, sample_ids: Sequence[str] = ()
) -> LintFinding:
    said = f"{message} ({len(sample_ids)} samples)" if sample_ids else message
    return LintFinding.model_validate(
        {
            "code": code,
            "level": level,
            "checkpoint": resolved.name,
            "message": said,
            "fix": fix,
            "sample_ids": tuple(sample_ids),
        }
    )
