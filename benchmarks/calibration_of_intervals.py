"""Do the numbers of a comparison keep what they promise? False alarms, coverage of intervals, power.

All through `compare.differences` and `compare.summaries`; where a result depends on a few counts only (pairs of 0/1
values), coverage is summed over all possible counts instead of drawn. `--quick` draws a twentieth.
"""

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
from conditions import conditions
from numpy.typing import NDArray
from scipy.special import gammaln

from evalharness.compare.differences import differences_of
from evalharness.compare.summaries import summaries_of
from evalharness.observations import COMPLETED, Labels, Observations
from evalharness.records import Metric, PairedDifference
from evalharness.statistics import tango, wilson
from evalharness.statistics.power import detectable_difference, detectable_shift

Floats = NDArray[np.float64]
SIZES = (30, 100, 500)
AT_ONCE = 100
"""Data sets that go through one call, each as a metric of its own."""


def tabled(old: Floats, new: Floats, groups: Floats | None = None) -> Observations:
    """Values of each metric, shape (n_samples, n_metrics); every sample its own group unless groups are given."""
    n = len(old)
    shape, one = (2, 1, n), np.zeros(n, dtype=np.int32)
    return Observations(
        sample_ids=tuple(f"s{number}" for number in range(n)),
        checkpoints=("old", "new"),
        suite_order=np.arange(n),
        groups=np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64),
        suites=Labels(one, ["t"]),
        sample_categories=Labels(one, ["c"]),
        expected=Labels(one - 1),
        state=np.full(shape, COMPLETED, dtype=np.int32),
        ends=Labels(np.zeros(shape, dtype=np.int32), ["stop"]),
        lengths=np.ones(shape, dtype=np.int32),
        attempts=np.ones(shape, dtype=np.int32),
        values={f"s.m{m}": np.stack([old[:, m], new[:, m]])[:, None, :] for m in range(old.shape[1])},
        status={},
        labels={},
        versions={},
        applies={},
    )


def metrics_of(kinds: list[str], *, headline: bool) -> list[Metric]:
    return [
        Metric(name=f"s.m{n}", title="t", description="", kind=kind, headline=headline) for n, kind in enumerate(kinds)
    ]


def overall(
    old: Floats, new: Floats, kinds: list[str], *, seed: int, headline: bool = False, groups: Floats | None = None
) -> list[PairedDifference]:
    rows = differences_of(tabled(old, new, groups), metrics_of(kinds, headline=headline), "old", "new", seed=seed)
    return [row for row in rows if row.category is None]


# ---------------------------------------------------------------------------------------- false alarms


def tosses(generator: np.random.Generator, n: int, design: str) -> tuple[Floats, Floats, Floats | None]:
    """Two sides alike in law: 10 rates and 10 skewed lengths that hang together within a sample and a group."""
    groups = np.arange(n) // 3 if design == "groups of three" else None
    shared = generator.normal(size=(n, 1)) if groups is None else generator.normal(size=(n, 1))[groups]
    replicates = 3 if design == "three replicates" else 1
    thresholds = np.linspace(-1.6, 1.6, 10)

    def side() -> Floats:
        own = generator.normal(size=(replicates, n, 1))
        noise = 0.6 * shared + 0.5 * own + 0.6 * generator.normal(size=(replicates, n, 20))
        return np.concatenate([noise[..., :10] > thresholds, np.exp(3 + 0.8 * noise[..., 10:])], axis=2).mean(axis=0)

    return side(), side(), groups


def false_alarms(runs: int) -> None:
    kinds = ["rate"] * 10 + ["mean"] * 10
    print(f"\nA/A comparisons of 20 headline metrics, called different ({runs} comparisons)")
    called = single = 0
    for number in range(runs):
        design = ("plain", "groups of three", "three replicates")[number % 3]
        old, new, groups = tosses(np.random.default_rng(number), (30, 60, 120)[number // 3 % 3], design)
        rows = overall(old, new, kinds, seed=number, headline=True, groups=groups)
        called += any(row.verdict in ("higher", "lower") for row in rows)
        single += sum(row.p_value is not None and row.p_value < 0.05 for row in rows)
    print(f"family-wise, after Bonferroni: {called / runs:.1%}; single tests, unadjusted: {single / runs / 20:.1%}")


# -------------------------------------------------------------------------------------------- coverage


def rates() -> None:
    """Exact: summed over all counts."""
    print(
        "\nOne rate, Wilson's interval: exact coverage; in brackets that of the largest set of likeliest counts "
        "below 95 %, and of the next larger"
    )
    for n in SIZES:
        counts = np.arange(n + 1)
        ends = np.array([wilson(int(count), n) for count in counts])
        cells = []
        for rate in (0.05, 0.5, 0.95):
            chance = np.exp(_log_choose(n, counts) + counts * math.log(rate) + (n - counts) * math.log1p(-rate))
            covered = chance[(ends[:, 0] <= rate) & (rate <= ends[:, 1])].sum()
            likely = np.cumsum(np.sort(chance)[::-1])
            below, above = likely[likely < 0.95][-1], likely[likely >= 0.95][0]
            cells.append(f"{rate}: {covered:.1%} [{below:.1%}, {above:.1%}]")
        print(f"n = {n}: " + "; ".join(cells))


def _log_choose(n: int, counts: Floats) -> Floats:
    return gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)


def paired_rates() -> None:
    """Exact: summed over all numbers of wins and losses."""
    print("\nDifference of two paired rates, Tango's interval: exact coverage at correlations 0, 0.3, 0.6")
    for n in SIZES:
        for old, new in ((0.05, 0.05), (0.5, 0.5), (0.95, 0.95), (0.5, 0.6), (0.95, 0.85)):
            paired_coverages = [_paired_coverage(n, old, new, correlation) for correlation in (0.0, 0.3, 0.6)]
            told = ", ".join("impossible" if share is None else f"{share:.1%}" for share in paired_coverages)
            print(f"n = {n}, {old} and {new}: {told}")


_ENDS: dict[tuple[int, int, int], tuple[float, float]] = {}


def _paired_coverage(n: int, old: float, new: float, correlation: float) -> float | None:
    both = old * new + correlation * math.sqrt(old * (1 - old) * new * (1 - new))
    wins, losses = new - both, old - both
    if min(wins, losses, both, 1 - wins - losses - both) < 0:
        return None
    covered = 0.0
    for won, lost, chance in _likely_counts(n, wins, losses):
        ends = _ENDS.get((won, lost, n)) or _ENDS.setdefault((won, lost, n), tango(won, lost, n))
        covered += chance * (ends[0] - 1e-12 <= new - old <= ends[1] + 1e-12)
    return covered


def _likely_counts(n: int, wins: float, losses: float) -> Iterator[tuple[int, int, float]]:
    won, lost = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    won, lost = won[won + lost <= n], lost[won + lost <= n]
    ways = gammaln(n + 1) - gammaln(won + 1) - gammaln(lost + 1) - gammaln(n - won - lost + 1)
    chance = np.exp(
        ways + won * math.log(wins) + lost * math.log(losses) + (n - won - lost) * math.log1p(-wins - losses)
    )
    for index in np.flatnonzero(chance > 1e-9):
        yield int(won[index]), int(lost[index]), float(chance[index])


def lengths(runs: int) -> None:
    print(
        f"\nLengths, lognormal: coverage of the interval ({runs} data sets each; standard error "
        f"{math.sqrt(0.05 * 0.95 / runs):.1%})"
    )
    for skew in (0.5, 0.8):
        for n in SIZES:
            seeds = range(runs // AT_ONCE)
            cells = {
                "one side": np.mean([_one_side(n, skew, seed) for seed in seeds]),
                "paired, alike": np.mean([_paired(n, skew, 1.0, seed) for seed in seeds]),
                "paired, half longer": np.mean([_paired(n, skew, 1.5, seed) for seed in seeds]),
                "paired, in groups of 1 to 4": np.mean([_paired(n, skew, 1.5, seed, grouped=True) for seed in seeds]),
            }
            print(f"sigma {skew}, n = {n}: " + "; ".join(f"{name} {share:.1%}" for name, share in cells.items()))


def _covers(interval: object, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def _one_side(n: int, skew: float, seed: int) -> float:
    numbers = np.random.default_rng([1, n, seed]).lognormal(3, skew, size=(n, AT_ONCE))
    rows = summaries_of(tabled(numbers, numbers), metrics_of(["mean"] * AT_ONCE, headline=False), seed=seed)
    truth = math.exp(3 + skew**2 / 2)
    mine = [row for row in rows if row.category is None and row.checkpoint == "old"]
    return sum(_covers(row.interval, truth) for row in mine) / AT_ONCE


def _paired(n: int, skew: float, factor: float, seed: int, *, grouped: bool = False) -> float:
    """`n` counts the groups; half of the variance of a logarithm is the sample's (or group's) own, on both sides."""
    generator = np.random.default_rng([2, n, seed, int(grouped)])
    groups = np.repeat(np.arange(n), generator.integers(1, 5, size=n)) if grouped else np.arange(n)
    shared = generator.normal(size=(n, AT_ONCE))[groups]
    old, new = (np.exp(3 + skew * math.sqrt(0.5) * (shared + generator.normal(size=shared.shape))) for _ in range(2))
    rows = overall(old, factor * new, ["mean"] * AT_ONCE, seed=seed, groups=groups)
    truth = (factor - 1) * math.exp(3 + skew**2 / 2)
    return sum(_covers(row.interval, truth) for row in rows) / AT_ONCE


def grouped_rates(runs: int) -> None:
    print(f"\nRates in groups of three, and averaged over three replicates ({runs} data sets each)")
    for n in SIZES:
        for rate in (0.05, 0.5, 0.95):
            grouped_rate, pairs = zip(*(_grouped_rate(n, rate, seed) for seed in range(runs // AT_ONCE)), strict=True)
            print(
                f"n = {n} groups, rate {rate}: one side in groups {np.mean(grouped_rate):.1%}; "
                f"paired replicates {np.mean(pairs):.1%}"
            )


def _grouped_rate(n: int, rate: float, seed: int) -> tuple[float, float]:
    generator = np.random.default_rng([3, n, seed])
    chance = generator.beta(4 * rate, 4 * (1 - rate), size=(n, AT_ONCE))
    numbers = (generator.random((3, n, AT_ONCE)) < chance).astype(float)
    other = generator.binomial(3, chance) / 3
    flat, groups = numbers.transpose(1, 0, 2).reshape(3 * n, AT_ONCE), np.repeat(np.arange(n), 3)
    rows = summaries_of(tabled(flat, flat, groups), metrics_of(["rate"] * AT_ONCE, headline=False), seed=seed)
    summaries = [row for row in rows if row.category is None and row.checkpoint == "old"]
    pairs = overall(numbers.mean(axis=0), other, ["rate"] * AT_ONCE, seed=seed)
    return (
        sum(_covers(row.interval, rate) for row in summaries) / AT_ONCE,
        sum(_covers(row.interval, 0.0) for row in pairs) / AT_ONCE,
    )


# ----------------------------------------------------------------------------------------------- power


def power(runs: int) -> None:
    print(
        f"\nPower at the minimum detectable effect ({runs} data sets each; standard error {math.sqrt(0.16 / runs):.1%})"
    )
    for n in SIZES:
        for share in (0.1, 0.3):
            effect = detectable_shift(n, disagreeing=share)
            shown = _shown(_shift(n, share, effect), "rate", runs)
            print(f"rates, n = {n}, {share:.0%} of the pairs differ, effect {effect:.3f}: {shown:.1%}")
        for name, draw in (("normal", _normal), ("skewed", _skewed)):
            effect = detectable_difference(n, spread=1.0)
            shown = _shown(draw(n, effect), "mean", runs)
            print(f"means, n = {n}, {name} differences, effect {effect:.3f} spreads: {shown:.1%}")
    print(
        "\nThe same where the effect is the one that a comparison without a difference states (its spread is estimated)"
    )
    for n in SIZES:
        rates_shown, means_shown = _stated(_noisy_shift, n, "rate", runs), _stated(_normal, n, "mean", runs)
        print(f"n = {n}: rates of which 30 % differ {rates_shown:.1%}; normal means {means_shown:.1%}")


Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]


def _shift(n: int, share: float, effect: float) -> Draw:
    def draw(generator: np.random.Generator, columns: int) -> tuple[Floats, Floats]:
        picked = generator.random((n, columns))
        wins, losses = picked < (max(share, effect) + effect) / 2, picked > 1 - (max(share, effect) - effect) / 2
        agree = generator.random((n, columns)) < 0.5
        return np.where(wins, 0.0, np.where(losses, 1.0, agree)), np.where(wins, 1.0, np.where(losses, 0.0, agree))

    return draw


def _noisy_shift(n: int, effect: float) -> Draw:
    return _shift(n, 0.3, effect)


def _normal(n: int, effect: float) -> Draw:
    return lambda generator, columns: (np.zeros((n, columns)), generator.normal(effect, 1.0, size=(n, columns)))


def _skewed(n: int, effect: float) -> Draw:
    """Lognormal differences (sigma 0.5) of spread 1, moved to the effect."""
    mean, spread = math.exp(0.125), math.sqrt((math.exp(0.25) - 1) * math.exp(0.25))

    def draw(generator: np.random.Generator, columns: int) -> tuple[Floats, Floats]:
        return np.zeros((n, columns)), (generator.lognormal(0, 0.5, size=(n, columns)) - mean) / spread + effect

    return draw


def _shown(draw: Draw, kind: str, runs: int) -> float:
    shown = 0
    for seed in range(runs // AT_ONCE):
        old, new = draw(np.random.default_rng([4, seed]), AT_ONCE)
        shown += sum(row.verdict == "higher" for row in overall(old, new, [kind] * AT_ONCE, seed=seed))
    return shown / (runs // AT_ONCE * AT_ONCE)


def _stated(make: Callable[[int, float], Draw], n: int, kind: str, runs: int) -> float:
    shown = []
    for seed in range(runs // AT_ONCE):
        generator = np.random.default_rng([5, seed])
        pilot = overall(*make(n, 0.0)(generator, AT_ONCE), [kind] * AT_ONCE, seed=seed)
        for row in pilot:
            old, new = make(n, row.minimum_detectable_effect)(generator, 1)
            shown.append(overall(old, new, [kind], seed=seed)[0].verdict == "higher")
    return float(np.mean(shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the draws")
    less = 20 if parser.parse_args().quick else 1
    print(conditions("numpy", "scipy"))
    rates()
    paired_rates()
    lengths(4_000 // less)
    grouped_rates(4_000 // less)
    power(2_000 // less)
    false_alarms(1_000 // less)


if __name__ == "__main__":
    main()
