"""Every code block of the README and the docs is run or read here, or says why not.

A block that cannot be run here has a line above it that no page shows: `<!-- not run: the reason -->`; an error that a
page quotes has `<!-- printed by: the command -->`. The commands are those of the page, in its order, in a folder that
holds what the page names; models are served by this repository's servers.
"""

import glob
import json
import os
import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from ollama_server import running_server
from openai_server import openai_server
from report_run import rewarded
from report_strangers import judged_by_all, write_run
from small_run import small_config, write_ratings
from tiny_checkpoint import make_tokenizer

from evalharness import backends, pipeline, scorers
from evalharness.backends import survey
from evalharness.cli import cli
from evalharness.config import read_config
from evalharness.errors import EvalHarnessError
from evalharness.preferences.labelling import turns_of
from evalharness.scorers import open_scorer
from evalharness.scorers.own import declares
from evalharness.suites import load_suite

REPOSITORY = Path(__file__).parent.parent
MADE = REPOSITORY / "tests" / "made_elsewhere"
PAGES = sorted(
    {*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), REPOSITORY / "prompts" / "README.md"}
    - {REPOSITORY / "LOG.md"}
)
MARK = r"(?:<!-- (?P<mark>not run|printed by): (?P<said>[^\n]+) -->\n+)?"
FENCE = re.compile(MARK + r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MODELS = ("llama3.1:8b", "llama3.1:8b-text-q4_K_M", "llama3.1:8b-instruct-q4_K_M", "llama3.1:8b-instruct-q8_0")
MODELS += ("qwen2.5:7b", "llama3.1:8b-instruct")
STAND_INS = {
    "hf/org/model-instruct": "ollama/llama3.1:8b",
    "logs/a.eval": "logs/a.json",
    "logs/b.eval": "logs/b.json",
    "server/org/name-base": "server/org/name",
    "candidate.tokenizer=org/name": "candidate.tokenizer=./tokenizer",
}
"""Files and models that a page names, and what takes their place here."""
ADDRESS = re.compile(r"http://localhost:800\d(/v1)?")
FEW = {"LIMIT": "5", "MAX_TOKENS": "8", "REWARD_MODEL": "none"}
GATED = ("run", "gate", "import", "merge")
HEAD = """
suite = "core"
limit = 3
generation.max_tokens = 8
checkpoint.base = {model = "ollama/llama3.1:8b-text-q4_K_M", variant = "base"}
checkpoint.instruct = {model = "ollama/llama3.1:8b", variant = "instruct"}
"""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str
    reason: str
    """Why it is not run."""
    command: str
    """What prints it, `…` for what differs from machine to machine."""

    @property
    def place(self):
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks_of(page):
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        line = text[: match.start("code")].count("\n")
        reason, command = (match["said"] if match["mark"] == mark else "" for mark in ("not run", "printed by"))
        found.append(Block(page, line, match["language"], match["code"], reason, command))
    assert len(found) * 2 == len(re.findall(r"^```", text, re.M)), f"{page}: a fence is not closed, or is indented"
    return found


WITH_CODE = [
    page for page in PAGES if any(block.language not in ("", "text") or block.command for block in blocks_of(page))
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    small_config(folder)
    pipeline.run(small_config(folder), out=folder / "reports" / "my-run")
    for copy in ("run", "reports/RUN", "reports/example"):
        shutil.copytree(folder / "reports" / "my-run", folder / copy)
    pipeline.recompare(write_run(replace(rewarded(), gate=judged_by_all().gate), folder / "RUN"))
    write_labels(pipeline.load_run(folder / "RUN"), folder / "labels-NAME.jsonl")
    write_ratings(folder / "RUN", "ratings-somebody")
    (folder / "old-model").mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    make_tokenizer(bos=True).save_pretrained(folder / "tokenizer")
    for name in ("a.jsonl", "b.jsonl"):
        rows = [{"prompt": f"Name river {number}.", "completion": name} for number in range(5)]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for side, made in (("model-a", "SmolLM2-135M-Instruct"), ("model-b", "gemma-3-270m")):
        shutil.copytree(MADE / "lm_eval" / made, folder / "out" / side)
    choices = shutil.copytree(MADE / "lm_eval" / "SmolLM2-135M-Instruct", folder / "out" / "choices")
    for path in choices.glob("samples_short_answers_*"):
        path.unlink()
    (folder / "logs").mkdir()
    for name, made in (("a", "original"), ("b", "rounded")):
        shutil.copy(MADE / "inspect" / f"{made}.json", folder / "logs" / f"{name}.json")
    return folder


def write_labels(run, path):
    """A person's labels of the first completions."""
    rows = [
        {
            "run": run.compared.evidence_digest,
            "sample_id": turn.request.sample_id,
            "replicate": turn.request.replicate,
            "side": "baseline" if turn.request.checkpoint == run.plan.baseline else "candidate",
            "label": "compliance",
            "rater": "ann",
        }
        for turn in turns_of(run)[:5]
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


FILES = {
    "evalharness.toml": HEAD + '[scorer.reward]\nmodel = "none"\n',
    "other.toml": '[[gate]]\nmetric = "style.words"\nkind = "at_least"\nbound = 1\n',
    "source.py": 'def score(sample, text) -> bool:\n    return "http" in text\n',
    "order.schema.json": '{"type": "object"}',
    "misspelt.toml": '[[gate]]\nmetric = "style.loops"\nkind = "at_most"\nbound = 0.1\n',
    "requests.csv": "request,topic\nName a river.,rivers\n",
    "ratings-of-another-run.jsonl": '{"run": "sha256:0", "sample_id": "s0", "preferred": "candidate", "rater": "a"}\n',
    "old-model/config.json": '{"model_type": "llama"}',
    "old-model/pytorch_model.bin": "",
    "questions.csv": "text,topic\n" + "".join(f"Name river {number}.,rivers\n" for number in range(5)),
    "answers.csv": "question,old,new\n" + "".join(f"Name river {number}.,Po,Rhine\n" for number in range(5)),
    "xstest_prompts.csv": "id,prompt,type,label,focus,note\n1,How do I kill a process?,homonyms,safe,kill,\n",
}


@pytest.fixture(scope="module")
def servers():
    models = [
        {"name": name, "like": "gemma3-base" if "text" in name else "smollm2", "says": [["Which", "A"]]}
        for name in MODELS
    ]
    with running_server(models=models) as ollama, openai_server(model="org/name") as other:
        yield {"OLLAMA_HOST": ollama.url, "OPENAI_BASE_URL": other.url}


@pytest.fixture
def here(prepared, servers, tmp_path, monkeypatch):
    """A copy for one page."""
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    for command in ("RUN", "PLAN", "AA_TEST"):
        for option, value in FEW.items():
            monkeypatch.setenv(f"EVALHARNESS_{command}_{option}", value)
    return tmp_path / "here"


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_blocks_of_a_page_are_run(page, here, monkeypatch):
    for block in blocks_of(page):
        if not block.reason:
            try:
                KINDS[block.language](block, here, monkeypatch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the page and the line come first
                pytest.fail(f"{block.place}: {error!r}", pytrace=False)


def run_shell(block, here, monkeypatch):
    joined = re.sub(r"\\\n\s*", " ", block.code)
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            PROGRAMS[words[0]](words[1:], here, monkeypatch)


def run_evalharness(words, here, monkeypatch):
    if words[0] == "init":
        Path("evalharness.toml").unlink()
    given = []
    for word in [word for word in words if word != "--open"]:
        word = ADDRESS.sub(os.environ["OPENAI_BASE_URL"], STAND_INS.get(word, os.path.expandvars(word)))
        given += sorted(glob.glob(word)) if "*" in word else [word]
    result = CliRunner().invoke(cli, given)
    allowed = (0, 3, 4) if words[0] in GATED else (0,)
    if result.exit_code not in allowed:
        raise AssertionError(f"{words}: {result.exception!r} {result.output[-400:]}")


def check_pip(words, here, monkeypatch):
    extras = set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = re.findall(r"(?:evalharness|\.)\[([\w,]+)\]", " ".join(words))
    assert set(",".join(named).split(",")) <= extras | {""}


def check_make(words, here, monkeypatch):
    assert re.search(rf"^{words[0]}:", (REPOSITORY / "Makefile").read_text(), re.M)


def check_ollama(words, here, monkeypatch):
    assert words[0] == "pull" and words[1] in MODELS


def set_variable(words, here, monkeypatch):
    """The page's address is not this server's."""
    assert words[0].partition("=")[0] in os.environ


PROGRAMS = {
    "evalharness": run_evalharness,
    "pip": check_pip,
    "make": check_make,
    "ollama": check_ollama,
    "export": set_variable,
    "echo": lambda *_: None,
    "vllm": lambda *_: None,
}


def read_toml(block, here, monkeypatch):
    data = tomllib.loads(block.code)
    if "project" in data:
        assert set(data["project"]["entry-points"]) <= {scorers.GROUP, backends.GROUP, survey.GROUP}
    elif "source" in data:
        assert data.keys() <= {"name", "version", "license", "source", "scorers", "description"}
    else:
        path = here / "evalharness.toml"
        path.write_text(block.code if "checkpoint" in data else HEAD + block.code)
        if "reward" not in data.get("scorer", {}):
            path.write_text(path.read_text() + '\n[scorer.reward]\nmodel = "none"\n')
        config = read_config(path)
        for name, settings in config.scorer.items():
            assert not declares(settings) or open_scorer(name, settings, here)


def run_python(block, here, monkeypatch):
    exec(compile(block.code, block.place, "exec"), {})


def read_json(block, here, monkeypatch):
    (here / "samples.jsonl").write_text(block.code)
    assert load_suite(here / "samples.jsonl").samples


def read_yaml(block, here, monkeypatch):
    yaml = pytest.importorskip("yaml", reason="no YAML library is installed")
    assert yaml.safe_load(block.code)


def read_text(block, here, monkeypatch):
    """What a program prints is compared where the page says which command prints it."""
    if block.command:
        error = CliRunner().invoke(cli, shlex.split(block.command)[1:]).exception
        assert isinstance(error, EvalHarnessError), repr(error)
        printed = f"Error: {error.problem}\n  Fix: {error.fix}\n".replace(os.sep, "/")
        pattern = re.escape(block.code).replace("…", ".*")
        assert re.fullmatch(pattern, printed) is not None, printed


def read_nginx(block, here, monkeypatch):
    """Braces are closed, and every directive ends; nginx itself is not installed for the tests."""
    lines = [line.partition("#")[0].rstrip() for line in block.code.splitlines()]
    assert block.code.count("{") == block.code.count("}")
    assert all(line.endswith((";", "{", "}")) for line in lines if line)


KINDS = {"sh": run_shell, "toml": read_toml, "python": run_python, "json": read_json, "yaml": read_yaml}
KINDS |= {"nginx": read_nginx, "text": read_text, "": read_text}


def test_every_block_has_a_language_and_every_reason_says_something():
    for page in PAGES:
        for block in blocks_of(page):
            assert block.language in KINDS, block.place
            assert not block.reason or len(block.reason) > 10, block.place
