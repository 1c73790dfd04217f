"""More prompts or more replicates? What each would narrow, from the components of the variance."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evalharness.observations import Observations
from evalharness.records import Finding, Metric, PairedDifference
from evalharness.statistics import Floats
from evalharness.text import format_share

FEWEST = 10
"""Samples with all replicates, for a share of the variance to mean something."""


def replicate_advice(
    table: Observations, metrics: Mapping[str, Metric], rows: Sequence[PairedDifference], baseline: str, candidate: str
) -> Finding | None:
    """For the undecided headline metric that is nearest to a decision; None without one, or without replicates."""
    undecided = [row for row in rows if row.verdict == "undecided" and not row.exploratory and row.p_value is not None]
    for row in sorted(undecided, key=lambda row: row.p_value or 0.0):
        share = share_of_sampling(table.cells(candidate, row.metric) - table.cells(baseline, row.metric))
        if share is not None:
            return Finding(sentence=_in_words(metrics[row.metric], share, len(table.state[0])), metric=None)
    return None


def share_of_sampling(differences: Floats) -> float | None:
    """The share of the variance of samples' mean differences that comes from sampling each completion, 0 to 1.

    One-way analysis of variance, samples as groups of replicates (Searle et al. 1992, chapter 3).

    Args:
        differences: shape (n_replicates, n_samples), NaN where a value is missing.
    """
    complete = differences[:, ~np.isnan(differences).any(axis=0)]
    replicates, samples = complete.shape
    if replicates < 2 or samples < FEWEST:
        return None
    of_means = float(complete.mean(axis=0).var(ddof=1))
    within = float(complete.var(axis=0, ddof=1).mean()) / replicates
    return min(within / of_means, 1.0) if of_means > 0 else None


def _in_words(metric: Metric, share: float, replicates: int) -> str:
    by_replicates, by_prompts = 1 - math.sqrt(1 - share / 2), 1 - math.sqrt(0.5)
    of_sampling, of_prompts = format_share(share), format_share(1 - share)
    return (
        f"More prompts or more replicates? With {replicates} replicates, {of_sampling} of the variance of "
        f"{metric.name} comes from sampling, {of_prompts} from the prompts. Twice the prompts would narrow the "
        f"interval by {format_share(by_prompts)}, twice the replicates by {format_share(by_replicates)}."
    )
