"""A new run, from its configuration to its report: whole, in shards, of outcomes from elsewhere, or an A/A test."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from evalharness.config import RunConfig
from evalharness.gate import check_rules
from evalharness.gate.aa_test import against_itself, measure
from evalharness.pipeline.comparing import compare_and_report, finish, score_all
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.planning import metrics_of, plan, with_preset
from evalharness.pipeline.stopping_early import generate_as_asked
from evalharness.records import AATest, Completion, Failure, Plan
from evalharness.store import Run, RunStore
from evalharness.store.merging import merge_into
from evalharness.store.run_store import make_manifest

REPORTS = Path("reports")
MOST_CHARACTERS = 120
"""Of a run directory's name."""


def run(config: RunConfig, *, out: Path | None = None, resume: bool = False, progress: Progress | None = None) -> Run:
    """Run an experiment into a run directory and return it.

    Args:
        out: the run directory; a new one under `reports/` by default.
        resume: continue the run in `out`; only missing completions are generated.

    Raises:
        EvalHarnessError: an error that the user can fix; files already written stay.
    """
    config = with_preset(config)
    store = RunStore(out or new_run_path(config))
    store.refuse_existing(resume=resume)
    # Before the folder is made, so that a start that is stopped leaves nothing.
    planned = plan(config)
    with store.lock(create=True):
        store.refuse_existing(resume=resume)
        planned = store.start(make_manifest(config), planned, resume=resume)
        part = planned.part(config.shard)
        generate_as_asked(store, config, part, progress or Progress())
        if config.shard is None:
            return finish(store, config, planned)
        # A part decides nothing, so only what costs time is done: the rest is for the merged run.
        score_all(store, config, part)
        return store.load(part)


def merge(paths: Sequence[Path], *, out: Path | None = None) -> Run:
    """Merge shards into a run directory, then compare, judge and report; they are scored if one of them is not.

    Args:
        paths: the shards. A missing one leaves requests without an outcome, which resuming the merged run generates.

    Raises:
        StoreError: they are not shards of one run, or `out` already holds a run.
    """
    config = RunStore(paths[0]).read_config().model_copy(update={"shard": None})
    store = RunStore(out or new_run_path(config))
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        names = tuple(path.resolve().name for path in paths)
        manifest = make_manifest(config).model_copy(update={"merged_from": names})
        merge_into(store, manifest, [RunStore(path) for path in paths])
        planned = store.read_plan()
        if store.read_scoring() is None:
            return finish(store, config, planned)
        return compare_and_report(store, planned, config.gate)


def run_aa_test(config: RunConfig, *, out: Path, resume: bool = False, progress: Progress | None = None) -> AATest:
    """Run the baseline of `config` against itself into the run directory `out`, and record the differences."""
    measured = measure(run(against_itself(config), out=out, resume=resume, progress=progress), config)
    RunStore(out).write_aa_test(measured)
    return measured


def adopt(
    planned: Plan, outcomes: Sequence[Completion | Failure], config: RunConfig, *, out: Path | None = None
) -> Run:
    """Make a run of outcomes that exist already: write them, then score, compare, judge and report.

    Raises:
        EvalHarnessError: a rule or a scorer does not exist, or there is a run already; nothing is written.
    """
    config = with_preset(config, planned.suites)
    check_rules(
        config.gate, metrics_of(config, planned.suites), planned.suites, extra_scorers=tuple(config.extra_scorers)
    )
    store = RunStore(out or new_run_path(config))
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        store.start(make_manifest(config), planned, resume=False)
        with store.appending() as written:
            for outcome in outcomes:
                written.append(outcome)
        return finish(store, config, planned)


def new_run_path(config: RunConfig) -> Path:
    """A new run directory under `reports/`, named after the time and the two checkpoints."""
    return new_path([config.baseline, config.candidate])


def new_path(names: Sequence[str]) -> Path:
    """A new directory under `reports/`, named after the time and these names."""
    name = "_".join([f"{datetime.now():%Y-%m-%dT%H-%M-%S}", *names])
    place = REPORTS / re.sub(r"[^\w.-]", "-", name)[:MOST_CHARACTERS]
    # Several runs of a few recorded completions are made in one second.
    others = (place.with_name(f"{place.name}-{number}") for number in count(2))
    return next(path for path in chain([place], others) if not path.exists())
