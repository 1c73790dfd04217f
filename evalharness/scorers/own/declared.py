"""What the scorers that a configuration declares have in common: how their one metric is shown."""

from typing import Literal

from pydantic import Field

from evalharness.records import Label, Metric, Record, ScorerFacts, digest


class Shown(Record):
    """Keys of every declared scorer."""

    title: str = Field("", max_length=100)
    """What a completion does (`names a source`), in the words of the report."""
    better: Literal["higher", "lower"] | None = None
    """Which direction is better; without it no difference is called better or worse."""


def facts_of_rate(
    name: str, value: str, shown: Shown, default_title: str, description: str, *, flips: str
) -> ScorerFacts:
    """Facts of a scorer that says yes (the label `value`) or no of each completion; `flips` as in `Metric`."""
    title = shown.title or default_title
    metric = Metric(
        name=f"{name}.{value}",
        title=title,
        description=description,
        kind="rate",
        better=shown.better,
        headline=True,
        flips=flips,
    )
    labels = (Label(name=value, title=title), Label(name="no", title=f"not: {title}"))
    return ScorerFacts(name=name, metrics=(metric,), labels=labels if shown.better != "lower" else labels[::-1])


def version_of(content: object) -> str:
    """The version of a scorer that is determined by its content: another content, another version."""
    return digest(content)[: len("sha256:") + 12]
