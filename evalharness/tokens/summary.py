"""From the facts of single tokens to shares, divergences and log-ratios, with intervals from resampling samples.

Tokens of one completion depend on each other, so a completion's mean is one value, and samples are resampled, with
their groups.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Interval, Sample
from evalharness.records.tokens import (
    MARGINAL,
    UNSHIFTED,
    Author,
    Context,
    Divergence,
    Ending,
    Expected,
    MeanOfSamples,
    ShiftContext,
    ShiftedToken,
    TokenFacts,
    TokenShift,
)
from evalharness.statistics import Floats, means_of, resample, wilson

BUCKETS: tuple[tuple[int, int | None], ...] = ((1, 5), (6, 20), (21, None))
CURVE: tuple[tuple[int, int | None], ...] = (
    *((at, at) for at in range(1, 11)),
    *((11, 13), (14, 16), (17, 20), (21, 30), (31, 50), (51, None)),
)
"""Single positions where most changes, then wider parts."""
CONTEXTS: tuple[Context, ...] = ("own", "baseline", "candidate")
RESAMPLES = 2_000
FEWEST_GROUPS = 5
"""An interval from fewer samples would be as wide as the scale."""
LIKELY = 0.5
"""Ending is likelier than not above this."""


@dataclass(frozen=True)
class Part:
    """Which tokens a row is about."""

    category: str | None = None
    expected: Expected | None = None
    first: int = 1
    last: int | None = None

    def has(self, sample: Sample) -> bool:
        """Whether a sample's completions are in it."""
        return self.category in (None, sample.category) and self.expected in (None, sample.expected)

    def of(self, length: int) -> slice:
        """The tokens of a completion of this length."""
        return slice(self.first - 1, min(self.last or length, length))


@dataclass(frozen=True)
class Values:
    """The numbers of one completion's text, the end token left out, in one context; arrays (n_tokens,)."""

    sample: Sample
    ranks: NDArray[np.int64]
    numbers: Floats
    """Unshifted, marginal, shifted, log-ratio, both divergences: (n_tokens, 6)."""


def values_of(facts: TokenFacts, sample: Sample, context: Context) -> Values | None:
    """A completion's numbers in a context; None if it was not read there or is nothing but an end token."""
    shared = {"own": None, "baseline": facts.after_baseline, "candidate": facts.after_candidate}[context]
    baseline, candidate = facts.baseline, facts.candidate
    divergence: Divergence = shared.divergence if shared else facts.own
    logs = [baseline.logprobs, candidate.logprobs]
    ranks = facts.other.ranks
    if shared:
        reader = int(context == "baseline")
        logs[reader] = shared.logprobs
        # After its author's prompt, the other one is the checkpoint that reads a foreign prompt.
        ranks = shared.ranks if facts.author == context else ranks
    n = len(facts.ids) - facts.ended
    if not n:
        return None
    ranked = np.array(ranks[:n])
    unshifted, marginal = ranked <= UNSHIFTED, (ranked > UNSHIFTED) & (ranked <= MARGINAL)
    ratio = np.array(logs[1][:n]) - np.array(logs[0][:n])
    columns = (unshifted, marginal, ranked > MARGINAL, ratio, divergence.kl_candidate[:n], divergence.kl_baseline[:n])
    return Values(sample, ranked, np.column_stack(columns).astype(np.float64))


def rows_of(
    values: Sequence[Values], author: Author, context: Context, parts: Iterable[Part], seed: int
) -> Iterator[TokenShift]:
    """A row for each part that has tokens."""
    for part in parts:
        chosen = [(one.sample, one.numbers[part.of(len(one.numbers))]) for one in values if part.has(one.sample)]
        chosen = [(sample, numbers) for sample, numbers in chosen if len(numbers)]
        if chosen:
            yield _row(chosen, author, context, part, seed)


def _row(
    chosen: Sequence[tuple[Sample, Floats]], author: Author, context: Context, part: Part, seed: int
) -> TokenShift:
    pooled = np.vstack([numbers for _, numbers in chosen])
    means = means_over_samples([(sample, numbers.mean(axis=0)) for sample, numbers in chosen], seed)
    highest = (1.0, 1.0, 1.0, np.inf, np.inf, np.inf)
    lowest = (0.0, 0.0, 0.0, -np.inf, 0.0, 0.0)
    names = ("unshifted", "marginal", "shifted", "log_ratio", "kl_candidate", "kl_baseline")
    n_groups = len({sample.group for sample, _ in chosen})
    within = {
        name: _within(mean, low, high, n_groups)
        for name, mean, low, high in zip(names, means, lowest, highest, strict=True)
    }
    return TokenShift.model_validate(
        {
            "author": author,
            "context": context,
            "category": part.category,
            "expected": part.expected,
            "first": part.first,
            "last": part.last,
            "n_samples": len({sample.id for sample, _ in chosen}),
            "n_tokens": len(pooled),
            "n_unshifted": int(pooled[:, 0].sum()),
            "n_marginal": int(pooled[:, 1].sum()),
            **within,
        }
    )


def _within(mean: MeanOfSamples, lowest: float, highest: float, n_groups: int) -> MeanOfSamples:
    """The same with an interval of possible values; Wilson's for a share that is the same in all samples."""
    interval = mean.interval
    if interval is not None and interval.low == interval.high and highest == 1:
        low, high = wilson(mean.value * n_groups, n_groups)
        interval = Interval(low=low, high=high)
    return mean.model_copy(update={"interval": interval and interval.within(lowest, highest)})


def means_over_samples(values: Sequence[tuple[Sample, Floats]], seed: int) -> list[MeanOfSamples]:
    """The mean of each column over samples, replicates averaged first, groups resampled together."""
    samples = list(dict.fromkeys(sample.id for sample, _ in values))
    groups = list(dict.fromkeys(sample.group for sample, _ in values))
    place, group = {name: at for at, name in enumerate(samples)}, {name: at for at, name in enumerate(groups)}
    width = len(values[0][1])
    sums, counts = np.zeros((len(samples), width)), np.zeros(len(samples))
    of_group = np.zeros(len(samples), dtype=np.int64)
    for sample, numbers in values:
        at = place[sample.id]
        sums[at] += numbers
        counts[at] += 1
        of_group[at] = group[sample.group]
    means = sums / counts[:, None]
    if len(groups) < FEWEST_GROUPS:
        return [MeanOfSamples(value=float(value)) for value in means.mean(axis=0)]
    by_group = np.zeros((len(groups), width))
    np.add.at(by_group, of_group, means)
    sizes = np.repeat(np.bincount(of_group).astype(np.float64)[:, None], width, axis=1)
    drawn = resample(by_group, sizes, seed=seed, n_resamples=RESAMPLES)
    return [
        MeanOfSamples(value=mean.value, interval=Interval(low=mean.low(0.025), high=mean.high(0.025)))
        for mean in means_of(drawn, is_difference=False)
    ]


# ------------------------------------------------------------------------------------------------ ending


def ending_of(facts: Sequence[tuple[Sample, TokenFacts]], author: Author, seed: int) -> Ending | None:
    """Where the other checkpoint would have ended one side's completions; None without completions."""
    if not facts:
        return None
    ended = [(sample, np.array([one.other.ends[-1]])) for sample, one in facts if one.ended]
    stops = [(sample, _first_stop(one)) for sample, one in facts]
    early = [(sample, np.array([float(stop is not None)])) for sample, stop in stops]
    places = [stop for _, stop in stops if stop is not None]
    probability = means_over_samples(ended, seed)[0] if ended else None
    return Ending(
        author=author,
        n=len(facts),
        n_ended=len(ended),
        probability=_within(probability, 0.0, 1.0, len({sample.group for sample, _ in ended})) if probability else None,
        would_stop=_within(means_over_samples(early, seed)[0], 0.0, 1.0, len({sample.group for sample, _ in early})),
        median_stop=float(np.median(places)) if places else None,
    )


def _first_stop(facts: TokenFacts) -> int | None:
    """The first position, counted from 1, before the author's end where the other one would rather end."""
    n = len(facts.ids) - facts.ended
    return next((at for at, chance in enumerate(facts.other.ends[:n], start=1) if chance > LIKELY), None)


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
