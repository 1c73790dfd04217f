"""How long `evalharness --help` takes, as a ratio to an empty Python and, where installed, to `lm_eval --help`."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 9
BIN = Path(sys.executable).parent


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def medians(commands: dict[str, list[str]]) -> dict[str, float]:
    """Median wall seconds; the commands take turns, so that a drift of the machine meets them all."""
    taken = {name: [] for name in commands}
    for _ in range(ROUNDS + 1):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    return {name: sorted(values[1:])[ROUNDS // 2] for name, values in taken.items()}


def main() -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "evalharness --help": [str(BIN / "evalharness"), "--help"],
    }
    if shutil.which("lm_eval", path=str(BIN)):
        commands["lm_eval --help"] = [str(BIN / "lm_eval"), "--help"]
    result = medians(commands)
    for name, median in result.items():
        print(f"{name:<22} {median:.3f} s   {median / result['python -c pass']:.1f} x")


if __name__ == "__main__":
    main()
