"""Single positions of which only the likeliest tokens are known: what can be said without the rest of the vocabulary.

Log-probabilities and ranks of the tokens that are there are exact. A divergence is not known, but there is a lower
bound: the smallest that any two distributions with these probabilities have. Tokens known on neither side are taken
together, which never makes it larger (the log-sum inequality); one that only the first side knows has at most the
probability of the last of the second side's likeliest.
"""

import math
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from evalharness.backends.backend import Known

LEAST = 1e-6
"""The smallest probability of all other tokens together: less is rounding of float32."""
TINY = 1e-30
"""Instead of a probability of 0."""


class Row(NamedTuple):
    """One reader's numbers at one position, as in `divergences.Numbers`."""

    logprob: float
    rank: int
    ties: int
    entropy: float | None
    """None where only the likeliest tokens are known."""
    ends: float
    likeliest: Sequence[int]
    probabilities: Sequence[float]


def row_of(known: Known, token: int, ends: Container[int]) -> Row:
    """The numbers of what a server tells of a position where `token` is."""
    likeliest = {one: math.exp(logprob) for one, logprob in known.likeliest}
    ending = sum(chance for one, chance in {token: math.exp(known.logprob), **likeliest}.items() if one in ends)
    return Row(known.logprob, known.rank, 0, None, ending, tuple(likeliest), tuple(likeliest.values()))


def bounds_of(
    views: Sequence[Sequence[Row]], ids: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> list[list[tuple[float, float]]]:
    """Of each pair of views and at each position, bounds of KL(first || second) and KL(second || first), in nats.

    Args:
        views: each with a row for each token.
        ids: the tokens.
        pairs: which views are compared, by their places.
    """
    return [
        [bounds(ones, others, token) for ones, others, token in zip(views[first], views[second], ids, strict=True)]
        for first, second in pairs
    ]


def bounds(one: Row, other: Row, token: int) -> tuple[float, float]:
    """Lower bounds of both divergences at a position where `token` is.

    >>> sure, torn = Row(0.0, 1, 0, None, 0, (7,), (1.0,)), Row(math.log(0.5), 1, 0, None, 0, (7, 8), (0.5, 0.4))
    >>> [round(bound, 3) for bound in bounds(sure, torn, 7)]  # ln 2; and 0.5 ln 0.5 + 0.5 ln (0.5 / LEAST)
    [0.693, 6.215]
    >>> away = Row(math.log(0.001), 50, 0, None, 0, (1, 2), (0.9, 0.01))
    >>> round(bounds(torn, away, 7)[0], 3)  # 0.5 ln (0.5 / 0.001) + 0.4 ln (0.4 / 0.01) + 0.1 ln (0.1 / 0.989)
    4.354
    """
    ours, theirs = (dict(zip(row.likeliest, row.probabilities, strict=True)) for row in (one, other))
    ours[token], theirs[token] = math.exp(one.logprob), math.exp(other.logprob)
    return _bound(ours, theirs, other.probabilities[-1]), _bound(theirs, ours, one.probabilities[-1])


def _bound(p: Mapping[int, float], q: Mapping[int, float], most: float) -> float:
    """The least KL(p || q) over all that is unknown; a token that q does not know has at most `most` there."""
    shared = [token for token in p if token in q]
    total = math.fsum(p[token] * math.log(p[token] / max(q[token], TINY)) for token in shared if p[token])
    rest, other_rest = (max(LEAST, 1 - math.fsum(known[token] for token in shared)) for known in (p, q))
    # The rest of q is spread like that of p, which costs least, except where a token cannot have as much.
    for chance in sorted((p[token] for token in p if token not in q), reverse=True):
        if chance * other_rest <= most * rest:
            break
        total += chance * math.log(chance / max(most, TINY))
        rest, other_rest = max(LEAST, rest - chance), max(LEAST, other_rest - most)
    return max(0.0, total + rest * math.log(rest / other_rest))
