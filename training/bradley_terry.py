"""A linear head by the Bradley-Terry loss with an L2 penalty, fitted exactly; and how prompts are held back.

The loss of a pair is -log sigmoid(reward of the better - reward of the worse) (Bradley and Terry 1952).
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ITERATIONS, TOLERANCE = 50, 1e-5


def fit(differences: Array, weights: Array, penalty: Array) -> Array:
    """The head with the least loss, by Newton's method.

    Args:
        differences: features of the better minus those of the worse, [pairs, features].
        weights: of the pairs.
        penalty: a positive definite matrix; half of its quadratic form in the head is added to the loss.
    """
    head = np.zeros(differences.shape[1])
    for _ in range(ITERATIONS):
        wrong = 1 / (1 + np.exp(differences @ head))
        slope = penalty @ head - differences.T @ (weights * wrong)
        curvature = (differences * (weights * wrong * (1 - wrong))[:, None]).T @ differences
        step = np.linalg.solve(curvature + penalty, slope)
        head -= step
        if np.abs(step).max() < TOLERANCE * (1 + np.abs(head).max()):
            break
    return head


def directions(rows: Array, count: int, seed: int) -> Array:
    """The `count` directions in which rows spread most, [count, width] (Halko, Martinsson and Tropp 2011)."""
    random = np.random.default_rng(seed)
    centred = rows - rows.mean(0)
    found = centred @ random.standard_normal((rows.shape[1], count + 40)).astype(rows.dtype)
    for _ in range(2):
        found = centred @ (centred.T @ np.linalg.qr(found)[0])
    small = np.linalg.qr(found)[0].T @ centred
    turned: Array = np.linalg.svd(small, full_matrices=False)[2][:count]
    return turned


def loss(margins: Array) -> float:
    """The mean Bradley-Terry loss."""
    return float(np.logaddexp(0, -margins).mean())


def fold_of(group: str, folds: int, seed: int) -> int:
    """The fold of a group: by its digest, so that it depends on nothing else."""
    return int(hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:8], 16) % folds


def splits(groups: Sequence[str], folds: int, seed: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks for training and test, with all pairs of a group on one side."""
    numbers = np.array([fold_of(group, folds, seed) for group in groups])
    for fold in range(folds):
        yield numbers != fold, numbers == fold


def interval(right: Array, groups: Sequence[str], *, seed: int = 0, resamples: int = 2_000) -> tuple[float, float]:
    """A 95 % interval of the mean; groups are drawn, not pairs (percentile bootstrap)."""
    names = sorted(set(groups))
    place = {name: number for number, name in enumerate(names)}
    index = np.array([place[group] for group in groups])
    sums, counts = np.bincount(index, right), np.bincount(index).astype(float)
    draws = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    means = sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
