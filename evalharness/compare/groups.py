"""The group of a sample, the unit that is resampled: sums by group, and the order of generation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Plan
from evalharness.statistics import Floats

RESAMPLES = 2_000
Groups = NDArray[np.int64]


def grouped(numbers: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Sum and count of the numbers in each group that has any, in the groups' order."""
    counts = np.bincount(groups).astype(np.float64)
    used = counts > 0
    return np.bincount(groups, weights=numbers)[used].astype(np.float64), counts[used]


def by_group(columns: Sequence[tuple[Floats, Groups]]) -> tuple[Floats, Floats]:
    """Sums and counts of each column's numbers in each group, as two arrays (n_groups, n_columns).

    Groups without any value are left out.
    """
    n_groups = max(int(groups.max()) + 1 for _, groups in columns)
    sums = np.stack([np.bincount(groups, weights=numbers, minlength=n_groups) for numbers, groups in columns], axis=1)
    counts = np.stack([np.bincount(groups, minlength=n_groups) for _, groups in columns], axis=1).astype(np.float64)
    used = counts.any(axis=1)
    return sums[used].astype(np.float64, copy=False), counts[used]


def order_of_groups(plan: Plan, seed: int) -> tuple[list[str], Groups]:
    """The groups in a random order, and the place of each in it, by its number in the observation table."""
    names = sorted({sample.group for sample in plan.samples.values()})
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[number] for number in order], np.argsort(order)
