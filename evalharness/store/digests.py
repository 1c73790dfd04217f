"""By which derived files are known to be of the present outcomes, scores and opinions."""

from typing import NamedTuple

from evalharness.records import digest


class Digests(NamedTuple):
    """Digests of the files that others are derived from; empty if a file does not exist."""

    outcomes: str
    scores: str
    preferences: str
    judgings: str
    ratings: str

    @property
    def evidence(self) -> str:
        """Of outcomes and scores, from which a comparison is made and which people rate."""
        return digest([self.outcomes, self.scores])

    @property
    def opinions(self) -> str:
        """Of preferences, judgings and ratings; empty if there are none."""
        given = [self.preferences, self.judgings, *([self.ratings] if self.ratings else [])]
        return digest(given) if any(given) else ""
