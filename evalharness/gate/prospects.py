"""What a plan can decide: the chance of each verdict of a gate, and the pairs that each metric needs.

A gate is simulated under "no change" and decided by the code that decides a finished run. Without an earlier run, a
stated share of the pairs disagrees, half of them each way, and rules are independent of each other. With one, whole
groups of its samples are drawn again and their sides swapped at random, for all rules together.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.compare.groups import Groups, grouped
from evalharness.errors import ConfigError
from evalharness.formatting import format_share
from evalharness.gate.evidence import gather
from evalharness.gate.kinds import Sides, kind_of
from evalharness.gate.verdicts import PASS_LEVEL, Decision
from evalharness.records import (
    Chances,
    GateRule,
    GateVerdict,
    Metric,
    MetricProspect,
    Plan,
    Prospects,
    RuleProspect,
    Suite,
    overall_verdict,
)
from evalharness.statistics import Estimate, Floats
from evalharness.statistics.power import (
    POWER,
    detectable_difference,
    detectable_shift,
    pairs_to_detect,
    pairs_to_keep,
    pairs_to_shift,
)
from evalharness.store import Run

DISAGREEING = 0.2
"""Share of pairs that disagree if nothing better is known."""
DRAWS = 1_000
DRAWS_OF_MEANS = 300
RESAMPLES = 499
"""Of each simulated mean; a finished run draws thousands."""


@dataclass(frozen=True)
class _Outlook:
    """What the data of a rule would be like if nothing changed."""

    n: int
    """Independent pairs or samples."""
    assumed: str
    loss: float
    """What would be lost."""
    spread: float | None
    """Standard deviation of a pair's loss; None if it is not known."""
    draw: Callable[[np.random.Generator], Sides]


def prospects_of(
    rules: Sequence[GateRule],
    metrics: Sequence[Metric],
    plan: Plan,
    *,
    disagreeing: float = DISAGREEING,
    earlier: Run | None = None,
    of_metrics: bool = False,
    draws: int = DRAWS,
) -> Prospects:
    """What the planned samples can decide.

    Args:
        rules: of the gate; each is taken to judge one candidate.
        disagreeing: share of the pairs of a rate that disagree, without an earlier run.
        earlier: a scored run of the same suites.
        of_metrics: say also how many pairs the margin of each metric needs.
        draws: simulated gates.

    Raises:
        ConfigError: the earlier run is of other suites.
    """
    if earlier is not None:
        _refuse_other_suites(plan, earlier.plan)
    known = {metric.name: metric for metric in metrics}
    outlooks = [
        (rule, known[rule.metric], _outlook(rule, known[rule.metric], plan, disagreeing, earlier)) for rule in rules
    ]
    drawn = [
        _verdicts(rule, metric, outlook, len(rules), draws, [] if earlier else [number])
        for number, (rule, metric, outlook) in enumerate(outlooks)
    ]
    power = POWER ** (1 / max(len(rules), 1))
    return Prospects(
        rules=tuple(
            RuleProspect(
                title=rule.title,
                counts=kind_of(rule).counts,
                n=outlook.n,
                assumed=outlook.assumed,
                chances=_chances(verdicts) if verdicts else None,
                needed=_needed(rule, metric, outlook, power),
            )
            for (rule, metric, outlook), verdicts in zip(outlooks, drawn, strict=True)
        ),
        gate=_chances([overall_verdict(gate) for gate in zip(*drawn, strict=False)]) if rules and all(drawn) else None,
        metrics=tuple(_metric_prospects(metrics, plan, disagreeing, earlier)) if of_metrics else (),
    )


def _chances(verdicts: Sequence[GateVerdict]) -> Chances:
    passes, undecided, fails = (verdicts.count(name) / len(verdicts) for name in ("pass", "undecided", "fail"))
    return Chances(passes=passes, undecided=undecided, fails=fails)


def _verdicts(
    rule: GateRule, metric: Metric, outlook: _Outlook, n_rules: int, draws: int, own: list[int]
) -> list[GateVerdict]:
    """One for each simulated gate; none if too little is known. Without its `own` seed, a rule shares the draws."""
    if outlook.spread is None or not outlook.n:
        return []
    kind = kind_of(rule)
    decision, known = Decision(kind.limit(rule, metric), n_rules), dict[Estimate | None, GateVerdict]()
    verdicts: list[GateVerdict] = []
    for draw in range(draws if metric.kind == "rate" else min(draws, DRAWS_OF_MEANS)):
        sides = outlook.draw(np.random.default_rng([draw, *own]))
        loss = kind.loss(rule, metric, sides, seed=draw, n_resamples=RESAMPLES)
        key = loss if metric.kind == "rate" else None
        if key is None or key not in known:
            known[key] = _verdict(rule, decision, loss, sides.n_groups)
        verdicts.append(known[key])
    return verdicts


def _verdict(rule: GateRule, decision: Decision, loss: Estimate | None, n_groups: int) -> GateVerdict:
    if decision.broken(loss, n_groups):
        return "fail"
    return "pass" if decision.kept(loss) and n_groups >= rule.min_pairs else "undecided"


def _needed(rule: GateRule, metric: Metric, outlook: _Outlook, power: float) -> int | None:
    """Pairs with which the rule passes with a chance of `power`; None if no number does, or it is not known."""
    room = kind_of(rule).limit(rule, metric) - outlook.loss
    if outlook.spread is None or room <= 0:
        return None
    return max(_pairs_to_keep(metric, room, outlook.spread, PASS_LEVEL, power), rule.min_pairs)


def _pairs_to_keep(metric: Metric, margin: float, spread: float, level: float, power: float) -> int:
    """At least as many as show a rate to be below the margin where not a single event is seen."""
    least = math.ceil(math.log(level) / math.log1p(-margin)) if metric.kind == "rate" and margin < 1 else 2
    return max(pairs_to_keep(margin, spread=spread, level=level, power=power), least)


# ---------------------------------------------------------------------------------------- assumptions


def _outlook(rule: GateRule, metric: Metric, plan: Plan, disagreeing: float, earlier: Run | None) -> _Outlook:
    return _stated(rule, metric, plan, disagreeing) if earlier is None else _seen(rule, metric, plan, earlier)


def _stated(rule: GateRule, metric: Metric, plan: Plan, disagreeing: float) -> _Outlook:
    """Of a rate by the stated share of pairs that disagree, or, of a candidate alone, half of what it may lose."""
    kind, n = kind_of(rule), planned_groups(plan.suites, metric, suite=rule.suite, category=rule.category)
    groups, half = np.arange(n), kind.limit(rule, metric) / 2

    def pairs(generator: np.random.Generator) -> Sides:
        gained, lost, _ = generator.multinomial(n, [disagreeing / 2, disagreeing / 2, 1 - disagreeing])
        old, new = groups < lost, (groups >= lost) & (groups < lost + gained)
        return Sides(old.astype(np.float64), new.astype(np.float64), groups)

    def alone(generator: np.random.Generator) -> Sides:
        hits = generator.binomial(n, kind.shown(half, rule, metric))
        return Sides(np.zeros(n), (groups < hits).astype(np.float64), groups)

    if metric.kind == "mean":
        return _Outlook(n, "not known without an earlier run", 0.0, None, alone)
    if kind.needs_baseline:
        return _Outlook(n, f"{format_share(disagreeing)} of pairs disagree", 0.0, math.sqrt(disagreeing), pairs)
    rate = format_share(kind.shown(half, rule, metric), digits=1)
    return _Outlook(n, f"the rate is {rate}", half, math.sqrt(half * (1 - half)), alone)


def _seen(rule: GateRule, metric: Metric, plan: Plan, earlier: Run) -> _Outlook:
    """As in an earlier run, in which each group's sides are swapped at random."""
    kind, table = kind_of(rule), earlier.observations
    sides = gather(rule, metric, table, earlier.plan.baseline, earlier.plan.candidate).observed
    if not kind.needs_baseline:
        # Nothing changed: the candidate does what the baseline did.
        sides = gather(rule, metric, table, earlier.plan.candidate, earlier.plan.baseline).observed
    there, total = int(table.groups.max()) + 1, len({sample.group for sample in plan.samples.values()})
    loss = kind.loss(rule, metric, sides, seed=0, n_resamples=RESAMPLES)
    known = loss is not None and sides.n_groups > 1

    def draw(generator: np.random.Generator) -> Sides:
        picked = generator.integers(0, there, size=total)
        swapped = generator.random(total) < 0.5
        return _redrawn(sides, picked, swapped & kind.needs_baseline)

    own = kind.losses(rule, metric, sides)
    spread = _spread(own, sides.groups, around=0.0 if kind.needs_baseline else None) if known else None
    lost = 0.0 if loss is None or kind.needs_baseline else loss.value
    return _Outlook(round(sides.n_groups * total / there), f"as in {earlier.path.name}", lost, spread, draw)


def _redrawn(sides: Sides, picked: Groups, swapped: np.ndarray) -> Sides:
    """The samples of each picked group, as a group of its own; sides are swapped where it says so."""
    order = np.argsort(sides.groups, kind="stable")
    counts = np.bincount(sides.groups, minlength=int(picked.max()) + 1)
    first = np.cumsum(counts) - counts
    sizes = counts[picked]
    group = np.repeat(np.arange(picked.size), sizes)
    within = np.arange(group.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = order[np.repeat(first[picked], sizes) + within]
    old, new = sides.baseline[place], sides.candidate[place]
    turned = swapped[group]
    return Sides(np.where(turned, new, old), np.where(turned, old, new), group, sides.replicates)


def _spread(values: Floats, groups: Groups, *, around: float | None) -> float:
    """Standard deviation of what a group adds to the mean, around the mean or a given one."""
    sums, counts = grouped(values, groups)
    centre = sums.sum() / counts.sum() if around is None else around
    return float(np.sqrt(((sums - centre * counts) ** 2).mean()) * sums.size / counts.sum())


def planned_groups(
    suites: Sequence[Suite], metric: Metric, *, suite: str | None = None, category: str | None = None
) -> int:
    """Independent samples of suites that a metric applies to, as far as the suites can say."""
    named = {name for planned in suites for name in planned.scorers}
    asked = {"any": ("comply", "refuse")}.get(metric.expected or "", (metric.expected,))
    return len(
        {
            sample.group
            for planned in suites
            if suite in (None, planned.name) and (metric.scorer in planned.scorers or metric.scorer not in named)
            for sample in planned.samples
            if category in (None, sample.category)
            and (metric.expected is None or sample.expected in asked)
            and (sample.constraints or not metric.needs_constraints)
        }
    )


def _refuse_other_suites(plan: Plan, earlier: Plan) -> None:
    planned, ran = ({suite.name for suite in part.suites} for part in (plan, earlier))
    if planned != ran:
        raise ConfigError(
            f"the earlier run is of {' and '.join(sorted(ran))}, and the plan of {' and '.join(sorted(planned))}",
            fix="give a run of the same suites, or none",
        )


# --------------------------------------------------------------------------------------------- metrics


def _metric_prospects(
    metrics: Sequence[Metric], plan: Plan, disagreeing: float, earlier: Run | None
) -> Iterator[MetricProspect]:
    """Of headline metrics, whose intervals hold together; a mean needs a margin of its own and an earlier run."""
    tested = [
        metric
        for metric in metrics
        if metric.headline and metric.mirror_of is None and planned_groups(plan.suites, metric)
    ]
    for metric in tested:
        spread = math.sqrt(disagreeing) if metric.kind == "rate" else None
        if earlier is not None:
            spread = _seen_spread(metric, earlier)
        if metric.margin and spread is not None:
            yield _metric_prospect(metric, planned_groups(plan.suites, metric), metric.margin, spread, len(tested))


def _seen_spread(metric: Metric, earlier: Run) -> float | None:
    table = earlier.observations
    difference = table.column(earlier.plan.candidate, metric.name) - table.column(earlier.plan.baseline, metric.name)
    there = ~np.isnan(difference)
    return _spread(difference[there], table.groups[there], around=0.0) if there.sum() > 1 else None


def _metric_prospect(metric: Metric, n: int, margin: float, spread: float, n_tests: int) -> MetricProspect:
    level = 0.05 / n_tests
    is_rate = metric.kind == "rate"
    return MetricProspect(
        metric=metric.name,
        is_rate=is_rate,
        n=n,
        spread=spread,
        margin=margin,
        to_show=pairs_to_shift(margin, disagreeing=min(spread**2, 1.0), n_tests=n_tests)
        if is_rate
        else pairs_to_detect(margin, spread=spread, n_tests=n_tests),
        to_exclude=_pairs_to_keep(metric, margin, spread, level / 2, (1 + POWER) / 2),
        smallest=_smallest(n, spread, level, is_rate=is_rate),
    )


def _smallest(n: int, spread: float, level: float, *, is_rate: bool) -> float | None:
    try:
        if is_rate:
            return detectable_shift(n, disagreeing=min(spread**2, 1.0), level=level)
        return detectable_difference(n, spread=spread, level=level)
    except ValueError:
        return None
