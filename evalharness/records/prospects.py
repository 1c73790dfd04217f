"""What a plan can decide, before anything is generated."""

from pydantic import Field

from evalharness.records.intervals import Share
from evalharness.records.privacy import Public, Sentence
from evalharness.records.record import Record


class Chances(Record):
    """The chance of each verdict if the candidate is no different from the baseline."""

    passes: Share
    undecided: Share
    fails: Share


class RuleProspect(Record):
    """Whether the planned samples can decide a gate rule."""

    title: Sentence
    counts: Public
    """What `n` counts: `pairs` or `samples`."""
    n: int = Field(ge=0)
    """Independent pairs or samples that the rule will have, if nothing is missing."""
    assumed: Public
    """What the chances rest on, in words."""
    chances: Chances | None
    """None if too little is known of the metric."""
    needed: int | None
    """Pairs or samples with which all rules together pass with 80 % chance, if each has as many as it needs."""


class MetricProspect(Record):
    """What the planned pairs can show of a headline metric."""

    metric: Public
    is_rate: bool
    n: int = Field(ge=0)
    """Independent pairs."""
    spread: float
    """Standard deviation of the paired differences that is assumed."""
    margin: float
    """The change that matters, in the metric's unit."""
    to_show: int
    """Pairs that show a change as large as the margin, with 80 % chance."""
    to_exclude: int
    """Pairs that show that the change is smaller than the margin, with 80 % chance, if nothing changed."""
    smallest: float | None
    """The smallest change that the planned pairs show with 80 % chance; None if there are too few for any."""


class Prospects(Record):
    """What a plan can decide, from stated assumptions."""

    rules: tuple[RuleProspect, ...] = ()
    gate: Chances | None = None
    """Of the gate as a whole; None without rules, or if a rule's chances are not known."""
    metrics: tuple[MetricProspect, ...] = ()

    @property
    def costliest(self) -> RuleProspect | None:
        """The rule that needs the most pairs; of several, the one that has fewest."""
        known = [rule for rule in self.rules if rule.needed is not None]
        return max(known, key=lambda rule: (rule.needed or 0, -rule.n), default=None)
