"""What the tuning changed, token by token: bars of classes, divergence by position, shifted tokens, a few strips."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from markupsafe import Markup

from evalharness.formatting import format_number, format_share, format_share_interval
from evalharness.records.tokens import (
    CLASSES,
    Author,
    Context,
    DepthPoint,
    MeanOfSamples,
    RefusalDepth,
    TokenComparison,
    TokenFacts,
    TokenShift,
    class_of,
)
from evalharness.report.charts import Scale
from evalharness.report.hidden_characters import tamed
from evalharness.report.token_strips import make_strip
from evalharness.report.view import View, typeset
from evalharness.store import Run
from evalharness.tokens.words import nats

AUTHORS: tuple[Author, ...] = ("candidate", "baseline")
"""What the tuning added, then what it suppressed."""
PRINTED_STRIPS = 3
NARROW = 0.07
"""A part of a bar below this has no number in it."""
LABELLED = (1, 5, 10, 17, 31, 51)
"""First positions that the axis of the curve names."""
EXPECTED = {"refuse": "prompts to refuse", "comply": "prompts to answer"}


def make_token_section(run: Run, readable: Run) -> View | None:
    """The section; None if `evalharness tokens` was not run on the present outcomes."""
    compared = run.tokens
    if compared is None:
        return None
    names: dict[Author, str] = {"baseline": compared.baseline, "candidate": compared.candidate}
    return View(
        bounded=compared.top is not None,
        sentences=compared.sentences,
        remarks=tuple(remarks_of(compared, names)),
        sides=tuple(_side(compared, author, names) for author in AUTHORS if compared.n.get(author)),
        strips=tuple(_printed(readable, compared)),
    )


def _side(compared: TokenComparison, author: Author, names: Mapping[Author, str]) -> View:
    own = [row for row in compared.shifts if (row.author, row.context) == (author, "own")]
    whole = [row for row in own if row.first == 1 and row.last is None]
    parts = [row for row in own if row.category is None and row.expected is None]
    contexts = [
        row
        for row in compared.shifts
        if (row.author, row.expected, row.first, row.last) == (author, None, 1, None)
        and row.context != "own"
        and not compared.same_prompts
    ]
    expected = [row for row in whole if row.expected]
    drawn: tuple[Context, ...] = ("own", author)
    bar = partial(_bar, bounded=compared.top is not None)
    return View(
        author=author,
        name=names[author],
        bars=tuple(bar(row, _where(row)) for row in [*parts, *expected]),
        categories=tuple(bar(row, row.category or "") for row in whole if row.category),
        contexts=tuple(bar(row, _after(row, compared)) for row in contexts),
        curves=tuple(curve for context in drawn if (curve := _curve(compared, author, context, names))),
        tokens=tuple(token for token in compared.tokens if token.author == author),
    )


def _after(row: TokenShift, compared: TokenComparison) -> str:
    name = compared.baseline if row.context == "baseline" else compared.candidate
    return f"both after {name}'s prompt"


def _where(row: TokenShift) -> str:
    if row.expected:
        return EXPECTED[row.expected]
    if row.first == 1:
        return f"tokens 1 to {row.last}" if row.last else "all tokens"
    return f"tokens {row.first} to {row.last}" if row.last else f"from token {row.first}"


def _bar(row: TokenShift, label: str, *, bounded: bool) -> View:
    means = (row.unshifted, row.marginal, row.shifted)
    return View(
        label=label,
        drawing=_drawn([mean.value for mean in means], label),
        tokens=f"{row.n_tokens:,} tokens, {row.n_samples:,} samples",
        shares=tuple(share_of(mean) for mean in means),
        kl=nats(row.kl_candidate, bounded=bounded),
    )


def _drawn(shares: Sequence[float], label: str) -> Markup:
    """A bar in three parts, which differ in lightness."""
    said = ", ".join(f"{name} {format_share(share)}" for name, share in zip(CLASSES, shares, strict=True))
    parts, start = Markup(""), 0.0
    for number, share in enumerate(shares):
        rect = Markup('<rect x="{:.2f}%" width="{:.2f}%" height="100%"/>').format(100 * start, 100 * share)
        middle = 100 * (start + share / 2)
        text = Markup('<text x="{:.2f}%" y="50%">{}</text>').format(middle, typeset(format_share(share)))
        parts += Markup('<g class="part shift-{}">{}{}</g>').format(number, rect, text if share > NARROW else "")
        start += share
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(tamed(f"{label}: {said}"), parts)


# ------------------------------------------------------------------------------------------------- curve


def _curve(compared: TokenComparison, author: Author, context: Context, names: Mapping[Author, str]) -> View | None:
    """KL(author || other) by position; None without tokens."""
    rows = [row for row in compared.curve if (row.author, row.context) == (author, context)]
    if not rows:
        return None
    means = [_divergence(row) for row in rows]
    scale = Scale.around(0.0, max(mean.interval.high if mean.interval else mean.value for mean in means), 4)
    across = Scale(0, max(len(rows) - 1, 1), 1, 4.0)
    other = names["baseline" if author == "candidate" else "candidate"]
    said = ", ".join(f"{_positions(row)}: {format_number(mean.value)}" for row, mean in zip(rows, means, strict=True))
    prompts = "each after its own prompt" if rows[0].context == "own" else f"both after {names[author]}'s prompt"
    kl = "Lower bound of KL" if compared.top else "KL"
    title = f"{kl}({names[author]} || {other}) along {names[author]}'s completions, {prompts}"
    points = Markup("").join(point_of(across.across(at), mean, scale) for at, mean in enumerate(means))
    drawing = Markup('<svg class="trend tone-first" role="img" aria-label="{}">{}</svg>').format(
        tamed(f"{title}, in nats per token, by position: {said}"), points
    )
    labels = [(at, _positions(row)) for at, row in enumerate(rows) if row.first in LABELLED]
    return View(
        title=title, top=typeset(f"{format_number(scale.high)} nats"), drawing=drawing, axis=axis_of(labels, across)
    )


def _divergence(row: TokenShift) -> MeanOfSamples:
    return row.kl_candidate if row.author == "candidate" else row.kl_baseline


def _positions(row: TokenShift) -> str:
    if row.last is None:
        return f"{row.first}+"
    return str(row.first) if row.first == row.last else f"{row.first}–{row.last}"


def point_of(x: str, mean: MeanOfSamples, scale: Scale) -> Markup:
    """A dot with its interval."""
    dot = Markup('{}<circle class="dot" cx="{}" cy="{}" r="4"/>')
    return dot.format(scale.whisker(x, mean.interval), x, scale.up(mean.value))


def axis_of(labels: Sequence[tuple[int, str]], across: Scale) -> Markup:
    """The labels of places on a curve's axis."""
    texts = (Markup('<text x="{}" y="17">{}</text>').format(across.across(at), label) for at, label in labels)
    return Markup('<svg class="axis" aria-hidden="true" focusable="false">{}</svg>').format(Markup("").join(texts))


# -------------------------------------------------------------------------------------------------- words


def share_of(mean: MeanOfSamples) -> str:
    """A share with its interval."""
    between = f" ({format_share_interval(mean.interval)})" if mean.interval else ""
    return f"{format_share(mean.value)}{between}"


def remarks_of(compared: TokenComparison, names: Mapping[Author, str]) -> Iterator[str]:
    """How the numbers were made, and what was left out."""
    for author, name in names.items():
        counts = ", ".join(f"{count:,} {reason}" for reason, count in compared.left_out.get(author, {}).items())
        read = f"{compared.n.get(author, 0):,} of {compared.n_requests:,} completions of {name} were read"
        yield f"{read}; left out: {counts}." if counts else f"{read}."
        if author in compared.own_first_choice:
            first = format_share(compared.own_first_choice[author], digits=1)
            yield f"Its own tokens are its first choice at {first} (greedy: nearly 100 %)."
    if compared.n_encoded_again:
        yield (
            f"{compared.n_encoded_again:,} completions were stored without the ids of their tokens: their text was "
            "encoded again, and gave the same text and as many tokens as were generated."
        )
    if compared.top:
        yield (
            f"A server tells the {compared.top} likeliest tokens of each position and the one that is there, no more. "
            "Classes and log-ratios are exact. KL is not computed: the numbers are lower bounds of it, with all other "
            f"tokens taken together as one. A rank below the {compared.top} likeliest may count tokens that are "
            "exactly as likely."
        )
    if noise := compared.noise:
        yield (
            f"Noise floor: {noise.n} completions read alone instead of in a batch changed {noise.n_class} of "
            f"{2 * noise.n_tokens:,} classes ({noise.n_tokens:,} tokens, read by both checkpoints), log-probabilities "
            f"by at most {format_number(noise.logprob)} and KL by at most {format_number(noise.kl)} nats."
        )
    yield f"Conditions: {compared.conditions}."


# ------------------------------------------------------------------------------------------------- strips


def _printed(run: Run, compared: TokenComparison) -> Iterator[tuple[str, View]]:
    """A few completions of the candidate, those with the most shifted tokens among the first."""
    own = {request.id: request.sample_id for request in run.requests_of(compared.candidate)}
    first = [facts for ids, facts in run.token_facts.items() if ids[0] in own][: 20 * PRINTED_STRIPS]
    for facts in sorted(first, key=_n_shifted, reverse=True)[:PRINTED_STRIPS]:
        yield own[facts.request_id], make_strip(facts, compared.texts)


def _n_shifted(facts: TokenFacts) -> int:
    return sum(class_of(rank) == len(CLASSES) - 1 for rank in facts.other.ranks)


OTHER: Mapping[Author, Author] = {"baseline": "candidate", "candidate": "baseline"}


def make_depth_section(measured: RefusalDepth | None) -> View | None:
    """The section; None if `evalharness tokens --depth` was not run on the present outcomes and scores."""
    if measured is None:
        return None
    return View(sentences=measured.sentences, curves=tuple(_curves(measured)), remark=depth_remark(measured))


def _curves(measured: RefusalDepth) -> Iterator[View]:
    names: dict[Author, str] = {"baseline": measured.baseline, "candidate": measured.candidate}
    for author, alone in dict.fromkeys((point.author, point.refuses_alone) for point in measured.points):
        points = [point for point in measured.points if (point.author, point.refuses_alone) == (author, alone)]
        name, other = names[author], names[OTHER[author]]
        which = f"prompts that {name} refuses and {other} does not" if alone else f"prompts that {other} refuses"
        title = f"{name} refuses, given tokens of {other}'s completion: {which}"
        yield View(author=author, curve=_drawn_curve(points, title), rows=tuple(map(_row, points)))


def _drawn_curve(points: Sequence[DepthPoint], title: str) -> View:
    scale, across = Scale(0.0, 1.0, 0.5), Scale(0, max(len(points) - 1, 1), 1, 4.0)
    said = ", ".join(
        f"{point.k} tokens: {share_of(point.refuses) if point.refuses else 'none left'}" for point in points
    )
    dots = (point_of(across.across(at), point.refuses, scale) for at, point in enumerate(points) if point.refuses)
    drawing = Markup('<svg class="trend tone-first" role="img" aria-label="{}">{}</svg>').format(
        tamed(f"{title}; {said}"), Markup("").join(dots)
    )
    return View(
        title=title,
        top="100 %",
        drawing=drawing,
        axis=axis_of([(at, str(point.k)) for at, point in enumerate(points)], across),
    )


def _row(point: DepthPoint) -> tuple[str, ...]:
    counts = (point.n_given_refuses, point.n_unread, point.n_short)
    refuses = share_of(point.refuses) if point.refuses else "none left"
    return str(point.k), refuses, f"{point.n_samples:,}", *(f"{count:,}" for count in counts)


def depth_remark(measured: RefusalDepth) -> str:
    """Which prompts were chosen, and what failed."""
    left = [f"{measured.n_alike:,} because both sides refuse, or neither does"] if measured.n_alike else []
    left += [f"{measured.n_unread:,} because a side has no label or no tokens"] if measured.n_unread else []
    failed = f" Continuations that failed: {measured.n_failed:,}." if measured.n_failed else ""
    out = f"; left out: {', '.join(left)}" if left else ""
    return f"{measured.n_prompts:,} pairs of completions to prompts to refuse{out}.{failed}"
