"""Shards of one run, merged by request id."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NoReturn

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
    manifests = [shard.read_manifest() for shard in shards]
    _refuse_other_divisions(shards, manifests)
    for other, theirs in zip(shards[1:], manifests[1:], strict=True):
        _refuse_other_conditions(shards[0], manifests[0], other, theirs)
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


def _refuse_other_divisions(shards: Sequence[RunStore], manifests: Sequence[Manifest]) -> None:
    parts = [
        (shard.path, str(manifest.config.get("shard") or "")) for shard, manifest in zip(shards, manifests, strict=True)
    ]
    if len({part.partition("/")[2] for _, part in parts if part}) > 1:
        listed = ", ".join(f"{path} is shard {part}" for path, part in parts if part)
        raise StoreError(f"these are not shards of one division: {listed}", fix="merge shards I/N of the same N")


def _refuse_other_conditions(first: RunStore, ours: Manifest, other: RunStore, theirs: Manifest) -> None:
    def refuse(reason: str, fix: str = FIX) -> NoReturn:
        raise StoreError(f"{other.path} cannot be merged with {first.path}: {reason}", fix=fix)

    if ours.paired_from or theirs.paired_from:
        refuse("a comparison of finished runs has no outcomes of its own")
    left, right = (_comparable(manifest.config) for manifest in (ours, theirs))
    if differing := [key for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]:
        refuse(f"its configuration differs in {', '.join(differing)}")
    if first.plan_digest() == other.plan_digest():
        return
    stored, planned = first.read_plan(), other.read_plan()
    if reason := what_differs(stored, planned):
        addresses = {
            tuple(str(side.identity.settings.get("url")) for side in plan.checkpoints) for plan in (stored, planned)
        }
        refuse(reason, fix=ADDRESSES if len(addresses) > 1 else FIX)


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without its part and the addresses of servers: the plan has those that identify a checkpoint."""
    sides = [{**side, "options": _without_url(side.get("options", {}))} for side in config.get("checkpoints", ())]
    scorers = {
        name: _without_url(settings) if "model" in settings else settings
        for name, settings in config.get("scorer", {}).items()
    }
    return {**config, "checkpoints": sides, "scorer": scorers, "shard": None}


def _without_url(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "url" or not isinstance(value, str)}


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
