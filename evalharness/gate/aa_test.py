"""How much a checkpoint differs from itself: the noise that the samples of a run share.

The baseline is generated twice, in batches of another size (or by another number of clients), and where completions are
sampled also with other seeds. What differs then is no effect of any tuning.

Noise that is independent from sample to sample is in the interval of a paired difference already. What that interval
cannot hold is a shift that all samples of a run share: of a batch size, a server, a seed. The mean difference between
two runs of one checkpoint has the variance of its samples plus twice the variance between runs (a two-way layout of
runs by samples); the second part widens a gate only where a t test finds it.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from evalharness.backends import backend_class
from evalharness.compare.groups import grouped
from evalharness.compare.pairing import Side, pair_runs
from evalharness.config import RunConfig
from evalharness.errors import ConfigError, StoreError
from evalharness.observations import Observations, observe
from evalharness.records import AATest, Checkpoint, Completion, DeterminismClass, Plan
from evalharness.statistics import Z95, Floats
from evalharness.statistics.quantiles import t_quantile
from evalharness.statistics.rates import standard_error
from evalharness.store import Run, RunStore

AGAIN = "again"
LEVEL = 0.05
"""Of all tests for shared noise together."""


def measure(run: Run, config: RunConfig) -> AATest:
    """The baseline's own noise, measured by a run of `against_itself(config)`.

    Raises:
        StoreError: nothing was completed twice.
    """
    changed, n = _changed_texts(run)
    if not n:
        raise StoreError(
            f"{config.baseline} completed no sample twice, so its noise is not known",
            fix=f"see why requests failed: evalharness report {run.path}",
        )
    return AATest(
        checkpoint=config.baseline,
        identity_digest=run.plan.checkpoints[0].identity.digest,
        suites={suite.name: suite.digest for suite in run.plan.suites},
        scorers={name: versions[-1] for name, versions in run.observations.versions.items()},
        generation=run.plan.requests[0].config,
        determinism=_class(config, changed),
        n=n,
        n_changed=changed,
        noise=_noise(run),
    )


def against_itself(config: RunConfig) -> RunConfig:
    """The baseline twice, the second time in different batches, with two replicates if the temperature is above 0."""
    [baseline] = [checkpoint for checkpoint in config.checkpoints if checkpoint.name == config.baseline]
    return config.model_copy(
        update={
            "checkpoints": (baseline, _varied(baseline)),
            "candidate": AGAIN,
            "replicates": max(config.replicates, 2) if config.generation.temperature > 0 else 1,
            "gate": (),
            "preset": None,
            "until_decided": False,
            "decide": (),
            "aa_test": None,
        }
    )


def _varied(checkpoint: Checkpoint) -> Checkpoint:
    varied = getattr(backend_class(checkpoint), "varied", None)
    if varied is None:
        raise ConfigError(
            f"{checkpoint.model} is a replayed file, which always repeats",
            fix="test the checkpoint that generated the file",
        )
    option, values = varied
    other = next(value for value in values if value != checkpoint.options.get(option))
    return checkpoint.model_copy(update={"name": AGAIN, "options": {**checkpoint.options, option: other}})


def _noise(run: Run) -> dict[str, float]:
    """The larger of what was found between batches and between seeds, by metric."""
    pairs = list(_twice(run))
    metrics = run.compared.metrics
    noise = {metric.name: 0.0 for metric in metrics}
    for table, first, second in pairs:
        for metric in metrics:
            differences = table.column(second, metric.name) - table.column(first, metric.name)
            there = ~np.isnan(differences)
            if there.any():
                sums, counts = grouped(differences[there], table.groups[there])
                size = shared_noise(sums, counts, level=LEVEL / (len(metrics) * len(pairs)))
                noise[metric.name] = max(size, noise[metric.name])
    return noise


def _twice(run: Run) -> Iterator[tuple[Observations, str, str]]:
    """The two batch sizes; then the first replicate, which has a seed of its own, against each other one."""
    first, again = run.plan.baseline, run.plan.candidate
    yield run.observations, first, again
    for replicate in range(1, 1 + max(request.replicate for request in run.plan.requests)):
        paired = pair_runs(Side(run, first, "first seed", 0), [Side(run, first, "other seed", replicate)])
        outcomes = {event.request_id: event for event in paired.events if isinstance(event, Completion)}
        yield observe(paired.plan, outcomes, paired.scores), "first seed", "other seed"


def shared_noise(sums: Floats, counts: Floats, *, level: float) -> float:
    """How far two runs differ in 95 % of cases beyond what their samples explain; 0 where no shared part is found.

    Args:
        sums: of the differences between two runs of one checkpoint in each group, shape (n_groups,).
        counts: samples in each group, shape (n_groups,).
        level: of the two-sided t test whose result decides whether there is a shared part.
    """
    mean, error = abs(float(sums.sum() / counts.sum())), standard_error(sums, counts)
    if sums.size < 2 or mean <= t_quantile(1 - level / 2, sums.size - 1) * error:
        return 0.0
    return Z95 * math.sqrt(max(mean**2 - error**2, 0.0))


def _changed_texts(run: Run) -> tuple[int, int]:
    """How many completions differ in other batches, and of how many."""
    texts: dict[tuple[str, int], list[str]] = {}
    for request in run.plan.requests:
        outcome = run.outcomes.get(request.id)
        if isinstance(outcome, Completion):
            texts.setdefault((request.sample_id, request.replicate), []).append(outcome.text)
    pairs = [twice for twice in texts.values() if len(twice) == 2]
    return sum(left != right for left, right in pairs), len(pairs)


def _class(config: RunConfig, changed: int) -> DeterminismClass:
    if config.generation.temperature > 0:
        return "sampling"
    return "batch-sensitive" if changed else "identical text"


Noise = Mapping[str, float]
"""By metric, how far two runs of one checkpoint differ beyond what their samples explain."""


def read_noise(folder: str | None, plan: Plan, scorers: Mapping[str, str] | None = None) -> Noise:
    """How far the baseline moves between two runs; empty without an A/A test.

    Args:
        folder: the run directory that `evalharness aa-test` wrote.
        plan: of the run that is judged.
        scorers: the versions of its scorers, once it was scored.

    Raises:
        ConfigError: the A/A test is of another checkpoint, generation, suite or version of a scorer.
        StoreError: the folder holds no A/A test.
    """
    if folder is None:
        return {}
    measured = RunStore(Path(folder)).read_aa_test()
    if other := _what_differs(measured, plan, scorers or {}):
        raise ConfigError(
            f"the A/A test in {folder} was made with another {other}",
            fix=f"run the A/A test again into a new folder and set aa_test to it: evalharness aa-test --out {folder}-2",
        )
    return measured.noise


def _what_differs(measured: AATest, plan: Plan, scorers: Mapping[str, str]) -> str | None:
    [baseline] = [checkpoint for checkpoint in plan.checkpoints if checkpoint.name == plan.baseline]
    [config, *_] = [request.config for request in plan.requests if request.checkpoint == plan.baseline]
    if measured.identity_digest != baseline.identity.digest:
        return "checkpoint, or was made with other library versions"
    if measured.generation != config:
        return "generation"
    unknown = [suite.name for suite in plan.suites if measured.suites.get(suite.name) != suite.digest]
    if unknown:
        return f"suite ({unknown[0]})"
    rescored = [name for name, version in scorers.items() if measured.scorers.get(name, version) != version]
    return f"version of a scorer ({rescored[0]})" if rescored else None
