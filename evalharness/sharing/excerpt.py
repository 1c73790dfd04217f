"""Which samples to show where not all can be: some of every category, those that tell most first."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from evalharness.preferences import pairs_of
from evalharness.store import Run


def stratified(run: Run, count: int) -> tuple[str, ...]:
    """Ids of at most `count` samples, in suite order; each category has its share of them.

    Within a category come first the evidence of findings, then samples whose two sides got different labels.
    """
    rank = _ranks(run)
    by_category: dict[str, list[str]] = {}
    for sample in run.plan.samples.values():
        by_category.setdefault(sample.category, []).append(sample.id)
    turns: list[tuple[float, str]] = []
    for ids in by_category.values():
        ids.sort(key=lambda sample_id: rank.get(sample_id, len(RANKS)))
        # The middle of each of so many equal parts: every beginning of the list has all categories in proportion.
        turns += [((place + 0.5) / len(ids), sample_id) for place, sample_id in enumerate(ids)]
    chosen = {sample_id for _, sample_id in sorted(turns, key=lambda turn: turn[0])[:count]}
    return tuple(sample_id for sample_id in run.plan.samples if sample_id in chosen)


def narrowed(run: Run, sample_ids: Collection[str]) -> Run:
    """The run with some of its samples alone; what was computed from all of them stays as it is."""
    suites = (
        suite.model_copy(update={"samples": tuple(one for one in suite.samples if one.id in sample_ids)})
        for suite in run.plan.suites
    )
    requests = (request for request in run.plan.requests if request.sample_id in sample_ids)
    plan = run.plan.model_copy(
        update={"suites": tuple(suite for suite in suites if suite.samples), "requests": tuple(requests)}
    )
    return replace(run, plan=plan)


RANKS = ("evidence", "flipped")


def _ranks(run: Run) -> Mapping[str, int]:
    flipped = {
        pair.sample.id
        for pair in pairs_of(run)
        if _labels(run, pair.requests[0].id) != _labels(run, pair.requests[1].id)
    }
    evidence = {one for finding in (run.comparison.findings if run.comparison else ()) for one in finding.sample_ids}
    return dict.fromkeys(flipped, RANKS.index("flipped")) | dict.fromkeys(evidence, RANKS.index("evidence"))


def _labels(run: Run, request_id: str) -> dict[str, str | None]:
    return {score.scorer: score.label for score in run.scores_of(request_id)}
