"""What docs/ci.md, action.yml and the schemas promise."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from gating import make_run, rates, rule
from test_docs import generator

from evalharness.cli import cli
from evalharness.config import read_gate
from evalharness.gate import check_gate, check_rules
from evalharness.records import Metric

REPOSITORY = Path(__file__).parent.parent
CI = (REPOSITORY / "docs" / "ci.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", CI, re.DOTALL)


def options(command):
    return {option for param in cli.get_command(None, command).params for option in param.opts}


@pytest.mark.parametrize("name", ["comparison.schema.json", "gate.schema.json"])
def test_a_published_schema_is_that_of_the_record(name):
    written = (REPOSITORY / "docs" / "schemas" / name).read_text()
    assert written == generator().PAGES[f"schemas/{name}"](), "run `make docs`"


def test_the_schemas_name_every_key_that_is_written():
    run = make_run(rates(120, 60), rates(120, 60))
    files = {"comparison": run.comparison, "gate": check_gate([rule()], run)}
    for name, record in files.items():
        schema = json.loads((REPOSITORY / "docs" / "schemas" / f"{name}.schema.json").read_text())
        assert set(schema["properties"]) == set(schema["required"]) == set(json.loads(record.model_dump_json()))


def test_the_rules_of_the_page_are_rules_that_can_be_judged(tmp_path):
    text = blocks("toml")[0]
    (tmp_path / "e.toml").write_text(text)
    rules = read_gate(tmp_path / "e.toml").rules
    assert len(rules) == len(tomllib.loads(text)["gate"]) == 2
    from evalharness.scorers import SCORERS, open_scorer
    from evalharness.suites import load_suite

    scorers = [open_scorer(name) for name in SCORERS if name in ("style", "refusal")]
    metrics: list[Metric] = [metric for scorer in scorers for metric in scorer.metrics]
    check_rules(rules, metrics, [load_suite("core")])


@pytest.mark.parametrize(("margin", "pairs"), [(0.02, 189), (0.05, 73)])
def test_the_page_says_how_many_equal_pairs_a_margin_needs(margin, pairs):
    assert re.search(rf"{100 * margin:g} points needs {pairs}\b", CI)
    verdicts = [
        check_gate([rule(bound=margin, min_pairs=1)], make_run(rates(n, n // 2), rates(n, n // 2))).verdict
        for n in (pairs - 1, pairs)
    ]
    assert verdicts == ["undecided", "pass"]


def test_every_option_of_the_page_and_the_action_exists():
    shown = CI + (REPOSITORY / "action.yml").read_text()
    calls = re.findall(r"^.*?evalharness (run|gate) ((?:.|\\\n)*?)$", shown, re.MULTILINE)
    assert len(calls) >= 7
    for command, arguments in calls:
        assert set(re.findall(r"(?<!\S)--[\w-]+", arguments)) <= options(command), (command, arguments)


def test_the_python_of_the_page_runs_and_fails_where_the_gate_does(tmp_path, monkeypatch):
    (tmp_path / "suite").mkdir()
    head = 'name = "t"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
    (tmp_path / "suite" / "suite.toml").write_text(head)
    rows = [{"id": f"s{n}", "prompt": f"Write {n}.", "category": "c"} for n in range(80)]
    (tmp_path / "suite" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "evalharness.toml").write_text(FIVE_LINES)
    monkeypatch.chdir(tmp_path)
    [code] = blocks("python")
    scope = {}
    exec(code, scope)
    replay(tmp_path, rows, "")
    with pytest.raises(AssertionError, match=r"\+100 points"):
        scope["test_the_candidate_keeps_the_gate"]()
    replay(tmp_path, rows, "It is so.")
    scope["test_the_candidate_keeps_the_gate"]()


FIVE_LINES = """
suite = "./suite"
baseline = "old"
candidate = "new"
checkpoint.old = {model = "replay/./old.jsonl", variant = "instruct", prompt_format = "raw"}
checkpoint.new = {model = "replay/./new.jsonl", variant = "instruct", prompt_format = "raw"}
[[gate]]
metric = "style.empty"
kind = "no_regression"
bound = 0.1
min_pairs = 80
"""


def replay(folder, rows, text):
    """The files of FIVE_LINES, with what the candidate says."""
    for side, said in (("old", "It is so."), ("new", text)):
        lines = [{"sample_id": row["id"], "text": said, "finish_reason": "stop"} for row in rows]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_action_is_a_composite_action_in_which_no_input_is_script_text():
    yaml = pytest.importorskip("yaml", reason="no YAML library is installed")
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"
        assert "${{" not in step.get("run", "")
    used = set(re.findall(r"inputs\.([\w-]+)", (REPOSITORY / "action.yml").read_text()))
    assert used == set(action["inputs"])


@pytest.mark.parametrize(("text", "verdict", "code"), [("It is so.", "pass", 0), ("", "fail", 3)])
def test_the_run_step_of_the_action_is_executed_as_it_stands(tmp_path, text, verdict, code):
    """Its shell, with the variables that GitHub gives it, on two replayed checkpoints."""
    yaml = pytest.importorskip("yaml", reason="no YAML library is installed")
    steps = yaml.safe_load((REPOSITORY / "action.yml").read_text())["runs"]["steps"]
    [step] = [step for step in steps if step.get("id") == "run"]
    rows = [{"id": f"s{n}", "prompt": f"Write {n}."} for n in range(80)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "my experiment.toml").write_text(FIVE_LINES.replace("./suite", "prompts.jsonl"))
    replay(tmp_path, rows, text)
    for name in ("bin", "runner"):
        (tmp_path / name).mkdir()
    command = tmp_path / "bin" / "evalharness"
    program = "from evalharness.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n')
    command.chmod(0o755)
    given = {
        "CONFIG": "my experiment.toml",
        "ARGS": "--seed 3\n--reward-model none",
        "OUT": str(tmp_path / "runner" / "evalharness-run"),
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    assert step["env"].keys() == given.keys() & {"CONFIG", "ARGS", "OUT"}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(shell, cwd=tmp_path, env={**os.environ, **given}, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == f"verdict={verdict}\n"
    kept = {path.name for path in (tmp_path / "runner" / "evalharness-run").iterdir()}
    assert {"gate.xml", "gate.md", "gate.json", "report.html"} <= kept


@pytest.mark.parametrize(("extras", "torch"), [("hf", True), ("ollama,demo", True), ("ollama", False)])
def test_the_install_step_of_the_action_is_executed_as_it_stands(tmp_path, extras, torch):
    """Its shell with a `pip` that writes down what it was asked: torch without CUDA comes first, where it is needed."""
    yaml = pytest.importorskip("yaml", reason="no YAML library is installed")
    [step] = [
        step
        for step in yaml.safe_load((REPOSITORY / "action.yml").read_text())["runs"]["steps"]
        if step.get("name") == "Install evalharness"
    ]
    (tmp_path / "pip").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "pip").chmod(0o755)
    given = {"SOURCE": "/action", "EXTRAS": extras, "TORCH_INDEX": "https://index", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    subprocess.run(shell, env=given, check=True)
    first = ["install --index-url https://index torch"] if torch else []
    assert (tmp_path / "asked").read_text().splitlines() == [*first, f"install /action[{extras}]"]
