"""What is missing, and what the missing values could have changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.observations import SCORED, UNSCORED, Mask, Observations, averaged
from evalharness.records import AmongAnswered, Interval, Metric, PairedDifference, RunWarning
from evalharness.statistics import Floats, mcnemar


@dataclass(frozen=True)
class Missing:
    """Of one metric and two checkpoints: samples without a value, and what they could change."""

    baseline: int
    candidate: int
    bounds: Interval | None
    """What the difference over all samples could be, whatever the missing values are; None if none is missing."""
    one_sided: float
    """The p-value of the sign test that the sides lack values equally often."""


def applies_to(table: Observations, metric: Metric) -> Mask:
    """Samples of which the metric has, or should have, a value, shape (n_samples,).

    A sample without a value from any checkpoint is excluded if the scorer marked a completion of it as not applicable.
    If nothing was completed, that is unknown, and the sample counts as missing.
    """
    scorer = metric.scorer
    everywhere = np.ones(len(table.sample_ids), dtype=np.bool_)
    applies = table.applies.get(scorer, everywhere)
    if metric.expected is not None:
        any_ = table.expected.codes >= 0
        return applies & (any_ if metric.expected == "any" else table.expected.are(metric.expected))
    valued, disowned = ~everywhere, ~everywhere
    for name in table.checkpoints:
        valued |= ~np.isnan(table.cells(name, metric.name)).all(axis=0)
        disowned |= np.isin(table.scored(name, scorer), (SCORED, UNSCORED)).any(axis=0)
    return applies & (valued | ~disowned)


def missing_of(table: Observations, metric: Metric, baseline: str, candidate: str, here: Mask) -> Missing:
    """Count what is missing among the samples of a mask, and bound the difference (Manski 1990, AER 80:319)."""
    here = here & applies_to(table, metric)
    lacking, ends = [], []
    low, high = metric.bounds
    for name in (baseline, candidate):
        cells, asked = table.cells(name, metric.name)[:, here], table.asked(name)[:, here]
        gaps = asked & np.isnan(cells)
        lacking.append(gaps.any(axis=0))
        ends.append([_mean(np.where(gaps, end, cells)) for end in (low, high)])
    old, new = lacking
    bounds = None
    if (old | new).any() and np.isfinite([low, high]).all():
        bounds = Interval(low=ends[1][0] - ends[0][1], high=ends[1][1] - ends[0][0])
    return Missing(int(old.sum()), int(new.sum()), bounds, mcnemar(int((new & ~old).sum()), int((old & ~new).sum())))


def _mean(cells: Floats) -> float:
    """Of the samples' means over replicates; 0 without any value."""
    means = averaged(cells)
    return float(means[~np.isnan(means)].mean()) if not np.isnan(means).all() else 0.0


def among_answered(
    table: Observations, metric: Metric, baseline: str, candidate: str, here: Mask
) -> AmongAnswered | None:
    """Both rates where both sides gave an answer at all; None where the metric has no guard, or all answered."""
    if metric.guarded_by is None:
        return None
    sides = [table.column(name, metric.name) for name in (baseline, candidate)]
    silent = [table.column(name, metric.guarded_by) for name in (baseline, candidate)]
    there = here & ~np.isnan(sides[0]) & ~np.isnan(sides[1])
    answered = there & (silent[0] == 0) & (silent[1] == 0)
    if answered.sum() == there.sum() or not answered.any():
        return None
    means = [float(side[answered].mean()) for side in sides]
    return AmongAnswered(n_pairs=int(answered.sum()), baseline_mean=means[0], candidate_mean=means[1])


def one_sided_warnings(
    table: Observations,
    metrics: Sequence[Metric],
    differences: Sequence[PairedDifference],
    baseline: str,
    candidate: str,
) -> Iterator[RunWarning]:
    """A warning for each scorer of which a headline metric lacks values on one side more often than chance explains."""
    everything = np.ones(len(table.sample_ids), dtype=np.bool_)
    rows = {row.metric: row for row in differences if row.category is None}
    warned: set[str] = set()
    for metric in metrics:
        scorer = metric.scorer
        if not metric.headline or scorer in warned:
            continue
        missing = missing_of(table, metric, baseline, candidate, everything)
        if missing.one_sided < 0.05 and rows[metric.name].difference is not None:
            warned.add(scorer)
            total = int((everything & applies_to(table, metric)).sum())
            counts = f"{candidate} in {missing.candidate} of {total} samples, {baseline} in {missing.baseline}"
            could = ""
            if missing.bounds is not None:
                ends = f"{100 * missing.bounds.low:+.0f} and {100 * missing.bounds.high:+.0f} points"
                could = f"; whatever they are, the difference over all samples is between {ends}"
            text = f"a value for “{metric.title}” is missing more often on one side: {counts}{could}"
            yield RunWarning(kind="one-sided", text=text)
