"""How far the known error of a scorer's labels could move a difference of rates."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from evalharness.observations import Observations
from evalharness.records import Interval, KnownErrors, Metric, PairedDifference, Plan, ScorerFacts
from evalharness.statistics import Floats


def with_known_errors(
    differences: Sequence[PairedDifference],
    plan: Plan,
    candidate: str,
    table: Observations,
    facts: Sequence[ScorerFacts],
) -> Iterator[PairedDifference]:
    """The overall differences of a scorer whose errors are known, with where they could be."""
    known = {scorer.name: scorer for scorer in facts if scorer.errors}
    variants = {side.name: side.checkpoint.variant for side in plan.checkpoints}
    metrics = {metric.name: metric for scorer in known.values() for metric in scorer.metrics}
    for row in differences:
        metric = metrics.get(row.metric)
        if metric is None or not metric.headline or row.category is not None or row.difference is None:
            yield row
            continue
        sides = [
            _shift(known[metric.scorer], metric, table, name, variants[name]) for name in (plan.baseline, candidate)
        ]
        moved = [row.difference + right - left for left, right in product((0.0, sides[0]), (0.0, sides[1]))]
        ends = Interval(low=max(min(moved), -1.0), high=min(max(moved), 1.0))
        yield row.model_copy(update={"label_errors": ends})


def _shift(facts: ScorerFacts, metric: Metric, table: Observations, checkpoint: str, variant: str) -> float:
    """By how much a rate moves if the labels of this side err as those that were checked."""
    errors = next((rates for rates in facts.errors if rates.variant == variant), None)
    classes = [rates for rates in dict.fromkeys(label.rates for label in facts.labels) if rates]
    shares = _shares(facts, classes, metric, table, checkpoint)
    place = next((n for n, rates in enumerate(classes) if metric.value in rates), None)
    if errors is None or shares is None or place is None:
        return 0.0
    return float(true_shares(errors, shares)[place] - shares[place])


def _shares(
    facts: ScorerFacts, classes: Sequence[tuple[str, ...]], metric: Metric, table: Observations, checkpoint: str
) -> Floats | None:
    """How often each class of labels occurs on the samples that a metric applies to; None without labels."""
    where: Mapping[str, int] = {label.name: classes.index(label.rates) for label in facts.labels if label.rates}
    asked = np.ones(len(table.sample_ids), dtype=np.bool_)
    if metric.expected in ("comply", "refuse"):
        asked = table.expected.are(metric.expected)
    counts = np.zeros(len(classes))
    for label, count in table.results(checkpoint, facts.name).counted((slice(None), asked)).items():
        if label in where:
            counts[where[label]] += count
    return counts / counts.sum() if counts.sum() else None


def true_shares(errors: KnownErrors, shares: Floats) -> Floats:
    """The shares of what completions did, given the shares of their labels (the matrix method of Buonaccorsi 2010).

    Args:
        shares: of each class of labels, shape (n_classes,), with the sum 1.
    """
    counts = np.array(errors.counts, dtype=np.float64)
    confusion = counts / counts.sum(axis=1, keepdims=True)
    solved = np.clip(np.linalg.lstsq(confusion.T, shares, rcond=None)[0], 0.0, None)
    return np.asarray(solved / solved.sum(), dtype=np.float64)
