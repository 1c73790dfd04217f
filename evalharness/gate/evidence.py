"""The evidence for a rule: the values of both sides, what is missing, and the range of the missing values."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from evalharness.compare.missing import applies_to
from evalharness.gate.kinds import Sides, kind_of
from evalharness.observations import Mask, Observations, averaged
from evalharness.records import GateRule, GateSample, Metric
from evalharness.statistics import Floats

Case = Literal["worst", "best"]


@dataclass(frozen=True)
class MissingData:
    """Shares, 0 to 1, of the completions that a rule needs, on the side that lacks more."""

    failures: float
    """No completion."""
    unscored: float
    """A completion without a value."""
    truncated: float
    n: int
    """Samples of which any value is missing, on any side that the rule needs."""


@dataclass(frozen=True)
class Evidence:
    """The samples that a rule is about. Arrays of cells have the shape (n_replicates, n_samples), NaN where missing."""

    rule: GateRule
    metric: Metric
    sample_ids: tuple[str, ...]
    cells: tuple[Floats, Floats]
    """Of the baseline and of the candidate."""
    asked: tuple[Mask, Mask]
    """Which cells there should be."""
    silent: tuple[Floats, Floats] | None
    """1 where a side gave no answer and that would count in its favour; NaN where unknown."""
    missing: MissingData
    groups: np.ndarray

    @cached_property
    def observed(self) -> Sides:
        """Samples with all the values that the kind needs, means over the replicates that have one."""
        return self._sides(self.cells)

    @cached_property
    def guarded(self) -> Sides | None:
        """The same with no answer counted as a loss on both sides; None if the metric needs no guard."""
        if self.silent is None:
            return None
        loss = self._end(bad=True)
        return self._sides(
            tuple(np.where(silent == 1, loss, own) for own, silent in zip(self.cells, self.silent, strict=True))
        )

    def filled(self, case: Case) -> Sides:
        """Every missing value at its worst or at its best for the candidate (Manski 1990, AER 80:319)."""
        worst = case == "worst"
        ends = self._end(bad=not worst), self._end(bad=worst)
        zipped = zip(self.cells, self.asked, ends, strict=True)
        return self._sides(tuple(np.where(asked & np.isnan(own), end, own) for own, asked, end in zipped))

    def _end(self, *, bad: bool) -> float:
        """The worst or best possible value; for an unbounded mean, the worst or best observed value."""
        low, high = self.metric.bounds
        if not self.metric.is_bounded:
            seen = np.concatenate([cells.ravel() for cells in self.cells])
            seen = seen[~np.isnan(seen)]
            low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
        good = kind_of(self.rule).good(self.rule, self.metric)
        return low if bad == (good == "higher") else high

    def _sides(self, cells: Iterable[Floats]) -> Sides:
        baseline, candidate = (averaged(side) for side in cells)
        there = ~np.isnan(candidate)
        if kind_of(self.rule).needs_baseline:
            there &= ~np.isnan(baseline)
        return Sides(baseline[there], candidate[there], self.groups[there], len(self.cells[1]))

    def against(self) -> list[GateSample]:
        """Samples that count against the rule, the worst first."""
        baseline, candidate = (averaged(side) for side in self.cells)
        sides = Sides(baseline, candidate, self.groups)
        losses = kind_of(self.rule).losses(self.rule, self.metric, sides)
        order = [place for place in np.argsort(-losses, kind="stable") if losses[place] > 0]
        return [
            GateSample(
                sample_id=self.sample_ids[place],
                baseline=None if np.isnan(baseline[place]) else float(baseline[place]),
                candidate=float(candidate[place]),
            )
            for place in order
        ]


def gather(rule: GateRule, metric: Metric, table: Observations, baseline: str, candidate: str) -> Evidence:
    """Collect the evidence for a rule from a run's table.

    Args:
        rule: one that `check_rules` has passed.
    """
    names = (baseline, candidate)
    here = table.in_category(rule.category)
    if rule.suite is not None:
        here = here & table.suites.are(rule.suite)
    needed = names if kind_of(rule).needs_baseline else names[1:]
    here = here & applies_to(table, metric)
    cells = tuple(table.cells(name, metric.name)[:, here] for name in names)
    asked = tuple(table.asked(name)[:, here] for name in names)
    silent = None
    if metric.guarded_by:
        silent = tuple(table.cells(name, metric.guarded_by)[:, here] for name in names)
    return Evidence(
        rule=rule,
        metric=metric,
        sample_ids=tuple(np.array(table.sample_ids, dtype=object)[here]),
        cells=(cells[0], cells[1]),
        asked=(asked[0], asked[1]),
        silent=silent if silent is None else (silent[0], silent[1]),
        missing=_missing(table, metric, needed, here),
        groups=table.groups[here],
    )


def _missing(table: Observations, metric: Metric, names: Iterable[str], here: Mask) -> MissingData:
    failures = unscored = truncated = 0.0
    lacking = np.zeros(int(here.sum()), dtype=np.bool_)
    for name in names:
        asked = table.asked(name)[:, here]
        completed, known = table.completed(name)[:, here], ~np.isnan(table.cells(name, metric.name)[:, here])
        total = max(int(asked.sum()), 1)
        failures = max(failures, (asked & ~completed).sum() / total)
        unscored = max(unscored, (completed & ~known).sum() / total)
        truncated = max(truncated, table.truncated_completions(name)[:, here].sum() / total)
        lacking |= (asked & ~known).any(axis=0)
    return MissingData(float(failures), float(unscored), float(truncated), int(lacking.sum()))
