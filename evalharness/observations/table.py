"""The table, and the questions that it answers."""

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalharness.errors import load_extra
from evalharness.observations.labels import (
    COMPLETED,
    CRASHED,
    FAILED,
    HAS_VALUE,
    NO_SCORE,
    NOT_ASKED,
    NOT_GENERATED,
    REASONS,
    STATUSES,
    UNCLEAR,
    UNSCORED,
    Codes,
    Labels,
    Mask,
    Places,
    Reason,
)
from evalharness.statistics import Floats

if TYPE_CHECKING:
    import pandas


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

    @property
    def failures_in_words(self) -> str:
        """The kinds of failures with their numbers: `3 timeout, 1 out of memory`."""
        return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in self.failures.items())


@dataclass(frozen=True)
class Result:
    """A scorer's result for one completion."""

    status: Literal["scored", "unclear", "unscored", "failed"]
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
            self._columns[checkpoint, metric] = averaged(self.cells(checkpoint, metric))
        return self._columns[checkpoint, metric]

    def asked(self, checkpoint: str) -> Mask:
        """Which completions one checkpoint was asked for, shape (n_replicates, n_samples)."""
        mask: Mask = self.state[self.place[checkpoint]] != NOT_ASKED
        return mask

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
        labelled = np.select(cases, [codes, n, n + 1, n + 2], default=-1).astype(np.int32)
        return Labels(labelled, [*labels.names, "unscored", "failure", "missing"])

    # --------------------------------------------------------------------------------------- missing

    def reasons(self, checkpoint: str, metric: str) -> Codes:
        """Why a metric has no value: positions in `REASONS` or `HAS_VALUE`, shape (n_replicates, n_samples)."""
        scorer = metric.partition(".")[0]
        state, status = self.state[self.place[checkpoint]], self.scored(checkpoint, scorer)
        everywhere = np.ones(len(self.sample_ids), dtype=np.bool_)
        lost = (status == UNSCORED) | (status == CRASHED)
        lost |= (status == NO_SCORE) & self.applies.get(scorer, everywhere)
        answered = ~np.isnan(self.cells(checkpoint, metric)) | ~self.asked(checkpoint)
        cases = [answered, state == NOT_GENERATED, state == FAILED, lost, status == UNCLEAR]
        return np.select(cases, [HAS_VALUE, 0, 1, 2, 3], default=4).astype(np.int32)

    def missing(self, checkpoint: str, metric: str, category: str | None = None) -> dict[Reason, int]:
        """How many of a checkpoint's requests have no value of a metric, by reason."""
        codes = self.reasons(checkpoint, metric)[:, self.in_category(category)]
        return {reason: int((codes == code).sum()) for code, reason in enumerate(REASONS)}

    def scored(self, checkpoint: str, scorer: str) -> Codes:
        """The state of each completion's score, for one checkpoint and scorer, shape (n_replicates, n_samples)."""
        if scorer not in self.status:
            return np.full(self.state.shape[1:], NO_SCORE, dtype=np.int32)
        codes: Codes = self.status[scorer][self.place[checkpoint]]
        return codes

    def crashed(self, checkpoint: str) -> dict[str, int]:
        """The number of completions of a checkpoint on which a scorer failed, by scorer that did."""
        counts = {name: int((self.scored(checkpoint, name) == CRASHED).sum()) for name in self.status}
        return {name: count for name, count in counts.items() if count}

    def completed(self, checkpoint: str) -> Mask:
        """Which requests of a checkpoint gave a completion, shape (n_replicates, n_samples)."""
        completed: Mask = self.state[self.place[checkpoint]] == COMPLETED
        return completed

    def failed(self, checkpoint: str) -> Mask:
        """Samples without any completion, shape (n_samples,)."""
        return np.array(~self.completed(checkpoint).any(axis=0))

    def truncated_completions(self, checkpoint: str) -> Mask:
        """Completions that the token limit ended, shape (n_replicates, n_samples)."""
        truncated: Mask = self.ends.are("length")[self.place[checkpoint]]
        return truncated

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

    def frame(self) -> "pandas.DataFrame":
        """One row a value: checkpoint, sample_id, category, replicate, metric, value, label."""
        values = np.stack([column[..., self.suite_order] for column in self.values.values()], axis=-1)
        checkpoint, replicate, place, metric = np.nonzero(~np.isnan(values))
        sample, metrics = self.suite_order[place], list(self.values)
        scorers = [name.partition(".")[0] for name in metrics]
        label = np.full(len(sample), None, dtype=object)
        for scorer, labels in self.labels.items():
            here = np.array([name == scorer for name in scorers])[metric]
            names = np.array([*labels.names, None], dtype=object)
            label[here] = names[labels.codes[checkpoint[here], replicate[here], sample[here]]]
        categories = self.sample_categories
        frame: pandas.DataFrame = load_extra("pandas", "a frame", "notebook").DataFrame(
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
        return frame


def averaged(cells: Floats) -> Floats:
    """The mean of each column without its gaps, NaN without any value.

    Summed exactly, so that the order of replicates cannot show.
    """
    if len(cells) == 1:
        only: Floats = cells[0]
        return only
    there = ~np.isnan(cells)
    counts = there.sum(axis=0)
    sums = np.array([math.fsum(column) for column in np.where(there, cells, 0.0).T.tolist()])
    means: Floats = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return means
