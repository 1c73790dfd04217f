"""Asking a model which side of each pair is better."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from evalharness.backends import open_backend
from evalharness.backends.backend import Backend
from evalharness.errors import StoreError
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
from evalharness.preferences.judge.labels import options_of, read_turns, reader_of
from evalharness.preferences.labelling import first_turns, rated_scorer
from evalharness.records import (
    Completion,
    Failure,
    GenerationRequest,
    JudgeFailure,
    LabelRating,
    Notice,
    Preference,
    ScorerFacts,
)
from evalharness.store import Run, RunStore


def judge(path: Path, settings: JudgeSettings, *, again: bool = False, progress: Progress | None = None) -> Run:
    """Ask a model which side of each pair is better, record its verdicts, then compare and report again.

    Args:
        again: ask again about pairs that already have a verdict.

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


def label(
    path: Path, settings: JudgeSettings, *, most: int, again: bool = False, progress: Progress | None = None
) -> tuple[Run, str, int]:
    """Ask a model what single completions did, keep its labels, then compare and report again.

    Args:
        most: completions, the first in the order in which people rate.
        again: ask again about completions that this model has labelled.

    Returns:
        The run, the model's name as a reader, and on how many completions it gave no readable answer.

    Raises:
        StoreError: the run was not compared since its outcomes or scores changed.
        EvalHarnessError: the model cannot be used, or the run has no such labels; labels so far are kept.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        facts = rated_scorer(loaded)
        if facts is None:
            raise StoreError(f"{path} has no labels that a judge can give", fix=f"evalharness score {path}")
        options_of(facts)
        asked = open_judge(settings, open_backend)
        with closing(asked.backend):
            name, failed = reader_of(asked, loaded.plan), _label(store, loaded, asked, facts, most, again, progress)
        return recompare_locked(store), name, failed


def _label(
    store: RunStore, run: Run, asked: Judge, facts: ScorerFacts, most: int, again: bool, progress: Progress | None
) -> int:
    name = reader_of(asked, run.plan)
    known = set() if again else {_cell(rating) for rating in run.ratings if rating.rater == name}
    turns = [turn for turn in first_turns(run, most) if turn.cell not in known]
    outcomes = ((turn.request.id, run.outcomes[turn.request.id]) for turn in turns)
    texts = {name: outcome.text for name, outcome in outcomes if isinstance(outcome, Completion)}
    labels: dict[tuple[str, str, int], LabelRating] = {}
    answered = 0
    progress = progress or Progress()
    progress.load(asked.resolved.checkpoint.name)
    progress.start(asked.resolved.checkpoint.name, total=len(turns), done=0, longest=asked.max_tokens)
    try:
        ask = partial(_answers, Progress())
        for rating in read_turns(asked, turns, run.plan.samples, texts, facts, run.plan, ask):
            progress.advance(tokens=0)
            answered += 1
            if rating is not None:
                labels[_cell(rating)] = rating
    finally:
        progress.finish()
        kept = [rating for rating in run.ratings if rating.rater != name or _cell(rating) not in labels]
        store.write_ratings([*kept, *(labels[turn.cell] for turn in turns if turn.cell in labels)])
    return answered - len(labels)


def _cell(rating: LabelRating) -> tuple[str, str, int]:
    return rating.checkpoint, rating.sample_id, rating.replicate


def _judge(store: RunStore, run: Run, asked: Judge, again: bool, progress: Progress) -> None:
    """Write verdicts even if the judge is interrupted, because asking again is expensive."""
    pairs = pairs_to_judge(run, asked.rater, again=again)
    answers: list[Preference | JudgeFailure] = []
    try:
        for answer in asked.judge(pairs, run.plan, partial(_answers, progress)):
            answers.append(answer)
    finally:
        store.write_opinions(kept_preferences(run, asked.rater, answers), judging_of(asked, run, answers))


def _answers(
    progress: Progress, backend: Backend, requests: Sequence[GenerationRequest]
) -> Iterator[Completion | Failure | Notice]:
    progress.load(requests[0].checkpoint)
    try:
        yield from followed(backend, requests, progress, total=len(requests))
    finally:
        progress.finish()
