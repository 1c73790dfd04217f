"""Values that the program which made the completions gave them, such as `exact_match` of an imported benchmark."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from evalharness.records import Label, Metric, Record, Score, ScorerFacts
from evalharness.scorers.own.declared import version_of
from evalharness.scorers.scorer import Item, Scorer


class RecordedValue(Record):
    """One of their metrics."""

    title: str = ""
    kind: Literal["rate", "mean"]
    better: Literal["higher", "lower"] | None = None


class RecordedSettings(Record):
    """Which recorded values are metrics; `evalharness import` writes it."""

    recorded: dict[str, RecordedValue] = Field(min_length=1)
    program: str = "the program that made the completions"


class Recorded(Scorer):
    """Takes the values with the completion; nothing is measured again."""

    settings_kind = RecordedSettings

    def __init__(self, name: str, settings: RecordedSettings, folder: Path | None) -> None:
        del folder
        self.settings = settings
        self.rate = next((key for key, value in settings.recorded.items() if value.kind == "rate"), None)
        self.facts = ScorerFacts(
            name=name,
            metrics=tuple(self._metric(name, key, value) for key, value in settings.recorded.items()),
            labels=self._labels(settings),
            unscored="samples without a recorded value",
        )

    def _labels(self, settings: RecordedSettings) -> tuple[Label, ...]:
        """A completion has a label by the first rate, so that it can be seen and filtered by it."""
        if self.rate is None:
            return ()
        value = settings.recorded[self.rate]
        title = value.title or self.rate
        labels = (Label(name="yes", title=title), Label(name="no", title=f"not: {title}"))
        return labels[::-1] if value.better == "lower" else labels

    def _metric(self, name: str, key: str, value: RecordedValue) -> Metric:
        return Metric(
            name=f"{name}.{key}",
            title=value.title or key,
            description=f"As {self.settings.program} scored it; not measured again.",
            kind=value.kind,
            better=value.better,
            headline=True,
            flips=f"had {key}" if value.kind == "rate" else "",
        )

    @property
    def version(self) -> str:
        """Of the program, as far as it says."""
        return version_of(self.settings.program)

    def score_item(self, item: Item) -> Score:
        """The values of its own metrics."""
        named = {metric.value: item.completion.values.get(metric.name) for metric in self.metrics}
        values = {name: value for name, value in named.items() if value is not None}
        if not values:
            return self.unscored(item, "no value was recorded")
        first = values.get(self.rate or "")
        label = None if first is None else ("yes" if first else "no")
        return self.scored(item, values, label=label)
