"""A run that stops generating when its gate is settled."""

import json

import numpy as np
import pytest
from test_gate_command import EXPERIMENT, folder, rule, write_completions

from evalharness import pipeline
from evalharness.config import read_config
from evalharness.errors import ConfigError
from evalharness.statistics import Betting, betting
from evalharness.store.check import check_run

__all__ = ["folder"]


def drawn(generator, n, gained, lost):
    """Losses of so many pairs."""
    return generator.choice([1.0, -1.0, 0.0], size=n, p=[lost, gained, 1 - lost - gained])


def bounds_of(values):
    return Betting(values, np.ones(values.size), -1.0, 1.0)


@pytest.mark.parametrize(("gained", "lost"), [(0.1, 0.15), (0.0, 0.05)])
def test_bets_hold_at_every_moment(gained, lost):
    # At the bound of 5 points either decision is false; at any of 400 moments it may be made.
    generator, bound = np.random.default_rng(0), 0.05
    passed = failed = 0
    for _ in range(600):
        bounds = bounds_of(drawn(generator, 400, gained, lost))
        passed += bounds.earned(bound, above=False) >= -np.log(0.025)
        failed += bounds.earned(bound, above=True) >= -np.log(0.025)
    assert passed <= 600 * 0.04
    assert failed <= 600 * 0.04


def test_bounds_contain_the_mean_and_agree_with_what_was_earned():
    bounds = bounds_of(drawn(np.random.default_rng(1), 300, 0.1, 0.1))
    low, high = bounds.low(0.025), bounds.high(0.025)
    assert low < bounds.value < high
    assert bounds.earned(high + 0.01, above=False) >= -np.log(0.025) > bounds.earned(high - 0.01, above=False)


SPREAD = np.arange(1, 301) * 0.6180339887498949 % 1
SEQUENCES = {
    "spread": SPREAD[:200],
    "rare": (SPREAD < 0.04).astype(float),
    "skewed": SPREAD[:150] ** 3,
    "turning": np.repeat([1.0, 0.0], [40, 60]),
}
"""Values between 0 and 1."""
CONFSEQ_EARNED = {
    "spread": {0.2: (73.421559347, 0.0), 0.5: (0.0, 0.0), 0.7: (0.0, 42.102220187)},
    "rare": {0.2: (0.0, 25.485965067), 0.5: (0.0, 108.05071986), 0.7: (0.0, 189.58261229)},
    "skewed": {0.2: (0.977475341, 0.0), 0.5: (0.0, 28.241454068), 0.7: (0.0, 74.449912154)},
    "turning": {0.2: (27.526514595, 0.0), 0.5: (15.813139216, 1.954991478), 0.7: (7.572084563, 14.67386337)},
}
"""Logarithm of the most that `betting_mart` of confseq 0.0.11 earned with `theta` 1 and 0 and `trunc_scale` 1/2.

Its bets on a mean above m are those of `lambda_aKelly(x, m, prior_mean=m, prior_variance=1/16)` that are positive, and
on a mean below m those that are negative.
"""
CONFSEQ_ENDS = {"spread": (0.431, 0.57), "rare": (0.0115, 0.08), "skewed": (0.1805, 0.317)}
"""Of its `betting_cs` with these bets, `alpha` 0.05, `theta` 1/2, 2,000 `breaks` and a running intersection."""


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_bets_are_those_of_another_implementation(name, lowest):
    def placed(values):
        """From between 0 and 1 to between `lowest` and 1."""
        return lowest + values * (1 - lowest)

    bounds = Betting(placed(SEQUENCES[name]), np.ones(SEQUENCES[name].size), lowest, 1.0)
    for mean, expected in CONFSEQ_EARNED[name].items():
        earned = [bounds.earned(placed(mean), above=above) for above in (True, False)]
        assert earned == pytest.approx(expected, abs=1e-8)
    if name in CONFSEQ_ENDS:
        # It searches a grid, and adds a step of it at each end.
        ends = placed(np.array(CONFSEQ_ENDS[name]))
        assert [bounds.low(0.025), bounds.high(0.025)] == pytest.approx(ends, abs=2 * (1 - lowest) / 2_000)


def test_samples_of_a_group_come_together():
    values, groups = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 1, 0, 2])
    sequence = betting(values, groups, np.array([2, 0, 1]), (0.0, 1.0))
    assert (sequence.sums.tolist(), sequence.counts.tolist()) == ([0.0, 1.0, 2.0], [1.0, 1.0, 2.0])
    assert sequence.value == 0.75


def decided(folder, rules, *, decide=(), **config):
    path = folder / "e.toml"
    path.write_text(f"until_decided = true\ndecide = {json.dumps(decide)}\n" + EXPERIMENT + rules)
    return pipeline.run(read_config(path), out=folder / "r", **config)


@pytest.fixture
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_a_run_stops_when_its_gate_is_settled_and_is_whole(inside):
    run = decided(inside, rule(bound=0.3))
    assert run.stopped and run.gate.verdict == "pass"
    assert len(run.outcomes) == 80
    [result] = run.gate.results
    assert (result.n, result.n_missing) == (40, 0)
    assert check_run(run.path).whole
    assert "56 of 136 requests were not generated: stopped when settled." in [
        warning.text for warning in run.compared.warnings
    ]
    [notice] = run.notices
    assert "stopped after 40 of 68 groups of samples" in notice.message
    assert "stopped after 40 of 68 groups" in (run.path / "report.html").read_text()


def test_a_stopped_run_that_is_resumed_or_judged_again_is_the_same(inside):
    first = decided(inside, rule(bound=0.3))
    again = decided(inside, rule(bound=0.3), resume=True)
    assert (len(again.outcomes), len(again.notices)) == (80, 1)
    assert pipeline.regate(first.path).gate == first.gate


def test_a_large_loss_stops_a_run_too(inside):
    write_completions(inside / "after.jsonl", looping=60)
    run = decided(inside, rule(bound=0.05))
    assert run.stopped and run.gate.verdict == "fail"


def test_a_gate_that_is_not_settled_needs_all_samples_and_says_so(inside):
    run = decided(inside, rule(bound=0.05))
    assert not run.stopped and len(run.outcomes) == 136
    assert "style.loop no_regression 0.05 was settled at no look" in run.notices[0].message


def test_a_run_stops_when_a_named_metric_is_decided_and_its_interval_allows_for_that(inside):
    write_completions(inside / "after.jsonl", looping=60)
    run = decided(inside, "", decide=["style.loop"])
    assert run.stopped and len(run.outcomes) < 136
    rows = {row.metric: row for row in run.compared.differences if row.category is None}
    loops = rows["style.loop"]
    assert loops.verdict == "higher" and loops.method.startswith("betting confidence sequence")
    assert loops.interval.low > 0 and loops.p_value < 0.05 and loops.minimum_detectable_effect is None
    bounded = {metric.name: metric.is_bounded for metric in run.compared.metrics}
    for row in rows.values():
        if row.method != "not tested":
            assert row.method.startswith("betting") == bounded[row.metric]
            assert row.method.endswith("does not allow for a run that may stop early") != bounded[row.metric]


def test_a_p_value_may_be_read_at_any_moment():
    generator = np.random.default_rng(3)
    values = [drawn(generator, 200, 0.2, 0.2) for _ in range(200)]
    below = [any(bounds_of(pairs[:n]).p_value < 0.05 for n in range(20, 201, 20)) for pairs in values]
    assert np.mean(below) <= 0.05 + 2 * (0.05 * 0.95 / len(values)) ** 0.5


@pytest.mark.parametrize(
    ("rules", "decide", "message"),
    [
        ("", [], "until_decided needs gate rules"),
        ("", ["style.lop"], "decide: there is no metric 'style.lop'"),
        ("", ["style.words"], "style.words has no bounds"),
        ("", "style.loop", "decide"),
    ],
)
def test_stopping_needs_something_that_can_be_decided(inside, rules, decide, message):
    with pytest.raises(ConfigError, match=message):
        decided(inside, rules, decide=decide)


def test_metrics_are_decided_only_by_a_run_that_may_stop(inside):
    (inside / "e.toml").write_text('decide = ["style.loop"]\n' + EXPERIMENT)
    with pytest.raises(ConfigError, match="decide needs until_decided = true"):
        read_config(inside / "e.toml")
