"""Rates of a scorer as people's labels of a random part of the completions correct them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.observations import Observations
from evalharness.records import Correction, Interval, LabelRating, Metric, Plan, RatedSide, ScorerFacts
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
