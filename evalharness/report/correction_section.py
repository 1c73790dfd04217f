"""Rates as people's labels correct them, next to the scorer's own, and how far the readers agree."""

from collections.abc import Mapping
from itertools import combinations

from evalharness.formatting import format_points, format_points_interval, format_share, format_share_interval
from evalharness.preferences.labelling import Cell
from evalharness.records import Comparison, Correction, Metric, RatedSide, ScorerFacts
from evalharness.report.view import View, typeset
from evalharness.statistics.agreement import cohens_kappa
from evalharness.statistics.rectified import FEWEST_RATED
from evalharness.store import Run

SHOWN = 8
"""Disagreements that are listed."""
Readings = dict[Cell, str]
"""One reader's labels."""


def make_corrections(comparison: Comparison, scorer: str) -> View | None:
    """Those of a scorer; None if people gave it too few labels."""
    metrics = {metric.name: metric for metric in comparison.metrics}
    own = [row for row in comparison.corrections if metrics[row.metric].scorer == scorer]
    if not own:
        return None
    return View(
        scorer=scorer, raters=", ".join(own[0].raters), rows=tuple(_row(row, metrics[row.metric]) for row in own)
    )


def _row(correction: Correction, metric: Metric) -> View:
    sides = (correction.baseline.by_scorer, correction.candidate.by_scorer)
    by_scorer = "–" if None in sides else format_points((sides[1] or 0.0) - (sides[0] or 0.0))
    return View(
        title=metric.title,
        baseline=_side(correction.baseline),
        candidate=_side(correction.candidate),
        difference=(
            typeset(by_scorer),
            typeset(format_points(correction.difference)),
            typeset(format_points_interval(correction.interval)),
        ),
        rated=f"{correction.baseline.rated} + {correction.candidate.rated}",
        more=typeset(_more(correction)),
    )


def _side(side: RatedSide) -> tuple[str, str, str]:
    own = "–" if side.by_scorer is None else typeset(format_share(side.by_scorer))
    return own, typeset(format_share(side.mean)), typeset(format_share_interval(side.interval))


def _more(correction: Correction) -> str:
    if correction.to_halve is None:
        return "more samples, not more ratings, would narrow it"
    return f"{correction.to_halve:,} more ratings of any completions would halve it"


# ---------------------------------------------------------------------------------------------- readers


def make_readers(run: Run, facts: ScorerFacts, links: Mapping[str, str]) -> tuple[View, ...]:
    """Every person and judge against the scorer and each other, on what both labelled; `unclear` is no label."""
    readings: dict[str, Readings] = {}
    kinds: dict[str, str] = {}
    for rating in run.ratings:
        if rating.scorer == facts.name:
            kinds[rating.rater] = "a person" if rating.source == "human" else "a judge model"
            readings.setdefault(rating.rater, {})[rating.checkpoint, rating.sample_id, rating.replicate] = rating.label
    if not readings:
        return ()
    everything = {cell for given in readings.values() for cell in given}
    own = {cell: label for cell in everything if (label := _own_label(run, facts.name, cell))}
    pairs = [(name, "the scorer", given, own) for name, given in readings.items()]
    pairs += [(left, right, readings[left], readings[right]) for left, right in combinations(readings, 2)]
    rows = (_reader(run, facts, links, *pair, kinds[pair[0]]) for pair in pairs)
    return tuple(row for row in rows if row)


def _own_label(run: Run, scorer: str, cell: Cell) -> str | None:
    checkpoint, sample_id, replicate = cell
    result = run.observations.result(checkpoint, replicate, sample_id, scorer)
    return result.label if result else None


def _reader(
    run: Run, facts: ScorerFacts, links: Mapping[str, str], reader: str, other: str, given: Readings, theirs: Readings,
    kind: str,
) -> View | None:  # fmt: skip
    known = {label.name for label in facts.labels if label.rates}
    both = [cell for cell in given if given[cell] in known and theirs.get(cell) in known]
    if len(both) < FEWEST_RATED:
        return None
    groups = [run.plan.samples[sample_id].group for _, sample_id, _ in both]
    kappa = cohens_kappa(
        [given[cell] for cell in both], [theirs[cell] for cell in both], groups=groups, seed=run.compared.seed
    )
    between = "" if kappa.low is None or kappa.high is None else f"{kappa.low:.2f} to {kappa.high:.2f}"
    differ = [cell for cell in both if given[cell] != theirs[cell]]
    return View(
        reader=reader, kind=kind, other=other, both=len(both), same=typeset(format_share(kappa.agreed)),
        kappa="–" if kappa.value is None else typeset(f"{kappa.value:.2f}"), interval=typeset(between),
        differ=tuple(
            (
                cell[1],
                links.get(cell[1], ""),
                f"{cell[0]}: {facts.title_of(given[cell])}, {other}: {facts.title_of(theirs[cell])}",
            )
            for cell in differ[:SHOWN]
        ),
        more=max(0, len(differ) - SHOWN),
    )  # fmt: skip
