"""How values spread: lengths and rewards as histograms, one strip a checkpoint on one scale, and one against the other.

Like the forest plot the drawings have positions in percent, so that they fit any width without distortion.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from evalharness.records import Metric
from evalharness.report.typeset import typeset
from evalharness.statistics import Floats
from evalharness.text import format_number

BINS = 48
MOST_POINTS = 500
"""Points drawn for each side; more would hide each other."""
LENGTH_BANDS = 5


@dataclass(frozen=True)
class Spread:
    """One checkpoint's values, drawn and in numbers."""

    checkpoint: str
    role: str
    drawing: Markup
    numbers: tuple[str, ...]
    """How many, mean, then the quantiles of `QUANTILES`."""


@dataclass(frozen=True)
class Distribution:
    """One value for all checkpoints on one scale."""

    title: str
    unit: str
    spreads: tuple[Spread, ...]
    axis: Markup


@dataclass(frozen=True)
class Scatter:
    """Reward against length, with the mean reward of each band of lengths."""

    title: str
    drawing: Markup
    x_axis: Markup
    y_ends: tuple[str, str]
    checkpoints: tuple[tuple[str, str], ...]
    bands: tuple[tuple[str, tuple[str, ...]], ...]
    drawn: int
    """Points drawn at most for each side."""


QUANTILES = (("lowest", 0.0), ("lower quarter", 0.25), ("median", 0.5), ("upper quarter", 0.75), ("highest", 1.0))


def make_distribution(values: Mapping[str, Floats], roles: Mapping[str, str], metric: Metric) -> Distribution | None:
    """Histograms of one metric; None where no checkpoint has it.

    Args:
        values: by checkpoint, of any shape, NaN where there is none.
        roles: the checkpoints, in the order of the page.
        metric: what they are of.
    """
    columns = {name: sorted(values[name][~np.isnan(values[name])].tolist()) for name in roles}
    if not any(columns.values()):
        return None
    scale = _Scale.over([value for column in columns.values() for value in column])
    most = max(max(scale.counts(column), default=0) / max(len(column), 1) for column in columns.values())
    return Distribution(
        title=metric.title[:1].upper() + metric.title[1:],
        unit=metric.unit,
        spreads=tuple(_spread(name, role, columns[name], scale, most) for name, role in roles.items()),
        axis=_axis(scale),
    )


@dataclass(frozen=True)
class _Scale:
    """An axis from `low` to `high`, cut into `BINS`; what lies beyond is in the outermost bins."""

    low: float
    high: float
    step: float
    """Between two labels."""
    goes_on: bool
    """Whether values lie beyond the end."""

    @classmethod
    def over(cls, values: Sequence[float]) -> "_Scale":
        """An axis with round ends that holds all but the farthest twentieth of the values."""
        ordered = sorted(values)
        low, high = quantile(ordered, 0.0), quantile(ordered, 0.95)
        step = round_step((high - low) / 5 or 1.0)
        low = math.floor(low / step) * step
        end = max(math.ceil(high / step) * step, low + step)
        return cls(low, end, step, ordered[-1] > end)

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def counts(self, values: Sequence[float]) -> list[int]:
        """How many values each bin holds."""
        counts = [0] * BINS
        for value in values:
            counts[min(int(self.place(value) * BINS), BINS - 1)] += 1
        return counts

    def ticks(self) -> list[float]:
        """The values that are labelled."""
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]


def round_step(rough: float) -> float:
    """The nearest of 1, 2, 5 and their tenfolds that is not smaller."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of sorted values lies, by linear interpolation.

    >>> quantile([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _spread(name: str, role: str, ordered: Sequence[float], scale: _Scale, most: float) -> Spread:
    if not ordered:
        return Spread(name, role, Markup(""), ("0", *["–"] * (len(QUANTILES) + 1)))
    numbers = [sum(ordered) / len(ordered), *(quantile(ordered, share) for _, share in QUANTILES)]
    said = [typeset(format_number(number)) for number in numbers]
    label = f"{len(ordered):,} values, median {said[3]}, half of them between {said[2]} and {said[4]}"
    drawing = Markup('<svg class="histogram" role="img" aria-label="{}">{}{}</svg>').format(
        label, Markup("").join(_bars(scale.counts(ordered), len(ordered), most)), _median(scale, numbers[3])
    )
    return Spread(name, role, drawing, (f"{len(ordered):,}", *said))


def _bars(counts: Sequence[int], total: int, most: float) -> Iterator[Markup]:
    for number, count in enumerate(counts):
        if count:
            height = 100 * count / total / most
            yield Markup('<rect x="{:.2f}%" width="{:.2f}%" y="{:.2f}%" height="{:.2f}%"/>').format(
                100 * number / BINS, 100 / BINS, 100 - height, height
            )


def _median(scale: _Scale, value: float) -> Markup:
    place = f"{100 * scale.place(value):.2f}%"
    return Markup('<line class="median" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(place)


def _axis(scale: _Scale) -> Markup:
    ticks = scale.ticks()
    texts = [typeset(format_number(round(tick, 6))) for tick in ticks]
    texts[-1] += "+" if scale.goes_on else ""
    labels = (
        Markup('<text class="{}" x="{:.2f}%" y="15">{}</text>').format(_anchor(place), 100 * place, text)
        for place, text in zip(map(scale.place, ticks), texts, strict=True)
    )
    return Markup('<svg class="axis" aria-hidden="true" focusable="false">{}</svg>').format(Markup("").join(labels))


def _anchor(place: float) -> str:
    """Labels at the ends of an axis stay inside it."""
    return "start" if place == 0 else "end" if place == 1 else "middle"


# --------------------------------------------------------------------------------------------- scatter


def make_scatter(
    lengths: Mapping[str, Floats], rewards: Mapping[str, Floats], roles: Mapping[str, str], reward: Metric
) -> Scatter | None:
    """Rewards against length for baseline and candidate; None without rewards.

    Args:
        lengths: by checkpoint, NaN where there is none.
        rewards: of the same shape.
        roles: the checkpoints, in the order of the page.
        reward: the metric of the rewards.
    """
    sides = [(name, role) for name, role in roles.items() if role != "other"]
    pairs = {name: _pairs(lengths[name], rewards[name]) for name, _ in sides}
    every = [pair for column in pairs.values() for pair in column]
    if not every:
        return None
    across, up = _Scale.over([length for length, _ in every]), _Scale.over([reward for _, reward in every])
    drawn = (Markup("").join(_points(pairs[name], role, across, up)) for name, role in sides)
    label = "Reward, upwards, against length in words, to the right; the table behind has the means."
    return Scatter(
        title=f"{reward.title[:1].upper()}{reward.title[1:]} against length",
        drawing=Markup('<svg class="scatter" role="img" aria-label="{}">{}{}</svg>').format(
            label, _grid(up), Markup("").join(drawn)
        ),
        x_axis=_axis(across),
        y_ends=(typeset(format_number(up.high)), typeset(format_number(up.low))),
        checkpoints=tuple(sides),
        bands=_bands(pairs, sorted(length for length, _ in every)),
        drawn=MOST_POINTS,
    )


def _pairs(lengths: Floats, rewards: Floats) -> list[tuple[float, float]]:
    both = ~np.isnan(lengths) & ~np.isnan(rewards)
    return list(zip(lengths[both].tolist(), rewards[both].tolist(), strict=True))


def _points(pairs: Sequence[tuple[float, float]], role: str, across: _Scale, up: _Scale) -> Iterator[Markup]:
    for length, reward in pairs[:: max(1, math.ceil(len(pairs) / MOST_POINTS))]:
        x, y = 100 * across.place(length), 100 - 100 * up.place(reward)
        yield Markup('<circle class="point-{}" cx="{:.2f}%" cy="{:.2f}%" r="3.5"/>').format(role, x, y)


def _grid(up: _Scale) -> Markup:
    places = [f"{100 - 100 * up.place(tick):.2f}%" for tick in up.ticks()]
    lines = (Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(place) for place in places)
    return Markup("").join(lines)


def _bands(
    pairs: Mapping[str, Sequence[tuple[float, float]]], lengths: Sequence[float]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The mean reward of each side in each fifth of the lengths, with how many completions it rests on."""
    edges = sorted({math.ceil(quantile(lengths, number / LENGTH_BANDS)) for number in range(1, LENGTH_BANDS)})
    edges = [edge for edge in edges if 0 < edge <= lengths[-1]]
    ends: list[float] = [*edges, math.inf]
    return tuple(
        (_band_name(start, end), tuple(_mean_between(column, start, end) for column in pairs.values()))
        for start, end in zip([0, *edges], ends, strict=True)
    )


def _band_name(start: int, end: float) -> str:
    return f"{start:,} words and more" if end == math.inf else f"{start:,} to {end - 1:,.0f} words"


def _mean_between(column: Sequence[tuple[float, float]], start: float, end: float) -> str:
    rewards = [reward for length, reward in column if start <= length < end]
    return typeset(f"{format_number(sum(rewards) / len(rewards))} ({len(rewards):,})") if rewards else "–"
