"""The labels of each side: stacked bars, and a matrix of expected against observed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from evalharness.formatting import format_share
from evalharness.observations import Observations
from evalharness.records import ScorerFacts
from evalharness.report.hidden_characters import tamed
from evalharness.report.view import View, samples_of, typeset
from evalharness.report.words import EXPECTED, WITHOUT_LABEL

NARROWEST_NUMBER = 0.045
"""A smaller part of a bar has no room for its number on a phone; the table below has it."""
WIDE, NARROW = 110, 38
"""Characters that fit on a whole bar, on a desktop and on a phone."""
HEATS = 5
COLOURS = 7
"""Labels take them in their order; CSS has a rule for each."""


# ---------------------------------------------------------------------------------------------- states


def make_states(table: Observations, roles: Mapping[str, str], scorers: Iterable[ScorerFacts]) -> tuple[View, ...]:
    """Count the labels of each side, for each scorer whose labels are states."""
    return tuple(
        _states(table, roles, scorer) for scorer in scorers if scorer.chart == "states" and scorer.name in table.labels
    )


def _states(table: Observations, roles: Mapping[str, str], facts: ScorerFacts) -> View:
    counts = {name: table.results(name, facts.name).counted(...) for name in roles}
    known = _labels(facts, counts.values())
    present = [key for key in known if any(count[key] for count in counts.values())]
    rows = tuple(
        View(
            colour=colour_of(facts, key),
            title=known[key][0],
            meaning=known[key][1],
            counts=tuple(
                (*_count(counts[name][key], counts[name].total()), samples_of(name, role, State=key))
                for name, role in roles.items()
            ),
        )
        for key in present
    )
    bars = tuple(
        View(
            checkpoint=name,
            role=role,
            drawing=draw_bar(
                [
                    Part(colour_of(facts, key), known[key][0], counts[name][key], samples_of(name, role, State=key))
                    for key in present
                ]
            ),
        )
        for name, role in roles.items()
    )
    totals = tuple(count.total() for count in counts.values())
    return View(scorer=facts.name, heading=facts.heading, hint=facts.hint, bars=bars, rows=rows, totals=totals)


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
    opens: str = ""
    """The filter that lists its samples."""


def draw_bar(parts: Sequence[Part]) -> Markup:
    """A bar of the width of the page, stacked of parts as wide as their counts and linked to their samples."""
    total = sum(part.count for part in parts)
    shown = [part for part in parts if part.count]
    drawn: list[Markup] = []
    before = 0
    for part in shown:
        drawn.append(_drawn(part, before / total, part.count / total))
        before += part.count
    said = ", ".join(f"{part.title} {part.count}" for part in shown)
    role = "group" if any(part.opens for part in shown) else "img"
    return Markup('<svg class="bar" role="{}" aria-label="{}">{}</svg>').format(
        role, tamed(said), Markup("").join(drawn)
    )


def _drawn(part: Part, start: float, share: float) -> Markup:
    middle = f"{(start + share / 2) * 100:.3f}%"
    drawn = Markup(
        '<g class="part {}"><rect x="{:.3f}%" width="{:.3f}%" height="100%"><title>{}: {}</title></rect>{}</g>'
    ).format(part.key, start * 100, share * 100, tamed(part.title), part.count, _text(part, middle, share))
    if not part.opens:
        return drawn
    return Markup('<a href="#samples" data-filter="{}" aria-label="{} {}">{}</a>').format(
        part.opens, tamed(part.title), part.count, drawn
    )


def _text(part: Part, middle: str, share: float) -> Markup:
    """The number, with the name where there is room for it."""
    if share < NARROWEST_NUMBER:
        return Markup("")
    length, name = len(part.title) + 6, Markup("")
    if length <= share * WIDE:
        kind = "name" if length <= share * NARROW else "name wide"
        name = Markup('<tspan class="{}">{} </tspan>').format(kind, tamed(part.title))
    return Markup('<text x="{}" y="50%">{}{}</text>').format(middle, name, part.count)


# ------------------------------------------------------------------------------- expected and observed


def make_matrices(table: Observations, roles: Mapping[str, str], facts: ScorerFacts) -> tuple[View, ...]:
    """A matrix for each side; none where the scorer gave no label, or no sample says what is expected."""
    if not table.labels[facts.name].names:
        return ()
    tables = {name: _table(table, name, facts.name) for name in roles}
    counts = [count for by_expected in tables.values() for count in by_expected.values()]
    known = _labels(facts, counts)
    columns = [key for key in known if any(count[key] for count in counts)]
    return tuple(
        View(
            checkpoint=name,
            role=role,
            columns=tuple(known[key][0] for key in columns),
            rows=tuple(
                _matrix_row(
                    expected,
                    [(key, count[key]) for key in columns],
                    partial(samples_of, name, role, expected=EXPECTED[expected]),
                    facts.name,
                )
                for expected, count in tables[name].items()
            ),
        )
        for name, role in roles.items()
    )


def _table(table: Observations, checkpoint: str, scorer: str) -> dict[str, Counter[str]]:
    results = table.results(checkpoint, scorer)
    result = {expected: results.counted((slice(None), table.expected.are(expected))) for expected in EXPECTED}
    return {name: counts for name, counts in result.items() if counts}


def _matrix_row(expected: str, counts: Sequence[tuple[str, int]], opens: Callable[..., str], scorer: str) -> View:
    total = sum(count for _, count in counts)
    return View(
        expected=EXPECTED[expected],
        total=total,
        cells=tuple(
            (
                count,
                typeset(format_share(count / total)),
                heat_of(count / total),
                opens(State=key) if key in WITHOUT_LABEL else opens(Label=f"{scorer}:{key}"),
            )
            for key, count in counts
        ),
    )


def heat_of(share: float) -> int:
    """How strongly to colour a share: 0 is not at all."""
    return 0 if share == 0 else min(HEATS, 1 + int(share * HEATS))
