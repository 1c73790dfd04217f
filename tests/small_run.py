"""A run of few replayed completions, for tests that do the same thing to many copies of it."""

import json
from pathlib import Path

from evalharness import pipeline
from evalharness.config import RunConfig, build_config
from evalharness.preferences import pairs_of

PROMPTS = ("Name a river.", "Write a line about snow.", "Count to three.")
GATE = [{"metric": "style.words", "kind": "at_least", "bound": 1, "min_pairs": 1, "max_truncated": 1.0}]


def small_config(folder: Path) -> RunConfig:
    """Three samples, two replayed sides and a gate rule, in `folder`."""
    suite = folder / "few"
    suite.mkdir(exist_ok=True)
    head = {"name": "few", "version": "1", "license": "MIT", "source": "here", "description": "few"}
    lines = [f'{key} = "{value}"' for key, value in head.items()] + ['scorers = ["style"]']
    (suite / "suite.toml").write_text("\n".join(lines) + "\n")
    samples = [{"id": f"s{n}", "prompt": text, "category": "all"} for n, text in enumerate(PROMPTS)]
    _write(suite / "samples.jsonl", samples)
    for side in ("base", "instruct"):
        texts = [
            {"sample_id": sample["id"], "text": f"{side} has {n} words " * (n + 1)} for n, sample in enumerate(samples)
        ]
        _write(folder / f"{side}.jsonl", texts)
    sides = {
        name: {"model": f"replay/{folder / name}.jsonl", "variant": name, "prompt_format": "raw"}
        for name in ("base", "instruct")
    }
    return build_config({"suite": [str(suite)], "checkpoint": sides, "gate": GATE}, {}, source="test")


def write_ratings(path: Path, rater: str = "somebody") -> Path:
    """A file of ratings of all pairs of a run, next to the run."""
    run = pipeline.load_run(path)
    lines = [
        {"run": run.compared.evidence_digest, "sample_id": pair.sample.id, "preferred": "candidate", "rater": rater}
        for pair in pairs_of(run)
    ]
    return _write(path.parent / f"{rater}.jsonl", lines)


def _write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
