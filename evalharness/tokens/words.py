"""What the numbers say, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from evalharness.formatting import counted, format_number, format_share, format_share_interval
from evalharness.records.tokens import Author, Context, Ending, Expected, MeanOfSamples, TokenShift

LATE = 21
"""The first position of the last bucket."""


def sentences_of(
    names: Mapping[Author, str],
    shifts: Sequence[TokenShift],
    endings: Sequence[Ending],
    *,
    same_prompts: bool,
    bounded: bool,
) -> Iterator[str]:
    """The findings, the most general first; none about divergences if these are lower bounds (`bounded`)."""
    whole = find(shifts, "candidate")
    if whole is None:
        return
    base = names["baseline"]
    yield (
        f"{names['candidate']} writes the token that {base} would have written at {_share(whole.unshifted)} of its "
        f"tokens, {base}'s second or third choice at {_share(whole.marginal)}, and another at {_share(whole.shifted)} "
        f"({counted(whole.n_samples, 'sample')}, {counted(whole.n_tokens, 'token')})."
    )
    says = partial(_depth, names, shifts, bounded=bounded)
    yield from says("own", f"Along {names['candidate']}'s completions")
    weights: Context = "own"
    if not same_prompts and find(shifts, "candidate", "candidate") is not None:
        weights = "candidate"
        yield from _format(names, shifts, whole)
        yield from says(weights, f"After {names['candidate']}'s prompt for both")
    yield from says(weights, "On prompts to refuse", expected="refuse", alike=weights != "own")
    yield from _endings(names, endings)


def find(
    shifts: Sequence[TokenShift],
    author: Author,
    context: Context = "own",
    *,
    first: int = 1,
    expected: Expected | None = None,
) -> TokenShift | None:
    """The row of all categories for a part of the positions; the whole completion by default."""
    last = {1: None, 5: 5, LATE: None}
    begins = 1 if first == 5 else first
    return next(
        (
            row
            for row in shifts
            if (row.author, row.context, row.category, row.expected, row.first, row.last)
            == (author, context, None, expected, begins, last[first])
        ),
        None,
    )


def _depth(
    names: Mapping[Author, str],
    shifts: Sequence[TokenShift],
    context: Context,
    where: str,
    *,
    bounded: bool,
    expected: Expected | None = None,
    alike: bool = False,
) -> Iterator[str]:
    """Where along the candidate's completions the two are apart; nothing without late tokens.

    In shares of shifted tokens if divergences are lower bounds: the shares are exact.
    """
    early = find(shifts, "candidate", context, first=5, expected=expected)
    late = find(shifts, "candidate", context, first=LATE, expected=expected)
    if early is None or late is None:
        return
    if bounded:
        pair = early.shifted, late.shifted
        apart = f"{_share(pair[0])} of the first five tokens are shifted and {_share(pair[1])}"
    else:
        pair = early.kl_candidate, late.kl_candidate
        divergence = f"KL({names['candidate']} || {names['baseline']})"
        apart = f"{divergence} is {nats(pair[0])} nats per token in the first five tokens and {nats(pair[1])}"
    prompts = f", after {names['candidate']}'s prompt for both" if alike else ""
    yield f"{where}{prompts}, {apart} from token {LATE} on: {_compared(*pair)}."


def _compared(early: MeanOfSamples, late: MeanOfSamples) -> str:
    if early.interval is None or late.interval is None:
        return "too few samples to say more"
    if early.interval.low > late.interval.high:
        return "they are furthest apart at the beginning"
    return "they move further apart" if late.interval.low > early.interval.high else "no fading is shown"


def _format(names: Mapping[Author, str], shifts: Sequence[TokenShift], own: TokenShift) -> Iterator[str]:
    """How much of the difference is the prompt's."""
    shared = find(shifts, "candidate", "candidate")
    if shared is not None:
        yield (
            f"When {names['baseline']} reads the same completions after {names['candidate']}'s prompt, "
            f"{_share(shared.unshifted)} of the tokens are unshifted instead of {format_share(own.unshifted.value)}: "
            "what is still shifted is in the weights, not in the prompt format."
        )


def _endings(names: Mapping[Author, str], endings: Sequence[Ending]) -> Iterator[str]:
    for one in endings:
        author, other = names[one.author], names["baseline" if one.author == "candidate" else "candidate"]
        if one.author == "candidate" and one.probability is not None:
            yield (
                f"Where {author} ends its answer ({counted(one.n_ended, 'completion')}), {other} would have ended with "
                f"a mean probability of {_share(one.probability)}."
            )
        elif one.author == "baseline" and one.would_stop is not None and one.median_stop is not None:
            yield (
                f"In {_share(one.would_stop)} of the {counted(one.n, 'completion')} of {author}, {other} would have "
                f"ended earlier, at a median of {one.median_stop:g} tokens."
            )


def _share(mean: MeanOfSamples) -> str:
    interval = f" ({format_share_interval(mean.interval, digits=1)})" if mean.interval else ""
    return f"{format_share(mean.value, digits=1)}{interval}"


def nats(mean: MeanOfSamples, *, bounded: bool = False) -> str:
    """A divergence with its interval, or a lower bound of one."""
    sign = "≥ " if bounded else ""
    if mean.interval is None:
        return f"{sign}{format_number(mean.value)}"
    return (
        f"{sign}{format_number(mean.value)} ({format_number(mean.interval.low)} to {format_number(mean.interval.high)})"
    )
