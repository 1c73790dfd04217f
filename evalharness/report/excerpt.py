"""Which samples to show if not all fit: some of every category, the most informative first."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from evalharness.preferences.labelling import MOST_TURNS, first_turns
from evalharness.store import Run

MOST_READABLE = 2_000
"""Samples shown in a report by default; many more make browsers slow and files too large to mail."""


def stratified(run: Run, count: int) -> tuple[str, ...]:
    """Ids of at most `count` samples, in suite order, in proportion to the categories.

    Within a category, what people are asked to label comes first, then evidence of findings, then samples whose labels
    differ.
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
    """The run, or an excerpt of `MOST_READABLE` samples if it has more."""
    if len(run.plan.samples) <= MOST_READABLE:
        return run
    return narrowed(run, set(stratified(run, MOST_READABLE)))


def excerpt_in_words(run: Run) -> str:
    """A note that the report is an excerpt and how to get all samples; empty if it has all."""
    count = len(run.plan.samples)
    if count <= MOST_READABLE:
        return ""
    return (
        f"The report shows {MOST_READABLE:,} of {count:,} samples; all numbers cover all samples. For all samples "
        f"in one file: evalharness report {run.path} --all-samples"
    )


def narrowed(run: Run, sample_ids: Collection[str]) -> Run:
    """The run with only some of its samples; results computed from all of them are kept."""
    suites = (
        suite.model_copy(update={"samples": tuple(sample for sample in suite.samples if sample.id in sample_ids)})
        for suite in run.plan.suites
    )
    requests = (request for request in run.plan.requests if request.sample_id in sample_ids)
    plan = run.plan.model_copy(
        update={"suites": tuple(suite for suite in suites if suite.samples), "requests": tuple(requests)}
    )
    return replace(run, plan=plan, _observed=[])


RANKS = ("drawn", "evidence", "flipped")


def _ranks(run: Run) -> Mapping[str, int]:
    evidence = {name for finding in (run.comparison.findings if run.comparison else ()) for name in finding.sample_ids}
    drawn = (turn.request.sample_id for turn in first_turns(run, MOST_TURNS))
    # Samples of which both sides have a completion, and some scorer another label for each.
    table, sides = run.observations, (run.plan.baseline, run.plan.candidate)
    both = table.completed(sides[0]) & table.completed(sides[1])
    differ = np.zeros_like(both)
    for labels in table.labels.values():
        left, right = (labels.codes[table.place[side]] for side in sides)
        differ |= left != right
    named = {"flipped": table.ids(np.array((both & differ).any(axis=0))), "evidence": evidence, "drawn": drawn}
    return {name: RANKS.index(rank) for rank, names in named.items() for name in names}
