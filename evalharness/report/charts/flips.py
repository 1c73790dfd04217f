"""Label flips: the baseline's label of each request against the candidate's label of the same request."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from evalharness.compare.findings import range_in_words
from evalharness.formatting import format_points
from evalharness.observations import Observations
from evalharness.records import Comparison, ScorerFacts
from evalharness.report.charts.labels import heat_of, make_matrices
from evalharness.report.view import View, samples_where, typeset
from evalharness.report.words import EXPECTED


def make_expected(
    table: Observations, comparison: Comparison, roles: Mapping[str, str], scorers: Iterable[ScorerFacts]
) -> tuple[View, ...]:
    """For each scorer whose labels are set against what is expected, where a sample says what is."""
    charts = (
        View(
            scorer=scorer.name,
            heading=scorer.heading,
            hint=scorer.hint,
            errors=scorer.errors_in_words,
            could_be=tuple(_could_be(comparison, scorer)),
            matrices=make_matrices(table, roles, scorer),
            flips=make_flips(table, comparison, scorer),
        )
        for scorer in scorers
        if scorer.chart == "expected" and scorer.name in table.labels
    )
    return tuple(chart for chart in charts if chart.matrices)


def _could_be(comparison: Comparison, facts: ScorerFacts) -> Iterator[str]:
    titles = {metric.name: metric.title for metric in facts.metrics}
    for row in comparison.differences:
        if row.category is not None or row.metric not in titles:
            continue
        if row.label_errors is not None and row.difference is not None:
            where = range_in_words(row.label_errors)
            yield typeset(f"{titles[row.metric]}: {format_points(row.difference)} as labelled, {where} with that error")


def make_flips(table: Observations, comparison: Comparison, facts: ScorerFacts) -> tuple[View, ...]:
    """A table for what should be refused and one for what should be answered, where there are pairs of labels."""
    flips = ((expected, _pairs(table, comparison, facts.name, expected)) for expected in EXPECTED)
    return tuple(_table(EXPECTED[expected], pairs, facts) for expected, pairs in flips if pairs)


def _pairs(table: Observations, comparison: Comparison, scorer: str, expected: str) -> Counter[tuple[str, str]]:
    """How often the baseline's label and the candidate's meet, over the samples of which one thing is expected."""
    names, codes = table.labels[scorer].names, table.labels[scorer].codes
    sides = (codes[table.place[side]] for side in (comparison.baseline, comparison.candidate))
    before, after = (label_codes[:, table.expected.are(expected)].ravel() for label_codes in sides)
    both = (before >= 0) & (after >= 0)
    counts = np.bincount(before[both] * len(names) + after[both], minlength=len(names) ** 2)
    return Counter({(names[n // len(names)], names[n % len(names)]): int(counts[n]) for n in np.flatnonzero(counts)})


def _table(expected: str, pairs: Mapping[tuple[str, str], int], facts: ScorerFacts) -> View:
    total = sum(pairs.values())
    names = [label.name for label in facts.labels]
    known = [*names, *sorted({label for pair in pairs for label in pair} - {*names})]
    rows = [label for label in known if any(label == before for before, _ in pairs)]
    columns = [label for label in known if any(label == after for _, after in pairs)]
    return View(
        expected=expected,
        pairs=total,
        flipped=sum(count for (before, after), count in pairs.items() if before != after),
        columns=tuple(map(facts.title_of, columns)),
        rows=tuple(
            (
                facts.title_of(row),
                tuple(
                    _cell(pairs.get((row, column), 0), total, row == column, _opens(expected, facts, row, column))
                    for column in columns
                ),
            )
            for row in rows
        ),
    )


def _opens(expected: str, facts: ScorerFacts, before: str, after: str) -> str:
    return samples_where(expected=expected, leftLabel=f"{facts.name}:{before}", rightLabel=f"{facts.name}:{after}")


def _cell(count: int, total: int, stays: bool, opens: str) -> View:
    return View(count=count, heat=0 if stays else heat_of(count / total), stays=stays, opens=opens)
