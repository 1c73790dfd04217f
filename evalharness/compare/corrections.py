"""What errors of labels do to rates: people's labels correct them, and known errors say how far they could move."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from evalharness.observations import Observations
from evalharness.records import (
    Correction,
    Interval,
    KnownErrors,
    LabelRating,
    Metric,
    PairedDifference,
    Plan,
    RatedSide,
    ScorerFacts,
)
from evalharness.statistics import Estimate, Floats
from evalharness.statistics.rectified import FEWEST_RATED, Side, rectified

ALPHA = 0.025


@dataclass(frozen=True)
class _Given:
    """People's labels of one checkpoint, as values of a metric."""

    rated: Floats
    """Their mean over raters, shape (n_replicates, n_samples); NaN without a rating."""
    probability: Floats


def corrections_of(
    plan: Plan, table: Observations, scorers: Sequence[ScorerFacts], ratings: Sequence[LabelRating]
) -> Iterator[Correction]:
    """One for each headline rate of which enough completions of both sides have a label that says what they did.

    A person's `unclear` counts as not rated. Completions with no value by the scorer count with its mean.
    """
    for facts in scorers:
        of_scorer = [rating for rating in ratings if rating.scorer == facts.name and rating.source == "human"]
        for metric in facts.metrics if of_scorer else ():
            if metric.headline and metric.kind == "rate":
                correction = _correction(plan, table, facts, metric, of_scorer)
                yield from [correction] if correction else []


def _correction(
    plan: Plan, table: Observations, facts: ScorerFacts, metric: Metric, ratings: Sequence[LabelRating]
) -> Correction | None:
    names = (plan.baseline, plan.candidate)
    means = {label.name: float(metric.value in label.rates) for label in facts.labels if label.rates}
    asked = np.ones(len(table.sample_ids), dtype=np.bool_)
    if metric.expected in ("comply", "refuse"):
        asked = table.expected.are(metric.expected)
    here = table.completed(names[0]) & table.completed(names[1]) & asked
    given = [_given(table, [rating for rating in ratings if rating.checkpoint == name], means) for name in names]
    sides = [
        Side(table.cells(name, metric.name)[here], values.rated[here], values.probability[here])
        for name, values in zip(names, given, strict=True)
    ]
    if min(int((~np.isnan(side.rated)).sum()) for side in sides) < FEWEST_RATED:
        return None
    groups = np.broadcast_to(table.groups, here.shape)[here]
    difference = rectified(sides, groups)
    baseline, candidate = (
        RatedSide(
            rated=estimate.rated,
            by_scorer=None if np.isnan(side.predicted).all() else float(np.nanmean(side.predicted)),
            mean=min(max(estimate.value, 0.0), 1.0),
            interval=_interval(estimate, 0.0),
        )
        for side, estimate in ((side, rectified([side], groups)) for side in sides)
    )
    return Correction(
        metric=metric.name,
        raters=tuple(dict.fromkeys(rating.rater for rating in ratings)),
        n_pairs=int(here.sum()),
        baseline=baseline,
        candidate=candidate,
        difference=min(max(difference.value, -1.0), 1.0),
        interval=_interval(difference, -1.0),
        to_halve=_drawn_from_all(difference.to_halve, table, names, int(here.sum())),
    )


def _drawn_from_all(needed: int | None, table: Observations, names: tuple[str, str], n_pairs: int) -> int | None:
    """So many ratings of the metric's own completions, in ratings of any completions, as they are drawn."""
    completions = sum(int(table.completed(name).sum()) for name in names)
    return None if needed is None else math.ceil(needed * completions / (2 * n_pairs))


def _interval(estimate: Estimate, lowest: float) -> Interval:
    return Interval(low=max(estimate.low(ALPHA), lowest), high=min(estimate.high(ALPHA), 1.0))


def _given(table: Observations, ratings: Sequence[LabelRating], means: Mapping[str, float]) -> _Given:
    shape = table.completed(table.checkpoints[0]).shape
    sums, counts, probability = np.zeros(shape), np.zeros(shape), np.ones(shape)
    for rating in ratings:
        place = table.position.get(rating.sample_id)
        if place is not None and rating.replicate < shape[0] and rating.label in means:
            cell = (rating.replicate, place)
            sums[cell] += means[rating.label]
            counts[cell] += 1
            probability[cell] = rating.probability
    rated = np.full(shape, np.nan)
    rated[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return _Given(rated, probability)


# ------------------------------------------------------------------------------------------- known errors


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
