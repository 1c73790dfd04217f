"""Generating all requests, or groups of samples at random until the gate and the named metrics are decided."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from evalharness.backends import open_backend
from evalharness.compare.differences import differences_of
from evalharness.compare.groups import order_of_groups
from evalharness.config import RunConfig
from evalharness.gate import judged, read_noise
from evalharness.observations import Observations, observe
from evalharness.pipeline.generating import Progress, generate
from evalharness.pipeline.planning import metrics_of
from evalharness.pipeline.scoring import opened, score
from evalharness.records import Completion, Failure, Notice, Plan, Score
from evalharness.store import RunStore

LOOKS = 10
"""How often a run that stops when settled looks at what must be decided."""
FEWEST_AT_ONCE = 20
"""Groups between two looks, at least: each look loads every checkpoint again."""


def generate_as_asked(store: RunStore, config: RunConfig, planned: Plan, progress: Progress) -> None:
    """All requests; or, until the gate and the named metrics are settled, those of more and more groups at random."""
    if not config.until_decided:
        generate(planned, store, open_backend, check_determinism=config.check_determinism, progress=progress)
        return None
    if any(notice.kind == "settled" for notice in store.read_outcomes().notices):
        return None
    looks = _Looks(config, planned)
    size, total = looks.size, len(looks.order)
    scores: list[Score] = []
    for end in range(size, total + size, size):
        part = looks.requests(end - size, end)
        check = config.check_determinism if end == size else 0
        generate(part, store, open_backend, check_determinism=check, progress=progress)
        outcomes = store.read_outcomes()
        scores += looks.score(part, outcomes)
        undecided = looks.undecided(end, outcomes, scores)
        if not undecided and end < total:
            return _note(store, planned, "settled", _settled(end, total, size))
    return _note(
        store,
        planned,
        "other",
        f"generation did not stop early: {'; '.join(undecided) or 'the gate'} was settled at no look before the last",
    )


class _Looks:
    """What must be decided before a run stops, and the order in which its samples come."""

    def __init__(self, config: RunConfig, planned: Plan) -> None:
        self.config, self.planned = config, planned
        self.order, self.rank = order_of_groups(planned, config.seed)
        self.metrics, self.noise = metrics_of(config, planned.suites), read_noise(config.aa_test, planned)
        self.size = max(FEWEST_AT_ONCE, -(-len(self.order) // LOOKS))

    def requests(self, start: int, end: int) -> Plan:
        """The plan with the requests of some groups alone, by their places in the order."""
        wanted = set(self.order[start:end])
        chosen = {name for name, sample in self.planned.samples.items() if sample.group in wanted}
        kept = tuple(request for request in self.planned.requests if request.sample_id in chosen)
        return self.planned.model_copy(update={"requests": kept})

    def score(self, part: Plan, outcomes: Mapping[str, Completion | Failure]) -> list[Score]:
        """By the scorers needed here, opened anew: a scorer's model is not in memory while checkpoints generate."""
        needed = {name.partition(".")[0] for name in (*(rule.metric for rule in self.config.gate), *self.config.decide)}
        suites = tuple(
            suite.model_copy(update={"scorers": tuple(name for name in suite.scorers if name in needed)})
            for suite in part.suites
        )
        extra = tuple(name for name in self.config.extra_scorers if name in needed)
        asked = part.model_copy(update={"suites": suites})
        return list(score(asked, outcomes, lambda name: opened(self.config, name), extra))

    def undecided(self, end: int, outcomes: Mapping[str, Completion | Failure], scores: Sequence[Score]) -> list[str]:
        """The rules and metrics that are not decided yet, by name."""
        so_far = self.requests(0, end)
        table = observe(so_far, outcomes, scores)
        return [*self._rules(so_far, table), *self._named(table)]

    def _rules(self, so_far: Plan, table: Observations) -> Iterator[str]:
        unbounded = {metric.name for metric in self.metrics if not metric.is_bounded}
        rules, seed = self.config.gate, self.config.seed
        for result in judged(rules, self.metrics, so_far, table, noise=self.noise, seed=seed, rank=self.rank):
            if result.verdict == "undecided" or result.rule.metric in unbounded:
                yield result.title

    def _named(self, table: Observations) -> Iterator[str]:
        """Metrics whose difference is neither higher, lower nor equivalent in the comparison that will be written."""
        asked = [metric for metric in self.metrics if metric.name in self.config.decide]
        n_tests = sum(metric.headline and metric.mirror_of is None for metric in self.metrics)
        for name in self.planned.candidates:
            rows = differences_of(
                table, asked, self.planned.baseline, name, seed=self.config.seed, rank=self.rank, n_tests=n_tests
            )
            yield from (row.metric for row in rows if row.category is None and row.verdict == "undecided")


def _note(store: RunStore, planned: Plan, kind: Literal["settled", "other"], message: str) -> None:
    with store.appending() as out:
        out.append(Notice(checkpoint=planned.baseline, kind=kind, message=message))


def _settled(end: int, total: int, size: int) -> str:
    return (
        f"generation stopped after {end:,} of {total:,} groups of samples, in random order: all that had to be decided "
        f"was settled. It was checked every {size:,} groups by betting confidence sequences, which hold whenever one "
        "stops. Gate verdicts and the differences of rates allow for that; other intervals do not."
    )
