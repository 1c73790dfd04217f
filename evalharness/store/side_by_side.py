"""One sample of a run, with every checkpoint's completion and scores."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from evalharness.errors import ConfigError
from evalharness.records import Completion, Failure, Record, Sample, Score
from evalharness.store import RunStore
from evalharness.store.check import refuse_stale

SHOWN = 10
"""Most ids in a message."""


class SideBySide(Record):
    """One sample with the outcome and the scores of each checkpoint."""

    class Cell(Record):
        """A checkpoint's outcome; None if not generated yet."""

        checkpoint: str
        replicate: int
        outcome: Completion | Failure | None
        scores: tuple[Score, ...]

    sample: Sample
    cells: tuple[Cell, ...]


def show(path: Path, sample_id: str) -> SideBySide:
    """One sample of a run, all checkpoints side by side.

    Raises:
        ConfigError: the sample is not in the run.
        StoreError: its scores are of other outcomes.
    """
    store = RunStore(path)
    refuse_stale(store)
    loaded = store.load()
    samples = loaded.plan.samples
    if sample_id not in samples:
        raise ConfigError(
            f"{path} has no sample {sample_id!r}", fix=f"use one of {', '.join(_near(sample_id, list(samples)))}"
        )
    cells = [
        SideBySide.Cell(
            checkpoint=request.checkpoint,
            replicate=request.replicate,
            outcome=loaded.outcomes.get(request.id),
            scores=tuple(loaded.scores_of(request.id)),
        )
        for request in loaded.requests_by_sample[sample_id]
    ]
    return SideBySide(sample=samples[sample_id], cells=tuple(cells))


def _near(name: str, names: Sequence[str]) -> list[str]:
    """The ids that hold a name or are spelt like it; the first ones if there are none."""
    holding = [sample_id for sample_id in names if name.casefold() in sample_id.casefold()]
    alike = difflib.get_close_matches(name, names, n=SHOWN, cutoff=0.5)
    near = list(dict.fromkeys((*holding, *alike)))[:SHOWN]
    return near or [*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])]
