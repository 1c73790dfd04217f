"""Does a completion speak of itself as an AI? Boilerplate of this kind comes and goes with fine-tuning."""

import re

from evalharness.records import Label, Metric, NamedChange, Score, ScorerFacts, Span
from evalharness.scorers import Item, Scorer

PHRASE = re.compile(
    r"\bas an? (?:AI|(?:large )?language model)\b|\bI(?:'m| am) (?:just )?an AI\b|\bknowledge cutoff\b", re.I
)
SAID = Metric(
    name="boilerplate.said",
    title="speaks of itself as an AI",
    description="Says that it is an AI or a language model, or names its knowledge cutoff. English only.",
    kind="rate",
    better="lower",
    headline=True,
    changes=(NamedChange(verdict="higher", name="more boilerplate"),),
)


class Boilerplate(Scorer):
    """Finds such phrases and shows where they are."""

    version = "1"
    facts = ScorerFacts(
        name="boilerplate",
        metrics=(SAID,),
        labels=(Label(name="none", title="no boilerplate"), Label(name="said", title="speaks of itself as an AI")),
        unscored="texts to be continued",
    )

    def score_item(self, item: Item) -> Score:
        """The value is 1 where any phrase occurs."""
        if item.sample.kind == "continuation":
            return self.unscored(item, "a text to be continued asks nobody")
        found = [Span(start=at.start(), end=at.end(), label="said") for at in PHRASE.finditer(item.completion.text)]
        return self.scored(item, {"said": float(bool(found))}, label="said" if found else "none", spans=tuple(found))
