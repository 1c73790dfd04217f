"""Both checkpoints read each completion: teacher-forced passes in step, of which a few numbers per token are kept."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from evalharness.backends.backend import Known, Teacher, TellsAll, TellsLikeliest
from evalharness.errors import ConfigError
from evalharness.records.tokens import Author, Divergence, SharedReading, TokenFacts, TokenReading
from evalharness.tokens.divergences import LIKELIEST, Numbers, Pairs, Reader, read
from evalharness.tokens.texts import Text

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


MOST_LOGITS = 2**26
"""Logits of all readers together that are in memory at one time (256 MiB in float32)."""
LEAST_PROBABILITY = 0.001
"""A less likely token is not listed among the likeliest."""
DIGITS = 5

View = tuple[Author, Author]
"""Who reads, and after whose prompt."""
OWN: tuple[View, ...] = (("baseline", "baseline"), ("candidate", "candidate"))
SHARED: tuple[View, ...] = (("candidate", "baseline"), ("baseline", "candidate"))
OWN_PAIRS: Pairs = ((1, 0),)
"""The candidate and the baseline, each after its own prompt."""
ALL_PAIRS: Pairs = ((1, 0), (2, 0), (1, 3))
"""Also both after the baseline's prompt, and both after the candidate's."""


def read_texts(
    texts: Sequence[Text], teachers: Mapping[Author, Teacher], *, shared: bool, most_logits: int = MOST_LOGITS
) -> Iterator[list[TokenFacts] | Text]:
    """Read all texts, the longest first; yields the facts of each batch, or a text for which memory does not suffice.

    A batch that does not fit in memory is halved, and the batches after it are no larger.
    """
    waiting = sorted(texts, key=lambda text: (len(text.ids), text.size), reverse=True)
    limit = min(teacher.batch_size for teacher in teachers.values())
    while waiting:
        batch = _next_batch(waiting, limit, min(teacher.batch_tokens for teacher in teachers.values()))
        facts = None
        try:
            facts = _read_batch(batch, teachers, shared=shared, most_logits=most_logits)
        except RuntimeError as error:
            if not teachers["baseline"].is_out_of_memory(error):
                raise
        if facts is None:
            # Not earlier: the error holds the memory of the batch.
            teachers["baseline"].free_memory()
            limit = max(1, len(batch) // 2)
        if facts is not None or len(batch) == 1:
            yield facts or batch[0]
            waiting = waiting[len(batch) :]


def _next_batch(waiting: Sequence[Text], limit: int, tokens: int) -> list[Text]:
    """As many texts as fit the budget; they are of nearly equal length."""
    count, longest = 0, 0
    for text in waiting[:limit]:
        longest = max(longest, text.size)
        if count and longest * (count + 1) > tokens:
            break
        count += 1
    return list(waiting[:count])


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _read_batch(
    batch: Sequence[Text], teachers: Mapping[Author, Teacher], *, shared: bool, most_logits: int
) -> list[TokenFacts]:
    views, pairs = ((*OWN, *SHARED), ALL_PAIRS) if shared else (OWN, OWN_PAIRS)
    known = [teacher.top for teacher in teachers.values() if teacher.top]
    if not known:
        collected = _compared(batch, teachers, views, pairs, most_logits)
        return [one.facts(text) for one, text in zip(collected, batch, strict=True)]
    alone = [_view(batch, teachers, view, most_logits) for view in views]
    return [
        _Collected(list(of_text), bounds_of(of_text, text.ids, pairs)).facts(text, top=min(known))
        for text, *of_text in zip(batch, *alone, strict=True)
    ]


def _view(batch: Sequence[Text], teachers: Mapping[Author, Teacher], view: View, most_logits: int) -> list[list[Row]]:
    """The numbers of one view, for a comparison with one that knows the likeliest tokens alone."""
    teacher, after = teachers[view[0]], view[1]
    if isinstance(teacher, TellsLikeliest):
        stated = teacher.log_probabilities([text.prompts[after] for text in batch], [text.ids for text in batch])
        return [
            [row_of(known, token, teacher.end_tokens) for known, token in zip(one, text.ids, strict=True)]
            for one, text in zip(stated, batch, strict=True)
        ]
    return [one.views[0] for one in _compared(batch, teachers, (view,), (), most_logits)]


def _compared(
    batch: Sequence[Text], teachers: Mapping[Author, Teacher], views: Sequence[View], pairs: Pairs, most_logits: int
) -> "list[_Collected]":
    """The numbers of whole distributions, of which only a few positions are in memory."""
    whole = {reader: teachers[reader] for reader, _ in views}
    width = max(teacher.width or 1 for teacher in whole.values())
    columns = max(1, most_logits // (len(views) * len(batch) * width))
    ids = [text.ids for text in batch]
    passes = [
        teacher.logits([text.prompts[after] for text in batch], ids, columns)
        for reader, after in views
        if isinstance(teacher := teachers[reader], TellsAll)
    ]
    collected = [_Collected([], []) for _ in batch]
    start = 0
    for logits in zip(*passes, strict=True):
        width = logits[0].shape[1]
        rows = range(logits[0].shape[0])
        places = [(row, start + at) for row in rows for at in range(width) if start + at < len(ids[row])]
        _collect(collected, places, _numbers(logits, places, start, ids, views, teachers, pairs))
        start += width
    return collected


def _numbers(
    logits: Sequence[torch.Tensor],
    places: Sequence[tuple[int, int]],
    start: int,
    ids: Sequence[Sequence[int]],
    views: Sequence[View],
    teachers: Mapping[Author, Teacher],
    pairs: Pairs,
) -> tuple[list[Numbers], list[torch.Tensor]]:
    device, width = logits[0].device, logits[0].shape[1]
    rows = torch.tensor([row * width + at - start for row, at in places], device=device)
    tokens = torch.tensor([ids[row][at] for row, at in places], device=device)
    readers = [
        Reader(some.flatten(0, 1).to(device), torch.tensor(sorted(teachers[reader].end_tokens), device=device))
        for (reader, _), some in zip(views, logits, strict=True)
    ]
    return read(readers, rows, tokens, pairs)


@dataclass
class _Collected:
    """The numbers of one text, by view and by pair, token by token."""

    views: list[list[Row]]
    pairs: list[list[tuple[float, float]]]

    def facts(self, text: Text, top: int | None = None) -> TokenFacts:
        """As a record."""
        own, *shared = ([tuple(_rounded(both) for both in pair) for pair in pairs] for pairs in self.pairs)
        after = [_shared(view, pair) for view, pair in zip(self.views[2:], shared, strict=True)]
        after_baseline, after_candidate = after or (None, None)
        return TokenFacts(
            request_id=text.request_id,
            other_id=text.other_id,
            author=text.author,
            ids=text.ids,
            ended=text.ended,
            encoded_again=text.encoded_again,
            top=top,
            baseline=_reading(self.views[0]),
            candidate=_reading(self.views[1]),
            own=_divergence(own),
            after_baseline=after_baseline,
            after_candidate=after_candidate,
        )


def _collect(
    collected: Sequence[_Collected],
    places: Sequence[tuple[int, int]],
    numbers: tuple[list[Numbers], list[torch.Tensor]],
) -> None:
    views = [_rows(view) for view in numbers[0]]
    pairs = [pair.tolist() for pair in numbers[1]]
    for place, (row, _) in enumerate(places):
        one = collected[row]
        one.views = one.views or [[] for _ in views]
        one.pairs = one.pairs or [[] for _ in pairs]
        for into, view in zip(one.views, views, strict=True):
            into.append(view[place])
        for into_pair, pair in zip(one.pairs, pairs, strict=True):
            into_pair.append(pair[place])


def _rows(view: Numbers) -> list[Row]:
    columns = (view.logprobs, view.ranks, view.ties, view.entropies, view.ends, view.likeliest, view.probabilities)
    return [Row(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _rounded(number: float) -> float:
    return round(number, DIGITS) + 0.0


def _reading(rows: Sequence[Row]) -> TokenReading:
    logprobs, ranks, ties, entropies, ends, likeliest, probabilities = zip(*rows, strict=True)
    return TokenReading(
        logprobs=tuple(map(_rounded, logprobs)),
        ranks=ranks,
        ties=ties if any(ties) else (),
        entropies=() if None in entropies else tuple(map(_rounded, entropies)),
        ends=tuple(map(_rounded, ends)),
        likeliest=tuple(
            tuple(
                (token, round(chance, 4))
                for token, chance in zip(top[0][:LIKELIEST], top[1][:LIKELIEST], strict=True)
                if chance >= LEAST_PROBABILITY
            )
            or ((top[0][0], round(top[1][0], 4)),)
            for top in zip(likeliest, probabilities, strict=True)
        ),
    )


def _divergence(pairs: Sequence[tuple[float, ...]]) -> Divergence:
    forward, backward = zip(*pairs, strict=True)
    return Divergence(kl_candidate=forward, kl_baseline=backward)


def _shared(rows: Sequence[Row], pairs: Sequence[tuple[float, ...]]) -> SharedReading:
    return SharedReading(
        logprobs=tuple(_rounded(row.logprob) for row in rows),
        ranks=tuple(row.rank for row in rows),
        divergence=_divergence(pairs),
    )


def refuse_different(teachers: Mapping[Author, Teacher], names: Mapping[Author, str], probes: Iterable[str]) -> None:
    """Refuse two checkpoints of which one writes other tokens than the other.

    Args:
        teachers: both sides.
        names: of the checkpoints.
        probes: texts that both must encode alike.

    Raises:
        ConfigError: a token, the id of a token, the number of logits or the encoding of a text differs.
    """
    left, right = teachers["baseline"], teachers["candidate"]
    difference = _difference(left.vocabulary, right.vocabulary) or _widths(left, right)
    if not difference:
        apart = (text for text in probes if left.encode(text) != right.encode(text))
        difference = next((f"they encode {text[:40]!r} differently" for text in apart), "")
    if difference:
        raise ConfigError(
            f"{names['baseline']} and {names['candidate']} do not share a tokenizer: {difference}",
            fix="compare two checkpoints of one tokenizer, such as a base and its fine-tune",
        )


def _widths(left: Teacher, right: Teacher) -> str:
    # A server does not tell the width of its output layer.
    if left.width is None or right.width is None or left.width == right.width:
        return ""
    return f"their output layers have {left.width:,} and {right.width:,} tokens"


def _difference(left: Mapping[str, int], right: Mapping[str, int]) -> str:
    if left == right:
        return ""
    if len(left) != len(right):
        only = sorted(left.keys() ^ right.keys())[:3]
        named = f", such as {', '.join(map(repr, only))}" if only else ""
        return f"they have {len(left):,} and {len(right):,} tokens{named}"
    moved = next(token for token in left if left[token] != right.get(token))
    return f"token {moved!r} is {left[moved]} in the one and {right.get(moved, 'missing')} in the other"
