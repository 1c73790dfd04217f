"""How likely a judge's answer is to begin with each letter, where its backend gives probabilities of tokens.

Read so, every answer is one of the letters, and a preference for a place cancels out over the orders instead of making
the answer unreadable (Zheng et al. 2023, arXiv:2309.03882).
"""

from collections.abc import Iterator, Sequence
from math import exp

from evalharness.backends.backend import Backend, Teacher, TellsLikeliest, open_teacher, refuse_without_teacher
from evalharness.errors import BackendError
from evalharness.records import ChatPrompt, RawPrompt


def letter_reader(backend: Backend, name: str) -> Teacher | None:
    """The loaded model that reads letters; None where the backend gives no probabilities of tokens."""
    try:
        refuse_without_teacher(backend, name)
    except BackendError:
        return None
    return open_teacher(backend, name)


def letter_chances(
    teacher: Teacher, backend: Backend, prompts: Sequence[RawPrompt | ChatPrompt], letters: str, longest: int | None
) -> Iterator[list[float] | None]:
    """For each prompt the probability that the next token is a letter, for each of `letters`, with or without a space.

    None where this cannot be known: the ids of the prompt are not, it does not fit a context of `longest` tokens, the
    memory does not suffice, or a letter is not one token.
    """
    tokens = [
        {ids[0] for text in (letter, f" {letter}") if len(ids := teacher.encode(text)) == 1} for letter in letters
    ]
    for prompt in backend.render(prompts):
        sent, chances = prompt.token_ids, None
        if sent and all(tokens) and (longest is None or len(sent) < longest):
            chances = _next_tokens(teacher, sent, min(tokens[0]), set().union(*tokens))
        yield None if chances is None else [sum(chances.get(token, 0.0) for token in each) for each in tokens]


def _next_tokens(teacher: Teacher, prompt: Sequence[int], forced: int, wanted: set[int]) -> dict[int, float] | None:
    """The probabilities of some tokens after a prompt; None without memory."""
    if isinstance(teacher, TellsLikeliest):
        [[known]] = teacher.log_probabilities([prompt], [(forced,)])
        return {token: exp(logprob) for token, logprob in (*known.likeliest, (forced, known.logprob))}
    try:
        [row] = next(teacher.logits([prompt], [(forced,)], 1))[:, 0].float().softmax(-1)  # type: ignore[attr-defined]
        return {token: float(row[token]) for token in wanted}
    except RuntimeError as error:
        if not teacher.is_out_of_memory(error):
            raise
    teacher.free_memory()
    return None
