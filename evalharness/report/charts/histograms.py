"""How values spread: lengths and rewards as histograms on one scale for all checkpoints, and reward against length."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from evalharness.formatting import format_number
from evalharness.records import Metric
from evalharness.report.charts import Scale
from evalharness.report.view import View, samples_of, typeset
from evalharness.statistics import Floats

BINS = 48
MOST_POINTS = 500
"""Points drawn for each side; more would overlap."""
LENGTH_BANDS = 5


QUANTILES = (("lowest", 0.0), ("lower quarter", 0.25), ("median", 0.5), ("upper quarter", 0.75), ("highest", 1.0))


def make_distribution(values: Mapping[str, Floats], roles: Mapping[str, str], metric: Metric) -> View | None:
    """Histograms of one metric; None where no checkpoint has it."""
    columns = {name: sorted(values[name][~np.isnan(values[name])].tolist()) for name in roles}
    if not any(columns.values()):
        return None
    every = [value for column in columns.values() for value in column]
    scale = _scale(every)
    most = max(max(_counts(scale, column)) / max(len(column), 1) for column in columns.values())
    return View(
        title=metric.title[:1].upper() + metric.title[1:],
        unit=metric.unit,
        spreads=tuple(_spread(name, role, columns[name], scale, most, metric) for name, role in roles.items()),
        axis=_axis(scale, every),
    )


def _scale(values: Sequence[float]) -> Scale:
    """A scale that holds all but the farthest twentieth of the values."""
    ordered = sorted(values)
    return Scale.around(quantile(ordered, 0.0), quantile(ordered, 0.95), 5)


def _axis(scale: Scale, values: Sequence[float]) -> Markup:
    """A scale's labels; the last one says whether values are beyond it."""
    more = max(values) > scale.high
    return scale.draw(lambda tick: format_number(round(tick, 6)) + ("+" if more and tick == scale.ticks()[-1] else ""))


def _edges(scale: Scale) -> list[float]:
    """Where one bin ends and the next begins."""
    return [scale.low + (scale.high - scale.low) * number / BINS for number in range(1, BINS)]


def _counts(scale: Scale, values: Sequence[float]) -> list[int]:
    """How many values each bin holds; what is beyond the scale is in the outermost bins."""
    counts, edges = [0] * BINS, _edges(scale)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    return counts


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values, by linear interpolation.

    >>> quantile([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _spread(name: str, role: str, ordered: Sequence[float], scale: Scale, most: float, metric: Metric) -> View:
    if not ordered:
        return View(checkpoint=name, role=role, drawing=Markup(""), numbers=("0", *["–"] * (len(QUANTILES) + 1)))
    numbers = [sum(ordered) / len(ordered), *(quantile(ordered, share) for _, share in QUANTILES)]
    said = [typeset(format_number(number)) for number in numbers]
    label = f"{len(ordered):,} values, median {said[3]}, half of them between {said[2]} and {said[4]}"
    # For each bin, the filter of the sample browser that lists its completions.
    edges = [None, *map(repr, _edges(scale)), None]
    opens = [
        samples_of(name, role, metric=metric.name, verdict="", From=start, Below=end) for start, end in pairwise(edges)
    ]
    drawing = Markup('<svg class="histogram" role="img" aria-label="{}">{}{}</svg>').format(
        label, Markup("").join(_bars(_counts(scale, ordered), opens, len(ordered), most)), _median(scale, numbers[3])
    )
    return View(checkpoint=name, role=role, drawing=drawing, numbers=(f"{len(ordered):,}", *said))


def _bars(counts: Sequence[int], opens: Sequence[str], total: int, most: float) -> Iterator[Markup]:
    for number, (count, where) in enumerate(zip(counts, opens, strict=True)):
        if count:
            height = 100 * count / total / most
            yield Markup('<rect x="{:.2f}%" width="{:.2f}%" y="{:.2f}%" height="{:.2f}%" data-filter="{}"/>').format(
                100 * number / BINS, 100 / BINS, 100 - height, height, where
            )


def _median(scale: Scale, value: float) -> Markup:
    return Markup('<line class="median" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(scale.across(value))


# --------------------------------------------------------------------------------------------- scatter


def make_scatter(
    lengths: Mapping[str, Floats],
    rewards: Mapping[str, Floats],
    roles: Mapping[str, str],
    reward: Metric,
    anchors: Sequence[str],
) -> View | None:
    """Rewards against length for baseline and candidate; None without rewards.

    Args:
        lengths: of each checkpoint's completions, shape (n_replicates, n_samples); NaN if there is no completion.
        rewards: same shape.
        anchors: where each sample is on the page; empty where it is not. Length n_samples.
    """
    sides = [(name, role) for name, role in roles.items() if role != "other"]
    pairs = {name: _pairs(lengths[name], rewards[name]) for name, _ in sides}
    every = [pair for column in pairs.values() for pair in column]
    if not every:
        return None
    every_length, every_reward, _ = zip(*every, strict=True)
    across, up = _scale(every_length), _scale(every_reward)
    drawn = (Markup("").join(_points(pairs[name], role, across, up, anchors)) for name, role in sides)
    label = "Reward, upwards, against length in words, to the right; the table behind has the means."
    line = Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>')
    lines = (line.format(up.up(tick)) for tick in up.ticks())
    return View(
        title=f"{reward.title[:1].upper()}{reward.title[1:]} against length",
        drawing=Markup('<svg class="scatter" role="img" aria-label="{}">{}{}</svg>').format(
            label, Markup("").join(lines), Markup("").join(drawn)
        ),
        x_axis=_axis(across, every_length),
        y_ends=(typeset(format_number(up.high)), typeset(format_number(up.low))),
        checkpoints=tuple(sides),
        bands=_bands(pairs, sorted(every_length)),
        drawn=MOST_POINTS,
    )


Pair = tuple[float, float, int]
"""Length and reward of a completion, and the position of its sample."""


def _pairs(lengths: Floats, rewards: Floats) -> list[Pair]:
    both = ~np.isnan(lengths) & ~np.isnan(rewards)
    return list(zip(lengths[both].tolist(), rewards[both].tolist(), np.nonzero(both)[1].tolist(), strict=True))


def _points(pairs: Sequence[Pair], role: str, across: Scale, up: Scale, anchors: Sequence[str]) -> Iterator[Markup]:
    for length, reward, position in pairs[:: max(1, math.ceil(len(pairs) / MOST_POINTS))]:
        x, y = across.across(length), up.up(reward)
        anchor = anchors[position]
        opens = Markup(' data-opens="#{}"').format(anchor) if anchor else ""
        yield Markup('<circle class="point-{}" cx="{}" cy="{}" r="3.5"{}/>').format(role, x, y, opens)


def _bands(pairs: Mapping[str, Sequence[Pair]], lengths: Sequence[float]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The mean reward of each side in each fifth of the lengths, with the number of completions."""
    edges = sorted({math.ceil(quantile(lengths, number / LENGTH_BANDS)) for number in range(1, LENGTH_BANDS)})
    edges = [edge for edge in edges if 0 < edge <= lengths[-1]]
    ends: list[float] = [*edges, math.inf]
    return tuple(
        (_band_name(start, end), tuple(_mean_between(column, start, end) for column in pairs.values()))
        for start, end in zip([0, *edges], ends, strict=True)
    )


def _band_name(start: int, end: float) -> str:
    return f"{start:,} words and more" if end == math.inf else f"{start:,} to {end - 1:,.0f} words"


def _mean_between(column: Sequence[Pair], start: float, end: float) -> str:
    rewards = [reward for length, reward, _ in column if start <= length < end]
    return typeset(f"{format_number(sum(rewards) / len(rewards))} ({len(rewards):,})") if rewards else "–"
