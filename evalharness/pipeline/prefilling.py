"""Both checkpoints of a run continue the first tokens of each other's completions, and are scored like the run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalharness.backends import Continues, continuing
from evalharness.errors import ConfigError, StoreError
from evalharness.pipeline.generating import Event, Progress, followed
from evalharness.pipeline.scoring import judge, opened
from evalharness.records import Completion, GenerationRequest, Metric
from evalharness.records.depth import DepthCell, RefusalDepth
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
    found = differing(run, sides, pairs, refused)
    start = time.monotonic()
    n_missing = _continue(store, sides, found.openings, progress)
    seconds = round(time.monotonic() - start, 1) if n_missing else None
    known = store.read_continuations()
    cells = _cells([one for one in found.openings if one.key in known], known, sides, scorer, refused)
    return _record(store, sides, found, cells, refused, scorer.version, seconds)


def _record(
    store: RunStore,
    sides: Sides,
    found: Differing,
    cells: Mapping[str, DepthCell],
    refused: Metric,
    version: str,
    seconds: float | None,
) -> RefusalDepth:
    points = tuple(points_of(found.sides, cells))
    outcomes, scores, continuations = store.depth_digests()
    return RefusalDepth(
        baseline=sides.names["baseline"],
        candidate=sides.names["candidate"],
        metric=refused.name,
        version=version,
        outcomes_digest=outcomes,
        scores_digest=scores,
        continuations_digest=continuations,
        n_prompts=found.n_prompts,
        n_alike=found.n_alike,
        n_unread=found.n_unread,
        n_failed=len(found.openings) - len(cells),
        points=points,
        cells=tuple(cells.values()),
        sentences=tuple(sentences_of(sides.names, points)),
        seconds=seconds,
    )


def refused_in(run: Run) -> Metric:
    """The first rate of the run that is 1 where a prompt to refuse was refused.

    Raises:
        ConfigError: it has none.
    """
    rates = (one for facts in run.facts.values() for one in facts.metrics if one.kind == "rate")
    found = next((one for one in rates if one.expected == "refuse" and one.better == "higher"), None)
    if found is None:
        raise ConfigError(
            f"no scorer of {run.path} says whether a prompt to refuse was refused",
            fix="run a suite with prompts to refuse, such as refusal",
        )
    return found


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
    missing = {one.key: one for one in openings if one.key not in known}
    for author in AUTHORS:
        own = {key: one for key, one in missing.items() if one.of.author == author}
        if not own:
            continue
        continues = continuing(sides.backends[author], sides.names[author])
        given = _Continuing(continues, {key: one.ids for key, one in own.items()})
        n_author = sum(one.of.author == author for one in openings)
        progress.load(sides.names[author])
        try:
            with store.appending("depth.jsonl") as out:
                for event in followed(given, [one.asked for one in own.values()], progress, total=n_author):
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
    wholes = [known[one.key] for one in openings]
    begins = [
        Completion(
            request_id=one.key,
            text=sides.teachers[one.of.author].decode(one.ids),
            finish_reason="length",
            completion_tokens=len(one.ids),
        )
        for one in openings
    ]
    samples = [one.of.sample for one in openings]
    scores, of_begins = (judge([scorer], list(map(Item, samples, texts))) for texts in (wholes, begins))
    return {
        one.key: DepthCell(
            author=one.of.author,
            request_id=one.of.request.id,
            given_id=one.of.given_id,
            k=len(one.ids),
            refuses_alone=one.of.refuses_alone,
            given_refuses=begin.values.get(refused.value) == 1,
            refuses=None if refused.value not in whole.values else whole.values[refused.value] == 1,
        )
        for one, whole, begin in zip(openings, scores, of_begins, strict=True)
    }
