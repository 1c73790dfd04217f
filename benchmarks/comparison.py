"""Time and memory of a comparison: 20,000 samples on two sides, 25 metrics, several categories, on one core.

The scores are turned into values too (`tabulate`, also timed alone); reading them from disk is not part of it. Each
size runs in a process of its own, so that its peak memory is its own. In groups of 2, every metric is resampled.
Seconds are of the processor; the yardstick is a fixed piece of pure Python in the same process.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import numpy as np
from conditions import conditions

from evalharness.compare import compare
from evalharness.compare.values import tabulate
from evalharness.records import (
    Checkpoint,
    CheckpointIdentity,
    Completion,
    GenerationConfig,
    GenerationRequest,
    Message,
    Metric,
    Plan,
    RawPrompt,
    ResolvedCheckpoint,
    Sample,
    Score,
    Suite,
)

METRICS = 25
RATES = 15
CATEGORIES = 8
SIDES = ("old", "new")


def make_plan(n_samples: int, group_size: int) -> Plan:
    samples = tuple(
        Sample(
            id=f"s{n}",
            messages=(Message(role="user", content="p"),),
            category=f"c{n % CATEGORIES}",
            group=f"g{n // group_size}",
        )
        for n in range(n_samples)
    )
    suite = Suite(name="t", version="1", license="x", source="x", scorers=("s",), samples=samples, digest="d")
    sides = tuple(
        ResolvedCheckpoint(
            checkpoint=Checkpoint(name=name, model=f"replay/{name}", variant="base", prompt_format="raw"),
            identity=CheckpointIdentity(backend="replay", model=name, weights_digest=name),
        )
        for name in SIDES
    )
    requests = tuple(
        GenerationRequest(
            id=f"{name}-{one.id}",
            checkpoint=name,
            sample_id=one.id,
            prompt=RawPrompt(text="p"),
            config=GenerationConfig(),
        )
        for name in SIDES
        for one in samples
    )
    return Plan(suites=(suite,), checkpoints=sides, baseline="old", candidate="new", requests=requests)


def make_scores(plan: Plan) -> list[Score]:
    """Five scorers of five metrics each: 15 rates, 10 skewed means."""
    generator = np.random.default_rng(0)
    rates = generator.random((len(plan.requests), RATES)) < 0.3
    means = np.exp(generator.normal(3, 0.8, size=(len(plan.requests), METRICS - RATES))).round(1)
    rows = np.hstack([rates, means]).tolist()
    return [
        Score(
            request_id=request.id,
            scorer=f"s{scorer}",
            version="1",
            status="scored",
            values={f"m{n}": row[n] for n in range(5 * scorer, 5 * scorer + 5)},
        )
        for request, row in zip(plan.requests, rows, strict=True)
        for scorer in range(METRICS // 5)
    ]


def yardstick() -> float:
    """Seconds for two million steps of pure Python."""
    start = time.process_time()
    sum(number % 7 for number in range(2_000_000))
    return time.process_time() - start


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n_samples: int, group_size: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    plan = make_plan(n_samples, group_size)
    scores = make_scores(plan)
    outcomes = {one.id: Completion(request_id=one.id, text="x", finish_reason="stop") for one in plan.requests}
    metrics = [
        Metric(
            name=f"s{n // 5}.m{n}", title="t", description="", kind="rate" if n < RATES else "mean", headline=n % 2 == 0
        )
        for n in range(METRICS)
    ]
    before, start = megabytes(), time.process_time()
    tabulate(plan, outcomes, scores)
    tabulated = time.process_time() - start
    comparison = compare(plan, outcomes, scores, metrics, seed=0)
    taken = time.process_time() - start - tabulated
    print(
        f"{n_samples} samples x {METRICS} metrics, groups of {group_size}, {len(comparison.differences)} rows: "
        f"{taken:.2f} s, of which {tabulated:.2f} s to tabulate; "
        f"{taken / yardstick():.0f} x the yardstick; peak {megabytes():.0f} MB, "
        f"{before:.0f} MB of it the plan, outcomes and scores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, type=int, metavar=("SAMPLES", "GROUP_SIZE"), help="measure in this process")
    given = parser.parse_args()
    if given.one:
        measure(*given.one)
        return
    print(conditions("numpy", "pydantic"), flush=True)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for size in ("2000 1", "20000 1", "20000 2"):
        subprocess.run([sys.executable, __file__, "--one", *size.split()], check=True, env=os.environ | threads)


if __name__ == "__main__":
    main()
