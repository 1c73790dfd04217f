"""The prompt as sent, in pieces: the sample's own text, and what a template or scaffold adds around it."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.records import ChatPrompt, GenerationRequest, Message, RawPrompt, Sample

OWN_TEXT = 12
"""A shorter sample text occurs in a template by chance too often to be highlighted."""

AS_SENT = "Prompt as sent"
NOTES = {
    "recorded": (
        "Prompt",
        "The sample's prompt; the completion was generated elsewhere, so the prompt as sent is not known.",
    ),
    "server": (AS_SENT, "The turns as sent to the server; only the server knows the template that it adds."),
    "whole": (AS_SENT, "Exactly the sample's text; nothing was added."),
    "around": (AS_SENT, "Dimmed: what the template, tokenizer or scaffold adds around the sample's text."),
}
"""What the text of a prompt is called, and what it is."""


@dataclass(frozen=True)
class Sent:
    """A prompt as sent."""

    note: str
    """A key of `NOTES`."""
    pieces: tuple[str, ...]
    """Alternately added text (first) and the sample's own text; joined, they are the prompt."""
    tokens: str


def sent_of(request: GenerationRequest, sample: Sample, *, recorded: bool) -> Sent:
    """The prompt of one request; `recorded` if the completion was read from a file."""
    tokens = _tokens(request)
    if recorded and request.rendered is None:
        return Sent("recorded", _turns(sample.messages), tokens)
    if request.rendered is not None:
        return _of_text(request.rendered, sample, tokens)
    match request.prompt:
        case RawPrompt(text=text):
            return _of_text(text, sample, tokens)
        case ChatPrompt(messages=messages):
            return Sent("server", _turns(messages), tokens)


def _turns(messages: Sequence[Message]) -> tuple[str, ...]:
    if len(messages) == 1:
        return ("", messages[0].content)
    pieces: list[str] = []
    for number, message in enumerate(messages):
        pieces += [f"{chr(10) * 2 if number else ''}{message.role}\n", message.content]
    return tuple(pieces)


def _of_text(text: str, sample: Sample, tokens: str) -> Sent:
    return Sent("whole" if text == sample.prompt else "around", _split(text, sample), tokens)


def _split(text: str, sample: Sample) -> tuple[str, ...]:
    pieces: list[str] = []
    last = 0
    for message in sample.messages:
        # A template may strip a turn; its own text is then found without the blanks around it.
        own = message.content if message.content in text[last:] else message.content.strip()
        start = text.rfind(own, last) if len(own) < OWN_TEXT else text.find(own, last)
        if start < 0 or not own:
            continue
        pieces += [text[last:start], own]
        last = start + len(own)
    return (*pieces, text[last:]) if pieces else ("", text)


def _tokens(request: GenerationRequest) -> str:
    if request.prompt_tokens is None:
        return "Token ids are not known: the backend has no tokenizer of its own."
    first = ", ".join(str(token) for token in request.first_token_ids)
    if request.prompt_tokens <= len(request.first_token_ids):
        return f"{request.prompt_tokens:,} tokens: {first}"
    rest = request.last_token_ids[-(request.prompt_tokens - len(request.first_token_ids)) :]
    gap = " … " if request.prompt_tokens > len(request.first_token_ids) + len(rest) else ", "
    return f"{request.prompt_tokens:,} tokens: {first}{gap}{', '.join(str(token) for token in rest)}"
