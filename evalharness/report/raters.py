"""Agreement of people with every other rater of the same pairs: judges, rewards, scorers, other people.

A scorer prefers the side that is better on more of its headline rates; it has no preference where these balance.

"""

from collections.abc import Iterator, Mapping, Sequence

from evalharness.preferences import (
    Pair,
    PairVerdict,
    Preferred,
    by_rater,
    pairs_of,
    preferred_by,
    values_of,
    verdicts_of,
)
from evalharness.records import Comparison, Metric
from evalharness.report.view import View, typeset
from evalharness.statistics.agreement import cohens_kappa
from evalharness.store import Run
from evalharness.text import format_share

FEWEST_COMMON = 2
"""Pairs that two raters must share before their agreement is a number."""

Opinions = Mapping[tuple[str, int], Preferred]
"""What one rater prefers, by sample id and replicate."""


def make_agreements(run: Run, comparison: Comparison) -> tuple[View, ...]:
    """Every person against every other rater of the same pairs; none where no person rated."""
    people = {name: _opinions(given) for name, given in by_rater(verdicts_of(run, "human")).items()}
    if not people:
        return ()
    others = list(_others(run, comparison))
    agreements = (
        _agreement(run, person, given, name, kind, theirs)
        for person, given in people.items()
        # Each two people stand together once.
        for name, kind, theirs in [
            *others,
            *((name, "a person", opinions) for name, opinions in people.items() if name > person),
        ]
    )
    return tuple(row for row in agreements if row)


def _others(run: Run, comparison: Comparison) -> Iterator[tuple[str, str, Opinions]]:
    for name, given in by_rater(verdicts_of(run, "judge")).items():
        yield name, "a judge model", _opinions(given)
    pairs = pairs_of(run)
    rewards = {reward.scorer: reward.tie_tolerance for reward in comparison.rewards}
    for scorer, tolerance in rewards.items():
        reward = run.facts_of(scorer).reward
        if reward:
            yield scorer, "a reward model", _by_reward(run, pairs, reward, tolerance)
    for scorer, metrics in _judging_scorers(comparison.metrics).items():
        if scorer not in rewards:
            titles = "; ".join(f"{metric.title}: {metric.better}" for metric in metrics)
            yield scorer, f"a scorer, by {len(metrics)} rates ({titles})", _by_scorer(run, pairs, metrics)


def _judging_scorers(metrics: Sequence[Metric]) -> dict[str, list[Metric]]:
    """The headline rates of each scorer that say which direction is better."""
    results: dict[str, list[Metric]] = {}
    for metric in metrics:
        if metric.headline and metric.kind == "rate" and metric.better:
            results.setdefault(metric.name.partition(".")[0], []).append(metric)
    return results


def _opinions(given: Sequence[PairVerdict]) -> Opinions:
    return {verdict.pair.key: verdict.preferred for verdict in given}


def _by_reward(run: Run, pairs: Sequence[Pair], reward: Metric, tolerance: float) -> Opinions:
    results: dict[tuple[str, int], Preferred] = {}
    for pair in pairs:
        if values := values_of(run, pair, reward.name):
            results[pair.key] = preferred_by(*values, tolerance=tolerance)
    return results


def _by_scorer(run: Run, pairs: Sequence[Pair], metrics: Sequence[Metric]) -> Opinions:
    """Pairs of which both sides have a value of at least one of the metrics."""
    results: dict[tuple[str, int], Preferred] = {}
    for pair in pairs:
        leads = list(_leads(run, pair, metrics))
        if leads:
            results[pair.key] = preferred_by(0.0, sum(leads))
    return results


def _leads(run: Run, pair: Pair, metrics: Sequence[Metric]) -> Iterator[float]:
    """For each metric, by how much the candidate does better."""
    for metric in metrics:
        if values := values_of(run, pair, metric.name):
            left, right = values
            yield right - left if metric.better == "higher" else left - right


def _agreement(run: Run, person: str, given: Opinions, other: str, kind: str, theirs: Opinions) -> View | None:
    """Kappa over the pairs that both judged; None where they share too few."""
    samples = run.plan.samples
    common = [key for key in given if key in theirs]
    if len(common) < FEWEST_COMMON:
        return None
    kappa = cohens_kappa(
        [given[key] for key in common],
        [theirs[key] for key in common],
        groups=[samples[key[0]].group for key in common],
        seed=run.compared.seed,
    )
    between = "" if kappa.low is None or kappa.high is None else f"{kappa.low:.2f} to {kappa.high:.2f}"
    value = "–" if kappa.value is None else f"{kappa.value:.2f}"
    return View(
        person=person,
        other=other,
        kind=kind,
        pairs=len(common),
        same=typeset(format_share(kappa.agreed)),
        kappa=typeset(value),
        interval=typeset(between),
    )
