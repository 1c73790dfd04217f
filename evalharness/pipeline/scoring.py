"""Scores every completion with its suite's scorers; failures are never scored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from evalharness.config import RunConfig
from evalharness.errors import EvalHarnessError, ScorerError
from evalharness.records import Completion, Failure, Plan, Score, ScorerFacts, Suite
from evalharness.scorers import Item, Scorer, facts_of, open_scorer
from evalharness.store import uncollected

OpenScorer = Callable[[str], Scorer]
Kept = Callable[[str, str], Score | None]
"""A score that need not be made again, by scorer and request."""
AT_ONCE = 1_000
"""Completions scored together: enough to batch by length, few enough to keep their parsed text in memory."""


def nothing_kept(scorer: str, request_id: str) -> None:
    """Every score is made again."""


def score(
    plan: Plan,
    outcomes: Mapping[str, Completion | Failure],
    open_scorer: OpenScorer,
    extra_scorers: Sequence[str] = (),
    kept: Kept = nothing_kept,
) -> Iterator[Score]:
    """Score all completions but for `kept`, suite by suite, each by all scorers of its suite and `extra_scorers`."""
    scorers = {name: open_scorer(name) for name in scorer_names(plan.suites, extra_scorers)}
    for suite in plan.suites:
        answered = _answered(plan, suite, outcomes)
        named = [scorers[name] for name in dict.fromkeys((*suite.scorers, *extra_scorers))]
        while part := _next_part(answered):
            yield from judge(named, part, kept)


def _next_part(answered: Iterator[list[Item]]) -> list[Item]:
    """Items of whole samples, about `AT_ONCE` of them."""
    part: list[Item] = []
    for replicates in answered:
        part += replicates
        if len(part) >= AT_ONCE:
            break
    return part


@uncollected()
def judge(scorers: Sequence[Scorer], items: Sequence[Item], kept: Kept = nothing_kept) -> list[Score]:
    """All scores of some completions; text that several scorers need is parsed once."""
    scores: list[Score] = []
    for scorer in scorers:
        before = [kept(scorer.name, item.completion.request_id) for item in items]
        left = [item for item, score in zip(items, before, strict=True) if score is None]
        made = iter(_scored(scorer, left) if left else ())
        scores += [score or next(made) for score in before]
    return scores


def opened(config: RunConfig, name: str) -> Scorer:
    """The scorer called `name` as a run configures or declares it."""
    try:
        return open_scorer(name, config.scorer.get(name), config.folder)
    except ScorerError as error:
        raise error.within(config.source if name in config.scorer else "") from None


def facts_in(config: RunConfig, name: str) -> ScorerFacts:
    """Its facts."""
    return facts_of(name, config.scorer.get(name), config.folder)


def scorer_names(suites: Sequence[Suite], extra_scorers: Iterable[str] = ()) -> list[str]:
    """The scorers of the suites and the extra ones, each once."""
    return list(dict.fromkeys((*(name for suite in suites for name in suite.scorers), *extra_scorers)))


def _answered(plan: Plan, suite: Suite, outcomes: Mapping[str, Completion | Failure]) -> Iterator[list[Item]]:
    """The completions of each checkpoint to each sample; a completion knows its replicates."""
    samples = {sample.id: sample for sample in suite.samples}
    asked: dict[tuple[str, str], list[str]] = {}
    for request in plan.requests:
        if request.sample_id in samples:
            asked.setdefault((request.checkpoint, request.sample_id), []).append(request.id)
    for (_, sample_id), ids in asked.items():
        sample, known = samples[sample_id], map(outcomes.get, ids)
        completions = [outcome for outcome in known if isinstance(outcome, Completion)]
        replicates: list[Item] = []
        # A single completion refers to no list that refers to it: it is freed at once.
        replicates += (
            Item(sample, completion, replicates if len(completions) > 1 else ()) for completion in completions
        )
        yield replicates


def _scored(scorer: Scorer, items: Sequence[Item]) -> list[Score]:
    """Score all items at once; if that crashes, one at a time, so that only the crashing completion fails."""
    try:
        return scorer.score(items)
    except EvalHarnessError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where a scorer's crash becomes a record
        if len(items) > 1:
            return [score for item in items for score in _scored(scorer, [item])]
        return [_failed(scorer, item.completion, error) for item in items]


def _failed(scorer: Scorer, completion: Completion, error: Exception) -> Score:
    return Score(
        request_id=completion.request_id,
        scorer=scorer.name,
        version=scorer.version,
        status="failed",
        explanation=f"the scorer crashed: {type(error).__name__}: {error}"[:500],
    )
