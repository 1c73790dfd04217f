"""How much a checkpoint differs from itself: the noise under which no regression can be told.

The baseline is generated twice, in batches of another size (or by another number of clients), and where it is drawn at
random also with other seeds. What differs then is no property of any tuning.

The noise of a metric is not the difference of its two means, in which changes of opposite directions hide each other:
two runs of which half the samples changed can have equal means by chance. It is how far the means are expected to lie
apart: 1.96 standard errors, made from the squares of the single differences around 0; or what was seen, where that is
more.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from evalharness.backends import backend_class
from evalharness.compare.groups import grouped
from evalharness.compare.pairing import Side, pair_runs
from evalharness.config import RunConfig
from evalharness.errors import ConfigError, StoreError
from evalharness.observations import Observations, observe
from evalharness.records import AATest, Checkpoint, Completion, DeterminismClass, Metric
from evalharness.statistics import Z95, Floats
from evalharness.store import Run

AGAIN = "again"
Noise = dict[tuple[str, str | None], float]
"""By metric and category; None is all categories together."""


def measure(run: Run, config: RunConfig) -> AATest:
    """What a run of `against_itself(config)` shows of the baseline's own noise.

    Raises:
        StoreError: nothing was completed twice.
    """
    changed, n = _changed_texts(run)
    if not n:
        raise StoreError(
            f"{config.baseline} completed nothing twice, so its noise is not known",
            fix=f"see why its requests failed: evalharness report {run.path}",
        )
    noise = _noise(run)
    return AATest(
        checkpoint=config.baseline,
        identity_digest=run.plan.checkpoints[0].identity.digest,
        suites={suite.name: suite.digest for suite in run.plan.suites},
        scorers={name: found[-1] for name, found in run.observations.versions.items()},
        generation=run.plan.requests[0].config,
        determinism=_class(config, changed),
        n=n,
        n_changed=changed,
        noise={metric: size for (metric, category), size in noise.items() if category is None},
        noise_by_category=_by_category(noise),
    )


def against_itself(config: RunConfig) -> RunConfig:
    """The baseline twice, the second time in other batches, with two replicates where it is drawn at random."""
    [baseline] = [one for one in config.checkpoints if one.name == config.baseline]
    return config.model_copy(
        update={
            "checkpoints": (baseline, _varied(baseline)),
            "candidate": AGAIN,
            "replicates": max(config.replicates, 2) if config.generation.temperature > 0 else 1,
            "gate": (),
            "aa_test": None,
        }
    )


def _varied(checkpoint: Checkpoint) -> Checkpoint:
    varied = getattr(backend_class(checkpoint), "varied", None)
    if varied is None:
        raise ConfigError(
            f"{checkpoint.model} is a replayed file: it repeats, whatever the model does",
            fix="test the checkpoint that it was made with",
        )
    option, values = varied
    other = next(value for value in values if value != checkpoint.options.get(option))
    return checkpoint.model_copy(update={"name": AGAIN, "options": {**checkpoint.options, option: other}})


def _noise(run: Run) -> Noise:
    """The largest of what was found between batches and between seeds."""
    noise: Noise = {}
    for table, baseline, candidate in _twice(run):
        for key, size in _sizes(table, run.compared.metrics, baseline, candidate):
            noise[key] = max(size, noise.get(key, 0.0))
    return noise


def _twice(run: Run) -> Iterator[tuple[Observations, str, str]]:
    """The two sorts of batches; then the first replicate, which has a seed of its own, against each other one."""
    first, again = run.plan.baseline, run.plan.candidate
    yield run.observations, first, again
    for replicate in range(1, 1 + max(request.replicate for request in run.plan.requests)):
        paired = pair_runs(Side(run, first, "first seed", 0), [Side(run, first, "other seed", replicate)])
        outcomes = {one.request_id: one for one in paired.events if isinstance(one, Completion)}
        yield observe(paired.plan, outcomes, paired.scores), "first seed", "other seed"


def _sizes(
    table: Observations, metrics: Sequence[Metric], baseline: str, candidate: str
) -> Iterator[tuple[tuple[str, str | None], float]]:
    for metric in metrics:
        difference = table.column(candidate, metric.name) - table.column(baseline, metric.name)
        for category in table.categories:
            there = table.in_category(category) & ~np.isnan(difference)
            if there.any():
                yield (metric.name, category), _size(grouped(difference[there], table.groups[there])[0], there.sum())


def _size(sums: Floats, n: int) -> float:
    """How far two means lie apart in 95 % of cases, were each group's difference as likely to have the other sign.

    Args:
        sums: of the differences in each group, shape (n_groups,).
        n: samples in all groups.
    """
    expected = Z95 * math.sqrt(float((sums**2).sum())) / n
    return max(expected, abs(float(sums.sum())) / n)


def _by_category(noise: Noise) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (metric, category), size in noise.items():
        if category is not None:
            found[metric][category] = size
    return dict(found)


def _changed_texts(run: Run) -> tuple[int, int]:
    """How many completions read differently in other batches, and of how many."""
    texts: dict[tuple[str, int], list[str]] = {}
    for request in run.plan.requests:
        outcome = run.outcomes.get(request.id)
        if isinstance(outcome, Completion):
            texts.setdefault((request.sample_id, request.replicate), []).append(outcome.text)
    pairs = [found for found in texts.values() if len(found) == 2]
    return sum(one != other for one, other in pairs), len(pairs)


def _class(config: RunConfig, changed: int) -> DeterminismClass:
    if config.generation.temperature > 0:
        return "sampling"
    return "batch-sensitive" if changed else "identical text"
