"""What is sent to an Ollama server: the settings of a checkpoint, and the body of each request.

Every option that can change a completion is sent, so that neither server defaults nor the Modelfile have an effect.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator

from evalharness.backends.ollama_options import INT32_MAX, out_of_range
from evalharness.backends.ollama_shown import parameters_of
from evalharness.records import ChatPrompt, GenerationConfig, GenerationRequest, RawPrompt, Record


class OllamaOptions(Record):
    """Settings for `-M` and `options`."""

    host: str | None = None
    """The server's address; `OLLAMA_HOST`, then this machine."""
    num_thread: int | None = Field(None, ge=1)
    """Threads of the server; its default is slow if other programs use the processor."""
    think: bool | Literal["low", "medium", "high"] = False
    """Whether a thinking model may think; thinking is stored separately and never scored."""
    logprobs: int | None = Field(None, ge=0, le=20)
    """Store the log-probability of each token, with so many alternatives."""
    concurrency: int = Field(1, ge=1)
    """Concurrent clients. Only a single client, in a fixed order, is reproducible."""
    timeout: float = Field(300.0, gt=0)
    """Longest time without data from the server, in seconds; processing a large prompt sends none. Loading may take
    longer.
    """
    attempts: int = Field(6, ge=1)
    """Most attempts for a request whose error may be temporary."""
    backoff: float = Field(0.5, ge=0)
    """Seconds before the second attempt; doubled before each later attempt."""
    keep_alive: int | str = "10m"
    """How long the server keeps the model loaded if the run is killed."""

    @field_validator("keep_alive")
    @classmethod
    def _is_a_duration(cls, value: int | str) -> int | str:
        if re.fullmatch(r"-?\d+", str(value)):
            return int(value)
        if not re.fullmatch(r"-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+", str(value)):
            raise ValueError(f"{value!r} is neither a duration such as 10m nor a number of seconds")
        return value


@dataclass(frozen=True)
class Bodies:
    """Makes the body of each request to one model."""

    model: str
    settings: OllamaOptions
    shown: dict[str, Any]
    """What the server reports about the model."""

    def head(self, *, keep_alive: str | int | None = None) -> dict[str, Any]:
        """What every request has."""
        kept = self.settings.keep_alive if keep_alive is None else keep_alive
        return {"model": self.model, "keep_alive": kept}

    def load(self, config: GenerationConfig) -> dict[str, Any]:
        """Loads the model; whether a context may shift is a property of the loaded model, as its length is."""
        options = {"num_ctx": config.context_length, **self.threads}
        return {**self.head(), "options": options, "shift": False, "stream": False}

    def of(self, request: GenerationRequest) -> dict[str, Any]:
        """Asks for one completion; a prompt that does not fit is refused and never cut."""
        body = self.head() | {"options": self._options_of(request), "truncate": False, "shift": False}
        body["think"] = self.settings.think
        if self.settings.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": self.settings.logprobs}
        match request.prompt:
            case RawPrompt(text=text):
                return body | {"prompt": text, "raw": True}
            case ChatPrompt(messages=messages):
                return body | {"messages": [message.model_dump() for message in messages]}

    def problem(self, config: GenerationConfig) -> str | None:
        """Why a server would not accept the options of a configuration; None if all do."""
        return out_of_range(self._options(config, config.seed, list(config.stop)))

    def _options_of(self, request: GenerationRequest) -> dict[str, Any]:
        """Keep the Modelfile's stop strings: an imported chat model may rely on them to end its turns."""
        config, prompt = request.config, request.prompt
        stops = [*config.stop, *(prompt.stop if isinstance(prompt, RawPrompt) else ())]
        stops += [value for name, value in self._parameters if name == "stop"]
        seed = (config.seed + request.replicate) % (INT32_MAX + 1)
        return self._options(config, seed, list(dict.fromkeys(filter(None, stops))))

    def _options(self, config: GenerationConfig, seed: int, stops: list[str]) -> dict[str, Any]:
        return {
            "num_ctx": config.context_length,
            **self.threads,
            "num_predict": config.max_tokens,
            "temperature": config.temperature,
            "top_k": config.top_k,
            "top_p": config.top_p,
            "min_p": 0.0,
            "typical_p": 1.0,
            **self._penalized(config),
            "repeat_penalty": config.repeat_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": seed,
            "stop": stops,
        }

    @property
    def threads(self) -> dict[str, int]:
        """The number of threads, where one is set."""
        return {} if self.settings.num_thread is None else {"num_thread": self.settings.num_thread}

    def _penalized(self, config: GenerationConfig) -> dict[str, Any]:
        """How far back the penalties look: the whole context, as a number that every server accepts.

        Old servers write it as -1, which new ones reject. Without penalties it has no effect and is sent only to
        override a Modelfile's value, which may be -1.
        """
        named = any(name == "repeat_last_n" for name, _ in self._parameters)
        return {"repeat_last_n": config.context_length} if named or config.repeat_penalty != 1 else {}

    @cached_property
    def _parameters(self) -> tuple[tuple[str, str], ...]:
        return parameters_of(self.shown)
