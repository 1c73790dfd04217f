"""Log-probabilities of given tokens from a server that gives them of prompts (vLLM's `prompt_logprobs`).

The server gives the token that is there with its rank, and the likeliest tokens: never the whole distribution.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evalharness.backends.backend import Known
from evalharness.backends.tokenizing import Tokenizing, TokenTexts
from evalharness.errors import BackendError

TOP = 20
"""What vLLM gives unless it is started with another `--max-logprobs`."""
IN_FLIGHT = 8

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends the fields of one request to `/v1/completions`, and returns its answer."""


class ServerTeacher(TokenTexts):
    """Reads completions with one model of a server."""

    top = TOP
    width = None
    batch_size = 64
    batch_tokens = 2**20

    def __init__(self, tokenizing: Tokenizing, ask: Ask, in_flight: int | None) -> None:
        super().__init__(tokenizing.tokenizer, tokenizing.end_tokens)
        self._ask, self._in_flight = ask, in_flight or IN_FLIGHT

    def log_probabilities(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
    ) -> Iterator[list[Known]]:
        """Of each completion in order, what is known of each token.

        Raises:
            BackendError: the server does not answer, or does not give what was asked.
        """
        with ThreadPoolExecutor(self._in_flight) as pool:
            yield from pool.map(self._read, prompts, completions)

    def _read(self, prompt: Sequence[int], completion: Sequence[int]) -> list[Known]:
        ids = [*prompt, *completion]
        reply = self._ask({"prompt": ids, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": self.top})
        stated = reply["choices"][0].get("prompt_logprobs") or ()
        if len(stated) != len(ids):
            raise BackendError(
                f"the server gives log-probabilities of {len(stated)} tokens of {len(ids)}",
                fix="use a server that honours prompt_logprobs, such as vLLM",
            )
        return [known_of(token, entry) for token, entry in zip(completion, stated[len(prompt) :], strict=True)]

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        """The memory is the server's."""
        return False

    def free_memory(self) -> None:
        """Nothing is held."""


def known_of(token: int, entry: dict[str, dict[str, Any]]) -> Known:
    """What vLLM says of one position.

    It gives the likeliest tokens and the one that is there. It counts tokens that are exactly as likely into a rank:
    among the likeliest the strictly likelier ones can be counted; below them its word is taken.

    >>> known_of(7, {"3": {"logprob": -0.5, "rank": 1}, "7": {"logprob": -1.5, "rank": 3}, "9": {"logprob": -1.5}})
    Known(logprob=-1.5, rank=2, likeliest=((3, -0.5), (7, -1.5), (9, -1.5)))
    """
    own = entry[str(token)]
    listed = sorted(((int(name), said["logprob"]) for name, said in entry.items()), key=lambda pair: -pair[1])
    likelier = sum(logprob > own["logprob"] for _, logprob in listed)
    # A token below the likeliest ones is given in addition to them.
    is_last = 1 + likelier == len(listed)
    return Known(own["logprob"], own["rank"] if is_last else 1 + likelier, tuple(listed[:TOP]))
