"""Asking a model which side of each pair is better."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from evalharness.backends import Backend, open_backend
from evalharness.pipeline.comparing import load_compared, recompare_locked
from evalharness.pipeline.generating import Progress, followed
from evalharness.preferences.judge.asking import (
    Judge,
    JudgeSettings,
    judging_of,
    kept_preferences,
    open_judge,
    pairs_to_judge,
)
from evalharness.records import Completion, Failure, GenerationRequest, JudgeFailure, Notice, Preference
from evalharness.store import Run, RunStore


def judge(path: Path, settings: JudgeSettings, *, again: bool = False, progress: Progress | None = None) -> Run:
    """Ask a model which side of each pair is better, record its verdicts, then compare and report again.

    Args:
        path: a finished run.
        settings: which model, and how it is asked.
        again: ask again about pairs that already have a verdict.
        progress: receives each answer.

    Raises:
        StoreError: the run was not compared since its outcomes or scores changed.
        EvalHarnessError: the judge cannot be used; verdicts so far are kept.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        asked = open_judge(settings, open_backend)
        with closing(asked.backend):
            _judge(store, loaded, asked, again, progress or Progress())
        return recompare_locked(store)


def _judge(store: RunStore, run: Run, asked: Judge, again: bool, progress: Progress) -> None:
    """Write verdicts even if the judge is interrupted, because asking again is expensive."""
    pairs = pairs_to_judge(run, asked.rater, again=again)
    found: list[Preference | JudgeFailure] = []
    try:
        for one in asked.judge(pairs, run.plan, partial(_answers, progress)):
            found.append(one)
    finally:
        store.write_opinions(kept_preferences(run, asked.rater, found), judging_of(asked, run, found))


def _answers(
    progress: Progress, backend: Backend, requests: Sequence[GenerationRequest]
) -> Iterator[Completion | Failure | Notice]:
    progress.load(requests[0].checkpoint)
    try:
        yield from followed(backend, requests, progress, total=len(requests))
    finally:
        progress.finish()
