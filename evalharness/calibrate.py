"""How much a checkpoint differs from itself: the noise under which no regression can be told.

The baseline is generated twice, in batches of another size (or by another number of clients), and where it is drawn at
random also with other seeds. What differs then is no property of any tuning.
"""

from collections.abc import Iterable
from pathlib import Path

from evalharness import pipeline
from evalharness.compare import compare
from evalharness.config import RunConfig
from evalharness.errors import ConfigError
from evalharness.generate import Progress
from evalharness.pairing import Side, pair_runs
from evalharness.records import Calibration, Checkpoint, Comparison, Completion, DeterminismClass
from evalharness.score import all_metrics
from evalharness.store import Run, RunStore

AGAIN = "again"
VARIED = {"hf": ("batch_size", (8, 16)), "demo": ("batch_size", (8, 16)), "ollama": ("concurrency", (4, 2))}
"""What is changed for the second generation, and two values of which one is not the configured one."""


def calibrate(config: RunConfig, *, out: Path, progress: Progress | None = None) -> Calibration:
    """Run the baseline of `config` against itself into the run directory `out`, and keep what differed there.

    Raises:
        ConfigError: the baseline is a replayed file, which always repeats.
        EvalHarnessError: as for a run.
    """
    run = pipeline.run(against_itself(config), out=out, progress=progress)
    comparisons = [run.compared, *_between_seeds(run)]
    changed, n = _changed_texts(run)
    calibration = Calibration(
        checkpoint=config.baseline,
        identity_digest=run.plan.checkpoints[0].identity.digest,
        suites={suite.name: suite.digest for suite in run.plan.suites},
        scorers={score.scorer: score.version for score in run.scores},
        generation=run.plan.requests[0].config,
        determinism=_class(config, changed),
        n=n,
        n_changed=changed,
        noise=_largest_differences(comparisons),
    )
    RunStore(out).write_calibration(calibration)
    return calibration


def against_itself(config: RunConfig) -> RunConfig:
    """The baseline twice, the second time in other batches, with two replicates where it is drawn at random."""
    [baseline] = [one for one in config.checkpoints if one.name == config.baseline]
    if baseline.backend not in VARIED:
        raise ConfigError(
            f"{baseline.model} is a replayed file: it repeats, whatever the model does",
            fix="calibrate the checkpoint that it was made with",
        )
    return config.model_copy(
        update={
            "checkpoints": (baseline, _varied(baseline)),
            "candidate": AGAIN,
            "replicates": max(config.replicates, 2) if config.generation.temperature > 0 else 1,
            "gate": (),
            "calibration": None,
        }
    )


def _varied(checkpoint: Checkpoint) -> Checkpoint:
    option, values = VARIED[checkpoint.backend]
    other = next(value for value in values if value != checkpoint.options.get(option))
    return checkpoint.model_copy(update={"name": AGAIN, "options": {**checkpoint.options, option: other}})


def _between_seeds(run: Run) -> Iterable[Comparison]:
    """The first replicate, which has a seed of its own, against each other one."""
    first = run.plan.baseline
    for replicate in range(1, 1 + max(request.replicate for request in run.plan.requests)):
        paired = pair_runs(Side(run, first, "first seed", replicate=0), [Side(run, first, "other seed", replicate)])
        outcomes = {one.request_id: one for one in paired.events if isinstance(one, Completion)}
        metrics = all_metrics(paired.plan)
        yield compare(paired.plan, outcomes, paired.scores, metrics, seed=run.manifest.seed)


def _changed_texts(run: Run) -> tuple[int, int]:
    """How many completions read differently in other batches, and of how many."""
    texts: dict[tuple[str, int], set[str]] = {}
    for request in run.plan.requests:
        outcome = run.outcomes.get(request.id)
        if isinstance(outcome, Completion):
            texts.setdefault((request.sample_id, request.replicate), set()).add(outcome.text)
    return sum(len(found) > 1 for found in texts.values()), len(texts)


def _class(config: RunConfig, changed: int) -> DeterminismClass:
    if config.generation.temperature > 0:
        return "sampling"
    return "batch-sensitive" if changed else "identical text"


def _largest_differences(comparisons: Iterable[Comparison]) -> dict[str, float]:
    """By metric, the largest difference in size of all samples together."""
    noise: dict[str, float] = {}
    for comparison in comparisons:
        for one in comparison.differences:
            if one.category is None and one.difference is not None:
                noise[one.metric] = max(noise.get(one.metric, 0.0), abs(one.difference))
    return noise
