"""Both checkpoints of a run continue the first tokens of each other's completions, and are scored like the run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalharness.backends.backend import Continues, continuing
from evalharness.errors import ConfigError, StoreError
from evalharness.pipeline.generating import Event, Progress, followed
from evalharness.pipeline.scoring import judge, opened
from evalharness.records import Completion, GenerationRequest, Metric
from evalharness.records.tokens import DepthCell, RefusalDepth
from evalharness.scorers import Item, Scorer
from evalharness.store import Run, RunStore
from evalharness.tokens.depth import Differing, Opening, differing, points_of, sentences_of
from evalharness.tokens.texts import AUTHORS, Pair, Sides


def measure_depth(store: RunStore, run: Run, sides: Sides, pairs: Sequence[Pair], progress: Progress) -> RefusalDepth:
    """Continue what is missing, score all of it and say at which depth behaviour changes; the caller holds the lock.

    Raises:
        BackendError: a backend cannot continue tokens.
        ConfigError: no scorer of the run says whether a prompt to refuse was refused.
        StoreError: the run was scored by another version of it.
    """
    refused = refused_in(run)
    scorer = opened(store.read_config(), refused.scorer)
    if scorer.version != run.observations.versions[refused.scorer][-1]:
        raise StoreError(
            f"{run.path} was scored by another version of {refused.scorer}", fix=f"evalharness score {run.path}"
        )
    differ = differing(run, sides, pairs, refused)
    start = time.monotonic()
    n_missing = _continue(store, sides, differ.openings, progress)
    seconds = round(time.monotonic() - start, 1) if n_missing else None
    known = store.read_continuations()
    cells = _cells([opening for opening in differ.openings if opening.key in known], known, sides, scorer, refused)
    return _record(store, sides, differ, cells, refused, scorer.version, seconds)


def _record(
    store: RunStore,
    sides: Sides,
    differ: Differing,
    cells: Mapping[str, DepthCell],
    refused: Metric,
    version: str,
    seconds: float | None,
) -> RefusalDepth:
    points = tuple(points_of(differ.sides, cells))
    outcomes, scores, continuations = store.depth_digests()
    return RefusalDepth(
        baseline=sides.names["baseline"],
        candidate=sides.names["candidate"],
        metric=refused.name,
        version=version,
        outcomes_digest=outcomes,
        scores_digest=scores,
        continuations_digest=continuations,
        n_prompts=differ.n_prompts,
        n_alike=differ.n_alike,
        n_unread=differ.n_unread,
        n_failed=len(differ.openings) - len(cells),
        points=points,
        cells=tuple(cells.values()),
        sentences=tuple(sentences_of(sides.names, points)),
        seconds=seconds,
    )


def refused_in(run: Run) -> Metric:
    """The first rate of the run that is 1 where a prompt to refuse was refused."""
    rates = (metric for facts in run.facts.values() for metric in facts.metrics if metric.kind == "rate")
    refused = next((metric for metric in rates if metric.expected == "refuse" and metric.better == "higher"), None)
    if refused is None:
        raise ConfigError(
            f"no scorer of {run.path} says whether a prompt to refuse was refused",
            fix="run a suite with prompts to refuse, such as refusal",
        )
    return refused


@dataclass(frozen=True)
class _Continuing:
    """A backend that gives each request its beginning."""

    continues: Continues
    given: Mapping[str, tuple[int, ...]]

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Event]:
        return self.continues(requests, [self.given[request.id] for request in requests])


def _continue(store: RunStore, sides: Sides, openings: Sequence[Opening], progress: Progress) -> int:
    """Generate what is missing, and keep each completion as soon as it is known; how many there were."""
    store.recover("depth.jsonl")
    known = store.read_continuations()
    missing = {opening.key: opening for opening in openings if opening.key not in known}
    for author in AUTHORS:
        own = {key: opening for key, opening in missing.items() if opening.of.author == author}
        if not own:
            continue
        continues = continuing(sides.backends[author], sides.names[author])
        given = _Continuing(continues, {key: opening.ids for key, opening in own.items()})
        n_author = sum(opening.of.author == author for opening in openings)
        progress.load(sides.names[author])
        try:
            with store.appending("depth.jsonl") as out:
                for event in followed(given, [opening.asked for opening in own.values()], progress, total=n_author):
                    # A failure is tried again by the next command.
                    if isinstance(event, Completion):
                        out.append(event)
        finally:
            progress.finish()
    return len(missing)


def _cells(
    openings: Sequence[Opening], known: Mapping[str, Completion], sides: Sides, scorer: Scorer, refused: Metric
) -> dict[str, DepthCell]:
    """Each completion judged as a whole, and its beginning judged as if it were one."""
    wholes = [known[opening.key] for opening in openings]
    begins = [
        Completion(
            request_id=opening.key,
            text=sides.teachers[opening.of.author].decode(opening.ids),
            finish_reason="length",
            completion_tokens=len(opening.ids),
        )
        for opening in openings
    ]
    samples = [opening.of.sample for opening in openings]
    scores, of_begins = (judge([scorer], list(map(Item, samples, texts))) for texts in (wholes, begins))
    return {
        opening.key: DepthCell(
            author=opening.of.author,
            request_id=opening.of.request.id,
            given_id=opening.of.given_id,
            k=len(opening.ids),
            refuses_alone=opening.of.refuses_alone,
            given_refuses=begin.values.get(refused.value) == 1,
            refuses=None if refused.value not in whole.values else whole.values[refused.value] == 1,
        )
        for opening, whole, begin in zip(openings, scores, of_begins, strict=True)
    }
