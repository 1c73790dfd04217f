"""Where labels flip: what the baseline did with a request against what the candidate did with the same one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.records import Comparison, Completion, ScorerFacts
from evalharness.report.observed import Matrix, charted, heat_of, make_matrices
from evalharness.report.words import EXPECTED
from evalharness.store import Run


@dataclass(frozen=True)
class FlipCell:
    """How many pairs went from one label to another."""

    count: int
    heat: int
    """How strongly to colour it; 0 where nothing changed."""
    stays: bool
    """Whether both sides did the same."""


@dataclass(frozen=True)
class FlipTable:
    """Baseline down, candidate across, for the requests of which one thing is expected."""

    expected: str
    pairs: int
    flipped: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[FlipCell, ...]], ...]


@dataclass(frozen=True)
class Expected:
    """What one scorer observed where something is expected."""

    scorer: str
    heading: str
    hint: str
    matrices: tuple[Matrix, ...]
    flips: tuple[FlipTable, ...]


def make_expected(run: Run, comparison: Comparison, roles: Mapping[str, str]) -> tuple[Expected, ...]:
    """For each scorer whose labels are set against what is expected, where a sample says what is."""
    found = (
        Expected(one.name, one.heading, one.hint, make_matrices(run, roles, one), make_flips(run, comparison, one))
        for one in charted(run, "expected")
    )
    return tuple(one for one in found if one.matrices)


def make_flips(run: Run, comparison: Comparison, facts: ScorerFacts) -> tuple[FlipTable, ...]:
    """A table for what should be refused and one for what should be answered, where there are pairs of labels."""
    before, after = (_labels(run, name, facts.name) for name in (comparison.baseline, comparison.candidate))
    samples = run.plan.samples
    pairs: dict[str, Counter[tuple[str, str]]] = {}
    for key in before.keys() & after.keys():
        if expected := samples[key[0]].expected:
            pairs.setdefault(expected, Counter())[before[key], after[key]] += 1
    return tuple(_table(EXPECTED[expected], pairs[expected], facts) for expected in EXPECTED if expected in pairs)


def _labels(run: Run, checkpoint: str, scorer: str) -> dict[tuple[str, int], str]:
    """One scorer's label of each completion by sample and replicate."""
    found = {}
    for request in run.requests_of(checkpoint):
        if isinstance(run.outcomes.get(request.id), Completion):
            for score in run.scores_of(request.id):
                if score.scorer == scorer and score.label:
                    found[request.sample_id, request.replicate] = score.label
    return found


def _table(expected: str, pairs: Mapping[tuple[str, str], int], facts: ScorerFacts) -> FlipTable:
    total = sum(pairs.values())
    names = [one.name for one in facts.labels]
    known = [*names, *sorted({label for pair in pairs for label in pair} - {*names})]
    rows = [label for label in known if any(label == before for before, _ in pairs)]
    columns = [label for label in known if any(label == after for _, after in pairs)]
    return FlipTable(
        expected=expected,
        pairs=total,
        flipped=sum(count for (before, after), count in pairs.items() if before != after),
        columns=tuple(map(facts.title_of, columns)),
        rows=tuple(
            (facts.title_of(row), tuple(_cell(pairs.get((row, one), 0), total, row == one) for one in columns))
            for row in rows
        ),
    )


def _cell(count: int, total: int, stays: bool) -> FlipCell:
    return FlipCell(count, 0 if stays else heat_of(count / total), stays)
