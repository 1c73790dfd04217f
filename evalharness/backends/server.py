"""Models of an OpenAI-compatible server: `server/NAME`, at `-M url=` or OPENAI_BASE_URL.

What the server does with a request is measured, not assumed: `server_probe` asks it before a run.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from evalharness.backends import read_options
from evalharness.backends.asking import Asker, Pace
from evalharness.backends.server_dialects import DIALECTS, Served, describe
from evalharness.backends.server_probe import (
    Drawing,
    Reading,
    draw,
    drawing_notes,
    read_chat,
    read_raw,
    reading_notes,
    rendered_prompt,
)
from evalharness.backends.server_requests import Bodies, ServerOptions, path_of, refuse_other_prompt, tidy
from evalharness.backends.server_wire import Server, ServerReply
from evalharness.errors import BackendError, ConfigError, MissingExtra
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    digest,
)

if TYPE_CHECKING:
    from evalharness.backends.server_teacher import ServerTeacher
    from evalharness.backends.tokenizing import Tokenizing


Probed = TypeVar("Probed")
FAULTS = 4
"""Faults of the first requests after which the server is given up; a busy one is waited for."""


class ServerBackend:
    """A model on a server that someone else started."""

    asks_a_server = True
    varied = ("concurrency", (4, 2))

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.options = read_options(checkpoint, ServerOptions)
        self._reading: dict[bool, Reading] = {}
        self._tokenizers = Lock()
        if self.options.dialect not in (None, *DIALECTS):
            raise ConfigError(
                f"checkpoint {checkpoint.name!r}: dialect {self.options.dialect!r} is not known",
                fix=f"use {', '.join(DIALECTS)}",
            )

    @cached_property
    def server(self) -> Server:
        """The connection, opened on first use."""
        return Server(self.options.url, key_variable=self.options.key_env, timeout=self.options.timeout)

    @cached_property
    def pace(self) -> Pace:
        """How many requests are in flight."""
        return Pace(self.options.concurrency)

    @cached_property
    def _asker(self) -> Asker:
        options = self.options
        return Asker(self.checkpoint.name, attempts=options.attempts, backoff=options.backoff, pace=self.pace)

    @cached_property
    def _served(self) -> Served:
        served = self._probe(lambda: describe(self.server, self.checkpoint.model_name, self.options.dialect))
        self.server.others = served.others
        return served

    @cached_property
    def _tokenizing(self) -> "Tokenizing | None":
        name = self.options.tokenizer
        if name is None:
            return None
        try:
            from evalharness.backends.tokenizing import Tokenizing
            from evalharness.weights import loading
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"checkpoint {self.checkpoint.name!r}: a tokenizer needs {error.name}, which is not installed",
                fix="pip install 'evalharness[hf]', or leave out -M tokenizer",
            ) from None
        source = loading.find_tokenizer(name)
        return Tokenizing(self.checkpoint.name, source, loading.load_tokenizer(source, trust_remote_code=False))

    @cached_property
    def _bodies(self) -> Bodies:
        served = self._served
        name = self.checkpoint.model_name
        return Bodies(name, self.options, served.dialect, served.context, self._tokenizing)

    # ---------------------------------------------------------------------------------------- probes

    @property
    def _chats(self) -> bool:
        """Whether prompts will be chats; `auto` is settled by the variant."""
        asked = self.checkpoint.prompt_format
        return asked == "chat" or (asked == "auto" and self.checkpoint.variant == "instruct")

    def _read(self, *, chats: bool) -> Reading:
        """How the server reads chats, or raw prompts."""
        if chats not in self._reading:
            with self._asker.announced("waiting for the first token"):
                read = read_chat if chats else read_raw
                self._reading[chats] = self._probe(lambda: read(self.server, self._bodies))
        return self._reading[chats]

    @cached_property
    def _drawing(self) -> Drawing:
        return self._probe(lambda: draw(self.server, self._bodies, chats=self._chats))

    def _probe(self, ask: Callable[[], Probed]) -> Probed:
        return self._asker.again(ask, self.server.failed, faults=FAULTS)

    # ------------------------------------------------------------------------------------- identity

    def resolve(self) -> ResolvedCheckpoint:
        """What the server says of the model, and what it does with a few short requests.

        Raises:
            BackendError: it gives no log-probabilities although they are asked for.
        """
        served, tokenizing = self._served, self._tokenizing
        notes = reading_notes(self._read(chats=self._chats), self.options.tokenizer, chats=self._chats)
        notes += drawing_notes(self._drawing)
        if self.options.logprobs is not None and not self._drawing.logprobs:
            raise BackendError(
                f"{served.dialect.title} at {self.server.url} gives no log-probabilities", fix="leave out -M logprobs"
            )
        return ResolvedCheckpoint(
            checkpoint=self.checkpoint,
            identity=self._identity(),
            tokenizer=tokenizing.facts() if tokenizing and self._read(chats=self._chats).known else None,
            context_length=served.context,
            parameters=served.parameters,
            notes=(
                f"Served by {served.dialect.named(served.version)}, whose word alone says which weights these are.",
                *notes,
                *filter(None, [served.dialect.aside]),
            ),
        )

    def _identity(self) -> CheckpointIdentity:
        served, tokenizing = self._served, self._tokenizing
        template = served.template or (tokenizing.template if tokenizing else None)
        where = {"weights": self.options.weights} if self.options.weights else {"url": self.server.url}
        return CheckpointIdentity(
            backend="server",
            model=self.checkpoint.model_name,
            weights_digest=digest({**served.facts, **where}),
            template_digest=digest(template) if template else None,
            tokenizer_digest=tokenizing.source.tokenizer_digest if tokenizing else None,
            settings={
                **where,
                "think": self.options.think,
                "prompts": "token ids" if self._reading[self._chats].ids else "text",
            },
            versions={served.dialect.title: served.version} if served.dialect is not DIALECTS["generic"] else {},
        )

    # --------------------------------------------------------------------------------------- render

    def render(self, prompts: Sequence[RawPrompt | ChatPrompt]) -> list[RenderedPrompt]:
        """Raw text is known; tokens, and what a template makes of turns, where the server was seen to read the same."""
        return [self._render(prompt) for prompt in prompts]

    def _render(self, prompt: RawPrompt | ChatPrompt) -> RenderedPrompt:
        if self._tokenizing is not None and self._read(chats=isinstance(prompt, ChatPrompt)).known:
            return self._tokenizing.render(prompt)
        return RenderedPrompt(text=prompt.text if isinstance(prompt, RawPrompt) else None)

    def resolve_config(self, prompts: Sequence[RawPrompt | ChatPrompt], config: GenerationConfig) -> GenerationConfig:
        """The same configuration, if the server can be sent it.

        Raises:
            ConfigError: it knows no such option, or was seen to ignore it.
        """
        problem = self._served.dialect.problem(config)
        if config.temperature > 0 and self._drawing.seed == "nothing drawn":
            problem = f"{self._served.dialect.title} ignores temperature"
        if problem:
            raise ConfigError(f"checkpoint {self.checkpoint.name!r}: {problem}", fix="set another value")
        return config

    # ------------------------------------------------------------------------------------- generate

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion | Failure | Notice]:
        """Generate with several requests in flight; outcomes come in the order of the requests."""
        if not requests:
            return
        self._refuse_another_reading(requests)
        if rendered := self._rendered(requests[0]):
            yield Notice(checkpoint=self.checkpoint.name, kind="rendered", message=rendered)
        yield Notice(checkpoint=self.checkpoint.name, kind="batch", message=self._conditions())
        yield from self._asker.outcomes(requests, self._answer, self.server.gone)
        if self.options.concurrency is None and len(requests) > 1:
            yield Notice(checkpoint=self.checkpoint.name, kind="batch", message=self.pace.in_words())

    def check_teacher(self) -> None:
        """Refuse to read completions, where the server cannot or the tokenizer is not known.

        Raises:
            BackendError: so it is.
        """
        title = self._served.dialect.title
        if not self._served.dialect.reads:
            raise BackendError(
                f"{title} at {self.server.url} gives no probabilities of given tokens", fix="serve the model with vLLM"
            )
        if self.options.tokenizer is None:
            raise BackendError(
                f"checkpoint {self.checkpoint.name!r}: to read tokens on a server, its tokenizer must be known",
                fix="name it with -M tokenizer=FOLDER",
            )

    def teacher(self) -> "ServerTeacher":
        """The model, to read completions with: of each token the log-probability and the rank.

        Raises:
            BackendError: as for `check_teacher`.
        """
        from evalharness.backends.server_teacher import ServerTeacher

        self.check_teacher()
        assert self._tokenizing is not None
        return ServerTeacher(self._tokenizing, self._prompt_scores, self.options.concurrency)

    def _prompt_scores(self, body: dict[str, Any]) -> dict[str, Any]:
        path, named = "/v1/completions", {"model": self.checkpoint.model_name, **body}
        return self._probe(lambda: self.server.send("POST", path, named))

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "server" in self.__dict__:
            self.server.close()

    def _answer(self, request: GenerationRequest) -> ServerReply:
        prompt, reading = request.prompt, self._read(chats=isinstance(request.prompt, ChatPrompt))
        with self._tokenizers:
            ids = self._bodies.ids(prompt) if reading.known else None
        config = self._bodies.limited(request.config, None if ids is None else len(ids))
        sent = ids if reading.ids else None
        body = self._bodies.of(prompt, config, replicate=request.replicate, ids=sent)
        reply = self.server.answer(path_of(prompt), body)
        refuse_other_prompt(reply, prompt, ids)
        return tidy(reply, prompt, config)

    def _refuse_another_reading(self, requests: Sequence[GenerationRequest]) -> None:
        """Ask, before several threads do, how prompts are read; the plan may be of another day."""
        for request in requests:
            known = self._read(chats=isinstance(request.prompt, ChatPrompt)).known
            if request.prompt_tokens is not None and not known:
                raise BackendError(
                    f"the server at {self.server.url} no longer reads prompts as when the run was planned",
                    fix="restore its model and chat template, or start a new run",
                )

    def _conditions(self) -> str:
        served, number = self._served, self.options.concurrency
        flying = "requests in flight rise while the throughput does" if number is None else f"{number} in flight"
        if number == 1:
            flying = "one request at a time, in a fixed order"
        return f"{served.dialect.named(served.version)}, {flying}"

    def _rendered(self, request: GenerationRequest) -> str | None:
        """How the server renders a chat whose prompt is not known here, if it can say."""
        if not isinstance(request.prompt, ChatPrompt) or request.rendered is not None:
            return None
        try:
            return rendered_prompt(self.server, self._bodies, request.prompt)
        except BackendError:
            return None
