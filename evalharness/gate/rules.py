"""Checks of rules before a run starts, so that no hours are lost to a misspelt metric."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from evalharness.errors import ConfigError, near
from evalharness.gate.kinds import KINDS, kind_of
from evalharness.records import GateRule, Metric, Suite

Named = TypeVar("Named")


def check_rules(
    rules: Sequence[GateRule],
    metrics: Sequence[Metric],
    suites: Sequence[Suite],
    *,
    extra_scorers: Sequence[str] = (),
    source: str = "",
) -> None:
    """Reject rules that no run of these suites could meet or break. Needs no completions.

    Args:
        extra_scorers: scorers that judge all suites.
        source: the file that the rules are from, for messages.

    Raises:
        ConfigError: a metric, suite or category that does not exist, a bound or direction that does not fit its metric,
            or two rules of one name.
    """
    known = {metric.name: metric for metric in metrics}
    for number, rule in enumerate(rules, start=1):
        where = f"{source}: [[gate]] {number}" if source else f"[[gate]] {number}"
        _named(rule.kind, KINDS, where, "kind of rule")
        metric = _named(rule.metric, known, where, "metric")
        _check_place(rule, suites, where)
        # The metric is known, but perhaps not in the rule's suite.
        scorer = rule.metric.partition(".")[0]
        for suite in suites:
            if suite.name == rule.suite and scorer not in {*suite.scorers, *extra_scorers}:
                raise ConfigError(
                    f"{where}: suite {suite.name!r} is not judged by {scorer!r}",
                    fix=f"write [scorer.{scorer}], or name a suite of which it is a scorer",
                )
        _check_kind(rule, metric, where)
    _refuse_twins(rules, source)


def check_decidable(names: Sequence[str], metrics: Sequence[Metric], source: str = "") -> None:
    """Reject metrics whose difference no run could settle.

    Raises:
        ConfigError: there is no such metric, or its values have no bounds.
    """
    known = {metric.name: metric for metric in metrics}
    where = f"{source}: decide" if source else "decide"
    for name in names:
        if not _named(name, known, where, "metric").is_bounded:
            bounded = ", ".join(metric.name for metric in metrics if metric.is_bounded and metric.headline)
            raise ConfigError(f"{where}: {name} has no bounds, so bets cannot settle it", fix=f"name one of {bounded}")


def _named(name: str, known: Mapping[str, Named], where: str, what: str) -> Named:
    if name in known:
        return known[name]
    raise ConfigError(f"{where}: there is no {what} {name!r}", fix=near(name, known, f"name one of {', '.join(known)}"))


def _check_place(rule: GateRule, suites: Sequence[Suite], where: str) -> None:
    by_name = {suite.name: suite for suite in suites}
    if rule.suite is not None:
        suites = [_named(rule.suite, by_name, where, "suite")]
    if rule.category is not None:
        categories = {sample.category: True for suite in suites for sample in suite.samples}
        within = f"category in suite {rule.suite!r}:" if rule.suite is not None else "category"
        _named(rule.category, categories, where, within)


def _check_kind(rule: GateRule, metric: Metric, where: str) -> None:
    kind = kind_of(rule)
    if problem := kind.problem(rule, metric):
        raise ConfigError(f"{where}: {problem[0]}", fix=problem[1])
    if metric.kind == "rate" and not 0 <= rule.bound <= 1:
        percent = f"write {rule.bound / 100:g} for {rule.bound:g} %"
        raise ConfigError(
            f"{where}: bound is {rule.bound:g}, but {rule.metric} is a share between 0 and 1",
            fix=percent if 1 < rule.bound <= 100 else "write a share, such as 0.02",
        )
    if metric.kind == "rate":
        # The share that may be missing could break the bound on its own.
        limit = kind.limit(rule, metric)
        for key in ("max_failures", "max_unscored"):
            allowed = getattr(rule, key)
            if allowed is not None and allowed > limit:
                raise ConfigError(
                    f"{where}: {key} is {allowed:g}, but a loss of {limit:g} breaks the rule, and missing values could "
                    "hide it",
                    fix=f"write {key} = {limit:g} or less, or leave it out",
                )


def _refuse_twins(rules: Sequence[GateRule], source: str) -> None:
    titles = [rule.title for rule in rules]
    for title in titles:
        if titles.count(title) > 1:
            where = f"{source}: " if source else ""
            raise ConfigError(f"{where}two rules are called {title!r}", fix="remove one, or give it a name")
