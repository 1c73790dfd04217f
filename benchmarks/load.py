"""CPU seconds and peak memory of each command on a large run: `python benchmarks/load.py [--shards N] [n ...]`.

Each command is a process of its own, on 2 x n replayed samples with the style and refusal scorers. Growth is what the
last n costs against the first: a command whose memory does not depend on the run stays near 1. With --shards, the run
is made in so many parts, which are then merged, compared and reported.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from conditions import conditions
from pipeline import write_inputs

COMMANDS = (
    ("run", ("run", "{config}", "--out", "{run}", "--reward-model", "none")),
    ("score", ("score", "{run}")),
    ("compare", ("compare", "{run}")),
    ("report", ("report", "{run}")),
    ("redact", ("report", "{run}", "--out", "{redacted}", "--redact", "harmful,prompts,identity")),
)


def write_config(folder: Path, n: int, scorers: Sequence[str] = ("style", "refusal")) -> Path:
    """A configuration of 2 x n replayed samples."""
    data = write_inputs(folder, n, scorers=scorers)
    lines = [f"suite = {json.dumps(data['suite'])}"]
    for name, checkpoint in data["checkpoint"].items():  # type: ignore[attr-defined]
        lines.append(f"\n[checkpoint.{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in checkpoint.items()]
    path = folder / "evalharness.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def measure(command: Sequence[str]) -> tuple[float, float]:
    """CPU seconds and peak resident MB of one `evalharness` command."""
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", "from evalharness.cli import main; main()", *command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0o600)],
    )
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"evalharness {' '.join(command)} failed ({os.waitstatus_to_exitcode(status)})")
    # Linux counts in KiB, macOS in bytes.
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return used.ru_utime + used.ru_stime, used.ru_maxrss / scale


def measure_all(n: int) -> dict[str, tuple[float, float]]:
    """Every command on a new run of 2 x n samples."""
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        places = {"config": write_config(folder, n), "run": folder / "run", "redacted": folder / "redacted.html"}
        for name, command in COMMANDS:
            results[name] = _show(n, name, [part.format(**places) for part in command])
        print(f"{n:>7,}  report   {(places['run'] / 'report.html').stat().st_size / 1e6:.1f} MB on disk", flush=True)
    return results


def measure_shards(n: int, count: int) -> None:
    """Each of `count` shards of a run of 2 x n samples, and their merging."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = str(write_config(folder, n))
        shards = [str(folder / f"shard{number}") for number in range(1, count + 1)]
        for number, out in enumerate(shards, start=1):
            asked = ["run", config, "--out", out, "--reward-model", "none", "--shard", f"{number}/{count}"]
            _show(n, f"{number}/{count}", asked)
        _show(n, "merge", ["merge", *shards, "--out", str(folder / "merged")])


def _show(n: int, name: str, command: Sequence[str]) -> tuple[float, float]:
    start = time.perf_counter()
    seconds, peak = measure(command)
    wall = time.perf_counter() - start
    print(f"{n:>7,}  {name:8} {seconds:7.1f} s CPU {wall:7.1f} s {peak:7,.0f} MB", flush=True)
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", nargs="*", type=int, default=[5_000, 50_000], help="samples of each side")
    parser.add_argument("--shards", type=int, metavar="N", help="make and merge N shards")
    flags = parser.parse_args()
    sizes = flags.n
    print(conditions("numpy", "pydantic"))
    if flags.shards:
        for n in sizes:
            measure_shards(n, flags.shards)
        return
    measurements = [measure_all(n) for n in sizes]
    if len(sizes) > 1:
        print(f"\nGrowth from {sizes[0]:,} to {sizes[-1]:,} ({sizes[-1] / sizes[0]:.0f} x)")
        for name, _ in COMMANDS:
            (seconds, peak), (more_seconds, more_peak) = measurements[0][name], measurements[-1][name]
            print(f"  {name:8} {more_seconds / seconds:5.1f} x CPU, {more_peak / peak:5.1f} x memory")


if __name__ == "__main__":
    main()
