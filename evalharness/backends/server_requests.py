"""What is sent to an OpenAI-compatible server: the settings of a checkpoint, and the body of each request."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from evalharness.backends.server_dialects import Dialect
from evalharness.backends.server_wire import ServerReply
from evalharness.backends.wire import PromptTooLong, Refused
from evalharness.prompting import plain_text
from evalharness.records import ChatPrompt, GenerationConfig, RawPrompt, Record

if TYPE_CHECKING:
    from evalharness.backends.tokenizing import Tokenizing

SEEDS = 2**31
"""llama-server draws a seed for the largest one that it takes; the others take at least these."""
WORDS_PER_TOKEN = 2
"""A prompt of more words per token than this was cut."""


class ServerOptions(Record):
    """Settings for `-M` and `options`. The key comes from the environment alone."""

    url: str | None = None
    """The server's address, with or without `/v1`; `OPENAI_BASE_URL` by default."""
    key_env: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key."""
    dialect: str | None = None
    """The kind of server, if it is not recognized."""
    tokenizer: str | None = None
    """The model's tokenizer, by a folder, a GGUF file or a Hub name: prompts are then sent as token ids, or counted."""
    weights: str | None = None
    """What identifies the weights, such as a Hub commit: a run can then be resumed at another address."""
    think: bool = False
    """Whether a thinking model may think; thinking is stored separately and never scored."""
    logprobs: int | None = Field(None, ge=0, le=20)
    """Store the log-probability of each token, with so many alternatives."""
    concurrency: int | None = Field(None, ge=1)
    """Requests in flight; by default as many as raise the throughput."""
    timeout: float = Field(300.0, gt=0)
    """Longest time without data from the server, in seconds; the first request may wait longer for the model."""
    attempts: int = Field(10, ge=1)
    """Most attempts for a request whose error may be temporary."""
    backoff: float = Field(0.5, ge=0)
    """Seconds before the second attempt; doubled before each later attempt."""


@dataclass(frozen=True)
class Bodies:
    """Makes the body of each request to one model."""

    model: str
    settings: ServerOptions
    dialect: Dialect
    context: int | None
    """Tokens of prompt and completion together, if the server says."""
    tokenizing: "Tokenizing | None"

    def ids(self, prompt: RawPrompt | ChatPrompt) -> tuple[int, ...] | None:
        """The tokens of a prompt, if the tokenizer is known."""
        return None if self.tokenizing is None else self.tokenizing.render(prompt).token_ids

    def of(
        self,
        prompt: RawPrompt | ChatPrompt,
        config: GenerationConfig,
        *,
        replicate: int = 0,
        ids: tuple[int, ...] | None = None,
    ) -> dict[str, Any]:
        """Asks for one completion.

        Args:
            replicate: added to the seed.
            ids: sent instead of a raw prompt's text.
        """
        stops = [*config.stop, *(prompt.stop if isinstance(prompt, RawPrompt) else ())]
        seed = (config.seed + replicate) % SEEDS
        context = self.context or config.context_length
        body = {"model": self.model, **self.dialect.options(config, seed, stops, context), **self.dialect.tells}
        match prompt:
            case RawPrompt(text=text):
                return body | {"prompt": text if ids is None else list(ids)} | self._raw_logprobs()
            case ChatPrompt(messages=messages):
                turns = [message.model_dump() for message in messages]
                return body | {"messages": turns} | self.thinking() | self._chat_logprobs()

    def limited(self, config: GenerationConfig, count: int | None) -> GenerationConfig:
        """The configuration with as many tokens as fit behind a prompt of `count` tokens; some servers refuse more.

        Raises:
            PromptTooLong: none fit.
        """
        context = min(filter(None, (self.context, config.context_length)), default=None)
        if count is None or context is None:
            return config
        if count >= context:
            raise PromptTooLong(f"the prompt has {count} tokens, the context {context}")
        return config.model_copy(update={"max_tokens": min(config.max_tokens, context - count)})

    def _raw_logprobs(self) -> dict[str, Any]:
        return {} if self._alternatives is None else {"logprobs": self._alternatives}

    def _chat_logprobs(self) -> dict[str, Any]:
        return {} if self._alternatives is None else {"logprobs": True, "top_logprobs": self._alternatives}

    @property
    def _alternatives(self) -> int | None:
        number = self.settings.logprobs
        return None if number is None else max(number, self.dialect.least_logprobs)

    def thinking(self) -> dict[str, Any]:
        """What switches thinking on or off."""
        return {"chat_template_kwargs": {"enable_thinking": self.settings.think}} if self.dialect.thinks else {}


def path_of(prompt: RawPrompt | ChatPrompt) -> str:
    """Where a prompt is sent."""
    return "/v1/completions" if isinstance(prompt, RawPrompt) else "/v1/chat/completions"


def refuse_other_prompt(reply: ServerReply, prompt: RawPrompt | ChatPrompt, ids: tuple[int, ...] | None) -> None:
    """Check that the server has read the whole prompt and nothing else.

    Args:
        ids: the prompt's tokens, if they are known.

    Raises:
        PromptTooLong: it has read less.
        Refused: it has read something else.
    """
    read = reply.prompt_tokens
    if read is None:
        return
    words = len(re.findall(r"\w+", plain_text(prompt)))
    if ids is None and WORDS_PER_TOKEN * read < words:
        raise PromptTooLong(f"the server read {read} tokens of a prompt of {words} words")
    if ids is not None and read < len(ids):
        raise PromptTooLong(f"the server read {read} tokens of a prompt of {len(ids)}")
    if ids is not None and (read > len(ids) or reply.prompt_ids not in (None, ids)):
        raise Refused(f"the server read {read} other tokens than the {len(ids)} of the prompt")


THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


def tidy(reply: ServerReply, prompt: RawPrompt | ChatPrompt, config: GenerationConfig) -> ServerReply:
    """The reply without a stop string, which some servers leave in the text, and without thinking before an answer."""
    if isinstance(prompt, ChatPrompt) and (thought := THOUGHT.match(reply.text)):
        reply.thinking, reply.text = reply.thinking + thought[1].strip(), reply.text[thought.end() :]
    stops = [*config.stop, *(prompt.stop if isinstance(prompt, RawPrompt) else ())]
    places = [(reply.text.index(stop), stop) for stop in stops if stop in reply.text]
    if places:
        start, stop = min(places)
        reply.text, reply.finish_reason, reply.stopped_by = reply.text[:start], "stop", stop
    if reply.stopped_by:
        reply.token_ids = []  # They end with the stop string, or in the middle of it.
    return reply
