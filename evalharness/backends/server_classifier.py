"""A sequence classifier on a server: vLLM's `/classify` gives a model's raw numbers for token ids."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any, TypeVar

from evalharness.backends.asking import Asker, Pace
from evalharness.backends.server_dialects import Served, describe
from evalharness.backends.server_requests import ServerOptions
from evalharness.backends.server_wire import Server, address
from evalharness.errors import BackendError
from evalharness.records import digest

FAULTS = 4
"""Faults after which the server is given up; a busy one is waited for."""
Answer = TypeVar("Answer")


class ServedClassifier:
    """A reward model or a text classifier that a vLLM serves, at `url` or OPENAI_BASE_URL."""

    def __init__(self, name: str, url: str | None, *, labels: int) -> None:
        """Open no connection yet.

        Args:
            labels: how many numbers it gives, as its configuration says.
        """
        options = ServerOptions(url=url)
        self.labels = labels
        self.name, self._options, self.url = name, options, address(url)
        self._asker = Asker(name, attempts=options.attempts, backoff=options.backoff, pace=Pace(1))

    @cached_property
    def served(self) -> Served:
        """What the server says of the model.

        Raises:
            UnknownModel: it serves another.
            BackendError: it does not answer, or gives no numbers of classifiers.
        """
        served = self._again(lambda server: describe(server, self.name, None))
        if not served.dialect.classifies:
            raise BackendError(
                f"{served.dialect.title} at {self.url} gives no numbers of a classifier",
                fix="serve the model with vLLM",
            )
        return served

    @property
    def shown(self) -> str:
        """The kind of server."""
        return self.served.dialect.named(self.served.version)

    def weights_digest(self, weights: str | None = None) -> str:
        """What the server says of the weights, and `weights` or the address."""
        return digest({**self.served.facts, **({"weights": weights} if weights else {"url": self.url})})

    def numbers(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """The logits of each text, given as token ids, in order.

        Raises:
            BackendError: the server does not answer, or has read other tokens, or serves another model.
        """
        body = {"model": self.name, "input": [list(ids) for ids in batch], "use_activation": False}
        reply = self._again(lambda server: server.send("POST", "/classify", body))
        sent, read = sum(map(len, batch)), (reply.get("usage") or {}).get("prompt_tokens")
        if read != sent:
            raise BackendError(
                f"the server at {self.url} has read {read} tokens of {sent}", fix="look at the server's log"
            )
        entries: list[dict[str, Any]] = sorted(reply.get("data") or (), key=lambda entry: int(entry.get("index", -1)))
        rows: list[list[float]] = [entry.get("probs") or [] for entry in entries]
        if len(rows) != len(batch) or any(not isinstance(each, int | float) for row in rows for each in row):
            raise BackendError(
                f"the server at {self.url} answers {len(batch)} texts with other than a row of numbers for each",
                fix="serve the classifier with vLLM",
            )
        odd = {len(row) for row in rows} - {self.labels}
        if odd:
            raise BackendError(
                f"{self.name} has {min(odd)} labels on the server, and {self.labels} where its tokenizer is",
                fix="name the model that is served as its tokenizer",
            )
        return rows

    def _again(self, ask: Callable[[Server], Answer]) -> Answer:
        """Over a connection of its own, since scorers are never closed."""
        options = self._options
        with closing(Server(self.url, key_variable=options.key_env, timeout=options.timeout)) as server:
            return self._asker.again(lambda: ask(server), server.failed, faults=FAULTS)
