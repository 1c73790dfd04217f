"""Shards of one run, merged by request id."""

from collections.abc import Iterator, Sequence
from itertools import chain

from evalharness.errors import StoreError
from evalharness.records import Manifest
from evalharness.store import RunStore
from evalharness.store.check import stale
from evalharness.store.lines import StoredOutcomes
from evalharness.store.run_store import what_differs

FIX = "merge runs of the same command, each with its own --shard"
ADDRESSES = f"{FIX}; if their servers have several addresses, give all shards the same `weights` (docs/large-runs.md)"


def merge_into(store: RunStore, manifest: Manifest, shards: Sequence[RunStore]) -> None:
    """Write the outcomes of all shards as one run, and their scores if all are scored, by the same scorers.

    Args:
        store: an empty run directory, locked by the caller.
        manifest: of the merged run.
        shards: runs with the same plan, each with the outcomes of some of its requests.

    Raises:
        StoreError: they are not of one plan and configuration, or two have an outcome of the same request.
    """
    _refuse_other_divisions(shards)
    for other in shards[1:]:
        _refuse_other_conditions(shards[0], other)
    outcomes = [shard.read_outcomes() for shard in shards]
    owners = _owners(shards, outcomes)
    answered = [request_id for request_id in shards[0].read_request_ids() if request_id in owners]
    store.start_merged(manifest, shards[0], _events(outcomes, owners, answered))
    scorings = [shard.read_scoring() for shard in shards]
    first = scorings[0]
    if (
        first
        and all(scoring and scoring.scorers == first.scorers for scoring in scorings)
        and not any(map(_is_stale, shards))
    ):
        store.write_score_lines(_scores(shards, owners, answered), first.scorers)


def _refuse_other_divisions(shards: Sequence[RunStore]) -> None:
    parts = {shard.path: str(shard.read_manifest().config.get("shard") or "") for shard in shards}
    divided = {part.partition("/")[2] for part in parts.values() if part}
    if len(divided) > 1:
        listed = ", ".join(f"{path} is shard {part}" for path, part in parts.items() if part)
        raise StoreError(f"these are not shards of one division: {listed}", fix="merge shards I/N of the same N")


def _refuse_other_conditions(first: RunStore, other: RunStore) -> None:
    ours, theirs = (shard.read_manifest() for shard in (first, other))
    differing = [
        key
        for key in sorted(ours.config.keys() | theirs.config.keys())
        if key != "shard" and ours.config.get(key) != theirs.config.get(key)
    ]
    if ours.paired_from or theirs.paired_from:
        reason = "a comparison of finished runs has no outcomes of its own"
    elif differing:
        reason = f"its configuration differs in {', '.join(differing)}"
    elif first.plan_digest() == other.plan_digest():
        return
    else:
        reason = what_differs(first.read_plan(), other.read_plan()) or ""
    if reason:
        fix = ADDRESSES if "weights" in reason or "checkpoints" in reason else FIX
        raise StoreError(f"{other.path} cannot be merged with {first.path}: {reason}", fix=fix)


def _owners(shards: Sequence[RunStore], outcomes: Sequence[StoredOutcomes]) -> dict[str, int]:
    """Which shard has the outcome of a request, by request id."""
    owners: dict[str, int] = {}
    for number, of_shard in enumerate(outcomes):
        for request_id in of_shard:
            if request_id in owners:
                both = f"{shards[owners[request_id]].path} and {shards[number].path}"
                raise StoreError(f"{both} both have an outcome of request {request_id}", fix="name each shard once")
            owners[request_id] = number
    return owners


def _events(outcomes: Sequence[StoredOutcomes], owners: dict[str, int], answered: Sequence[str]) -> Iterator[bytes]:
    """Outcomes in the order of the requests; a notice of several shards is written once."""
    for notice in dict.fromkeys(chain.from_iterable(of_shard.notices for of_shard in outcomes)):
        yield notice.model_dump_json().encode() + b"\n"
    for request_id in answered:
        yield outcomes[owners[request_id]].line_of(request_id)
    for event in chain.from_iterable((*of_shard.determinism, *of_shard.spent) for of_shard in outcomes):
        yield event.model_dump_json().encode() + b"\n"


def _scores(shards: Sequence[RunStore], owners: dict[str, int], answered: Sequence[str]) -> Iterator[bytes]:
    scores = [shard.read_scores() for shard in shards]
    for request_id in answered:
        yield from scores[owners[request_id]].lines_of(request_id)


def _is_stale(shard: RunStore) -> bool:
    return any(problem.file == "scores.jsonl" for problem in stale(shard, None, None))
