"""Diversity: how far do answers to the same prompt differ, where several were drawn?

After NoveltyBench (Zhang et al. 2025, arXiv:2504.05228) and Kirk et al. 2023 (arXiv:2310.06452), with two differences.
Only completions that answer are compared, as loops and run-on texts of a base checkpoint would count as diverse. And
each is compared with each other answer, so that the mean is the chance that two answers differ, however many of a
sample's completions answer; counts of distinct answers or n-grams grow with their number.
"""

from collections import Counter
from itertools import pairwise

from evalharness.completion.state import NON_ANSWERS
from evalharness.records import Metric, Score, ScorerFacts
from evalharness.scorers.scorer import Item, Scorer

OPENING = 5
"""Words of an opening."""
ALIKE = 0.8
"""Two answers are the same if they share this much of their pairs of neighbouring words: one word in ten differs."""

METRICS = (
    Metric(
        name="diversity.differs",
        title="answers differ",
        description="Share of the other answers to the same prompt that are no near-duplicate of this one: they share "
        "fewer than 80 % of their pairs of neighbouring words.",
        kind="mean",
        lowest=0.0,
        highest=1.0,
        headline=True,
    ),
    Metric(
        name="diversity.opening_differs",
        title="openings differ",
        description="Share of the other answers to the same prompt that do not begin with the same five words.",
        kind="mean",
        lowest=0.0,
        highest=1.0,
    ),
    Metric(
        name="diversity.compared",
        title="is compared with another answer",
        description="Answers a prompt that need not be refused, and another of its completions does too: only these "
        "count in the other metrics.",
        kind="rate",
    ),
)
FACTS = ScorerFacts(
    name="diversity", metrics=METRICS, unscored="samples of which one completion was drawn; set replicates"
)


class Diversity(Scorer):
    """Compares the answers that were drawn for one prompt with each other."""

    facts = FACTS
    version = "1"

    def score_item(self, item: Item) -> Score:
        """How many of the other answers differ; unscored without replicates."""
        others = [one for one in item.replicates if one is not item]
        if not others:
            return self.unscored(item, "one completion of this prompt was drawn; set replicates and a temperature")
        answers = [one for one in others if _answers(one)] if _answers(item) else []
        if not answers:
            return self.scored(item, {"compared": 0.0})
        words = _words(item)
        differ = [overlap(words, _words(one)) < ALIKE for one in answers]
        openings = [words[:OPENING] != _words(one)[:OPENING] for one in answers]
        n = len(answers)
        return self.scored(item, {"compared": 1.0, "differs": sum(differ) / n, "opening_differs": sum(openings) / n})


def _answers(item: Item) -> bool:
    """Refusals of one prompt are meant to be alike."""
    return item.sample.expected != "refuse" and item.state.name not in NON_ANSWERS


def _words(item: Item) -> list[str]:
    return item.state.head.words


def overlap(one: list[str], other: list[str]) -> float:
    """Share of the pairs of neighbouring words that two texts have in common, their ends included.

    >>> overlap("a b c".split(), "a b c".split()), overlap("a b c".split(), "a b d".split())
    (1.0, 0.5)
    """
    left, right = (Counter(pairwise(["", *words, ""])) for words in (one, other))
    return 2 * (left & right).total() / (left.total() + right.total())
