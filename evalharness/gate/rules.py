"""Whether rules can be judged at all: before a run starts, so that no hours are lost to a misspelt metric."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from evalharness.errors import ConfigError
from evalharness.records import GateRule, Metric, Suite

Found = TypeVar("Found")


def check_rules(
    rules: Sequence[GateRule],
    metrics: Sequence[Metric],
    suites: Sequence[Suite],
    *,
    everywhere: Sequence[str] = (),
    source: str = "",
) -> None:
    """Refuse rules that no run of these suites could meet or break. Needs no completion.

    Args:
        rules: to be checked.
        metrics: of all scorers of the run.
        suites: of the run.
        everywhere: scorers that judge all suites.
        source: the file that the rules are from, for messages.

    Raises:
        ConfigError: a metric, suite or category that does not exist, a bound or direction that does not go with its
            metric, or two rules of one name.
    """
    known = {metric.name: metric for metric in metrics}
    for number, rule in enumerate(rules, start=1):
        where = f"{source}: [[gate]] {number}" if source else f"[[gate]] {number}"
        metric = _named(rule.metric, known, where, "metric")
        _check_place(rule, suites, where)
        _check_scorer(rule, suites, everywhere, where)
        _check_direction(rule, metric, where)
        if metric.kind == "rate":
            _check_share(rule, where)
    _refuse_twins(rules, source)


def _named(name: str, known: Mapping[str, Found], where: str, what: str) -> Found:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    fix = f"write {close[0]!r}" if close else f"name one of {', '.join(known)}"
    raise ConfigError(f"{where}: there is no {what} {name!r}", fix=fix)


def _check_place(rule: GateRule, suites: Sequence[Suite], where: str) -> None:
    by_name = {suite.name: suite for suite in suites}
    if rule.suite is not None:
        suites = [_named(rule.suite, by_name, where, "suite")]
    if rule.category is not None:
        categories = {sample.category: True for suite in suites for sample in suite.samples}
        within = f"category in suite {rule.suite!r}:" if rule.suite is not None else "category"
        _named(rule.category, categories, where, within)


def _check_scorer(rule: GateRule, suites: Sequence[Suite], everywhere: Iterable[str], where: str) -> None:
    """The metric is known, but perhaps not in the rule's suite."""
    scorer = rule.metric.partition(".")[0]
    for suite in suites:
        if suite.name == rule.suite and scorer not in {*suite.scorers, *everywhere}:
            raise ConfigError(
                f"{where}: suite {suite.name!r} is not judged by {scorer!r}",
                fix=f"write [scorer.{scorer}], or name a suite of which it is a scorer",
            )


def _check_direction(rule: GateRule, metric: Metric, where: str) -> None:
    if rule.kind != "no_regression":
        return
    if metric.better is None and rule.direction is None:
        raise ConfigError(
            f"{where}: neither more nor less of {metric.name} is better as such",
            fix='add direction = "higher" or direction = "lower" to say what is',
        )
    if metric.better and rule.direction and metric.better != rule.direction:
        raise ConfigError(
            f"{where}: direction is {rule.direction!r}, but {metric.name} is better {metric.better}",
            fix="remove direction",
        )


def _check_share(rule: GateRule, where: str) -> None:
    """A rate is between 0 and 1, and neither end can be shown by any number of samples."""
    if not 0 <= rule.bound <= 1:
        percent = f"write {rule.bound / 100:g} for {rule.bound:g} %"
        raise ConfigError(
            f"{where}: bound is {rule.bound:g}, but {rule.metric} is a share between 0 and 1",
            fix=percent if 1 < rule.bound <= 100 else "write a share, as 0.02",
        )
    if (rule.kind, rule.bound) in (("at_least", 1), ("at_most", 0)):
        accepted = "smallest share that you accept, as 0.98" if rule.bound else "largest share that you accept, as 0.02"
        raise ConfigError(
            f"{where}: no number of samples can show that {rule.metric} is exactly {rule.bound:g}",
            fix=f"write the {accepted}",
        )
    if (rule.kind, rule.bound) in (("at_least", 0), ("at_most", 1), ("no_regression", 1)):
        raise ConfigError(f"{where}: a bound of {rule.bound:g} is met by every checkpoint", fix="write what you accept")


def _refuse_twins(rules: Sequence[GateRule], source: str) -> None:
    titles = [rule.title for rule in rules]
    for title in titles:
        if titles.count(title) > 1:
            where = f"{source}: " if source else ""
            raise ConfigError(f"{where}two rules are called {title!r}", fix="remove one, or give it a name")
