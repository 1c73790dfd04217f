"""The intervals that were considered for a comparison, side by side: the figures behind decision 0006.

Paired rates: exact coverage, summed over all tables. Means: drawn lognormal data, standard error about 0.5 %.
"""

import math
from collections.abc import Callable

import numpy as np
from calibration_of_intervals import _likely_counts
from conditions import conditions
from numpy.typing import NDArray
from scipy import stats

from evalharness.statistics import Z95, means_of, resample, tango, wilson

Floats = NDArray[np.float64]
Ends = tuple[float, float]


def newcombe(both: int, wins: int, losses: int, neither: int) -> Ends:
    """Method 10 of Newcombe 1998, with his continuity correction of the correlation."""
    n = both + wins + losses + neither
    new, old = (both + wins) / n, (both + losses) / n
    (low_n, high_n), (low_o, high_o) = wilson(both + wins, n), wilson(both + losses, n)
    margins = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    product = both * neither - wins * losses
    product = max(product - n / 2, 0) if product > 0 else product
    phi = product / math.sqrt(margins) if margins else 0.0

    def reach(value: float, other: float) -> float:
        return math.sqrt(max(value**2 - 2 * phi * value * other + other**2, 0.0))

    return new - old - reach(new - low_n, high_o - old), new - old + reach(high_n - new, old - low_o)


def added(each: float) -> Callable[[int, int, int, int], Ends]:
    """Wald's interval after adding to wins and losses: 1 is Bonett and Price 2012, 0.5 Agresti and Min 2005."""

    def ends(both: int, wins: int, losses: int, neither: int) -> Ends:
        n = both + wins + losses + neither + 2
        won, lost = (wins + each) / n, (losses + each) / n
        half = Z95 * math.sqrt((won + lost - (won - lost) ** 2) / n)
        return won - lost - half, won - lost + half

    return ends


PAIRED: dict[str, Callable[[int, int, int, int], Ends]] = {
    "Newcombe": newcombe,
    "Bonett and Price": added(1),
    "Agresti and Min": added(0.5),
    "Tango": lambda both, wins, losses, neither: tango(wins, losses, both + wins + losses + neither),
}


def paired_coverage(n: int, old: float, new: float, correlation: float) -> dict[str, float]:
    """Summed over wins, losses, and the pairs that are 1 on both sides."""
    both = old * new + correlation * math.sqrt(old * (1 - old) * new * (1 - new))
    wins, losses = new - both, old - both
    covered, tango_ends = dict.fromkeys(PAIRED, 0.0), {}
    for won, lost, chance in _likely_counts(n, wins, losses):
        agree = n - won - lost
        split = stats.binom.pmf(np.arange(agree + 1), agree, both / (1 - wins - losses))
        for ones in np.flatnonzero(split > 1e-6):
            for name, method in PAIRED.items():
                if name == "Tango":
                    ends = tango_ends.get((won, lost)) or tango_ends.setdefault((won, lost), tango(won, lost, n))
                else:
                    ends = method(int(ones), won, lost, agree - int(ones))
                covered[name] += chance * split[ones] * (ends[0] - 1e-12 <= new - old <= ends[1] + 1e-12)
    return covered


def lognormal(generator: np.random.Generator, n: int, columns: int, data: str) -> tuple[Floats, Floats, float]:
    """Sums and counts of groups, and the true mean."""
    kind, sigma = data.rsplit(" ", 1)
    skew = float(sigma)
    mean = math.exp(skew**2 / 2)
    if kind == "one side":
        return generator.lognormal(0, skew, size=(n, columns)), np.ones((n, columns)), mean
    sizes = generator.integers(1, 5, size=(n, columns)) if kind == "groups of 1 to 4" else np.ones((n, columns))
    factor = 1.0 if kind == "alike" else 2.0
    sums, shared = np.zeros((n, columns)), 0.6 * skew * generator.normal(size=(n, columns))
    for member in range(4):
        old, new = (np.exp(shared + 0.8 * skew * generator.normal(size=(n, columns))) for _ in range(2))
        sums += (member < sizes) * (factor * new - old)
    return sums, sizes.astype(np.float64), (factor - 1) * mean


def mean_coverage(data: str, n: int) -> dict[str, float]:
    sums, counts, truth = lognormal(np.random.default_rng([6, n]), n, 2_000, data)
    drawn = resample(sums, counts, seed=0, n_resamples=2_000)
    low, high = np.quantile(drawn.studentised, [0.025, 0.975], axis=0)
    symmetric, t = np.quantile(np.abs(drawn.studentised), 0.95, axis=0), stats.t.ppf(0.975, n - 1)
    mean, error = drawn.means, drawn.errors
    # Widened to Student's t for few groups (Hesterberg 2015, The American Statistician 69:371, section 4).
    factor = t / Z95 * np.sqrt(n / (n - 1))
    percentile = mean + factor * (np.quantile(drawn.drawn, [0.025, 0.975], axis=0) - mean)
    ends = {
        "percentile": percentile,
        "studentised": (mean - high * error, mean - low * error),
        "symmetric": (mean - symmetric * error, mean + symmetric * error),
        "t": (mean - t * error, mean + t * error),
        "further": np.array([(mean.low(0.025), mean.high(0.025)) for mean in means_of(drawn, is_difference=False)]).T,
    }
    return {name: float(np.mean((low <= truth) & (truth <= high))) for name, (low, high) in ends.items()}


def main() -> None:
    print(conditions("numpy", "scipy"))
    for n, old, new, correlation in (
        *((n, rate, rate, c) for n in (30, 100) for rate in (0.05, 0.5) for c in (0.0, 0.3, 0.6)),
        *((n, 0.95, 0.85, c) for n in (30, 100) for c in (0.0, 0.3)),
    ):
        result = paired_coverage(n, old, new, correlation)
        told = ", ".join(f"{name} {share:.1%}" for name, share in result.items())
        print(f"n = {n}, rates {old} and {new}, correlation {correlation}: {told}")
    for data in ("one side 0.8", "one side 1.0", "alike 1.0", "candidate twice as long 1.0", "groups of 1 to 4 1.0"):
        for n in (30, 100, 500):
            told = ", ".join(f"{name} {share:.1%}" for name, share in mean_coverage(data, n).items())
            print(f"lognormal, {data}, n = {n}: {told}")


if __name__ == "__main__":
    main()
