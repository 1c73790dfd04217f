"""The example run compared again: is its `comparison.json` what it was, but for renamed keys and for words?

`python benchmarks/same_numbers.py [RUN]` copies the run, compares the copy again and lists every number that differs.
"""

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from evalharness import pipeline

RENAMED: Mapping[str, str] = {
    "wins": "n_higher",
    "losses": "n_lower",
    "further": "other_comparisons",
}
"""Keys that were renamed since the run was compared: the old name and the new one. New keys are no difference."""
TOLERANCE = 0.02
"""Relative or absolute: the quantiles of Student's t at few degrees of freedom have become more exact."""
WORDS = frozenset({"sentence", "warnings", "method", "title", "description", "note", "no_length_control"})
"""Keys of sentences, whose wording is not compared."""


def differences(old: object, new: object, where: str = "") -> Iterator[str]:
    """Where two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        renamed = {key if key in new else RENAMED.get(key, key): value for key, value in old.items()}
        for key in renamed.keys() - WORDS:
            if key in new:
                yield from differences(renamed[key], new[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}: only before"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from differences(left, right, f"{where}[{number}]")
    elif isinstance(old, float) and isinstance(new, float):
        if not math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where}: {old!r} before, {new!r} after"
    elif old != new:
        yield f"{where}: {old!r} before, {new!r} after"


def changes_of(run: Path) -> list[str]:
    """What differs once the run is compared again."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(run, Path(scratch) / run.name)
        before = json.loads((copy / "comparison.json").read_text())
        pipeline.recompare(copy)
        return list(differences(before, json.loads((copy / "comparison.json").read_text())))


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "reports/example")
    changes = changes_of(run)
    print("\n".join([*changes[:20], f"{run}: {len(changes)} values of comparison.json differ"]))
    sys.exit(bool(changes))


if __name__ == "__main__":
    main()
