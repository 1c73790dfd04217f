"""Generating all requests, or those of more and more groups until the gate is settled."""

import math
from collections.abc import Collection, Mapping
from typing import Literal

from evalharness.backends import open_backend
from evalharness.config import RunConfig
from evalharness.gate import judged, order_of_groups, read_noise
from evalharness.observations import observe
from evalharness.pipeline.generating import Progress, generate
from evalharness.pipeline.planning import metrics_of
from evalharness.pipeline.scoring import score
from evalharness.records import Completion, Failure, Notice, Plan, Score
from evalharness.scorers import open_scorer
from evalharness.store import RunStore

LOOKS = 10
"""How often a run that stops when settled looks at its gate."""
FEWEST_AT_ONCE = 20
"""Groups between two looks, at least: each look loads every checkpoint again."""


def generate_as_asked(store: RunStore, config: RunConfig, planned: Plan, progress: Progress) -> None:
    """All requests; or, until the gate is settled, those of more and more groups in random order."""
    if not config.until_decided:
        generate(planned, store, open_backend, check_determinism=config.check_determinism, progress=progress)
        return None
    if any(notice.kind == "settled" for notice in store.read_outcomes().notices):
        return None
    order, rank = order_of_groups(planned, config.seed)
    metrics, noise = metrics_of(config, planned), read_noise(config.aa_test, planned)
    unbounded = {metric.name for metric in metrics if not all(map(math.isfinite, metric.bounds))}
    size = max(FEWEST_AT_ONCE, -(-len(order) // LOOKS))
    scores: list[Score] = []
    for end in range(size, len(order) + size, size):
        part = _requests_of(planned, order[end - size : end])
        check = config.check_determinism if end == size else 0
        generate(part, store, open_backend, check_determinism=check, progress=progress)
        outcomes = store.read_outcomes()
        scores += _scores_for_gate(config, part, outcomes)
        so_far = _requests_of(planned, order[:end])
        table = observe(so_far, outcomes, scores)
        results = judged(config.gate, metrics, so_far, table, noise=noise, seed=config.seed, rank=rank)
        open_ = [one.title for one in results if one.verdict == "undecided" or one.rule.metric in unbounded]
        if not open_ and end < len(order):
            return _note(store, planned, "settled", _settled(end, len(order), size))
    return _note(
        store,
        planned,
        "other",
        f"generation did not stop early: {'; '.join(open_) or 'the gate'} was settled at no look before the last",
    )


def _note(store: RunStore, planned: Plan, kind: Literal["settled", "other"], message: str) -> None:
    with store.appending() as out:
        out.append(Notice(checkpoint=planned.baseline, kind=kind, message=message))


def _requests_of(planned: Plan, groups: Collection[str]) -> Plan:
    wanted = set(groups)
    chosen = {name for name, sample in planned.samples.items() if sample.group in wanted}
    kept = tuple(request for request in planned.requests if request.sample_id in chosen)
    return planned.model_copy(update={"requests": kept})


def _scores_for_gate(config: RunConfig, part: Plan, outcomes: Mapping[str, Completion | Failure]) -> list[Score]:
    """By the scorers of the rules alone, opened anew: a scorer's model is not in memory while checkpoints generate."""
    needed = {rule.metric.partition(".")[0] for rule in config.gate}
    suites = tuple(
        suite.model_copy(update={"scorers": tuple(name for name in suite.scorers if name in needed)})
        for suite in part.suites
    )
    extra = tuple(name for name in config.extra_scorers if name in needed)
    asked = part.model_copy(update={"suites": suites})
    return list(score(asked, outcomes, lambda name: open_scorer(name, config.scorer.get(name)), extra))


def _settled(end: int, total: int, size: int) -> str:
    return (
        f"generation stopped after {end:,} of {total:,} groups of samples, in random order: every gate rule was "
        f"settled. It was checked every {size:,} groups by betting confidence sequences, which hold whenever one "
        "stops. Gate verdicts allow for that; the intervals of the comparison do not."
    )
