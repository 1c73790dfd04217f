"""Prompts as a checkpoint's tokenizer and chat template make them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from evalharness.errors import BackendError, PromptFormatError
from evalharness.prompting import TURN_ENDS
from evalharness.records import ChatPrompt, Message, RawPrompt, RenderedPrompt, TokenizerFacts
from evalharness.weights import loading
from evalharness.weights.files import Source
from evalharness.weights.reading import reading
from evalharness.weights.templates import ChatTemplate, TemplateFailed


class TokenTexts:
    """The texts of a tokenizer's tokens: what every teacher knows."""

    def __init__(self, tokenizer: Any, end_tokens: Mapping[int, str]) -> None:
        self._tokenizer, self.end_tokens = tokenizer, end_tokens

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token with its id, added tokens included."""
        vocabulary: Mapping[str, int] = self._tokenizer.get_vocab()
        return vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens around it."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def text_of(self, token: int) -> str:
        """The text of one token within a text: a tokenizer may drop a space at the beginning of a text."""
        return self.decode([self._letter, token]).removeprefix(self.decode([self._letter]))

    @cached_property
    def _letter(self) -> int:
        return self.encode("a")[-1]


class Tokenizing:
    """A tokenizer with its default chat template.

    Args:
        checkpoint: its name, for messages.
        configured: the `eos_token_id` of the model's configuration, if it is known.
    """

    def __init__(self, checkpoint: str, source: Source, tokenizer: Any, configured: object = None) -> None:
        self.checkpoint, self.source, self.tokenizer, self._configured = checkpoint, source, tokenizer, configured

    @cached_property
    def template(self) -> str | None:
        """The chat template; the default template if there are several."""
        if not self.tokenizer.chat_template:
            return None
        with reading(f"the chat template of {self.source.name}"):
            template: str = self.tokenizer.get_chat_template()
        if not isinstance(template, str):
            raise BackendError(
                f"the chat template of {self.source.name} is not a text", fix="correct it in tokenizer_config.json"
            )
        return template

    def facts(self) -> TokenizerFacts:
        """What the prompt lint reads."""
        tokenizer = self.tokenizer
        with reading(f"the tokenizer of {self.source.name}"):
            plain = tokenizer("a")["input_ids"]
        return TokenizerFacts(
            bos_token=tokenizer.bos_token,
            bos_token_id=tokenizer.bos_token_id,
            adds_bos=tokenizer.bos_token_id is not None and plain[:1] == [tokenizer.bos_token_id],
            end_tokens=self.end_tokens,
            chat_template=self.template,
        )

    @cached_property
    def end_tokens(self) -> dict[int, str]:
        """Tokens that end a generation: the model's and tokenizer's, and the chat template's end of turn."""
        settings = loading.load_generation_settings(self.source)
        configured = settings.get("eos_token_id", self._configured)
        template, vocabulary = self.template or "", self.tokenizer.get_vocab()
        known = set(vocabulary.values())
        listed = configured if isinstance(configured, list) else [configured]
        if strange := [
            token for token in listed if token is not None and (type(token) is not int or token not in known)
        ]:
            file = "generation_config.json" if "eos_token_id" in settings else "config.json"
            raise BackendError(
                f"{file} of {self.source.name}: eos_token_id is {strange[0]!r}, which is not a token of its tokenizer",
                fix="correct that field, or download the checkpoint again",
            )
        ids = {*listed, self.tokenizer.eos_token_id}
        ids |= {vocabulary[end] for end in TURN_ENDS if end in template and end in vocabulary}
        return {name: self.tokenizer.convert_ids_to_tokens(name) for name in sorted(ids - {None})}

    def render(self, prompt: RawPrompt | ChatPrompt) -> RenderedPrompt:
        """Tokenize raw text with the tokenizer's own BOS rule; a chat template adds its special tokens itself."""
        match prompt:
            case RawPrompt(text=text):
                return RenderedPrompt(text=text, token_ids=tuple(self.tokenizer(text)["input_ids"]))
            case ChatPrompt(messages=messages):
                text = self._apply_template(messages)
                # With special tokens added once more, a BOS that the template wrote would stand there twice.
                ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
                return RenderedPrompt(text=text, token_ids=tuple(ids))

    def _apply_template(self, messages: Sequence[Message]) -> str:
        if self.template is None:
            raise PromptFormatError(
                f"checkpoint {self.checkpoint!r} has no chat template", fix='set prompt_format = "raw" or "icl"'
            )
        try:
            return self._renderer.render(messages, reply=True)
        except TemplateFailed as error:
            system = any(message.role == "system" for message in messages) and "system" in str(error).lower()
            rest = "use a suite without system turns" if system else "correct the template"
            raise PromptFormatError(
                f"checkpoint {self.checkpoint!r}: the chat template in {self.source.template_file} fails: {error}",
                fix=f'{rest}, or set prompt_format = "raw" or "icl"',
            ) from None

    @cached_property
    def _renderer(self) -> ChatTemplate:
        return ChatTemplate(self.tokenizer)
