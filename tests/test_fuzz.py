"""Every kind of file that a user or a stranger can hand in, damaged: one sentence, soon, and within memory.

`--fuzz N` damages N files in all; without it a few hundred, always the same.
"""

import os
import resource
import shutil
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fuzzing import damaged, damaged_numbers
from judging import finished_run
from report_run import make_run
from test_hf_loading import save_adapter
from tiny_checkpoint import PROMPT, open_hf, save_checkpoint, save_gguf

from evalharness import pipeline
from evalharness.backends import open_backend
from evalharness.backends.replay import ReplayBackend
from evalharness.config import read_config, read_gate
from evalharness.errors import EvalHarnessError, UnknownModel
from evalharness.preferences.ratings import read_ratings
from evalharness.records import ChatPrompt, Checkpoint, Message
from evalharness.store import RunStore
from evalharness.suites import load_suite
from evalharness.suites.import_prompts import ImportOptions, import_suite

CORPUS = Path(__file__).parent / "fuzz_corpus"
SECONDS = 10
MEMORY = 2**30
"""Bytes that all inputs of a target may add to the peak."""
HEADER = 9_000
"""Bytes of the GGUF file before its tensors."""
DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Target:
    """A kind of input: how sound files are made, which of them are damaged, and what reads them."""

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    patterns: tuple[str, ...] = ("*",)
    share: float = 0.1
    """Of all inputs."""


def copied(name):
    return lambda folder: shutil.copytree(CORPUS / name, folder, dirs_exist_ok=True)


def use_config(folder):
    path = folder / "evalharness.toml"
    read_gate(path)
    config = read_config(path)
    pipeline.new_run_path(config)
    for checkpoint in config.checkpoints:
        backend = open_backend(checkpoint)
        if checkpoint.backend != "ollama":
            with suppress(UnknownModel):
                backend.resolve()


def use_replay(folder):
    path = folder / "completions.jsonl"
    ReplayBackend(Checkpoint(name="a", model=f"replay/{path}", variant="base", prompt_format="raw")).resolve()


RATED = make_run()
RATED = replace(RATED, comparison=RATED.compared.model_copy(update={"evidence_digest": DIGEST}))


def use_import(folder):
    for path in sorted(folder.iterdir()):
        if path.is_file():
            import_one(path, folder / "out")


def import_one(path, out):
    try:
        import_suite(path, ImportOptions(out=out, force=True))
    except EvalHarnessError:
        import_suite(path, ImportOptions(out=out, format=path.stem, force=True))


def use_run(folder):
    run = RunStore(folder / "run").load()
    run.scores_frame()


def make_finished_run(folder):
    finished_run(folder, ["Tea is hot.", "Coffee.", "Bread"], ["I cannot help with that.", "Coffee is dark.", ""])


CHAT = ChatPrompt(messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hi")))


def use_checkpoint(folder):
    """Everything of a run but the decoding."""
    backend = open_hf(folder)
    backend.resolve()
    backend.render([PROMPT])
    if backend.template is not None:
        backend.render([CHAT])
    backend._loaded()


def make_shards(folder):
    save_checkpoint(folder)
    (folder / "model.safetensors").rename(folder / "shard.safetensors")
    names = '{"model.norm.weight": "shard.safetensors", "model.embed_tokens.weight": "shard.safetensors"}'
    (folder / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 1}, "weight_map": ' + names + "}")


def make_adapted(folder):
    save_checkpoint(folder / "base")
    save_adapter(folder)


def use_adapter(folder):
    backend = open_hf(folder / "base", adapter=str(folder))
    backend.resolve()
    backend._loaded()


def use_gguf(folder):
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    use_checkpoint(folder / "tiny.gguf")


TARGETS = {
    "suite": Target(copied("suite"), load_suite, share=0.15),
    "config": Target(copied("config"), use_config, share=0.15),
    "replay": Target(copied("replay"), use_replay),
    "ratings": Target(copied("ratings"), lambda folder: read_ratings(folder / "ratings.jsonl", RATED)),
    "imports": Target(copied("imports"), use_import, share=0.15),
    "run": Target(make_finished_run, use_run, ("run/*.json", "run/*.jsonl"), share=0.15),
    "checkpoint": Target(save_checkpoint, use_checkpoint, ("*.json", "*.jinja"), share=0.08),
    "index": Target(make_shards, use_checkpoint, ("*.index.json",), share=0.02),
    "adapter": Target(make_adapted, use_adapter, ("adapter_config.json",), share=0.03),
    "gguf": Target(lambda folder: save_gguf(folder / "tiny.gguf"), use_gguf, ("*.gguf",), share=0.07),
}


class TooSlow(BaseException):
    """Not an error that a library could take for one of its own."""


def stop(number, frame):
    raise TooSlow


@pytest.fixture
def alarm():
    """Processor time, for a busy machine is no hang; and six times as long on the clock, for what waits."""

    def set_timers(seconds):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 6 * seconds)

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    yield set_timers
    set_timers(0)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_the_shares_of_the_targets_make_a_whole():
    assert sum(target.share for target in TARGETS.values()) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_a_sentence_soon_and_within_memory(name, tmp_path, alarm, pytestconfig, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = TARGETS[name]
    sound = tmp_path / "sound"
    sound.mkdir()
    target.make(sound)
    target.read(sound)
    before, failures, refused = peak(), {}, 0
    count = max(1, round(pytestconfig.getoption("--fuzz") * target.share))
    for number in range(count):
        folder = spoiled(target, sound, tmp_path / "spoiled", f"{name}/{number}")
        alarm(SECONDS)
        try:
            target.read(folder)
        except EvalHarnessError as error:
            refused += 1
            assert len(error.problem) < 10_000
        except (Exception, TooSlow) as error:  # noqa: BLE001 - any other is what is searched for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} in {frame.filename}:{frame.lineno}"
            failures.setdefault(place, f"input {number}: " + "".join(traceback.format_exception(error)[-12:])[-3_000:])
        finally:
            alarm(0)
    with capsys.disabled():
        print(  # noqa: T201 - the figures of a long search
            f"\n{name}: {count} inputs, {refused} refused, peak {(peak() - before) / 2**20:+.0f} MiB", end=" "
        )
    assert not failures, "\n\n".join(f"{place}\n{text}" for place, text in failures.items())
    assert peak() - before < MEMORY


def spoiled(target, sound, folder, seed):
    """A copy of the sound files in which one is damaged."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    paths = sorted(path for pattern in target.patterns for path in folder.glob(pattern) if path.is_file())
    path = paths[int.from_bytes(seed.encode(), "big") % len(paths)]
    content = path.read_bytes()
    spoil = damaged_numbers(content, seed, HEADER) if path.suffix == ".gguf" else damaged(content, seed)
    path.write_bytes(spoil)
    return folder
