"""A run directory that was read: small parts in memory, texts and scores when needed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.errors import StoreError, load_extra
from evalharness.records import (
    Comparison,
    Completion,
    DeterminismCheck,
    Failure,
    GateReport,
    GenerationRequest,
    Judging,
    LabelRating,
    Manifest,
    Notice,
    Plan,
    Preference,
    Score,
    ScorerFacts,
    ScorerIdentity,
    Spent,
)
from evalharness.records.tokens import CLASSES, DepthCell, RefusalDepth, TokenComparison, TokenFacts, class_of
from evalharness.store.lines import StoredScores

if TYPE_CHECKING:
    import pandas

    from evalharness.observations import Observations


@dataclass(frozen=True, repr=False)
class Run:
    """A run directory, read."""

    path: Path
    manifest: Manifest
    plan: Plan
    outcomes: Mapping[str, Completion | Failure]
    """By request id."""
    notices: tuple[Notice, ...]
    determinism: tuple[DeterminismCheck, ...]
    scores: Collection[Score]
    comparison: Comparison | None
    scorers: tuple[ScorerIdentity, ...] = ()
    gate: GateReport | None = None
    preferences: tuple[Preference, ...] = ()
    judgings: tuple[Judging, ...] = ()
    tokens: TokenComparison | None = None
    """None if `tokens` was not run since the outcomes changed."""
    token_facts: Mapping[tuple[str, str], TokenFacts] = field(default_factory=dict)
    """By the ids of a completion's request and of the other side's."""
    depth: RefusalDepth | None = None
    """None if `tokens --depth` was not run since the outcomes or the scores changed."""
    spent: tuple[Spent, ...] = ()
    ratings: tuple[LabelRating, ...] = ()
    _observed: list[Any] = field(default_factory=list, repr=False, compare=False)
    """What the table was made of, and the table; shared by copies (`dataclasses.replace`)."""

    def __repr__(self) -> str:
        """One line: what is compared, how much of it there is, and how the gate decided."""
        sides = " and ".join(checkpoint.name for checkpoint in self.plan.checkpoints)
        gate = f", gate: {self.gate.verdict}" if self.gate else ""
        state = "" if self.comparison else ", not compared"
        return (
            f"<Run {self.path}: {sides}, {len(self.outcomes):,} of {len(self.plan.requests):,} outcomes{state}{gate}>"
        )

    @property
    def may_stop(self) -> bool:
        """Whether samples were generated in random order, to stop when settled.

        The order of a joint run is not known: its runs were generated one by one.
        """
        return bool(self.manifest.config.get("until_decided")) and not self.manifest.paired_from

    @property
    def stopped(self) -> bool:
        """Whether generation ended when the gate was settled."""
        return any(notice.kind == "settled" for notice in self.notices)

    @cached_property
    def facts(self) -> dict[str, ScorerFacts]:
        """The facts of each scorer, by name."""
        return {scorer.name: scorer.facts for scorer in self.scorers}

    def facts_of(self, scorer: str) -> ScorerFacts:
        """The facts of a scorer; only its name if the run has none."""
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

    @cached_property
    def requests_by_sample(self) -> dict[str, list[GenerationRequest]]:
        """The requests about each sample, in suite order."""
        requests: dict[str, list[GenerationRequest]] = {}
        for request in self.plan.requests:
            requests.setdefault(request.sample_id, []).append(request)
        return requests

    def scores_of(self, request_id: str) -> list[Score]:
        """The scores of one request's completion, with their evidence; their values are read from `observations`."""
        if isinstance(self.scores, StoredScores):
            return self.scores.of(request_id)
        return self._scores_by_request.get(request_id, [])

    @property
    def observations(self) -> "Observations":
        """The observation table of all outcomes and scores, made once and shared by copies."""
        from evalharness.observations import observe

        made_of = (self.plan, self.outcomes, self.scores)
        if not self._observed or any(old is not new for old, new in zip(self._observed[0], made_of, strict=True)):
            self._observed[:] = [made_of, observe(*made_of, stopped=self.stopped)]
        table: Observations = self._observed[1]
        return table

    @cached_property
    def _scores_by_request(self) -> dict[str, list[Score]]:
        grouped: dict[str, list[Score]] = {}
        for score in self.scores:
            grouped.setdefault(score.request_id, []).append(score)
        return grouped

    def scores_frame(self) -> "pandas.DataFrame":
        """One row a value: checkpoint, sample_id, category, replicate, metric, value, label."""
        return self.observations.frame()

    def tokens_frame(self) -> "pandas.DataFrame":
        """One row a token that both checkpoints read, with its log-probabilities, rank, entropies and divergences.

        Where a server read them, there are no entropies, and the divergences are lower bounds.

        Raises:
            StoreError: `evalharness tokens` was not run since the outcomes changed.
        """
        if self.tokens is None:
            raise StoreError(f"{self.path} has no tokens yet", fix=f"evalharness tokens {self.path}")
        requests = {request.id: request for request in self.plan.requests}
        rows = (row for facts in self.token_facts.values() for row in _token_rows(facts, requests[facts.request_id]))
        frame: pandas.DataFrame = load_extra("pandas", "a frame", "notebook").DataFrame(rows)
        frame.insert(4, "token", frame["token_id"].map(self.tokens.texts))
        return frame

    def depth_frame(self) -> "pandas.DataFrame":
        """One row a completion that was made to begin with the other side's tokens: how many, and whether it refuses.

        Raises:
            StoreError: `evalharness tokens --depth` was not run since the outcomes or the scores changed.
        """
        if self.depth is None:
            raise StoreError(f"{self.path} has no depth yet", fix=f"evalharness tokens {self.path} --depth")
        requests = {request.id: request for request in self.plan.requests}
        rows = (_depth_row(cell, requests) for cell in self.depth.cells)
        frame: pandas.DataFrame = load_extra("pandas", "a frame", "notebook").DataFrame(rows)
        return frame


def _depth_row(cell: DepthCell, requests: Mapping[str, GenerationRequest]) -> dict[str, object]:
    request = requests[cell.request_id]
    return {
        "checkpoint": request.checkpoint,
        "sample_id": request.sample_id,
        "replicate": request.replicate,
        "given_of": requests[cell.given_id].checkpoint,
        "k": cell.k,
        "refuses_alone": cell.refuses_alone,
        "given_refuses": cell.given_refuses,
        "refuses": cell.refuses,
    }


def _token_rows(facts: TokenFacts, request: GenerationRequest) -> Iterator[dict[str, object]]:
    """One row for each token; `rank` and `class` are the other checkpoint's, after its own prompt."""
    for at, token in enumerate(facts.ids):
        yield {
            "checkpoint": request.checkpoint,
            "sample_id": request.sample_id,
            "replicate": request.replicate,
            "position": at + 1,
            "token_id": token,
            "is_end": facts.ended and at == len(facts.ids) - 1,
            "class": CLASSES[class_of(facts.other.ranks[at])],
            "rank": facts.other.ranks[at],
            "baseline_logprob": facts.baseline.logprobs[at],
            "candidate_logprob": facts.candidate.logprobs[at],
            "baseline_entropy": facts.baseline.entropies[at] if facts.baseline.entropies else None,
            "candidate_entropy": facts.candidate.entropies[at] if facts.candidate.entropies else None,
            "kl_candidate": facts.own.kl_candidate[at],
            "kl_baseline": facts.own.kl_baseline[at],
        }
