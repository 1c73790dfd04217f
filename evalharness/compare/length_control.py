"""Length control: what remains of a difference at equal length, by two regressions.

After Dubois et al. 2024, Length-Controlled AlpacaEval, arXiv:2404.04475: the outcome of a pair is regressed on the
difference of length, and the regression is asked for a pair of equal length. Their third term, the difficulty of each
instruction, is left out: it is learned from many models' answers to the same instruction, and here there are two.

A reward need not be linear in length, and a line through a curve leaves a difference at equal length that is not
there. So a curve is fitted too, of length and its logarithm, which holds a line, a logarithm and much between. If it
disagrees with the line, length cannot be held equal, and the note says so.

All regressions are odd: swapping the sides negates the difference and mirrors the win rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalharness.compare.groups import RESAMPLES, Groups, by_group
from evalharness.records import Interval, LengthControl
from evalharness.statistics import Floats, means_of, resample, t_quantile

DISAGREE = (
    "A curve in length gives another difference than a line: length cannot be held equal here. Rely on neither figure."
)
FEWEST_GROUPS = 10
"""With fewer, a regression with two unknowns is not meaningful."""
ONE_SIDED = 0.95
"""From this share of pairs on in which one side is longer, equal length is beyond what was seen."""
NEWTON_STEPS = 100


def control_length(
    difference: Floats, wins: Floats, length: Floats, groups: Groups, *, log_length: Floats, seed: int
) -> LengthControl | str:
    """The reward difference and the win rate at equal length, or a sentence with the reason why there is none.

    Args:
        difference: candidate minus baseline of each pair's rewards, shape (n_pairs,).
        wins: 1 where the candidate wins, 0.5 for a tie, same shape.
        length: candidate minus baseline in characters, same shape.
        groups: each pair's group as a number, same shape; groups are independent.
        log_length: candidate minus baseline of the logarithms of length, same shape.
        seed: of the bootstrap over groups.
    """
    if np.unique(groups).size < FEWEST_GROUPS:
        return f"fewer than {FEWEST_GROUPS} independent pairs"
    scale = float(np.std(length))
    if scale == 0:
        same = "all pairs are of equal length" if length[0] == 0 else "the length differs by the same in all pairs"
        return f"{same}, so its effect cannot be estimated"
    line = _fit(difference, length[:, None] / scale)
    curve = _fit(difference, np.stack([length / scale, log_length / (float(np.std(log_length)) or 1.0)], axis=1))
    interval, curved = (_interval(fit, difference, groups, seed) for fit in (line, curve))
    disagree = _disagree(line, curve, difference, groups, seed)
    win_rate, win_interval = _win_rate(wins, np.tanh(length / scale), groups, seed)
    longer, shorter = int((length > 0).sum()), int((length < 0).sum())
    return LengthControl(
        difference=line.intercept,
        interval=interval,
        curve_difference=curve.intercept,
        curve_interval=curved,
        per_100_characters=line.slope / scale * 100,
        win_rate=win_rate,
        win_rate_interval=win_interval,
        n_longer=longer,
        n_shorter=shorter,
        note=" ".join(filter(None, (_note(longer, shorter, length.size), DISAGREE if disagree else ""))),
    )


def _note(longer: int, shorter: int, n_pairs: int) -> str:
    if max(longer, shorter) < ONE_SIDED * n_pairs:
        return ""
    side = "longer" if longer > shorter else "shorter"
    return (
        f"The candidate's completion is {side} in {max(longer, shorter)} of {n_pairs} pairs: figures at equal "
        "length are extrapolated."
    )


@dataclass(frozen=True)
class Fit:
    """Least squares: the value where all covariates are 0, what each pair adds to it, and the first slope."""

    intercept: float
    slope: float
    influence: Floats
    left: Floats
    """Residuals, shape (n_pairs,)."""


def _fit(difference: Floats, covariates: Floats) -> Fit:
    """Fit covariates of shape (n_pairs, n_covariates).

    Unlike for a win rate, which is bounded, length is not squashed by tanh: a reward proportional to length would
    otherwise leave a residual.
    """
    design = np.hstack([np.ones((difference.size, 1)), covariates])
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ difference
    left = difference - design @ coefficients
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    # HC3 (MacKinnon and White 1985): a pair that pulls the line towards itself must not make its own error small.
    influence = design @ inverse[0] * left / np.maximum(1 - leverage, 1e-6) * difference.size
    return Fit(float(coefficients[0]), float(coefficients[1]), influence, left)


def _interval(fit: Fit, difference: Floats, groups: Groups, seed: int) -> Interval | None:
    """Of the intercept; None where the fit leaves nothing."""
    if np.ptp(fit.left) <= 1e-9 * np.ptp(difference):
        return None
    low, high = _bootstrap(fit.intercept, fit.influence, groups, seed)
    return Interval(low=low, high=high)


def _disagree(line: Fit, curve: Fit, difference: Floats, groups: Groups, seed: int) -> bool:
    """Whether the two give different intercepts, by the interval of their difference."""
    if np.ptp(line.left) <= 1e-9 * np.ptp(difference):
        return False
    low, high = _bootstrap(line.intercept - curve.intercept, line.influence - curve.influence, groups, seed)
    return low > 0 or high < 0


def _bootstrap(estimate: float, influence: Floats, groups: Groups, seed: int) -> tuple[float, float]:
    """Interval of an estimate from what each pair adds to it (the infinitesimal jackknife's pseudo-values)."""
    sums, counts = by_group([(estimate + influence - influence.mean(), groups)])
    [mean] = means_of(resample(sums, counts, seed=seed, n_resamples=RESAMPLES), is_difference=False)
    return mean.low(0.025), mean.high(0.025)


# ------------------------------------------------------------------------------------------- win rate


def _win_rate(wins: Floats, x: Floats, groups: Groups, seed: int) -> tuple[float, Interval]:
    """The win rate where `x` is 0, by logistic regression.

    Each end of the interval is the further of the bootstrap over groups and of the model's own standard error, for
    where all is won there is nothing to resample.
    """
    design, target = _with_prior(np.stack([np.ones_like(x), x], axis=1), wins)
    coefficients = _newton(design, target)
    expected = _logistic(design @ coefficients)
    inverse = np.linalg.inv(_curvature(design, expected))
    intercept = float(coefficients[0])
    influence = (design @ inverse[0] * (target - expected))[: x.size] * x.size
    low, high = _bootstrap(intercept, influence, groups, seed)
    half = t_quantile(0.975, np.unique(groups).size - 1) * float(np.sqrt(inverse[0, 0]))
    ends = np.array([min(low, intercept - half), max(high, intercept + half)])
    low, high = _logistic(ends)
    return float(_logistic(np.array([intercept]))[0]), Interval(low=float(low), high=float(high))


def _with_prior(design: Floats, wins: Floats) -> tuple[Floats, Floats]:
    """Two artificial ties, one for each coefficient: the log-F(1,1) prior, which keeps both finite where all is won.

    Greenland and Mansournia 2015, Statistics in Medicine 34:3133.
    """
    return np.vstack([design, np.eye(2)]), np.append(wins, [0.5, 0.5])


def _newton(design: Floats, target: Floats) -> Floats:
    """The coefficients at which the likelihood, which has one peak, is largest."""
    coefficients = np.zeros(design.shape[1])
    value = _likelihood(design, target)
    for _ in range(NEWTON_STEPS):
        expected = _logistic(design @ coefficients)
        step = np.linalg.solve(_curvature(design, expected), design.T @ (target - expected))
        while value(coefficients + step) < value(coefficients) - 1e-12:
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            break
    return coefficients


def _likelihood(design: Floats, target: Floats) -> Callable[[Floats], float]:
    return lambda coefficients: float(target @ (design @ coefficients) - np.logaddexp(0, design @ coefficients).sum())


def _curvature(design: Floats, expected: Floats) -> Floats:
    hessian: Floats = design.T @ (design * (expected * (1 - expected))[:, None])
    return hessian


def _logistic(log_odds: Floats) -> Floats:
    probabilities: Floats = np.exp(-np.logaddexp(0, -log_odds))
    return probabilities
