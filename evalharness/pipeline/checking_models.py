"""Whether models answer on this machine, and give what they gave."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from evalharness.backends import open_backend
from evalharness.backends.survey import Check
from evalharness.errors import EvalHarnessError
from evalharness.pipeline.generating import first_token, generated_again
from evalharness.prompting import settle_format
from evalharness.records import Checkpoint, DeterminismCheck, Failure, GenerationConfig
from evalharness.store import RunStore


def try_models(checkpoints: Sequence[Checkpoint], generation: GenerationConfig) -> Iterator[Check]:
    """Ask each checkpoint for one token, as a run with this generation would."""
    for checkpoint in checkpoints:
        name = f"one token of {checkpoint.model}"
        try:
            with closing(open_backend(checkpoint)) as backend:
                resolved = settle_format(backend.resolve())
                answer = first_token(backend, resolved, generation)
        except EvalHarnessError as error:
            yield Check(name=name, status="missing", found=error.problem, fix=error.fix)
            continue
        if isinstance(answer, Failure):
            yield Check(name=name, status="missing", found=answer.message, fix="correct what the message names")
        else:
            noted = "; ".join(note.removesuffix(".") for note in resolved.notes)
            seconds = f"{answer.seconds or 0:.1f} s"
            yield Check(name=name, status="ok", found=f"{seconds}: {noted}" if noted else seconds)


def reproduce(path: Path, count: int) -> Iterator[DeterminismCheck]:
    """Generate `count` samples of each checkpoint of a run again, on this machine; nothing is written."""
    store = RunStore(path)
    planned, outcomes = store.read_plan(), store.read_outcomes()
    for resolved in planned.checkpoints:
        requests = [request for request in planned.requests if request.checkpoint == resolved.name]
        with closing(open_backend(resolved.checkpoint)) as backend:
            made = generated_again(backend, requests, outcomes, count)
        if made is not None:
            yield made
