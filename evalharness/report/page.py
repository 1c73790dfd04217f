"""The page as data: everything the template prints, settled before the template runs."""

from collections.abc import Set
from dataclasses import dataclass

from evalharness.errors import StoreError
from evalharness.records import Comparison, Finding, LintFinding
from evalharness.report.categories import CategoryTable, make_category_table
from evalharness.report.forest import Forest, make_forest
from evalharness.report.observed import Matrix, States, make_matrices, make_states
from evalharness.report.origin import (
    Card,
    Counts,
    Remark,
    make_cards,
    make_counts,
    make_identities,
    make_origin,
    make_remarks,
    make_undecided,
    roles_of,
)
from evalharness.report.samples import CategoryRows, anchors, make_samples
from evalharness.store import Run

SHOWN_EVIDENCE = 5


@dataclass(frozen=True)
class FindingRow:
    """A finding with links to its evidence."""

    sentence: str
    evidence: tuple[tuple[str, str], ...]
    """Sample id and link target."""
    more: int
    """How many more samples there are."""
    shown: bool
    """Whether the pairs show the difference, or only suggest it."""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    baseline: str
    candidate: str
    level: str
    cards: tuple[Card, ...]
    counts: tuple[Counts, ...]
    n_samples: int
    n_differ: int
    findings: tuple[FindingRow, ...]
    undecided: tuple[str, ...]
    remarks: tuple[Remark, ...]
    forest: Forest
    states: States | None
    matrices: tuple[Matrix, ...]
    categories: CategoryTable
    samples: tuple[CategoryRows, ...]
    links: dict[str, str]
    origin: tuple[tuple[str, str], ...]
    identities: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    lint: tuple[LintFinding, ...]


def make_page(run: Run) -> Page:
    """Settle the page of a run.

    Raises:
        StoreError: the run has not been compared yet.
    """
    comparison = _comparison(run)
    roles = roles_of(run, comparison)
    links = anchors(list(run.plan.samples), "sample")
    shown = {one.metric for one in comparison.differences if not one.category and one.verdict in ("higher", "lower")}
    samples = make_samples(run, roles, comparison.metrics)
    return Page(
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        level=f"{comparison.level * 100:g} %",
        cards=make_cards(run, roles),
        counts=make_counts(run, roles),
        n_samples=len(links),
        n_differ=sum(category.n_differ for category in samples),
        findings=tuple(_finding(one, links, shown) for one in comparison.findings),
        undecided=make_undecided(comparison),
        remarks=make_remarks(run, comparison),
        forest=make_forest(comparison),
        states=make_states(run, roles),
        matrices=make_matrices(run, roles),
        categories=make_category_table(comparison),
        samples=samples,
        links=links,
        origin=make_origin(run),
        identities=make_identities(run, roles),
        lint=run.plan.lint,
    )


def _comparison(run: Run) -> Comparison:
    if run.comparison is None:
        raise StoreError(f"{run.path} has not been compared yet", fix=f"evalharness compare {run.path}")
    return run.comparison


def _finding(finding: Finding, links: dict[str, str], shown: Set[str]) -> FindingRow:
    known = [(sample_id, links[sample_id]) for sample_id in finding.sample_ids if sample_id in links]
    return FindingRow(
        finding.sentence, tuple(known[:SHOWN_EVIDENCE]), len(known[SHOWN_EVIDENCE:]), finding.metric in shown
    )
