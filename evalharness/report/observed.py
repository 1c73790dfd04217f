"""The labels of each side: stacked bars, and a matrix of expected against observed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evalharness.observations import Observations
from evalharness.records import ScorerFacts
from evalharness.report.typeset import typeset
from evalharness.report.visible import tamed
from evalharness.report.words import EXPECTED, WITHOUT_LABEL
from evalharness.text import format_share

NARROWEST_NUMBER = 0.045
"""A smaller part of a bar has no room for its number on a phone; the table below has it."""
HEATS = 5
COLOURS = 7
"""Labels take them in their order; CSS has a rule for each."""


@dataclass(frozen=True)
class Bar:
    """One side's labels, as a drawing."""

    checkpoint: str
    role: str
    drawing: Markup


@dataclass(frozen=True)
class StateRow:
    """One label with its count for each side."""

    colour: str
    title: str
    meaning: str
    counts: tuple[tuple[int, str], ...]
    """For each side the number and its share in words."""


@dataclass(frozen=True)
class States:
    """The chart of one scorer's labels and its numbers."""

    scorer: str
    heading: str
    hint: str
    bars: tuple[Bar, ...]
    rows: tuple[StateRow, ...]
    totals: tuple[int, ...]


@dataclass(frozen=True)
class MatrixRow:
    """The observed labels of samples with the same expected behaviour."""

    expected: str
    total: int
    cells: tuple[tuple[int, str, int], ...]
    """For each observed label: how many, the share in words, and how strongly to colour it."""


@dataclass(frozen=True)
class Matrix:
    """Expected against observed, for one side."""

    checkpoint: str
    role: str
    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


# ---------------------------------------------------------------------------------------------- states


def make_states(table: Observations, roles: Mapping[str, str], scorers: Iterable[ScorerFacts]) -> tuple[States, ...]:
    """Count the labels of each side, for each scorer whose labels are states."""
    return tuple(
        _states(table, roles, scorer) for scorer in scorers if scorer.chart == "states" and scorer.name in table.labels
    )


def _states(table: Observations, roles: Mapping[str, str], facts: ScorerFacts) -> States:
    counts = {name: table.results(name, facts.name).counted(...) for name in roles}
    known = _labels(facts, counts.values())
    present = [key for key in known if any(count[key] for count in counts.values())]
    rows = tuple(
        StateRow(
            colour_of(facts, key),
            *known[key],
            counts=tuple(_count(count[key], count.total()) for count in counts.values()),
        )
        for key in present
    )
    parts = {name: [Part(colour_of(facts, key), known[key][0], counts[name][key]) for key in present] for name in roles}
    bars = tuple(Bar(name, role, draw_bar(parts[name])) for name, role in roles.items())
    totals = tuple(count.total() for count in counts.values())
    return States(facts.name, facts.heading, facts.hint, bars, rows, totals)


def _labels(facts: ScorerFacts, counts: Iterable[Counter[str]]) -> dict[str, tuple[str, str]]:
    """Title and meaning of each label in the order of a report: those of the scorer, any others, those without one."""
    known = {label.name: (label.title, label.meaning) for label in facts.labels}
    others = sorted({label for count in counts for label in count} - known.keys() - WITHOUT_LABEL.keys())
    return known | {label: (facts.title_of(label), "") for label in others} | WITHOUT_LABEL


def colour_of(facts: ScorerFacts, label: str) -> str:
    """The CSS class of a label's colour, by its place among the scorer's labels."""
    if label in WITHOUT_LABEL:
        return f"label-{label}"
    places = {label.name: place for place, label in enumerate(facts.labels)}
    return f"label-{places[label] % COLOURS}" if label in places else "label-unscored"


def _count(number: int, total: int) -> tuple[int, str]:
    return number, typeset(format_share(number / total)) if total else "–"


@dataclass(frozen=True)
class Part:
    """A part of a stacked bar."""

    key: str
    """Its CSS class."""
    title: str
    count: int


def draw_bar(parts: Sequence[Part]) -> Markup:
    """A bar of the width of the page, stacked of parts as wide as their counts; its label says them all."""
    total = sum(part.count for part in parts)
    shown = [part for part in parts if part.count]
    drawn: list[Markup] = []
    before = 0
    for part in shown:
        drawn.append(_drawn(part, before / total, part.count / total))
        before += part.count
    said = ", ".join(f"{part.title} {part.count}" for part in shown)
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(tamed(said), Markup("").join(drawn))


def _drawn(part: Part, start: float, share: float) -> Markup:
    middle = f"{(start + share / 2) * 100:.3f}%"
    number = Markup('<text x="{}" y="50%">{}</text>').format(middle, part.count)
    return Markup(
        '<g class="part {}"><rect x="{:.3f}%" width="{:.3f}%" height="100%"><title>{}: {}</title></rect>{}</g>'
    ).format(
        part.key,
        start * 100,
        share * 100,
        tamed(part.title),
        part.count,
        number if share >= NARROWEST_NUMBER else Markup(""),
    )


# ------------------------------------------------------------------------------- expected and observed


def make_matrices(table: Observations, roles: Mapping[str, str], facts: ScorerFacts) -> tuple[Matrix, ...]:
    """A matrix for each side; none where the scorer gave no label, or no sample says what is expected."""
    if not table.labels[facts.name].names:
        return ()
    tables = {name: _table(table, name, facts.name) for name in roles}
    counts = [count for by_expected in tables.values() for count in by_expected.values()]
    known = _labels(facts, counts)
    columns = [key for key in known if any(count[key] for count in counts)]
    return tuple(
        Matrix(
            checkpoint=name,
            role=role,
            columns=tuple(known[key][0] for key in columns),
            rows=tuple(_matrix_row(expected, count, columns) for expected, count in tables[name].items()),
        )
        for name, role in roles.items()
    )


def _table(table: Observations, checkpoint: str, scorer: str) -> dict[str, Counter[str]]:
    results = table.results(checkpoint, scorer)
    result = {expected: results.counted((slice(None), table.expected.are(expected))) for expected in EXPECTED}
    return {name: counts for name, counts in result.items() if counts}


def _matrix_row(expected: str, counts: Counter[str], columns: Sequence[str]) -> MatrixRow:
    total = counts.total()
    return MatrixRow(
        expected=EXPECTED[expected],
        total=total,
        cells=tuple(
            (counts[key], typeset(format_share(counts[key] / total)), heat_of(counts[key] / total)) for key in columns
        ),
    )


def heat_of(share: float) -> int:
    """How strongly to colour a share: 0 is not at all."""
    return 0 if share == 0 else min(HEATS, 1 + int(share * HEATS))
