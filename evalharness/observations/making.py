"""Makes the table of a run from its plan, its outcomes and its scores, each of which is read once."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from evalharness.observations.labels import (
    COMPLETED,
    FAILED,
    NO_SCORE,
    NOT_ASKED,
    NOT_GENERATED,
    STATUS,
    Codes,
    Labels,
    Mask,
)
from evalharness.observations.table import Observations
from evalharness.records import Completion, Failure, Plan, Score
from evalharness.statistics import Floats


def observe(
    plan: Plan, outcomes: Mapping[str, Completion | Failure], scores: Iterable[Score], *, stopped: bool = False
) -> Observations:
    """Put outcomes and scores of a plan's requests into one table.

    Args:
        scores: of any scorers, each read once and not kept.
        stopped: generation ended when the gate was settled, so that requests without an outcome count as not made.
    """
    table = _Table(plan)
    for request_id, outcome in outcomes.items():
        table.add_outcome(request_id, outcome)
    for score in scores:
        table.add_score(score)
    if stopped:
        table.state[table.state == NOT_GENERATED] = NOT_ASKED
    return table.finished(plan)


class _Table:
    """Observations in the making; cells are counted through."""

    def __init__(self, plan: Plan) -> None:
        samples = plan.samples
        self.samples = {name: samples[name] for name in sorted(samples)}
        self.suite_order = list(samples)
        self.checkpoints = tuple(checkpoint.name for checkpoint in plan.checkpoints)
        replicates = 1 + max((request.replicate for request in plan.requests), default=0)
        self.shape = len(self.checkpoints), replicates, len(samples)
        self.cell = self._cells(plan)
        self.state = np.full(self.shape, NOT_ASKED, dtype=np.int32)
        self.state.reshape(-1)[list(self.cell.values())] = NOT_GENERATED
        self.ends, self.attempts = self._labels(), np.ones(self.shape, dtype=np.int32)
        self.lengths = np.zeros(self.shape, dtype=np.int32)
        self.values: dict[tuple[str, str], Floats] = {}
        self.status: dict[str, Codes] = {}
        self.labels: dict[str, Labels] = {}
        self.versions: dict[str, list[str]] = {}

    def _cells(self, plan: Plan) -> dict[str, int]:
        _, replicates, count = self.shape
        first = {name: place * replicates * count for place, name in enumerate(self.checkpoints)}
        position = {name: place for place, name in enumerate(self.samples)}
        return {
            request.id: first[request.checkpoint] + request.replicate * count + position[request.sample_id]
            for request in plan.requests
        }

    def _labels(self) -> Labels:
        return Labels(np.full(self.shape, -1, dtype=np.int32))

    def add_outcome(self, request_id: str, outcome: Completion | Failure) -> None:
        cell = self.cell.get(request_id)
        if cell is None:
            return
        self.attempts.reshape(-1)[cell] = outcome.attempts
        if isinstance(outcome, Failure):
            self.state.reshape(-1)[cell] = FAILED
            self.ends.put(cell, outcome.kind)
            return
        self.state.reshape(-1)[cell] = COMPLETED
        self.lengths.reshape(-1)[cell] = len(outcome.text)
        if outcome.finish_reason:
            self.ends.put(cell, outcome.finish_reason)

    def add_score(self, score: Score) -> None:
        cell, scorer = self.cell.get(score.request_id), score.scorer
        if cell is None:
            return
        if scorer not in self.status:
            self.status[scorer] = np.full(self.shape, NO_SCORE, dtype=np.int32)
            self.labels[scorer], self.versions[scorer] = self._labels(), []
        self.status[scorer].reshape(-1)[cell] = STATUS[score.status]
        if score.version not in self.versions[scorer]:
            self.versions[scorer].append(score.version)
        if score.label is not None:
            self.labels[scorer].put(cell, score.label)
        for name, value in score.values.items():
            column = self.values.get((scorer, name))
            if column is None:
                column = self.values[scorer, name] = np.full(math.prod(self.shape), np.nan)
            column[cell] = value

    def finished(self, plan: Plan) -> Observations:
        position = {name: place for place, name in enumerate(self.samples)}
        groups = {name: n for n, name in enumerate(sorted({sample.group for sample in self.samples.values()}))}
        suites = {sample.id: suite.name for suite in plan.suites for sample in suite.samples}
        return Observations(
            sample_ids=tuple(self.samples),
            checkpoints=self.checkpoints,
            suite_order=np.array([position[name] for name in self.suite_order], dtype=np.int64),
            groups=np.array([groups[sample.group] for sample in self.samples.values()], dtype=np.int64),
            suites=self._of_samples(suites),
            sample_categories=self._of_samples({sample.id: sample.category for sample in self.samples.values()}),
            expected=self._of_samples(
                {sample.id: sample.expected for sample in self.samples.values() if sample.expected}
            ),
            state=self.state,
            ends=self.ends,
            lengths=self.lengths,
            attempts=self.attempts,
            values={f"{scorer}.{name}": cells.reshape(self.shape) for (scorer, name), cells in self.values.items()},
            status=self.status,
            labels=self.labels,
            versions=self.versions,
            applies=dict(self._applies(plan)),
        )

    def _of_samples(self, named: Mapping[str, str]) -> Labels:
        labels = Labels(np.full(len(self.samples), -1, dtype=np.int32))
        position = {name: place for place, name in enumerate(self.samples)}
        for sample in self.suite_order:
            if sample in named:
                labels.put(position[sample], named[sample])
        return labels

    def _applies(self, plan: Plan) -> Iterable[tuple[str, Mask]]:
        """A scorer of a suite judges that suite; one that no suite names judges all."""
        named = {name for suite in plan.suites for name in suite.scorers}
        for scorer in {**dict.fromkeys(self.status), **dict.fromkeys(named)}:
            judged = {
                sample.id
                for suite in plan.suites
                if scorer in suite.scorers or scorer not in named
                for sample in suite.samples
            }
            yield scorer, np.array([name in judged for name in self.samples], dtype=np.bool_)
