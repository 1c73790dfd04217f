"""The observation table of a run: every value measured on each completion, or the reason why it is missing.

Checkpoints x replicates x samples x metrics, as columns of numbers; a request is a cell. Whatever is compared, judged,
drawn or exported is taken from here. Samples are in the order of their ids, so that no number depends on the order in
which samples, requests or scores come; `suite_order` leads back to the order of the suites.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Completion, Failure, Plan, Score
from evalharness.statistics import Floats

if TYPE_CHECKING:
    import pandas

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Codes = NDArray[np.int32]
Reason = Literal["failed", "unscored", "not applicable", "not generated"]

NOT_ASKED, NOT_GENERATED, FAILED, COMPLETED = range(4)
"""The state of a cell's request; a cell has none if its checkpoint has fewer replicates."""
NO_SCORE, UNSCORED, CRASHED, SCORED = range(4)
"""The state of a cell's score."""
STATUS = {"unscored": UNSCORED, "failed": CRASHED, "scored": SCORED}
STATUSES: tuple[Literal["scored", "unscored", "failed"] | None, ...] = (None, "unscored", "failed", "scored")
"""The same, by their numbers."""
REASONS: tuple[Reason, ...] = ("not generated", "failed", "unscored", "not applicable")
HAS_VALUE = -1
"""Instead of a position in `REASONS`: the cell has a value, or had no request."""


@dataclass
class Labels:
    """One label a cell, as its position in `names`; -1 if there is none."""

    codes: Codes
    """Shape (n_checkpoints, n_replicates, n_samples)."""
    names: list[str] = field(default_factory=list)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def put(self, cell: int, name: str) -> None:
        """Set the label of a cell, given by its position in the flattened table."""
        place = self._places.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        self.codes.reshape(-1)[cell] = place

    def are(self, name: str) -> Mask:
        """Which cells have a label, in the shape of `codes`."""
        found: Mask = self.codes == self._places.get(name, len(self.names))
        return found

    def narrowed(self, kept: Mask) -> "Labels":
        """The labels of some samples."""
        codes = self.codes[..., kept]
        there = np.bincount(codes[codes >= 0], minlength=len(self.names)) > 0
        renumbered = np.append(np.cumsum(there) - 1, -1)
        return Labels(
            renumbered[codes].astype(np.int32), [one for one, used in zip(self.names, there, strict=True) if used]
        )

    def of(self, *cell: int) -> str | None:
        """The label of one cell."""
        code = int(self.codes[cell])
        return None if code < 0 else self.names[code]

    def counted(self, where: Any) -> Counter[str]:
        """How often each label occurs in a part of the table (any index of it)."""
        codes = self.codes[where]
        counts = np.bincount(codes[codes >= 0].ravel(), minlength=len(self.names))
        return Counter({name: int(count) for name, count in zip(self.names, counts, strict=True) if count})


@dataclass(frozen=True)
class Counts:
    """How a checkpoint's requests ended."""

    asked: int
    completed: int
    failed: int
    not_generated: int
    retried: int
    """Outcomes that took more than one attempt."""
    ends: Counter[str]
    """Finish reasons of completions, where recorded."""
    failures: Counter[str]
    """By kind, the most frequent first."""


@dataclass(frozen=True)
class Result:
    """A scorer's result for one completion."""

    status: Literal["scored", "unscored", "failed"]
    label: str | None
    values: dict[str, float]
    """By metric without the scorer's name; absent if there is none."""


@dataclass(frozen=True)
class Observations:
    """All measurements of a run. Arrays over cells have the shape (n_checkpoints, n_replicates, n_samples)."""

    sample_ids: tuple[str, ...]
    """In alphabetical order."""
    checkpoints: tuple[str, ...]
    suite_order: Places
    """Positions of the samples in the order of the suites."""
    groups: Places
    """Each sample's group as a number, in the order of the groups' names."""
    suites: Labels
    """Of shape (n_samples,); so are `sample_categories` and `expected`."""
    sample_categories: Labels
    expected: Labels
    state: Codes
    ends: Labels
    """The finish reason of a completion, if recorded, or the kind of a failure."""
    lengths: Codes
    """Characters of a completion."""
    attempts: Codes
    values: dict[str, Floats]
    """By metric (`scorer.value`); NaN if there is none."""
    status: dict[str, Codes]
    """By scorer."""
    labels: dict[str, Labels]
    """By scorer."""
    versions: dict[str, list[str]]
    """By scorer, in the order in which they first appear."""
    applies: dict[str, Mask]
    """By scorer, the samples that it is to judge, shape (n_samples,)."""
    _columns: dict[tuple[str, str], Floats] = field(default_factory=dict, repr=False, compare=False)

    # -------------------------------------------------------------------------------------- samples

    @cached_property
    def categories(self) -> list[str | None]:
        """None for all together, then each category in suite order."""
        return [None, *self.sample_categories.names]

    @cached_property
    def place(self) -> dict[str, int]:
        """Position of each checkpoint."""
        return {name: position for position, name in enumerate(self.checkpoints)}

    @cached_property
    def position(self) -> dict[str, int]:
        """Position of each sample."""
        return {name: position for position, name in enumerate(self.sample_ids)}

    def in_category(self, category: str | None) -> Mask:
        """Which samples are in a category, shape (n_samples,)."""
        if category is None:
            return np.ones(len(self.sample_ids), dtype=np.bool_)
        return self.sample_categories.are(category)

    def ids(self, mask: Mask) -> tuple[str, ...]:
        """The ids of some samples, in the order of the suites."""
        return tuple(self.sample_ids[position] for position in self.suite_order[mask[self.suite_order]])

    # ---------------------------------------------------------------------------------------- values

    def column(self, checkpoint: str, metric: str) -> Floats:
        """One metric of one checkpoint, the mean over replicates, NaN where there is no value, shape (n_samples,)."""
        if (checkpoint, metric) not in self._columns:
            cells = self.cells(checkpoint, metric)
            self._columns[checkpoint, metric] = cells[0] if len(cells) == 1 else _averaged(cells)
        return self._columns[checkpoint, metric]

    def cells(self, checkpoint: str, metric: str) -> Floats:
        """One metric of one checkpoint, completion by completion, shape (n_replicates, n_samples)."""
        if metric not in self.values:
            return np.full(self.state.shape[1:], np.nan)
        cells: Floats = self.values[metric][self.place[checkpoint]]
        return cells

    def of_samples(self, checkpoint: str, metric: str) -> dict[str, float]:
        """`column` by sample id, in the order of the suites; only samples that have a value."""
        column = self.column(checkpoint, metric)
        order = self.suite_order[~np.isnan(column[self.suite_order])]
        return {self.sample_ids[position]: float(column[position]) for position in order}

    def value(self, checkpoint: str, replicate: int, sample_id: str, metric: str) -> float | None:
        """One metric of one completion; None if there is none."""
        value = float(self.cells(checkpoint, metric)[replicate, self.position[sample_id]])
        return None if math.isnan(value) else value

    def label(self, checkpoint: str, replicate: int, sample_id: str, scorer: str) -> str | None:
        """A scorer's label of one completion; None if there is none."""
        labels = self.labels.get(scorer)
        return labels.of(self.place[checkpoint], replicate, self.position[sample_id]) if labels else None

    def result(self, checkpoint: str, replicate: int, sample_id: str, scorer: str) -> Result | None:
        """A scorer's result for one completion; None if it did not judge it."""
        cell = self.place[checkpoint], replicate, self.position[sample_id]
        status = STATUSES[self.status[scorer][cell]] if scorer in self.status else None
        if status is None:
            return None
        values = {name: float(column[cell]) for name, column in self._values_of.get(scorer, {}).items()}
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        return Result(status, self.labels[scorer].of(*cell), known)

    @cached_property
    def _values_of(self) -> dict[str, dict[str, Floats]]:
        by_scorer: dict[str, dict[str, Floats]] = {}
        for metric, column in self.values.items():
            scorer, _, name = metric.partition(".")
            by_scorer.setdefault(scorer, {})[name] = column
        return by_scorer

    def results(self, checkpoint: str, scorer: str) -> Labels:
        """A scorer's label of each request of a checkpoint; what has no label is called by what it lacks.

        Of shape (n_replicates, n_samples).
        """
        labels, state = (
            self.labels.get(scorer) or Labels(np.full_like(self.state, -1)),
            self.state[self.place[checkpoint]],
        )
        codes, n = labels.codes[self.place[checkpoint]], len(labels.names)
        cases = [(state == COMPLETED) & (codes >= 0), state == COMPLETED, state == FAILED, state == NOT_GENERATED]
        found = np.select(cases, [codes, n, n + 1, n + 2], default=-1).astype(np.int32)
        return Labels(found, [*labels.names, "unscored", "failure", "missing"])

    # --------------------------------------------------------------------------------------- missing

    def reasons(self, checkpoint: str, metric: str) -> Codes:
        """Why a metric has no value: positions in `REASONS` or `HAS_VALUE`, shape (n_replicates, n_samples)."""
        scorer = metric.partition(".")[0]
        state, status = self.state[self.place[checkpoint]], self.scored(checkpoint, scorer)
        everywhere = np.ones(len(self.sample_ids), dtype=np.bool_)
        lost = (status == UNSCORED) | (status == CRASHED)
        lost |= (status == NO_SCORE) & self.applies.get(scorer, everywhere)
        answered = ~np.isnan(self.cells(checkpoint, metric)) | (state == NOT_ASKED)
        cases = [answered, state == NOT_GENERATED, state == FAILED, lost]
        return np.select(cases, [HAS_VALUE, 0, 1, 2], default=3).astype(np.int32)

    def missing(self, checkpoint: str, metric: str, category: str | None = None) -> dict[Reason, int]:
        """How many of a checkpoint's requests have no value of a metric, by reason."""
        codes = self.reasons(checkpoint, metric)[:, self.in_category(category)]
        return {reason: int((codes == code).sum()) for code, reason in enumerate(REASONS)}

    def scored(self, checkpoint: str, scorer: str) -> Codes:
        """The state of each completion's score, for one checkpoint and scorer, shape (n_replicates, n_samples)."""
        if scorer not in self.status:
            return np.full(self.state.shape[1:], NO_SCORE, dtype=np.int32)
        found: Codes = self.status[scorer][self.place[checkpoint]]
        return found

    def completed(self, checkpoint: str) -> Mask:
        """Which requests of a checkpoint gave a completion, shape (n_replicates, n_samples)."""
        found: Mask = self.state[self.place[checkpoint]] == COMPLETED
        return found

    def failed(self, checkpoint: str) -> Mask:
        """Samples without any completion, shape (n_samples,)."""
        return np.array(~self.completed(checkpoint).any(axis=0))

    def truncated_completions(self, checkpoint: str) -> Mask:
        """Completions that the token limit ended, shape (n_replicates, n_samples)."""
        found: Mask = self.ends.are("length")[self.place[checkpoint]]
        return found

    def counts(self, checkpoint: str) -> Counts:
        """How a checkpoint's requests ended."""
        place = self.place[checkpoint]
        state, ends = self.state[place], Labels(self.ends.codes[place], self.ends.names)
        not_asked, not_generated, failed, completed = np.bincount(state.ravel(), minlength=4).tolist()
        return Counts(
            asked=state.size - not_asked,
            completed=completed,
            failed=failed,
            not_generated=not_generated,
            retried=int((self.attempts[place] > 1).sum()),
            ends=ends.counted(state == COMPLETED),
            failures=Counter(dict(ends.counted(state == FAILED).most_common())),
        )

    def truncated(self, checkpoint: str) -> Mask:
        """Samples of which the token limit ended a completion, shape (n_samples,)."""
        return np.array(self.truncated_completions(checkpoint).any(axis=0))

    def unjudged(self, checkpoint: str, scorer: str) -> Mask:
        """Samples with a completion that lacks a score by a scorer meant to judge it, shape (n_samples,)."""
        silent = self.completed(checkpoint) & (self.scored(checkpoint, scorer) == NO_SCORE)
        return np.array(silent.any(axis=0) & self.applies[scorer])

    def unscored(self, checkpoint: str, scorer: str) -> Mask:
        """Samples with a completion that a scorer did not score, shape (n_samples,)."""
        return np.array(np.isin(self.scored(checkpoint, scorer), (UNSCORED, CRASHED)).any(axis=0))

    # --------------------------------------------------------------------------------- other shapes

    def only(self, suite: str) -> "Observations":
        """The table of one suite alone."""
        kept = self.suites.are(suite)
        renumbered = np.cumsum(kept) - 1
        return replace(
            self,
            sample_ids=tuple(np.array(self.sample_ids, dtype=object)[kept]),
            suite_order=renumbered[self.suite_order[kept[self.suite_order]]],
            groups=self.groups[kept],
            suites=self.suites.narrowed(kept),
            sample_categories=self.sample_categories.narrowed(kept),
            expected=self.expected.narrowed(kept),
            state=self.state[..., kept],
            ends=self.ends.narrowed(kept),
            lengths=self.lengths[..., kept],
            attempts=self.attempts[..., kept],
            values={name: one[..., kept] for name, one in self.values.items()},
            status={name: one[..., kept] for name, one in self.status.items()},
            labels={name: one.narrowed(kept) for name, one in self.labels.items()},
            applies={name: one[kept] for name, one in self.applies.items()},
            _columns={},
        )

    def frame(self) -> "pandas.DataFrame":
        """One row a value: checkpoint, sample_id, category, replicate, metric, value, label."""
        import pandas

        values = np.stack([one[..., self.suite_order] for one in self.values.values()], axis=-1)
        checkpoint, replicate, place, metric = np.nonzero(~np.isnan(values))
        sample, metrics = self.suite_order[place], list(self.values)
        scorers = [name.partition(".")[0] for name in metrics]
        label = np.full(len(sample), None, dtype=object)
        for scorer, labels in self.labels.items():
            here = np.array([name == scorer for name in scorers])[metric]
            names = np.array([*labels.names, None], dtype=object)
            label[here] = names[labels.codes[checkpoint[here], replicate[here], sample[here]]]
        categories = self.sample_categories
        return pandas.DataFrame(
            {
                "checkpoint": np.array(self.checkpoints, dtype=object)[checkpoint],
                "sample_id": np.array(self.sample_ids, dtype=object)[sample],
                "category": np.array(categories.names, dtype=object)[categories.codes[sample]],
                "replicate": replicate,
                "metric": np.array(metrics, dtype=object)[metric],
                "value": values[checkpoint, replicate, place, metric],
                "label": label,
            }
        )


def _averaged(cells: Floats) -> Floats:
    """The mean of each column without its gaps, summed exactly, so that the order of replicates cannot show."""
    there = ~np.isnan(cells)
    counts = there.sum(axis=0)
    sums = np.array([math.fsum(column) for column in np.where(there, cells, 0.0).T.tolist()])
    found: Floats = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return found


def observe(
    plan: Plan, outcomes: Mapping[str, Completion | Failure], scores: Iterable[Score], *, stopped: bool = False
) -> Observations:
    """Put outcomes and scores of a plan's requests into one table.

    Args:
        plan: names the checkpoints, the samples and the requests.
        outcomes: by request id.
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
        self.checkpoints = tuple(one.name for one in plan.checkpoints)
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
            one.id: first[one.checkpoint] + one.replicate * count + position[one.sample_id] for one in plan.requests
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
        groups = {name: n for n, name in enumerate(sorted({one.group for one in self.samples.values()}))}
        suites = {sample.id: suite.name for suite in plan.suites for sample in suite.samples}
        return Observations(
            sample_ids=tuple(self.samples),
            checkpoints=self.checkpoints,
            suite_order=np.array([position[name] for name in self.suite_order], dtype=np.int64),
            groups=np.array([groups[one.group] for one in self.samples.values()], dtype=np.int64),
            suites=self._of_samples(suites),
            sample_categories=self._of_samples({one.id: one.category for one in self.samples.values()}),
            expected=self._of_samples({one.id: one.expected for one in self.samples.values() if one.expected}),
            state=self.state,
            ends=self.ends,
            lengths=self.lengths,
            attempts=self.attempts,
            values={f"{scorer}.{name}": one.reshape(self.shape) for (scorer, name), one in self.values.items()},
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
                one.id
                for suite in plan.suites
                if scorer in suite.scorers or scorer not in named
                for one in suite.samples
            }
            yield scorer, np.array([name in judged for name in self.samples], dtype=np.bool_)
