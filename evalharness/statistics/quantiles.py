"""Quantiles of Student's t and of the beta distribution, exact to ten digits and without scipy."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
"""Normal quantile at 97.5 %: a two-sided 5 % test."""


@lru_cache(maxsize=4096)
def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t, from that of a beta distribution (Abramowitz and Stegun 1964, 26.5.27).

    >>> [round(t_quantile(0.975, df), 3) for df in (1, 2, 5, 29)]
    [12.706, 4.303, 2.571, 2.045]
    """
    if df <= 0:
        raise ValueError("no degree of freedom")
    if not 0 < probability < 1:
        raise ValueError("a quantile needs a probability between 0 and 1")
    if probability < 0.5:
        return -t_quantile(1 - probability, df)
    # The tail and not the centre, so that no digit is lost far out.
    rest = beta_quantile(2 * (1 - probability), df / 2, 0.5)
    return math.sqrt(df * (1 - rest) / rest)


def t_tail(t: float, df: float) -> float:
    """The chance that Student's t is larger than `t`.

    >>> round(t_tail(12.7062047, 1), 6)
    0.025
    """
    tail = incomplete_beta(df / (df + t * t), df / 2, 0.5) / 2
    return tail if t >= 0 else 1 - tail


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The point below which the beta distribution has `probability`, by bisection.

    >>> round(beta_quantile(0.975, 4, 97), 4)
    0.0852
    """
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if incomplete_beta(middle, a, b) < probability else (low, middle)
    return (low + high) / 2


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 1964, 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Lentz's method, modified (Thompson and Barnett 1986, Journal of Computational Physics 64:490).
    tiny = 1e-300
    value = c = 1.0
    d = 0.0
    for step in range(1, 10_000):
        m = step // 2
        if step % 2:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + factor * d or tiny)
        c = 1 + factor / c or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(front) / (a * value)
