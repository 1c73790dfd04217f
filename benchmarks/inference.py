"""Do verdicts keep what they promise? Contradictions, coverage together, gates, planning and stopping, by simulation.

Through the functions that decide a run; equal counts are decided once. `--quick` draws a tenth.
"""

import argparse
from functools import cache

import numpy as np
from conditions import conditions
from numpy.typing import NDArray

from evalharness.compare.length_control import control_length
from evalharness.compare.preference_summaries import share_interval
from evalharness.gate.prospects import prospects_of
from evalharness.gate.verdicts import FAIL_LEVEL, PASS_LEVEL, Decision
from evalharness.records import GateRule, Message, Metric, Plan, Sample, Suite
from evalharness.statistics import Betting, RateDifference, Share, means_of, resample
from evalharness.statistics.agreement import cohens_kappa

Floats = NDArray[np.float64]
RULES = ((0.05, 0.1, 200), (0.0, 0.05, 200), (0.0, 0.02, 200), (0.01, 0.03, 300), (0.1, 0.15, 400))
"""Gained, lost and pairs of five rules whose candidate is just at the bound."""


@cache
def interval(higher: int, lower: int, n: int, level: float) -> tuple[float, float, float]:
    found = RateDifference(higher, lower, n, (higher - lower) / n)
    return found.low((1 - level) / 2), found.high((1 - level) / 2), found.p_value


def contradictions(generator: np.random.Generator, draws: int) -> None:
    wrong = 0
    for _ in range(draws):
        n = int(generator.integers(1, 400))
        shares = generator.dirichlet([0.5, 0.5, 2.0])
        higher, lower, _ = generator.multinomial(n, shares)
        level = 1 - 0.05 / int(generator.integers(1, 12))
        low, high, p = interval(int(higher), int(lower), n, level)
        wrong += (low > 0 or high < 0) != (p < 1 - level - 1e-12) and abs(p - (1 - level)) > 1e-9
        wrong += not low - 1e-9 <= (higher - lower) / n <= high + 1e-9
    print(f"rates: {wrong} contradictions between interval and test in {draws} comparisons")
    wrong = 0
    for seed in range(draws // 10):
        values = generator.lognormal(0, 1, (int(generator.integers(2, 60)), 10)) - generator.choice([0.5, 1.0, 1.65])
        level = 1 - 0.05 / int(generator.integers(1, 12))
        for mean in means_of(resample(values, np.ones_like(values), seed=seed, n_resamples=400), is_difference=True):
            low, high = mean.low((1 - level) / 2), mean.high((1 - level) / 2)
            wrong += (low > 0 or high < 0) != (mean.p_value < 1 - level - 1e-12)
    print(f"means: {wrong} contradictions in {draws // 10 * 10} comparisons")


def together(generator: np.random.Generator, draws: int) -> None:
    """11 rates of the same samples, which hang together, half of them truly changed."""
    level, held = 1 - 0.05 / 11, 0
    thresholds, moved = np.linspace(-1.2, 1.2, 11), np.where(np.arange(11) % 2, 0.3, 0.0)
    big = generator.normal(size=(200_000, 2, 12))
    truth = ((0.6 * big[:, 1, :1] + 0.8 * big[:, 1, 1:] > thresholds - moved).mean(axis=0)) - (
        0.6 * big[:, 0, :1] + 0.8 * big[:, 0, 1:] > thresholds
    ).mean(axis=0)
    for _ in range(draws):
        shared = generator.normal(size=(200, 1))
        old, new = (
            0.6 * shared + 0.8 * generator.normal(size=(200, 11)) > thresholds - shift for shift in (0.0, moved)
        )
        higher, lower = (new & ~old).sum(axis=0), (old & ~new).sum(axis=0)
        ends = [interval(int(b), int(c), 200, level) for b, c in zip(higher, lower, strict=True)]
        held += all(low <= true <= high for (low, high, _), true in zip(ends, truth, strict=True))
    print(f"11 rates, 200 pairs: all intervals hold together in {held / draws:.1%} of {draws} comparisons")


def verdict_of(decision: Decision, loss: RateDifference | Share, n: int) -> str:
    return "fail" if decision.broken(loss, n) else "pass" if decision.kept(loss) else "undecided"


def gates(generator: np.random.Generator, draws: int) -> None:
    """Five rules at their bounds, then with rare events; every fail or pass is false."""
    none_fails = 1.0
    for gained, lost, n in RULES:
        found = simulated(generator, draws, gained, lost, n, lost - gained, 5)
        none_fails *= 1 - found["fail"]
        shown = f"pass {found['pass']:.2%}, fail {found['fail']:.2%}"
        print(f"at the bound, {gained:g} gained, {lost:g} lost, n = {n}: {shown}")
    print(f"five such rules: false fails of the gate {1 - none_fails:.2%}")
    none_fails = 1.0
    for rate, n in ((0.01, 100), (0.005, 100), (0.01, 300), (0.02, 200), (0.005, 500)):
        decision, known, counts = Decision(rate, 5), {}, {"pass": 0, "fail": 0, "undecided": 0}
        for hits in generator.binomial(n, rate, draws).tolist():
            known.setdefault(hits, verdict_of(decision, Share(hits, n), n))
            counts[known[hits]] += 1
        none_fails *= 1 - counts["fail"] / draws
        print(f"at_most {rate:g}, n = {n}: pass {counts['pass'] / draws:.2%}, fail {counts['fail'] / draws:.2%}")
    print(f"five such rules: false fails of the gate {1 - none_fails:.2%}")


def simulated(
    generator: np.random.Generator, draws: int, gained: float, lost: float, n: int, bound: float, n_rules: int
) -> dict[str, float]:
    decision, known, counts = Decision(bound, n_rules), {}, {"pass": 0, "fail": 0, "undecided": 0}
    for losses, gains, _ in generator.multinomial(n, [lost, gained, 1 - lost - gained], draws).tolist():
        if (losses, gains) not in known:
            known[losses, gains] = verdict_of(decision, RateDifference(losses, gains, n, (losses - gains) / n), n)
        counts[known[losses, gains]] += 1
    return {name: count / draws for name, count in counts.items()}


def planning(generator: np.random.Generator, draws: int) -> None:
    metric = Metric(name="s.hit", title="", description="", kind="rate", better="higher")
    for n_rules in (1, 5):
        for n in (200, 400, 630, 800, 1_080, 1_600):
            samples = tuple(
                Sample(id=f"s{k}", messages=(Message(role="user", content="p"),), category="c") for k in range(n)
            )
            suite = Suite(name="t", version="1", license="x", source="x", scorers=("s",), samples=samples, digest="d")
            plan = Plan(suites=(suite,), checkpoints=(), baseline="a", candidate="b")
            rules = [
                GateRule(metric="s.hit", kind="no_regression", bound=0.05, name=f"r{number}")
                for number in range(n_rules)
            ]
            stated = prospects_of(rules, [metric], plan).gate
            assert stated is not None
            passes = simulated(generator, draws, 0.1, 0.1, n, 0.05, n_rules)["pass"] ** n_rules
            print(f"{n_rules} rules of 5 points, n = {n}: plan says {stated.passes:.1%}, gates pass {passes:.1%}")


def stopping(generator: np.random.Generator, draws: int) -> None:
    """Bets at every moment, which is more often than a run looks; then how much ten looks save."""
    ones = np.ones(400)
    for gained, lost, bound in ((0.1, 0.15, 0.05), (0.0, 0.05, 0.05), (0.3, 0.3, 0.0), (0.01, 0.03, 0.02)):
        passed = failed = 0
        for _ in range(draws):
            values = generator.choice([1.0, -1.0, 0.0], size=400, p=[lost, gained, 1 - lost - gained])
            bets = Betting(values, ones, -1.0, 1.0)
            early = bets.earned(bound, above=False) >= -np.log(PASS_LEVEL) if bound else False
            passed += early
            failed += bets.earned(bound, above=True) >= -np.log(PASS_LEVEL)
        print(
            f"null at the bound {bound:g}, {gained:g} gained, {lost:g} lost, 400 pairs, {draws} runs: "
            f"false pass {passed / draws:.2%}, false fail {failed / draws:.2%}"
        )
    for gained, lost, bound in (
        (0.05, 0.35, 0.05),
        (0.05, 0.25, 0.05),
        (0.0, 0.0, 0.05),
        (0.02, 0.02, 0.05),
        (0.1, 0.1, 0.05),
    ):
        used = []
        for _ in range(draws // 20):
            values = generator.choice([1.0, -1.0, 0.0], size=800, p=[lost, gained, 1 - lost - gained])
            used.append(next((look for look in range(80, 801, 80) if settled(values[:look], bound)), 800))
        print(
            f"truth {gained:g} gained, {lost:g} lost, bound {bound:g}: of 800 pairs {np.mean(used) / 800:.0%} generated"
        )


def settled(values: Floats, bound: float) -> bool:
    bets = Betting(values, np.ones(values.size), -1.0, 1.0)
    fail_level = min(PASS_LEVEL, FAIL_LEVEL / 5)
    return bets.earned(bound, above=False) >= -np.log(PASS_LEVEL) or bets.earned(bound, above=True) >= -np.log(
        fail_level
    )


def others(generator: np.random.Generator, draws: int) -> None:
    held = 0
    for _ in range(draws):
        wins = generator.choice([0.0, 0.5, 1.0], size=50, p=[0.15, 0.6, 0.25])
        found = share_interval(wins, np.arange(50))
        held += found.low <= 0.55 <= found.high
    print(f"win rate with 60 % ties, n = 50: covered in {held / draws:.1%}")
    held = 0
    for seed in range(draws // 10):
        one = generator.integers(0, 2, 40).repeat(5)
        other = np.where(generator.random(40).repeat(5) < 0.75, one, 1 - one)
        groups = np.arange(40).repeat(5).tolist()
        kappa = cohens_kappa([*map(str, one)], [*map(str, other)], groups=groups, seed=seed, n_resamples=400)
        held += kappa.low is not None and kappa.high is not None and kappa.low <= 0.5 <= kappa.high
    print(f"kappa of 40 samples x 5 replicates: covered in {held / (draws // 10):.1%}")
    for name, curve in {
        "line": lambda x: x / 100,
        "logarithm": np.log,
        "saturating": lambda x: 1 - np.exp(-x / 400),
    }.items():
        line = bent = noted = 0
        for seed in range(draws // 50):
            old, new = generator.lognormal(6, 0.5, 150), generator.lognormal(6, 0.5, 150) * 1.5
            gap = curve(new) - curve(old) + generator.normal(0, 0.3, 150)
            found = control_length(
                gap, (gap > 0) * 1.0, new - old, np.arange(150), log_length=np.log(new / old), seed=seed
            )
            assert not isinstance(found, str) and found.interval and found.curve_interval
            line += found.interval.low <= 0 <= found.interval.high
            bent += found.curve_interval.low <= 0 <= found.curve_interval.high
            noted += "cannot be held equal" in found.note
        share = draws // 50
        print(
            f"reward is a {name} of length: 0 covered by the line {line / share:.0%}, by the curve {bent / share:.0%}; "
            f"said to disagree {noted / share:.0%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    draws = 1_000 if parser.parse_args().quick else 10_000
    print(conditions("numpy"), flush=True)
    for part in (contradictions, together, gates, planning, stopping, others):
        print(f"\n{part.__name__}", flush=True)
        part(np.random.default_rng(0), draws)


if __name__ == "__main__":
    main()
