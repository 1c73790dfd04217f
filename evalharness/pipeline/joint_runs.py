"""A comparison of checkpoints of several runs, which is a run of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from evalharness.compare.pairing import Side, narrowed, pair_runs, sides_of
from evalharness.pipeline.comparing import (
    compare_and_report,
)
from evalharness.pipeline.finished_runs import load_run
from evalharness.pipeline.running import new_path, resume_config
from evalharness.records import (
    Manifest,
)
from evalharness.store import Run, RunStore, uncollected
from evalharness.store.provenance import make_manifest


@uncollected()
def compare_runs(
    paths: Sequence[Path], *, out: Path | None = None, baseline: str | None = None, candidate: str | None = None
) -> Run:
    """Compare a checkpoint of the first run with one of each other run, in a run directory of its own.

    Args:
        paths: the baseline's run, then the candidates'.
        baseline: the checkpoint of the first run; its candidate by default.
        candidate: the checkpoint of the other runs; their candidates by default.

    Raises:
        StoreError: a comparison would be invalid, or `out` already holds a run.
    """
    store = RunStore(out or new_path([path.resolve().name for path in paths]))
    # What was read is let go before the pairing is read: both at once would be twice the memory.
    write = _pairing_writer(paths, baseline, candidate)
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        write(store)
        del write
        return compare_and_report(store, store.read_plan(), resume_config(store.path).gate)


def _pairing_writer(paths: Sequence[Path], baseline: str | None, candidate: str | None) -> Callable[[RunStore], None]:
    """Read and pair the runs; what comes back writes the pairing into a run directory."""
    sides = sides_of(
        [_load_side(path, candidate if n else baseline) for n, path in enumerate(paths)], baseline, candidate
    )
    pairing, manifest = pair_runs(sides[0], sides[1:]), _paired_manifest(sides)
    # Where two sides have a scorer, its version is the same, and so is the rest.
    scorers = {scorer.name: scorer for side in sides for scorer in side.run.scorers}

    def write(store: RunStore) -> None:
        store.start(manifest, pairing.plan, resume=False)
        with store.appending() as outcomes:
            for event in pairing.events:
                outcomes.append(event)
        store.write_scores(pairing.scores, scorers.values())

    return write


def _load_side(path: Path, checkpoint: str | None) -> Run:
    run = load_run(path)
    return narrowed(run, checkpoint or run.plan.candidate)


def _paired_manifest(sides: Sequence[Side]) -> Manifest:
    """Where the runs came from: the configuration of the candidate, with the checkpoints of all."""
    config = resume_config(sides[1].run.path).model_copy(
        update={
            "checkpoints": tuple(side.resolved.checkpoint for side in sides),
            "baseline": sides[0].name,
            "candidate": sides[1].name,
            "aa_test": None,
        }
    )
    runs = tuple(side.run.path.resolve().name for side in sides)
    return make_manifest(config).model_copy(update={"paired_from": runs})
