"""Files of a run directory that comes from a stranger: links, FIFOs and folders in the places of files."""

import os
import sys
import threading
from pathlib import Path

import pytest

from evalharness.errors import RunInUse, StoreError
from evalharness.store import RunStore, files

NAMES = ("manifest.json", "plan.json", "outcomes.jsonl", "scores.jsonl", "scorers.json", "comparison.json")
MANIFEST = (
    '{"format_version": 1, "evalharness_version": "0", "created": "", "command": "", "config": {}, "seed": 0,'
    ' "versions": {}, "hardware": {}}'
)


@pytest.fixture
def store(tmp_path):
    """A run directory that holds a manifest."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(MANIFEST)
    return RunStore(tmp_path / "run")


@pytest.fixture
def victim(tmp_path):
    """A file of the user, outside the run, whose last line has no end."""
    path = tmp_path / "victim"
    path.write_text("mine\nand mine")
    yield path
    assert path.read_text() == "mine\nand mine"


def test_the_lock_is_never_taken_on_what_a_link_leads_to(store, victim):
    (store.path / ".lock").symlink_to(victim)
    with pytest.raises(StoreError, match="link"), store.lock():
        pass


@pytest.mark.parametrize("leads_to_a_file", [True, False])
def test_outcomes_are_neither_cut_nor_appended_nor_read_through_a_link(store, victim, tmp_path, leads_to_a_file):
    (store.path / "outcomes.jsonl").symlink_to(victim if leads_to_a_file else tmp_path / "new")
    for step in (store.recover, store.read_events, store.appending().__enter__):
        with pytest.raises(StoreError, match="link"):
            step()
    assert not (tmp_path / "new").exists()


def test_a_link_with_the_name_of_a_new_content_is_not_written_through(store, victim):
    (store.path / ".scores.jsonl.new").symlink_to(victim)
    store.write_scores([])
    assert (store.path / "scores.jsonl").read_bytes() == b""


@pytest.mark.parametrize("name", NAMES)
def test_a_link_in_the_place_of_a_file_is_replaced_and_never_written_through(store, victim, name):
    (store.path / name).unlink(missing_ok=True)
    (store.path / name).symlink_to(victim)
    with files.replacing(store.path) as new:
        new.write(name, [b"new"])
    assert not (store.path / name).is_symlink()
    assert (store.path / name).read_bytes() == b"new"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
@pytest.mark.parametrize("name", ["outcomes.jsonl", "scores.jsonl", "comparison.json", ".lock"])
def test_a_fifo_or_a_folder_is_refused_at_once(store, make, name):
    make(store.path / name)
    refused = []

    def read():
        with pytest.raises(StoreError, match=r"not a regular file") as caught, store.lock():
            store.recover()
            store.read_events()
            store.read_scores()
            store.read_comparison()
        refused.append(caught)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=10)
    assert refused, "reading hangs"


def test_a_system_without_nofollow_looks_before_it_opens(store, victim, monkeypatch):
    monkeypatch.setattr(files, "CAN_REFUSE_LINKS", False)
    monkeypatch.setattr(files, "SAFELY", files.SAFELY & ~os.O_NOFOLLOW)
    (store.path / "scores.jsonl").symlink_to(victim)
    with pytest.raises(StoreError, match="link"):
        store.read_scores()


def test_all_files_are_replaced_or_none(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError), files.replacing(tmp_path) as new:
        new.write("a", [b"new"])
        raise RuntimeError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}
    with files.replacing(tmp_path) as new:
        digest = new.write("a", [b"n", b"ew"])
        new.write("b", [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new", "b": b""}
    assert digest == files.digest(tmp_path / "a")


@pytest.mark.parametrize("size", [0, 1, 100, files.BLOCK - 1, files.BLOCK, files.BLOCK + 1, 2 * files.BLOCK + 7])
def test_a_torn_line_is_cut_however_long_it_is(tmp_path, size):
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(b"whole\n" + b"x" * size)
    assert files.cut_torn_line(path) == (size > 0)
    assert path.read_bytes() == b"whole\n"
    path.write_bytes(b"x" * size)
    assert files.cut_torn_line(path) == (size > 0)
    assert path.read_bytes() == b""


def test_what_a_killed_process_left_half_written_goes_with_the_next_lock(store):
    (store.path / ".scores.jsonl.0123456789abcdef.new").write_text("half")
    (store.path / ".scores.jsonl.new").write_text("somebody's")
    with store.lock():
        assert {path.name for path in store.path.iterdir()} == {".lock", ".scores.jsonl.new", "manifest.json"}


def test_two_stores_of_one_process_exclude_each_other_and_name_the_process(store):
    with store.lock(), pytest.raises(RunInUse, match=rf"\(pid {os.getpid()}\)"), RunStore(store.path).lock():
        pass
    with store.lock():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_new_file_has_the_permissions_of_a_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with files.replacing(tmp_path) as new:
        new.write("made", [b""])
    assert (tmp_path / "made").stat().st_mode == Path(tmp_path / "plain").stat().st_mode
