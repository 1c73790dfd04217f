"""The tokens that are shifted most often, and where."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from evalharness.records import Sample
from evalharness.records.tokens import MARGINAL, Author, ShiftContext, ShiftedToken, TokenFacts

MOST_TOKENS = 12
MOST_CONTEXTS = 3
TOKENS_BEFORE = 8


def shifted_tokens(
    facts: Sequence[tuple[Sample, TokenFacts]], author: Author, texts: Mapping[int, str]
) -> list[ShiftedToken]:
    """The tokens of one side that the other ranks below third most often, the end token left out."""
    occurrences: Counter[int] = Counter()
    shifts: defaultdict[int, list[tuple[Sample, TokenFacts, int]]] = defaultdict(list)
    for sample, one in facts:
        for at, token in enumerate(one.ids[: len(one.ids) - one.ended]):
            occurrences[token] += 1
            if one.other.ranks[at] > MARGINAL:
                shifts[token].append((sample, one, at))
    most = sorted(shifts, key=lambda token: (-len(shifts[token]), token))[:MOST_TOKENS]
    return [_token(author, token, occurrences[token], shifts[token], texts) for token in most]


def _token(
    author: Author, token: int, n: int, shifts: Sequence[tuple[Sample, TokenFacts, int]], texts: Mapping[int, str]
) -> ShiftedToken:
    instead = Counter(_instead(one, at) for _, one, at in shifts).most_common(1)[0][0]
    by_sample = {sample.id: (sample, one, at) for sample, one, at in reversed(shifts)}
    contexts = [
        ShiftContext(
            sample_id=sample.id,
            position=at + 1,
            before="".join(texts[before] for before in one.ids[max(0, at - TOKENS_BEFORE) : at]),
            instead=texts[_instead(one, at)],
        )
        for sample, one, at in list(reversed(by_sample.values()))[:MOST_CONTEXTS]
    ]
    return ShiftedToken(
        author=author, text=texts[token], n=n, n_shifted=len(shifts), instead=texts[instead], contexts=tuple(contexts)
    )


def _instead(facts: TokenFacts, at: int) -> int:
    """The other checkpoint's first choice."""
    return facts.other.likeliest[at][0][0]
