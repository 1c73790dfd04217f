"""What people and judges prefer, and how far people agree with judges and rewards."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from evalharness.agreement import cohens_kappa
from evalharness.preferences import Verdict, by_rater, verdicts_of
from evalharness.records import Comparison, PreferenceSummary
from evalharness.report.observed import Part, draw_bar
from evalharness.report.typeset import typeset
from evalharness.store import Run
from evalharness.text import format_share, format_share_interval

KINDS = {"human": "a person", "judge": "a judge model"}
FEWEST_COMMON = 2
"""Pairs that two raters must share before their agreement is a number."""


@dataclass(frozen=True)
class PreferenceRow:
    """One rater's preferences, drawn and in numbers."""

    rater: str
    kind: str
    n: int
    drawing: Markup
    share: str
    interval: str
    notes: str


@dataclass(frozen=True)
class AgreementRow:
    """A person against another rater."""

    person: str
    other: str
    pairs: int
    same: str
    kappa: str
    interval: str


@dataclass(frozen=True)
class Preferences:
    """All raters, and their agreement with each person."""

    rows: tuple[PreferenceRow, ...]
    agreements: tuple[AgreementRow, ...]


def make_preferences(run: Run, comparison: Comparison) -> Preferences | None:
    """The preferences of a run; None where nobody stated any."""
    if not comparison.preferences:
        return None
    return Preferences(
        rows=tuple(_row(one, comparison) for one in comparison.preferences),
        agreements=_agreements(run, comparison),
    )


def _row(one: PreferenceSummary, comparison: Comparison) -> PreferenceRow:
    parts = (
        Part("prefers-baseline", f"prefers {comparison.baseline}", one.baseline),
        Part("prefers-tie", "tie", one.ties - one.both_bad),
        Part("prefers-neither", "both bad", one.both_bad),
        Part("prefers-candidate", f"prefers {comparison.candidate}", one.candidate),
    )
    return PreferenceRow(
        rater=one.rater,
        kind=KINDS[one.source],
        n=one.n,
        drawing=draw_bar(parts),
        share="–" if one.candidate_share is None else typeset(format_share(one.candidate_share)),
        interval=typeset(format_share_interval(one.interval)) if one.interval else "",
        notes=_notes(one),
    )


def _notes(one: PreferenceSummary) -> str:
    failed = f"{one.n_failed:,} without a verdict" if one.n_failed else ""
    turned = f"{one.n_inconsistent:,} turned with the order" if one.n_inconsistent else ""
    first = "" if one.first_share is None else f"{format_share(one.first_share)} for the side shown first"
    return ", ".join(note for note in (failed, turned, first) if note)


# ------------------------------------------------------------------------------------------- agreement


def _agreements(run: Run, comparison: Comparison) -> tuple[AgreementRow, ...]:
    people = by_rater(verdicts_of(run, "human"))
    tolerance = comparison.rewards[0].tie_tolerance if comparison.rewards else 0.0
    others = {**by_rater(verdicts_of(run, "judge")), **by_rater(verdicts_of(run, "reward", tolerance=tolerance))}
    found = [
        _agreement(person, given, name, theirs, comparison.seed)
        for person, given in people.items()
        # Each two people stand together once.
        for name, theirs in {**others, **{name: theirs for name, theirs in people.items() if name > person}}.items()
    ]
    return tuple(row for row in found if row)


def _agreement(person: str, given: list[Verdict], other: str, theirs: list[Verdict], seed: int) -> AgreementRow | None:
    """Kappa over the pairs that both judged; None where they share too few."""
    one, two = _by_pair(given), _by_pair(theirs)
    common = [key for key in one if key in two]
    if len(common) < FEWEST_COMMON:
        return None
    kappa = cohens_kappa([one[key] for key in common], [two[key] for key in common], seed=seed)
    between = "" if kappa.low is None or kappa.high is None else f"{kappa.low:.2f} to {kappa.high:.2f}"
    value = "–" if kappa.value is None else f"{kappa.value:.2f}"
    return AgreementRow(
        person, other, len(common), typeset(format_share(kappa.agreed)), typeset(value), typeset(between)
    )


def _by_pair(verdicts: list[Verdict]) -> Mapping[tuple[str, int], str]:
    return {verdict.pair.key: verdict.preferred for verdict in verdicts}
