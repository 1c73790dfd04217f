"""Encodes a prompt and its completion as tokens for a reward model, as a chat or as a pair of texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Protocol

from evalharness.errors import ScorerError
from evalharness.records import Message
from evalharness.weights.templates import ChatTemplate, TemplateFailed

Kind = Literal["chat", "pair"]
STAND_IN = "\ue000"
"""A character for private use, which no completion begins or ends with."""
QUIETLY = {"return_offsets_mapping": True, "verbose": False}
"""With the tokens' places, and without a warning about length, which is handled here."""


@dataclass(frozen=True)
class Encoded:
    """One prompt with its completion, ready for the model."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None
    """Which text of a pair a token belongs to, where the tokenizer says it."""
    prompt: tuple[int, int]
    """Tokens of the prompt, from its first turn's text, and up to the completion."""
    completion: tuple[int, int]
    """Tokens of the completion: from, and up to; empty where it has none."""
    read_to: int | None = None
    """Characters of the completion that were read; None where all were."""


@dataclass(frozen=True)
class Unreadable:
    """Why the item cannot be scored."""

    reason: str


class Encoder(Protocol):
    """Turns a prompt and a completion into tokens."""

    kind: Kind

    def encode(self, messages: Sequence[Message], text: str) -> Encoded | Unreadable:
        """The tokens of a prompt's turns and the completion `text`, no more than the model reads."""


class ChatEncoder:
    """Renders the turns and the completion, as the assistant's turn, with the tokenizer's own chat template."""

    kind: Kind = "chat"

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._template = ChatTemplate(tokenizer)
        # The frame around the completion is the same for all completions of a prompt.
        self._frame = lru_cache(256)(lambda messages: self._render(messages, STAND_IN))

    def encode(self, messages: Sequence[Message], text: str) -> Encoded | Unreadable:
        """The tokens of the rendered chat; its special tokens are those that the template writes."""
        try:
            rendered, frame = self._render(messages, text), self._frame(tuple(messages))
        except TemplateFailed as error:
            return Unreadable(f"the chat template of the reward model refuses the prompt: {error}")
        start, end = _place(rendered, frame)
        tokens = self.tokenizer(rendered, add_special_tokens=False, **QUIETLY)
        offsets = tokens["offset_mapping"]
        first = next((i for i, (_, stop) in enumerate(offsets) if stop > start), len(offsets))
        last = first + sum(begin < end for begin, _ in offsets[first:])
        opening = max(0, rendered.find(messages[0].content.strip()))
        asked = next((i for i, (_, stop) in enumerate(offsets) if stop > opening), 0)
        whole = Encoded(tuple(tokens["input_ids"]), None, (min(asked, first), first), (first, last))
        # Templates trim a completion; what they left of it begins somewhere in the text.
        shift = max(0, text.find(rendered[start:end])) - start
        return _fit(whole, [shift + begin for begin, _ in offsets], self.max_length)

    def _render(self, messages: Sequence[Message], text: str) -> str:
        return self._template.render([*messages, Message(role="assistant", content=text)], reply=False)


class PairEncoder:
    """Gives the tokenizer two texts, question and answer; it puts its own special tokens around them."""

    kind: Kind = "pair"

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length

    def encode(self, messages: Sequence[Message], text: str) -> Encoded | Unreadable:
        """The tokens of the pair; several turns are joined by blank lines, for a pair has no roles."""
        question = "\n\n".join(message.content for message in messages)
        tokens = self.tokenizer(question, text, **QUIETLY)
        ids, types = tuple(tokens["input_ids"]), tokens.get("token_type_ids")
        second = [place for place, part in enumerate(tokens.sequence_ids()) if part == 1]
        # Without a token of the second text, it would stand before the last special token.
        span = (second[0], second[-1] + 1) if second else (len(ids) - 1, len(ids) - 1)
        whole = Encoded(ids, None if types is None else tuple(types), (0, span[0]), span)
        return _fit(whole, [begin for begin, _ in tokens["offset_mapping"]], self.max_length)


def choose_encoder(tokenizer: Any, kind: Kind | None, max_length: int, name: str) -> Encoder:
    """The encoder that a reward model was trained with, as far as its tokenizer shows it.

    A chat template makes it a chat; without one, a separator token makes it a pair.

    Raises:
        ScorerError: the tokenizer shows neither, or cannot do what was asked for.
    """
    if not tokenizer.is_fast:
        raise ScorerError(
            f"the tokenizer of {name} cannot map its tokens to the text",
            fix="save the model with a fast tokenizer (tokenizer.json)",
        )
    if kind == "chat" and not tokenizer.chat_template:
        raise ScorerError(f"{name} has no chat template", fix='leave out encoding, or set encoding = "pair"')
    if kind == "chat" or (kind is None and tokenizer.chat_template):
        return ChatEncoder(tokenizer, max_length)
    if kind is None and tokenizer.sep_token is None:
        raise ScorerError(
            f"{name} has neither a chat template nor a separator token, so how it reads a prompt is not known",
            fix='see its model card: set encoding = "pair", or save it with its chat template',
        )
    return PairEncoder(tokenizer, max_length)


def _place(rendered: str, frame: str) -> tuple[int, int]:
    """Position of the completion in `rendered`, given the same chat with the stand-in for it."""
    start = _shared(rendered, frame)
    return start, max(start, len(rendered) - _shared(rendered[::-1], frame[::-1]))


def _shared(text: str, other: str) -> int:
    """Characters that two texts have in common at their beginning."""
    shorter = min(len(text), len(other))
    return next((place for place in range(shorter) if text[place] != other[place]), shorter)


def _fit(whole: Encoded, places: Sequence[int], max_length: int) -> Encoded | Unreadable:
    """Leave out the completion's last tokens where there are too many; what stands around it always stays.

    Args:
        whole: all tokens.
        places: for each token, where it begins in the completion's text.
        max_length: tokens that the model reads at most.
    """
    excess = len(whole.ids) - max_length
    first, last = whole.completion
    if excess <= 0:
        return whole
    if excess >= last - first:
        around = len(whole.ids) - (last - first)
        return Unreadable(f"the prompt takes {around} tokens, and the reward model reads {max_length}")
    kept, types = last - excess, whole.types
    return replace(
        whole,
        ids=whole.ids[:kept] + whole.ids[last:],
        types=None if types is None else types[:kept] + types[last:],
        completion=(first, kept),
        read_to=max(0, places[kept]),
    )
