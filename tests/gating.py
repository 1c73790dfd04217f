"""Runs to judge by gate rules, out of real records: who said what is given, everything else is filled in."""

from pathlib import Path

from comparing import RATE, make_plan, outcome
from report_run import MANIFEST

from evalharness.compare import compare
from evalharness.gate import check_gate
from evalharness.observations import observe
from evalharness.records import GateRule, Score
from evalharness.store import Run

UNSCORED = "unscored"
CRASHED = "crashed"


def rule(**changes):
    """No regression on the metric of `RATE`, unless said otherwise."""
    return GateRule(**{"metric": RATE.name, "kind": "no_regression", "bound": 0.05, **changes})


def make_run(
    old, new, *, third=(), metric=RATE, others=(), expected=None, groups=None, categories=None, replicates=1, cut=()
):
    """A run of two lists of values, replicate after replicate.

    A value may be None (a failure), `UNSCORED`, `CRASHED`, or several values by name; `cut` are sample ids whose
    candidate was truncated.
    """
    count = len(old) // replicates
    groups = groups or [f"g{n}" for n in range(count)]
    names = ("old", "new", "third") if third else ("old", "new")
    plan = make_plan(groups, categories=categories, replicates=replicates, names=names, expected=expected)
    values = dict(zip([request.id for request in plan.requests], [*old, *new, *third], strict=True))
    outcomes = {request.id: _outcome(request, values[request.id], cut) for request in plan.requests}
    scores = tuple(_score(name, value, metric) for name, value in values.items() if value is not None)
    comparison = compare(plan, observe(plan, outcomes, scores), [metric, *others], seed=0)
    return Run(Path("reports/r"), MANIFEST, plan, outcomes, (), (), scores, comparison)


def judged(given, old, new, *, noise=None, **how):
    """The one result of one rule."""
    [result] = check_gate([given], make_run(old, new, **how), noise=noise).results
    return result


def rates(n, hits):
    """`n` values of which the first `hits` are 1."""
    return [1.0] * hits + [0.0] * (n - hits)


def _outcome(request, value, cut):
    truncated = request.checkpoint == "new" and request.sample_id in cut
    return outcome(request, value, finish_reason="length" if truncated else "stop")


def _score(request_id, value, metric):
    scorer, _, name = metric.name.partition(".")
    head = {"request_id": request_id, "scorer": scorer, "version": "1"}
    match value:
        case "unscored":
            return Score(**head, status="unscored", explanation="not in English")
        case "crashed":
            return Score(**head, status="failed", explanation="the scorer crashed")
        case dict():
            return Score(**head, status="scored", values=value)
        case _:
            return Score(**head, status="scored", values={name: value})
