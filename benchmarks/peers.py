"""CPU seconds of lm-eval's dummy model and Inspect's mock model: `python benchmarks/peers.py PYTHON`.

PYTHON is an interpreter in whose environment lm-eval and inspect-ai are installed (one of their own: their dependencies
are many). Each gets the 1,000 prompts of `pipeline.py`, answers them without a model, and scores by comparing texts.
evalharness replays two sides and scores style, refusals and instructions. Each run is a process; imports count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conditions import conditions
from load import write_config
from pipeline import SAMPLES

TASK = """
task: thousand
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["</s>"], max_gen_toks: 16}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
LM_EVAL = "import sys; from lm_eval.__main__ import cli_evaluate; sys.argv[0] = 'lm_eval'; cli_evaluate()"
INSPECT = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
data = json_dataset(sys.argv[1], FieldSpec(input="prompt", target="answer"))
eval(Task(data, solver=generate(), scorer=includes()), model="mockllm/model", log_dir=sys.argv[2], display="none")
"""
VERSIONS = "from importlib.metadata import version as v; print('lm-eval', v('lm_eval'), 'inspect-ai', v('inspect_ai'))"
OURS = "from evalharness.cli import main; main()"


def seconds(python: str, program: str, arguments: Sequence[str]) -> float:
    """CPU seconds of a Python program, that of its own child processes included."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0o600) for stream in (1, 2)]
    child = os.posix_spawn(python, [python, "-c", program, *arguments], environment, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"{program} failed ({os.waitstatus_to_exitcode(status)})")
    return used.ru_utime + used.ru_stime


def measured(python: str, folder: Path, number: int) -> dict[str, float]:
    """One run of each, in a folder that holds the inputs."""
    rows, out = str(folder / "rows.jsonl"), str(folder / f"out{number}")
    ours = ["run", str(folder / "evalharness.toml"), "--out", str(folder / f"run{number}"), "--reward-model", "none"]
    harness = ["run", "--model", "dummy", "--tasks", "thousand", "--include_path", str(folder), "--output_path", out]
    return {
        "evalharness, two sides": seconds(sys.executable, OURS, ours),
        "lm-eval, one side": seconds(python, LM_EVAL, [*harness, "--log_samples"]),
        "Inspect, one side": seconds(python, INSPECT, [rows, out]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", help="interpreter of an environment with lm-eval and inspect-ai")
    parser.add_argument("--rounds", type=int, default=3)
    python, rounds = (given := parser.parse_args()).python, given.rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_config(folder, SAMPLES, scorers=("style", "refusal", "instruction"))
        samples = map(json.loads, (folder / "suite" / "samples.jsonl").read_text().splitlines())
        rows = (
            {"prompt": sample.get("prompt") or sample["messages"][-1]["content"], "answer": "yes"} for sample in samples
        )
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "thousand.yaml").write_text(TASK % json.dumps(str(folder / "rows.jsonl")))
        taken = [measured(python, folder, number) for number in range(rounds)]
    peers = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{conditions('numpy', 'pydantic')}; {peers}")
    for name in taken[0]:
        median = sorted(times[name] for times in taken)[rounds // 2]
        print(f"{name:24} {SAMPLES} samples: median {median:5.1f} s of CPU")


if __name__ == "__main__":
    main()
