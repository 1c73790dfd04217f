"""Charts, a module each: it prepares the data and drawings that a template prints. Here is the scale that they share.

Drawings have positions in percent, so that they fit a phone and a wide screen without distortion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from evalharness.records import Interval
from evalharness.report.view import typeset


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, labelled every `step`."""

    low: float
    high: float
    step: float
    margin: float = 0.0
    """Percent of the drawing left free at each end, so that a dot or a label there is whole."""

    @classmethod
    def around(cls, low: float, high: float, steps: int) -> "Scale":
        """The smallest scale with round ends that holds two values, in about so many steps.

        >>> Scale.around(0.0, 43.0, 5)
        Scale(low=0.0, high=50.0, step=10.0, margin=0.0)
        """
        step = round_step((high - low) / steps or 1.0)
        low = math.floor(low / step) * step
        return cls(low, max(math.ceil(high / step) * step, low + step), step)

    def share(self, value: float) -> float:
        """Where a value is on the scale, from 0 to 1; a value beyond an end is at that end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def across(self, value: float) -> str:
        """Where a value is, in percent from the left."""
        return f"{self.place(value):.2f}%"

    def up(self, value: float) -> str:
        """Where a value is, in percent from the top, the larger values upwards."""
        return f"{100 - self.place(value):.2f}%"

    def whisker(self, x: str, interval: Interval | None) -> Markup:
        """A vertical interval at `x`; nothing if there is none."""
        if interval is None:
            return Markup("")
        line = Markup('<line class="whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
        return line.format(x, self.up(interval.low), self.up(interval.high))

    def ticks(self) -> list[float]:
        """The values that are labelled."""
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]

    def draw(self, label: Callable[[float], str]) -> Markup:
        """The labels of a horizontal axis; those at the very ends stay inside it."""
        labels = (
            Markup('<text class="{}" x="{}" y="17">{}</text>').format(
                {0.0: "start", 100.0: "end"}.get(self.place(tick), "middle"), self.across(tick), typeset(label(tick))
            )
            for tick in self.ticks()
        )
        return Markup('<svg class="axis" aria-hidden="true" focusable="false">{}</svg>').format(Markup("").join(labels))

    def place(self, value: float) -> float:
        """Where a value is, in percent of the drawing."""
        return self.margin + self.share(value) * (100 - 2 * self.margin)


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 and their multiples by powers of ten that is not smaller.

    >>> [round_step(0.3), round_step(8.6)]
    [0.5, 10.0]
    """
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
