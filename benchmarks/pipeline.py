"""The whole pipeline on one core with an instant backend: plan, generate, score, compare and report.

The processor time is given as a ratio to a fixed piece of pure Python in the same run, and in seconds. Imports are not
in it; `peers.py` measures whole processes.
"""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from conditions import conditions

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.suites import load_suite

SAMPLES = 1000
TEXTS = {
    "base": "Paris. What is the capital of Spain? Madrid. What is the capital of Italy? Rome. " * 4,
    "instruct": "Here is an answer.\n\n1. **First**, think about it for a while.\n2. Then write it down, and read it "
    "aloud to a friend.\n\nI hope that this helps, and I am glad to tell you more if you like. " * 2,
}


def write_inputs(
    folder: Path, n: int = SAMPLES, scorers: Sequence[str] = ("style", "refusal", "instruction")
) -> dict[str, object]:
    """A suite of `n` samples, made of the core suite's again and again, and a completion for each and side."""
    core = load_suite("core").samples
    samples = [core[number % len(core)] for number in range(n)]
    (folder / "suite").mkdir()
    (folder / "suite" / "suite.toml").write_text(
        f'name = "thousand"\nversion = "1"\nlicense = "Apache-2.0"\nsource = "core"\nscorers = {json.dumps(scorers)}\n'
    )
    lines = []
    for number, sample in enumerate(samples):
        data = sample.model_dump(mode="json", exclude={"group"}, exclude_defaults=True)
        lines.append(json.dumps(data | {"id": str(number), "group": str(number // 2)}))
    (folder / "suite" / "samples.jsonl").write_text("\n".join(lines) + "\n")
    for side, text in TEXTS.items():
        rows = [
            {"sample_id": str(number), "text": f"{sample.prompt} {text}", "finish_reason": "stop"}
            for number, sample in enumerate(samples)
        ]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "suite": [str(folder / "suite")],
        "checkpoint": {
            side: {"model": f"replay/{folder / side}.jsonl", "variant": side, "prompt_format": "raw"} for side in TEXTS
        },
    }


def yardstick() -> float:
    """Seconds for two million steps of pure Python."""
    start = time.process_time()
    sum(number % 7 for number in range(2_000_000))
    return time.process_time() - start


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    unit = min(yardstick() for _ in range(5))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = build_config(write_inputs(folder), {}, source="benchmark")
        taken = []
        for number in range(3):
            start = time.process_time()
            pipeline.run(config, out=folder / f"run{number}")
            taken.append(time.process_time() - start)
    best = sorted(taken)[1]
    print(conditions("numpy", "pydantic"))
    print(f"{SAMPLES} samples x 2: median {best:.2f} s of CPU, {best / unit:.0f} x the yardstick of {unit:.3f} s")


if __name__ == "__main__":
    main()
