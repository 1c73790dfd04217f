"""How likely a judge's answer is to begin with each letter, where its backend gives probabilities of tokens.

Read so, every answer is one of the letters, and a preference for a place cancels out over the orders instead of making
the answer unreadable (Zheng et al. 2023, arXiv:2309.03882).
"""

from collections.abc import Iterator, Sequence
from math import exp

from evalharness.backends.backend import (
    Backend,
    Teacher,
    TellsAll,
    TellsLikeliest,
    open_teacher,
    refuse_without_teacher,
)
from evalharness.errors import BackendError
from evalharness.records import ChatPrompt, RawPrompt

AT_ONCE = 8
"""Prompts that are read together; of a model that is loaded here, their states are in memory."""


def letter_reader(backend: Backend, name: str) -> Teacher | None:
    """The loaded model that reads letters; None where the backend gives no probabilities of tokens."""
    try:
        refuse_without_teacher(backend, name)
    except BackendError:
        return None
    return open_teacher(backend, name)


def letter_chances(
    teacher: Teacher, backend: Backend, prompts: Sequence[RawPrompt | ChatPrompt], letters: str
) -> Iterator[list[float]]:
    """For each prompt the probability that the next token is a letter, for each of `letters`, with or without a space.

    Raises:
        BackendError: the memory does not suffice, or a server does not tell.
    """
    tokens = [
        {ids[0] for text in (letter, f" {letter}") if len(ids := teacher.encode(text)) == 1} for letter in letters
    ]
    rendered = [prompt.token_ids or () for prompt in backend.render(prompts)]
    count = min(AT_ONCE, teacher.batch_size)
    for start in range(0, len(rendered), count):
        for chances in _next_tokens(teacher, rendered[start : start + count], min(tokens[0]), set().union(*tokens)):
            yield [sum(chances.get(token, 0.0) for token in of_letter) for of_letter in tokens]


def _tokens_of(teacher: Teacher, letter: str) -> set[int]:
    encoded = [teacher.encode(text) for text in (letter, f" {letter}")]
    return {ids[0] for ids in encoded if len(ids) == 1}


def _next_tokens(
    teacher: Teacher, prompts: Sequence[Sequence[int]], forced: int, wanted: set[int]
) -> Iterator[dict[int, float]]:
    """The probabilities of some tokens after each prompt."""
    completions = [(forced,)] * len(prompts)
    if isinstance(teacher, TellsLikeliest):
        for (known,) in teacher.log_probabilities(prompts, completions):
            yield {token: exp(logprob) for token, logprob in (*known.likeliest, (forced, known.logprob))}
    elif isinstance(teacher, TellsAll):
        for row in next(teacher.logits(prompts, completions, 1))[:, 0].float().softmax(-1):
            yield {token: float(row[token]) for token in wanted}
