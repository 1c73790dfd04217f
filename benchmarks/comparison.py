"""Time and memory of a comparison: 20,000 samples on two sides, 25 metrics, several categories, on one core.

First the comparison alone: scores are turned into values too (`observe`, also timed alone); reading them from disk
is not part of it. In groups of 2, every metric is resampled. Then the whole command, `evalharness compare RUN RUN`,
from disk to disk: both runs are read (each holds two checkpoints, 40,000 completions and scores), the candidates are
paired, compared and written as a run of their own with its report, and the table is printed.

Each size runs in a process of its own, so that its peak memory is its own. Seconds are of the processor; the yardstick
is a fixed piece of pure Python in the same process (for the command, in the parent's, just before).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from conditions import conditions

from evalharness import pipeline
from evalharness.compare import compare
from evalharness.config import build_config
from evalharness.observations import observe
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
    ScorerIdentity,
    Suite,
)
from evalharness.scorers import facts_of
from evalharness.store import RunStore
from evalharness.store.run_store import make_manifest

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
            id=f"{name}-{sample.id}",
            checkpoint=name,
            sample_id=sample.id,
            prompt=RawPrompt(text="p"),
            config=GenerationConfig(),
        )
        for name in SIDES
        for sample in samples
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
    on_one_core()
    plan = make_plan(n_samples, group_size)
    scores = make_scores(plan)
    outcomes = {
        request.id: Completion(request_id=request.id, text="x", finish_reason="stop") for request in plan.requests
    }
    metrics = [
        Metric(
            name=f"s{n // 5}.m{n}", title="t", description="", kind="rate" if n < RATES else "mean", headline=n % 2 == 0
        )
        for n in range(METRICS)
    ]
    before, start = megabytes(), time.process_time()
    table = observe(plan, outcomes, scores)
    tabulated = time.process_time() - start
    comparison = compare(plan, table, metrics, seed=0)
    taken = time.process_time() - start
    print(
        f"{n_samples} samples x {METRICS} metrics, groups of {group_size}, {len(comparison.differences)} rows: "
        f"{taken:.2f} s, of which {tabulated:.2f} s to tabulate; "
        f"{taken / yardstick():.0f} x the yardstick; peak {megabytes():.0f} MB, "
        f"{before:.0f} MB of it the plan, outcomes and scores"
    )


# ------------------------------------------------------------------------------------ the whole command

WORDS = ["the", "of", "and", "a", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as", "with"]
CHECKPOINTS = ("base", "tuned")


def write_inputs(folder: Path, n_samples: int) -> None:
    """A suite with prompts of some 25 words, and replayed completions of some 80."""
    generator = np.random.default_rng(0)
    head = {"name": "t", "version": "1", "license": "x", "source": "x"}
    suite = "".join(f"{name} = {json.dumps(value)}\n" for name, value in head.items())
    (folder / "suite.toml").write_text(suite + 'scorers = ["style"]\n')
    rows = [
        {"id": f"s{n}", "prompt": f"{n}: {' '.join(generator.choice(WORDS, 25))}", "category": f"c{n % CATEGORIES}"}
        for n in range(n_samples)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for side in CHECKPOINTS:
        lines = [
            {"sample_id": row["id"], "text": " ".join(generator.choice(WORDS, 80)), "finish_reason": "stop"}
            for row in rows
        ]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_run(path: Path, inputs: Path, seed: int) -> None:
    """A run as the pipeline leaves it, but with scores drawn at random for 25 metrics of the scorer."""
    tables = {
        side: {"model": f"replay/{inputs / side}.jsonl", "variant": "instruct", "prompt_format": "raw"}
        for side in CHECKPOINTS
    }
    sides = {"baseline": "base", "candidate": "tuned", "suite": [str(inputs)], "checkpoint": tables}
    config = build_config(sides, {}, source="benchmark")
    plan, store = pipeline.plan(config), RunStore(path)
    path.mkdir()
    store.start(make_manifest(config), plan, resume=False)
    texts = {
        side: {row["sample_id"]: row["text"] for row in map(json.loads, (inputs / f"{side}.jsonl").open())}
        for side in CHECKPOINTS
    }
    with store.appending() as out:
        for request in plan.requests:
            text = texts[request.checkpoint][request.sample_id]
            out.append(
                Completion(request_id=request.id, text=text, finish_reason="stop", stopped_by="</s>", seconds=1.25)
            )
    style = ScorerIdentity(name="style", version="2", facts=facts_of("style"))
    store.write_scores(style_scores(plan, seed), [style])
    pipeline.recompare(path)


def style_scores(plan: Plan, seed: int) -> list[Score]:
    generator = np.random.default_rng(seed)
    metrics = facts_of("style").metrics[:METRICS]
    rates = generator.random((len(plan.requests), METRICS)) < 0.3
    means = np.exp(generator.normal(3, 0.8, size=(len(plan.requests), METRICS))).round(1)
    rows = np.where([metric.kind == "rate" for metric in metrics], rates, means).tolist()
    names = [metric.name.partition(".")[2] for metric in metrics]
    return [
        Score(
            request_id=request.id,
            scorer="style",
            version="2",
            status="scored",
            values=dict(zip(names, row, strict=True)),
        )
        for request, row in zip(plan.requests, rows, strict=True)
    ]


def measure_command(n_samples: int) -> None:
    """Write two runs, compare them in a child process, and say what that took."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / "one", Path(folder) / "two"]
        # In a process of its own: a child's peak memory counts what its parent held when it was forked.
        subprocess.run([sys.executable, __file__, "--write", folder, str(n_samples)], check=True)
        size = sum(file.stat().st_size for run in runs for file in run.iterdir()) / 1e6
        command = [
            str(Path(sys.executable).parent / "evalharness"),
            "compare",
            *map(str, runs),
            "--out",
            f"{folder}/joint",
        ]
        stick, start = yardstick(), time.monotonic()
        with open(os.devnull, "w") as nowhere:
            child = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, preexec_fn=on_one_core)
            _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"evalharness compare ended with {os.waitstatus_to_exitcode(status)}")
        taken = used.ru_utime + used.ru_stime
        print(
            f"evalharness compare RUN RUN, {n_samples} samples x {METRICS} metrics, {size:.0f} MB on disk: "
            f"{taken:.1f} s of the processor, {time.monotonic() - start:.1f} s by the clock "
            f"(load {os.getloadavg()[0]:.1f}); {taken / stick:.0f} x the yardstick; peak {used.ru_maxrss / 1024:.0f} MB"
        )


def on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, type=int, metavar=("SAMPLES", "GROUP_SIZE"), help="measure in this process")
    parser.add_argument("--command", type=int, metavar="SAMPLES", help="measure the whole command alone")
    parser.add_argument("--write", nargs=2, metavar=("FOLDER", "SAMPLES"), help="write the two runs and stop")
    given = parser.parse_args()
    if given.one:
        measure(*given.one)
        return
    if given.write:
        folder, n_samples = Path(given.write[0]), int(given.write[1])
        write_inputs(folder, n_samples)
        for seed, name in enumerate(("one", "two")):
            write_run(folder / name, folder, seed)
        return
    if given.command:
        measure_command(given.command)
        return
    print(conditions("numpy", "pydantic"), flush=True)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for size in ("2000 1", "20000 1", "20000 2"):
        subprocess.run([sys.executable, __file__, "--one", *size.split()], check=True, env=os.environ | threads)
    for size in ("2000", "20000"):
        subprocess.run([sys.executable, __file__, "--command", size], check=True, env=os.environ | threads)


if __name__ == "__main__":
    main()
