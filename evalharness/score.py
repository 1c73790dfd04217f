"""Every completion is judged by its suite's scorers; failures are never scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from evalharness.records import Completion, Failure, GenerationRequest, Metric, Plan, Sample, Score, Suite
from evalharness.scorers import Scorer

Item = tuple[Sample, Completion]


def score(
    plan: Plan, outcomes: Mapping[str, Completion | Failure], open_scorer: Callable[[str], Scorer]
) -> Iterator[Score]:
    """Score all completions, suite by suite and scorer by scorer, in the order of the plan.

    Raises:
        ScorerError: a suite names a scorer that does not exist.
    """
    for suite in plan.suites:
        items = list(_items(suite, plan.requests, outcomes))
        for name in suite.scorers:
            yield from _scored(open_scorer(name), items)


def all_metrics(plan: Plan, open_scorer: Callable[[str], Scorer]) -> list[Metric]:
    """The metrics of all scorers that the plan's suites name, each once."""
    names = dict.fromkeys(name for suite in plan.suites for name in suite.scorers)
    return [metric for name in names for metric in open_scorer(name).metrics]


def _items(
    suite: Suite, requests: Sequence[GenerationRequest], outcomes: Mapping[str, Completion | Failure]
) -> Iterator[Item]:
    samples = {sample.id: sample for sample in suite.samples}
    for request in requests:
        outcome = outcomes.get(request.id)
        if request.sample_id in samples and isinstance(outcome, Completion):
            yield samples[request.sample_id], outcome


def _scored(scorer: Scorer, items: Sequence[Item]) -> list[Score]:
    """All items at once; where that crashes, one by one, so that one completion cannot take the others with it."""
    try:
        return scorer.score(items)
    except Exception as error:  # noqa: BLE001 - the one place where a scorer's crash becomes a record
        if len(items) > 1:
            return [one for item in items for one in _scored(scorer, [item])]
        return [_failed(scorer, completion, error) for _, completion in items]


def _failed(scorer: Scorer, completion: Completion, error: Exception) -> Score:
    return Score(
        request_id=completion.request_id,
        scorer=scorer.name,
        version=scorer.version,
        status="failed",
        explanation=f"the scorer crashed: {type(error).__name__}: {error}"[:500],
    )
