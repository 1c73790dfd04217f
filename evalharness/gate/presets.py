"""Gates that are written out of what the suites measure, with bounds that the suites can decide."""

from collections.abc import Iterator, Sequence
from textwrap import indent

from evalharness.gate.kinds.no_regression import NO_REGRESSION
from evalharness.gate.prospects import DISAGREEING, planned_groups
from evalharness.records import GateRule, Metric, Suite
from evalharness.statistics.power import POWER, pairs_to_keep

BOUNDS = (0.05, 0.1, 0.15, 0.2, 0.25)
"""Losses that a preset allows: the smallest that the suites can decide, or else the largest."""
MIN_PAIRS = 100


def fine_tune(metrics: Sequence[Metric], suites: Sequence[Suite]) -> tuple[GateRule, ...]:
    """No regression of any headline rate that has a better direction, on the suites that measure it.

    The bound of each is the smallest of `BOUNDS` with which the whole gate passes in 80 % of the cases in which nothing
    changed and a fifth of the pairs disagrees. A rule that no bound makes decidable is kept, so that it is undecided
    and not forgotten.
    """
    measured = [(metric, n) for metric in metrics if _is_guarded(metric) and (n := planned_groups(suites, metric))]
    power = POWER ** (1 / max(len(measured), 1))
    return tuple(
        GateRule(metric=metric.name, kind=NO_REGRESSION.name, bound=_bound(n, power), min_pairs=min(MIN_PAIRS, n))
        for metric, n in measured
    )


def _is_guarded(metric: Metric) -> bool:
    return metric.headline and metric.kind == "rate" and metric.mirror_of is None and metric.better is not None


def _bound(n: int, power: float) -> float:
    return next((bound for bound in BOUNDS if is_decidable(bound, n, power)), BOUNDS[-1])


def is_decidable(bound: float, n: int, power: float) -> bool:
    """Whether so many pairs pass a bound with a chance of `power` if nothing changed."""
    return pairs_to_keep(bound, spread=DISAGREEING**0.5, power=power) <= n


def gate_text(metrics: Sequence[Metric], suites: Sequence[Suite]) -> str:
    """The rules of `fine_tune` as TOML; those that the suites cannot decide are comments."""
    return "\n".join(_lines(fine_tune(metrics, suites), {metric.name: metric for metric in metrics}, suites)) + "\n"


def _lines(rules: Sequence[GateRule], metrics: dict[str, Metric], suites: Sequence[Suite]) -> Iterator[str]:
    yield ""
    yield "# The gate. Each bound is the smallest of 5, 10, 15, 20 and 25 points that these suites can decide: all"
    yield "# rules together pass with 80 % chance if nothing changed and a fifth of the pairs disagrees. See that with"
    yield "# `evalharness plan`."
    for rule in rules:
        n = planned_groups(suites, metrics[rule.metric])
        decidable = is_decidable(rule.bound, n, POWER ** (1 / len(rules)))
        few = f"# {rule.metric} has {n} pairs, too few for any of these bounds; add samples, then:\n"
        lines = f'[[gate]]\nmetric = "{rule.metric}"\nkind = "{NO_REGRESSION.name}"\nbound = {rule.bound:g}\n'
        lines += f"min_pairs = {rule.min_pairs}"
        yield f"\n{lines}" if decidable else f"\n{few}{indent(lines, '# ')}"
