"""People's labels of single completions: which are drawn for rating, in which order, and with what probability.

Each completion has a random number that never changes, divided by its weight: its turn. People rate in the order of the
turns and stop when they like. A person who stops before a turn `t` has drawn each completion with probability
min(1, weight * t), independently of the others (priority sampling: Duffield, Lund and Thorup 2007, JACM 54:6). A person
who resumes later, also after new scores changed the weights, has drawn it with the larger of both probabilities.
"""

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from evalharness.errors import SharingError
from evalharness.preferences.ratings import ExportedLine, Merged, lines_in, lines_of
from evalharness.records import GenerationRequest, LabelRating, ScorerFacts, Side
from evalharness.store import Run

UNCLEAR_WEIGHT = 4.0
"""A completion that the scorer calls unclear comes this many times sooner."""
MOST_TURNS = 400
"""Completions that a report offers for rating."""
LABEL_KEY = re.compile(r'"label"\s*:')
Cell = tuple[str, str, int]
"""Checkpoint, sample id and replicate."""


class LabelLine(ExportedLine):
    """One line that the report exports."""

    side: Side
    label: str


@dataclass(frozen=True)
class Turn:
    """A completion in the order of rating."""

    request: GenerationRequest
    weight: float
    turn: float

    @property
    def cell(self) -> Cell:
        """Which completion it is."""
        return self.request.checkpoint, self.request.sample_id, self.request.replicate


def rated_scorer(run: Run) -> ScorerFacts | None:
    """The scorer whose labels people can give; None if the run has none."""
    return next((facts for facts in run.facts.values() if any(label.rates for label in facts.labels)), None)


def turns_of(run: Run) -> list[Turn]:
    """All completions of the two sides in the order in which they are to be rated; empty without such a scorer."""
    return sorted(_turns(run), key=lambda turn: turn.turn)


def first_turns(run: Run, count: int) -> list[Turn]:
    """The first of them, without holding those of a large run."""
    return nsmallest(count, _turns(run), key=lambda turn: turn.turn)


def _turns(run: Run) -> Iterator[Turn]:
    facts, table = rated_scorer(run), run.observations
    if facts is None:
        return
    unclear = table.labels[facts.name].are("unclear") if facts.name in table.labels else None
    for side in (run.plan.baseline, run.plan.candidate):
        completed = table.completed(side)
        for request in run.requests_of(side):
            cell = request.replicate, table.position[request.sample_id]
            if completed[cell]:
                weight = UNCLEAR_WEIGHT if unclear is not None and unclear[(table.place[side], *cell)] else 1.0
                yield Turn(request, weight, _number(request.id) / weight)


def _number(request_id: str) -> float:
    """A number between 0 and 1 that is the request's own."""
    return (int.from_bytes(hashlib.sha256(f"rating {request_id}".encode()).digest()[:8]) + 0.5) / 2**64


def is_labels(file: Path) -> bool:
    """Whether a file of ratings holds labels rather than preferences."""
    return any(LABEL_KEY.search(text) for _, text in lines_of(file))


def read_labels(file: Path, run: Run, rater: str | None = None) -> tuple[LabelRating, ...]:
    """Read a file of exported labels of this run; their probabilities are those of `merge_labels`, 1 until then.

    Raises:
        SharingError: the file cannot be read, or a line is wrong; the message names the file and the line.
    """
    facts = rated_scorer(run)
    if facts is None:
        raise SharingError(f"{run.path} has no labels that people can give", fix=f"evalharness score {run.path}")
    cells, names = {turn.cell for turn in turns_of(run)}, [label.name for label in facts.labels]
    read: dict[tuple[Cell, str], LabelRating] = {}
    for where, line, name in lines_in(file, run, rater, LabelLine):
        if line.label not in names:
            raise SharingError(f"{where}: unknown label {line.label!r}", fix=f"use one of {', '.join(names)}")
        checkpoint = run.plan.baseline if line.side == "baseline" else run.plan.candidate
        cell = checkpoint, line.sample_id, line.replicate
        if cell not in cells:
            raise SharingError(f"{where}: {line.sample_id!r} has no such completion", fix="remove the line")
        if (cell, name) in read:
            raise SharingError(f"{where}: {name} rated this completion already", fix="keep one of the two")
        read[cell, name] = LabelRating(
            sample_id=line.sample_id, replicate=line.replicate, checkpoint=checkpoint, scorer=facts.name, rater=name,
            label=line.label, probability=1.0,
        )  # fmt: skip
    return tuple(read.values())


def merge_labels(run: Run, given: Sequence[LabelRating]) -> tuple[tuple[LabelRating, ...], Merged]:
    """All labels of a run with their probabilities, and what `given` changed.

    Raises:
        SharingError: a completion was rated out of turn, so that its probability is not known.
    """
    judges = tuple(rating for rating in run.ratings if rating.source == "judge")
    earlier = {(_cell(rating), rating.rater): rating for rating in run.ratings if rating.source == "human"}
    new = {(_cell(rating), rating.rater): rating for rating in given}
    turns = turns_of(run)
    stop = _stop(turns, {cell for cell, _ in (*earlier, *new)})
    drawn = {turn.cell: min(1.0, turn.weight * stop) for turn in turns if turn.turn < stop}
    known = {cell: rating.probability for (cell, _), rating in earlier.items()}
    probability = _larger(known, drawn)
    skipped = [rating for (cell, _), rating in new.items() if cell not in probability]
    if skipped:
        raise SharingError(
            f"{len(skipped)} completions were rated out of turn, the first of sample {skipped[0].sample_id!r}, so the "
            "probability that they were drawn is not known",
            fix="export all labels of the report, and none by themselves",
        )
    merged = {
        key: rating.model_copy(update={"probability": probability[key[0]]}) for key, rating in (earlier | new).items()
    }
    added = sum(key not in earlier for key in new)
    changed = sum(key in earlier and earlier[key].label != rating.label for key, rating in new.items())
    return (*merged.values(), *judges), Merged((), added, changed, len(new) - added - changed)


def _larger(known: Mapping[Cell, float], drawn: Mapping[Cell, float]) -> dict[Cell, float]:
    return {cell: max(known.get(cell, 0.0), drawn.get(cell, 0.0)) for cell in {*known, *drawn}}


def _stop(turns: Iterable[Turn], rated: Collection[Cell]) -> float:
    """The first turn without a rating; infinite if all have one."""
    return next((turn.turn for turn in turns if turn.cell not in rated), math.inf)


def _cell(rating: LabelRating) -> Cell:
    return rating.checkpoint, rating.sample_id, rating.replicate
