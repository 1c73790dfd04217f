"""Rates as people's labels correct them, next to the scorer's own."""

from dataclasses import dataclass

from evalharness.records import Comparison, Correction, Metric, RatedSide
from evalharness.report.typeset import typeset
from evalharness.text import format_points, format_points_interval, format_share, format_share_interval


@dataclass(frozen=True)
class CorrectionRow:
    """One rate."""

    title: str
    baseline: tuple[str, str, str]
    """By the scorer, corrected, and its interval."""
    candidate: tuple[str, str, str]
    difference: tuple[str, str, str]
    rated: str
    more: str
    """What more ratings would do."""


@dataclass(frozen=True)
class Corrections:
    """All corrected rates."""

    scorer: str
    raters: str
    rows: tuple[CorrectionRow, ...]


def make_corrections(comparison: Comparison, scorer: str) -> Corrections | None:
    """Those of one scorer; None if people gave it too few labels."""
    metrics = {metric.name: metric for metric in comparison.metrics}
    found = [one for one in comparison.corrections if metrics[one.metric].scorer == scorer]
    if not found:
        return None
    return Corrections(scorer, ", ".join(found[0].raters), tuple(_row(one, metrics[one.metric]) for one in found))


def _row(one: Correction, metric: Metric) -> CorrectionRow:
    sides = (one.baseline.by_scorer, one.candidate.by_scorer)
    by_scorer = "–" if None in sides else format_points((sides[1] or 0.0) - (sides[0] or 0.0))
    return CorrectionRow(
        title=metric.title,
        baseline=_side(one.baseline),
        candidate=_side(one.candidate),
        difference=(
            typeset(by_scorer),
            typeset(format_points(one.difference)),
            typeset(format_points_interval(one.interval)),
        ),
        rated=f"{one.baseline.rated} + {one.candidate.rated}",
        more=typeset(_more(one)),
    )


def _side(side: RatedSide) -> tuple[str, str, str]:
    own = "–" if side.by_scorer is None else typeset(format_share(side.by_scorer))
    return own, typeset(format_share(side.mean)), typeset(format_share_interval(side.interval))


def _more(one: Correction) -> str:
    if one.to_halve is None:
        return "more samples, not more ratings, would narrow it"
    return f"{one.to_halve:,} more ratings of any completions would halve it"
