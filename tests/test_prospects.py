"""What a plan says that it can decide is what a gate then decides."""

import numpy as np
import pytest
from comparing import MEAN, RATE, make_plan
from gating import make_run, rates, rule
from test_gate_simulated import FEWER, pairs, verdicts

from evalharness.errors import ConfigError
from evalharness.gate.prospects import prospects_of
from evalharness.statistics import t_quantile
from evalharness.statistics.power import pairs_to_keep

LEVEL = {"kind": "at_most", "metric": FEWER.name}


def prospects(rules, n, *, metrics=(RATE,), **how):
    return prospects_of(rules, metrics, make_plan([f"g{number}" for number in range(n)]), **how)


def simulated(given, n, n_rules, *, metric=RATE, seed=5):
    """Verdicts of finished gates in which nothing changed: a fifth of the pairs disagrees, or the rate is half."""
    generator = np.random.default_rng(seed)
    if given.kind == "no_regression":
        return verdicts(given, *pairs(generator, n, gained=0.1, lost=0.1, gates=1_000), n_rules=n_rules, metric=metric)
    hits = generator.random((1_000, n)) < given.bound / 2
    return verdicts(given, hits, hits, n_rules=n_rules, metric=metric)


@pytest.mark.parametrize(("given", "n"), [(rule(), 200), (rule(), 630), (rule(bound=0.1, name="wide"), 120)])
def test_the_chances_of_one_rule_are_those_of_finished_gates(given, n):
    [result] = prospects([given], n).rules
    expected = simulated(given, n, 1)
    assert result.chances.passes == pytest.approx(expected["pass"], abs=0.05)
    assert result.chances.fails == pytest.approx(expected["fail"], abs=0.05)


def test_the_chances_of_five_rules_are_those_of_finished_gates():
    better = {number: RATE.model_copy(update={"name": f"s.m{number}"}) for number in range(4)}
    given = [rule(metric=f"s.m{number}", bound=bound) for number, bound in enumerate((0.05, 0.06, 0.08, 0.1))]
    given.append(rule(**LEVEL, bound=0.08))
    metrics = [*better.values(), FEWER]
    result = prospects(given, 800, metrics=metrics)
    passes = 1.0
    for number, difference in enumerate(given):
        metric = next(metric for metric in metrics if metric.name == difference.metric)
        passes *= simulated(difference, 800, 5, metric=metric, seed=number)["pass"]
    assert result.gate.passes == pytest.approx(passes, abs=0.05)
    assert result.costliest.title == given[0].title


def test_five_rules_of_five_points_need_some_hundreds_of_pairs_more_than_one():
    five = [rule(name=f"r{number}") for number in range(5)]
    assert prospects(five, 630).gate.passes < 0.45
    needed = prospects(five, 630).rules[0].needed
    assert needed == pytest.approx(1_080, abs=20)
    assert prospects(five, needed).gate.passes == pytest.approx(0.8, abs=0.05)


def test_as_many_pairs_as_needed_pass_with_the_power():
    n = pairs_to_keep(0.05, spread=0.2**0.5)
    assert prospects([rule()], n).rules[0].chances.passes == pytest.approx(0.8, abs=0.05)


def test_a_suite_that_is_too_small_is_undecided_before_anything_is_generated():
    [result] = prospects([rule()], 72).rules
    assert result.chances.undecided > 0.95
    assert result.needed > 600


def test_an_earlier_run_says_how_much_pairs_disagree():
    # A tenth of 400 pairs disagrees, half of them each way.
    same = rates(360, 180)
    earlier = make_run([*rates(40, 20), *same], [*rates(20, 0), *rates(20, 20), *same])
    result = prospects([rule()], 400, earlier=earlier).rules[0]
    expected = verdicts(rule(), *pairs(np.random.default_rng(1), 400, gained=0.05, lost=0.05, gates=1_000))
    assert result.chances.passes == pytest.approx(expected["pass"], abs=0.05)
    assert prospects([rule()], 800, earlier=earlier).rules[0].n == 800


def test_a_mean_is_known_from_an_earlier_run_only():
    given = rule(metric=MEAN.name, bound=1.0, direction="lower")
    assert prospects([given], 200, metrics=[MEAN]).rules[0].chances is None
    assert prospects([given], 200, metrics=[MEAN]).gate is None
    generator = np.random.default_rng(0)
    old, new = generator.normal(50, 5, 200), generator.normal(50, 5, 200)
    result = prospects([given], 200, metrics=[MEAN], earlier=make_run(list(old), list(new), metric=MEAN)).rules[0]
    drawn = generator.normal(0, 5 * 2**0.5, (4_000, 200))
    highest = drawn.mean(axis=1) + t_quantile(0.975, 199) * drawn.std(axis=1, ddof=1) / 200**0.5
    assert result.chances.passes == pytest.approx((highest < 1.0).mean(), abs=0.08)


def test_metrics_need_more_pairs_for_a_smaller_margin():
    metrics = [RATE.model_copy(update={"margin": margin}) for margin in (0.1, 0.05)]
    wide, narrow = (prospects([], 300, metrics=[metric], of_metrics=True).metrics[0] for metric in metrics)
    assert (narrow.to_show, narrow.to_exclude) > (wide.to_show, wide.to_exclude)
    assert wide.smallest == narrow.smallest


def test_a_run_of_other_suites_says_nothing_about_these():
    earlier = make_run(rates(20, 10), rates(20, 10))
    other = earlier.plan.model_copy(
        update={"suites": tuple(suite.model_copy(update={"name": "other"}) for suite in earlier.plan.suites)}
    )
    with pytest.raises(ConfigError, match="the earlier run is of t, and the plan of other"):
        prospects_of([], [RATE], other, earlier=earlier)
