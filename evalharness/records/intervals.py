"""An interval and a share, used by several records."""

from typing import Annotated

from pydantic import Field

from evalharness.records.record import Record

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Interval(Record):
    """A two-sided confidence interval."""

    low: float
    high: float

    def within(self, lowest: float, highest: float) -> "Interval":
        """The same, clipped to the possible range."""
        return Interval(low=max(self.low, lowest), high=min(self.high, highest))
