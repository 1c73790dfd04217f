"""A run directory, read."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.errors import StoreError
from evalharness.records import (
    Comparison,
    Completion,
    DeterminismCheck,
    Failure,
    GateReport,
    GenerationRequest,
    Judging,
    Manifest,
    Notice,
    Plan,
    Preference,
    Score,
    ScorerFacts,
    ScorerIdentity,
)

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Run:
    """A run directory, read."""

    path: Path
    manifest: Manifest
    plan: Plan
    outcomes: dict[str, Completion | Failure]
    """By request id."""
    notices: tuple[Notice, ...]
    determinism: tuple[DeterminismCheck, ...]
    scores: tuple[Score, ...]
    comparison: Comparison | None
    scorers: tuple[ScorerIdentity, ...] = ()
    gate: GateReport | None = None
    preferences: tuple[Preference, ...] = ()
    judgings: tuple[Judging, ...] = ()

    @cached_property
    def facts(self) -> dict[str, ScorerFacts]:
        """What is to be known of each scorer, by name."""
        return {one.name: one.facts for one in self.scorers}

    def facts_of(self, scorer: str) -> ScorerFacts:
        """The facts of one scorer; none but its name where the run does not say more."""
        return self.facts.get(scorer) or ScorerFacts(name=scorer, metrics=())

    @property
    def compared(self) -> Comparison:
        """The comparison.

        Raises:
            StoreError: the run was not compared yet.
        """
        if self.comparison is None:
            raise StoreError(f"{self.path} has no comparison yet", fix=f"evalharness compare {self.path}")
        return self.comparison

    def requests_of(self, checkpoint: str) -> list[GenerationRequest]:
        """The requests to one checkpoint, in suite order."""
        return [request for request in self.plan.requests if request.checkpoint == checkpoint]

    def scores_of(self, request_id: str) -> list[Score]:
        """All scores of one request's completion."""
        return self._scores_by_request.get(request_id, [])

    def values_of(self, checkpoint: str, metric: str) -> dict[str, float]:
        """One metric of one checkpoint by sample id, averaged over replicates; only samples that have a value."""
        scorer, _, name = metric.partition(".")
        found: dict[str, list[float]] = {}
        for request in self.requests_of(checkpoint):
            for score in self.scores_of(request.id):
                if score.scorer == scorer and name in score.values:
                    found.setdefault(request.sample_id, []).append(score.values[name])
        return {sample: sum(numbers) / len(numbers) for sample, numbers in found.items()}

    @cached_property
    def _scores_by_request(self) -> dict[str, list[Score]]:
        grouped: dict[str, list[Score]] = {}
        for score in self.scores:
            grouped.setdefault(score.request_id, []).append(score)
        return grouped

    def scores_frame(self) -> "pandas.DataFrame":
        """One row a value: checkpoint, sample_id, category, replicate, metric, value, label."""
        import pandas

        samples = self.plan.samples
        rows = [
            {
                "checkpoint": request.checkpoint,
                "sample_id": request.sample_id,
                "category": samples[request.sample_id].category,
                "replicate": request.replicate,
                "metric": f"{score.scorer}.{name}",
                "value": value,
                "label": score.label,
            }
            for request in self.plan.requests
            for score in self.scores_of(request.id)
            for name, value in score.values.items()
        ]
        return pandas.DataFrame(rows)
