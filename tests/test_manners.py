"""What the command line says to somebody who mistypes, has a narrow terminal, or stops early."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from evalharness import pipeline
from evalharness.cli import cli
from evalharness.errors import EvalHarnessError
from evalharness.pipeline import running
from tests.small_run import small_config

MAIN = (sys.executable, "-c", "from evalharness.cli import main; main()")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manners")
    return pipeline.run(small_config(folder), out=folder / "run").path


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("llama3.1:8b", "'ollama/llama3.1:8b'"),
        ("olama/llama3.1:8b", "'ollama/llama3.1:8b'"),
        ("org/name", "'hf/org/name'"),
        ("./tuned", "'hf/./tuned'"),
        ("answers.jsonl", "'replay/./answers.jsonl'"),
    ],
)
def test_a_model_without_its_backend_is_answered_with_the_one_that_was_meant(given, near):
    result = call("plan", "--baseline", given, "--candidate", "replay/./x.jsonl")
    assert isinstance(result.exception, EvalHarnessError)
    assert f"write {near}" in result.exception.fix


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(("rnu",), "run"), (("lst",), "list"), (("suite", "imprt"), "import"), (("expotr",), "export")],
)
def test_a_misspelt_command_is_answered_with_the_near_one(arguments, near):
    result = call(*arguments)
    assert result.exit_code == 2
    assert f"Did you mean {near!r}?" in result.output


def test_a_sample_that_is_not_there_is_answered_with_the_near_ids(made):
    assert call("show", made, "S1").exception.fix == "use one of s1"
    assert call("show", made, "zzz").exception.fix == "use one of s0, s1, s2"


def test_an_unknown_key_is_named_with_the_near_one(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(json.dumps({"sample_id": "x", "text": "y", "finish_raeson": "stop"}))
    result = call("plan", "--baseline", "replay/./a.jsonl", "--candidate", "replay/./a.jsonl")
    assert result.exception.problem.endswith("there is no key 'finish_raeson'")
    assert result.exception.fix == "write 'finish_reason'"
    models = ("--baseline", "hf/./x", "--candidate", "hf/./y")
    result = call("plan", *models, "-M", "dtipe=float32")
    assert (result.exception.problem, result.exception.fix) == (
        "checkpoint 'base': there is no option 'dtipe'",
        "write 'dtype'",
    )


def in_terminal(columns, *arguments, **environment):
    """What a command prints into a terminal of so many columns."""
    leader, follower = pty.openpty()
    subprocess.run(["stty", "cols", str(columns), "rows", "50"], stdin=follower, check=True)
    command = [*MAIN, *map(str, arguments)]
    keep = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    done = subprocess.Popen(command, stdout=follower, stderr=follower, env={**keep, "TERM": "xterm", **environment})
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    done.wait()
    os.close(leader)
    return b"".join(parts).decode()


@pytest.mark.skipif(shutil.which("stty") is None, reason="there is no stty")
def test_a_narrow_terminal_shows_names_of_metrics_whole(made):
    metrics = [row.metric for row in pipeline.load_run(made).compared.differences if row.category is None]
    shown = in_terminal(80, "compare", made, NO_COLOR="1")
    lines = shown.splitlines()
    assert all(any(line.startswith(f"{name} ") for line in lines) for name in metrics)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown
    assert "\x1b[1m" in in_terminal(80, "compare", made)


def test_two_runs_of_one_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        running.new_path(["a", "b"]).mkdir(parents=True)


def test_markdown_goes_to_stdout(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([*MAIN, "gate", str(made), "--markdown", "-"], capture_output=True, text=True)
    assert done.stdout.startswith("## The gate")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_stopped_early_leaves_nothing(tmp_path, how):
    """A server that never answers holds it up while it plans."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        models = ["--baseline", "ollama/a", "--candidate", "ollama/b"]
        started = subprocess.Popen([*MAIN, "run", *models, "--out", "run", "-M", f"host={address}"], cwd=tmp_path)
        server.settimeout(30)
        asked, _ = server.accept()
        started.send_signal(how)
        started.wait(10)
        asked.close()
    assert not (tmp_path / "run").exists()


def test_tab_completion_is_made_as_the_readme_says():
    environment = {**os.environ, "_EVALHARNESS_COMPLETE": "bash_source"}
    code = "import sys; sys.argv[0] = 'evalharness'; from evalharness.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "_evalharness_completion" in done.stdout
