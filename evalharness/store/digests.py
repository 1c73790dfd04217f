"""By which derived files are known to be of the present outcomes, scores and opinions."""

from typing import NamedTuple

from evalharness.records import digest


class Digests(NamedTuple):
    """Digests of the files that others are derived from; empty if a file does not exist."""

    outcomes: str
    scores: str
    preferences: str
    judgings: str

    @property
    def evidence(self) -> str:
        """Of outcomes and scores, from which a comparison is made and which people rate."""
        return digest([self.outcomes, self.scores])

    @property
    def opinions(self) -> str:
        """Of preferences and judgings; empty if there are none."""
        return digest([self.preferences, self.judgings]) if self.preferences or self.judgings else ""
