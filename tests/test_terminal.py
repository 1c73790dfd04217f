"""What the commands print of hostile names: nothing acts on a terminal or in a CI log, in stdout or in stderr."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_run import INSTRUCT, SCENES, make_run

import evalharness
from evalharness import pipeline
from evalharness.cli import main
from evalharness.config import RunConfig
from evalharness.formatting import HIDDEN
from evalharness.records import Failure
from evalharness.store import RunStore

NAME = "x\n::error title=owned::\x1b[31m\u202eboo\x9b2J ##[error]y\r\n  ::warning::z"
MODEL = f"replay/./{NAME}.jsonl"
MESSAGE = f"the server says\n::set-output name=a::b\x1b]0;title\x07 {NAME}"
RULES = f"""
[[gate]]
metric = "style.loop"
kind = "at_most"
bound = 0.01
min_pairs = 1
name = {json.dumps("rule " + NAME.replace(chr(0x9B), "").replace(chr(0x1B), ""))}
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A finished run whose candidate, a sample and a failure are called what would act on a log."""
    checkpoint = INSTRUCT.checkpoint.model_copy(update={"name": NAME, "model": MODEL})
    instruct = INSTRUCT.model_copy(update={"checkpoint": checkpoint, "notes": (MESSAGE,)})
    first = replace(SCENES[0], sample=SCENES[0].sample.model_copy(update={"id": NAME, "group": NAME}))
    run = make_run((first, *SCENES[1:]), instruct=instruct)
    sides = tuple(checkpoint.checkpoint for checkpoint in run.plan.checkpoints)
    config = RunConfig(suites=("smoke",), checkpoints=sides, baseline=sides[0].name, candidate=NAME)
    manifest = run.manifest.model_copy(update={"config": config.model_dump(mode="json"), "command": NAME})
    store = RunStore(tmp_path_factory.mktemp("runs") / "run")
    with store.lock(create=True):
        store.start(manifest, run.plan, resume=False)
        with store.appending() as outcomes:
            for event in (*run.outcomes.values(), *run.notices):
                event = event.model_copy(update={"message": MESSAGE}) if isinstance(event, Failure) else event
                outcomes.append(event)
        store.write_scores(run.scores, run.scorers)
    pipeline.recompare(store.path)
    (store.path.parent / "rules.toml").write_text(RULES)
    return store.path


@pytest.fixture
def typed(monkeypatch, capsys):
    """Runs the command line as its entry point does; returns the exit code, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["evalharness", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def assert_harmless(text, *, own=()):
    for line in text.splitlines():
        assert line in own or not re.search(r"^\s*::|##\[", line), line
    assert not HIDDEN.search(text.replace("\n", "")), HIDDEN.search(text.replace("\n", ""))


COMMANDS = {
    "compare": ("compare", "RUN"),
    "compare as JSON": ("compare", "RUN", "--json"),
    "show": ("show", "RUN", NAME),
    "show as JSON": ("show", "RUN", NAME, "--json"),
    "show of no sample": ("show", "RUN", f"no {NAME}"),
    "report": ("report", "RUN"),
    "score": ("score", "RUN"),
    "gate": ("gate", "RUN", "--config", "RULES"),
    "gate as JSON": ("gate", "RUN", "--config", "RULES", "--json"),
    "export": ("export", "RUN", "--format", "jsonl"),
    "export of CSV": ("export", "RUN", "--format", "csv"),
    "export of Markdown": ("export", "RUN", "--format", "markdown"),
    "a path": ("show", f"no {NAME}", "x"),
    "an unknown command": (NAME,),
    "an unknown model": ("plan", "--base", f"hf/{NAME}", "--instruct", MODEL),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_acts_on_a_ci_log(hostile, typed, monkeypatch, command):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    places = {"RUN": hostile, "RULES": hostile.parent / "rules.toml"}
    code, out, err = typed(*(places.get(word, word) for word in COMMANDS[command]))
    assert code in (0, 2, 3, 4), err
    own = [line for line in [*out.splitlines(), *err.splitlines()] if re.match("::(error|warning) title=gate ", line)]
    assert len(own) == ("gate" in command), (out, err)
    assert_harmless(out if not command.startswith("export") else out.replace("\t", ""), own=own)
    assert_harmless(err, own=own)


@pytest.mark.parametrize("command", ["compare", "show", "gate", "show of no sample", "a path"])
def test_no_name_acts_on_a_terminal(hostile, typed, monkeypatch, command):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    places = {"RUN": hostile, "RULES": hostile.parent / "rules.toml"}
    _, out, err = typed(*(places.get(word, word) for word in COMMANDS[command]))
    assert not HIDDEN.search(out + err)


def test_json_says_what_the_record_says(hostile, typed):
    _, out, _ = typed("compare", hostile, "--json")
    assert json.loads(out)["candidate"] == NAME


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_checkpoint_with_such_a_name_is_refused_in_a_configuration(tmp_path, typed, monkeypatch, command):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    quoted = json.dumps(NAME)
    file = tmp_path / "evalharness.toml"
    file.write_text(f'[checkpoint.{quoted}]\nmodel = "demo/base"\nvariant = "base"\n')
    code, out, err = typed(command, file)
    assert code == 2 and "invisible characters" in err
    assert_harmless(out + err)


def test_progress_shows_a_name_without_acting_on_it(capsys, monkeypatch):
    from evalharness.cli.progress import make_progress

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    progress = make_progress()
    progress.load(NAME)
    progress.start(NAME, total=1, done=0, longest=9)
    progress.advance(tokens=3)
    progress.finish()
    assert_harmless(capsys.readouterr().err)


def replayed(side, folder):
    """The table of a checkpoint that answers one sample from a file."""
    (folder / f"{side}.jsonl").write_text('{"sample_id": "capital-of-france", "text": "Paris"}\n')
    return f"[checkpoint.{side}]\nmodel = 'replay/{folder / side}.jsonl'\nvariant = '{side}'\n"


@pytest.mark.parametrize("command", [("compare", "RUN"), ("list", "suites"), ("plan", "CONFIG")])
def test_no_color_leaves_no_escape_sequence_on_a_terminal(hostile, tmp_path, command):
    pty = pytest.importorskip("pty")
    config = tmp_path / "evalharness.toml"
    config.write_text(f"suite = 'smoke'\n{replayed('base', tmp_path)}{replayed('instruct', tmp_path)}")
    words = [{"RUN": str(hostile), "CONFIG": str(config)}.get(word, word) for word in command]
    master, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [Path(sys.executable).parent / "evalharness", *words],
        stdout=terminal, stderr=terminal, env=environment,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # the other end was closed
        pass
    assert process.wait() == 0, shown
    assert len(shown) > 100 and b"\x1b" not in shown


def test_nothing_else_in_the_package_prints():
    package = Path(evalharness.__file__).parent
    printing = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"\bclick\.(echo|secho)\(|^\s*print\(", path.read_text(), re.MULTILINE)
    ]
    assert printing == ["terminal.py"]
