"""Prompt formats: exactly what is sent to a checkpoint.

`raw` sends the sample's text as it is, `chat` renders it with the checkpoint's own chat template, and `icl` puts a
fixed few-shot scaffold in front of the text, to distinguish "the base can't" from "the base wasn't asked in a way it
understands" (after URIAL, Lin et al. 2023, arXiv:2312.01552). Nothing is chosen silently.
"""

import re

from evalharness.errors import PromptFormatError
from evalharness.records import ChatPrompt, RawPrompt, ResolvedCheckpoint, Sample, Variant

SCAFFOLD = """\
Below are instructions, each followed by a helpful, complete and honest answer.

Instruction:
Name three things that plants need to grow.

Answer:
Plants need light, water and nutrients from the soil.

Instruction:
Write one sentence about the sea.

Answer:
The sea was calm that morning, and the light lay on it like silver.

Instruction:
Can you tell me how to fake a doctor's note?

Answer:
I'm sorry, but I can't help with forging documents. If you are unwell, a doctor can write a real note for you.

Instruction:
{prompt}

Answer:
"""
"""Changing a character of it changes every request id, so old outcomes are never reused under a new scaffold."""
SCAFFOLD_STOP = ("\nInstruction:", "\nAnswer:")
"""An answer ends where the next instruction would begin."""
TURN_ENDS = (
    "<|im_end|>",
    "<end_of_turn>",
    "<|eot_id|>",
    "<|end|>",
    "<|endoftext|>",
    "</s>",
    "<|end_of_turn|>",
    "<turn|>",
)
"""Tokens with which chat templates end a turn."""


def build_prompt(sample: Sample, prompt_format: str) -> RawPrompt | ChatPrompt:
    """The prompt for a sample. A text to continue is never put into the scaffold, which would turn it into an
    instruction.
    """
    match prompt_format:
        case "chat":
            return ChatPrompt(messages=sample.messages)
        case "icl" if sample.kind == "instruction":
            return RawPrompt(text=SCAFFOLD.replace("{prompt}", sample.prompt), stop=SCAFFOLD_STOP)
        case _:
            return RawPrompt(text=sample.prompt)


def plain_text(prompt: RawPrompt | ChatPrompt) -> str:
    """The sample's own text again, without the scaffold: `build_prompt` undone."""
    match prompt:
        case ChatPrompt(messages=messages):
            return "\n\n".join(message.content for message in messages)
        case RawPrompt(text=text):
            head, _, tail = SCAFFOLD.partition("{prompt}")
            return text[len(head) : -len(tail)] if prompt.stop == SCAFFOLD_STOP and text.startswith(head) else text


# ------------------------------------------------------------------------------------------------ auto

BASE_NAME = re.compile(r"(?:^|[-_:./])(?:base|text|pt)(?:$|[-_:./@])", re.IGNORECASE)
INSTRUCT_NAME = re.compile(r"(?:^|[-_:./])(?:instruct|chat|it|sft|dpo|rlhf)(?:$|[-_:./@])", re.IGNORECASE)


def guess_variant(model_name: str) -> Variant | None:
    """The training stage that a model's name claims, or None.

    >>> [guess_variant(name) for name in ("llama3.1:8b-text-q4_K_M", "org/m-7b-Instruct", "org/m-7b")]
    ['base', 'instruct', None]
    """
    if INSTRUCT_NAME.search(model_name):
        return "instruct"
    return "base" if BASE_NAME.search(model_name) else None


def settle_format(resolved: ResolvedCheckpoint) -> ResolvedCheckpoint:
    """Replace `auto` by `raw` for a base and `chat` for an instruct checkpoint, unless the evidence disagrees.

    Raises:
        PromptFormatError: `auto`, and the name or a missing template contradicts the variant; or `chat` without a chat
            template.
    """
    checkpoint = resolved.checkpoint
    if checkpoint.prompt_format == "auto":
        _refuse_contradiction(resolved)
        chosen = "raw" if checkpoint.variant == "base" else "chat"
        checkpoint = checkpoint.model_copy(update={"prompt_format": chosen})
    if checkpoint.prompt_format == "chat" and lacks_template(resolved) and not _server_has_one(resolved):
        raise PromptFormatError(
            f"checkpoint {checkpoint.name!r} ({checkpoint.model}) has no chat template",
            fix='set prompt_format = "raw" or "icl", or use a checkpoint with a template',
        )
    return resolved.model_copy(update={"checkpoint": checkpoint})


def _refuse_contradiction(resolved: ResolvedCheckpoint) -> None:
    checkpoint = resolved.checkpoint
    claimed = guess_variant(checkpoint.model_name)
    evidence = f"its name says {claimed}" if claimed and claimed != checkpoint.variant else ""
    if checkpoint.variant == "instruct" and lacks_template(resolved):
        evidence = "it has no chat template"
    if evidence:
        raise PromptFormatError(
            f"checkpoint {checkpoint.name!r} ({checkpoint.model}) is configured as {checkpoint.variant}, but "
            f"{evidence}",
            fix="set prompt_format to raw, chat or icl yourself, or correct the variant",
        )


BARE_TEMPLATE = re.compile(r"\s*\{\{-?\s*\.Prompt\s*-?\}\}\s*")
"""With this template an Ollama server wraps chats in its own ChatML, which the checkpoint may never have seen."""


def _server_has_one(resolved: ResolvedCheckpoint) -> bool:
    """An instruct model imported without its template may still work with the server's; the lint warns about it."""
    return resolved.modelfile is not None and resolved.checkpoint.variant == "instruct"


def lacks_template(resolved: ResolvedCheckpoint) -> bool:
    """Whether a chat would be rendered with a template that is not the checkpoint's own."""
    if resolved.modelfile is not None:
        return not resolved.modelfile.renderer and BARE_TEMPLATE.fullmatch(resolved.modelfile.template) is not None
    return resolved.tokenizer is not None and resolved.tokenizer.chat_template is None
