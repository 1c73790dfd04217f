"""Which samples to show where not all can be: some of every category, those that tell most first."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from evalharness.store import Run

MOST_READABLE = 2_000
"""Samples whose texts a report holds by default; a browser is slow with many more, and a mail server refuses them."""


def stratified(run: Run, count: int) -> tuple[str, ...]:
    """Ids of at most `count` samples, in suite order; each category has its share of them.

    Within a category come first the evidence of findings, then samples whose two sides got different labels.
    """
    rank = _ranks(run)
    by_category: dict[str, list[str]] = {}
    for sample in run.plan.samples.values():
        by_category.setdefault(sample.category, []).append(sample.id)
    turns: list[tuple[float, str]] = []
    for ids in by_category.values():
        ids.sort(key=lambda sample_id: rank.get(sample_id, len(RANKS)))
        # The middle of each of so many equal parts: every beginning of the list has all categories in proportion.
        turns += [((place + 0.5) / len(ids), sample_id) for place, sample_id in enumerate(ids)]
    chosen = {sample_id for _, sample_id in sorted(turns, key=lambda turn: turn[0])[:count]}
    return tuple(sample_id for sample_id in run.plan.samples if sample_id in chosen)


def readable_part(run: Run) -> Run:
    """The run, or an excerpt of `MOST_READABLE` samples where it has more."""
    if len(run.plan.samples) <= MOST_READABLE:
        return run
    return narrowed(run, set(stratified(run, MOST_READABLE)))


def excerpt_in_words(run: Run) -> str:
    """That a report is an excerpt, and how to get all samples; empty where it holds all of them."""
    count = len(run.plan.samples)
    if count <= MOST_READABLE:
        return ""
    return (
        f"The report shows {MOST_READABLE:,} of {count:,} samples; all numbers are over all samples. "
        f"All in one file: evalharness report {run.path} --all-samples"
    )


def narrowed(run: Run, sample_ids: Collection[str]) -> Run:
    """The run with some of its samples alone; what was computed from all of them stays as it is."""
    suites = (
        suite.model_copy(update={"samples": tuple(one for one in suite.samples if one.id in sample_ids)})
        for suite in run.plan.suites
    )
    requests = (request for request in run.plan.requests if request.sample_id in sample_ids)
    plan = run.plan.model_copy(
        update={"suites": tuple(suite for suite in suites if suite.samples), "requests": tuple(requests)}
    )
    return replace(run, plan=plan, _observed=[])


RANKS = ("evidence", "flipped")


def _ranks(run: Run) -> Mapping[str, int]:
    evidence = {one for finding in (run.comparison.findings if run.comparison else ()) for one in finding.sample_ids}
    return dict.fromkeys(_flipped(run), RANKS.index("flipped")) | dict.fromkeys(evidence, RANKS.index("evidence"))


def _flipped(run: Run) -> tuple[str, ...]:
    """Samples of which both sides have a completion, and some scorer another label for each."""
    table, sides = run.observations, (run.plan.baseline, run.plan.candidate)
    both = table.completed(sides[0]) & table.completed(sides[1])
    differ = np.zeros_like(both)
    for labels in table.labels.values():
        left, right = (labels.codes[table.place[side]] for side in sides)
        differ |= left != right
    return table.ids(np.array((both & differ).any(axis=0)))
