"""Output files named by the user: written completely or not at all, never over files of a run or of other programs."""

import os
import stat
import sys
from pathlib import Path

from evalharness.errors import SharingError
from evalharness.store import files

RUN_FILES = frozenset(
    [
        "manifest.json",
        "plan.json",
        "requests.jsonl",
        "outcomes.jsonl",
        "scores.jsonl",
        "scorers.json",
        "comparison.json",
        "gate.json",
        "preferences.jsonl",
        "judgings.jsonl",
        "ratings.jsonl",
        "tokens.jsonl",
        "tokens.json",
        "depth.jsonl",
        "depth.json",
        "aa_test.json",
        "report.html",
        "digests.json",
        ".lock",
    ]
)
"""What a run directory consists of."""
STDOUT = frozenset(("-", "/dev/stdout"))
MARKS = (b'<meta name="generator" content="evalharness', b'<testsuites name="evalharness', b"<!-- evalharness")
"""In the first bytes of each report, JUnit file and Markdown summary, which may be overwritten."""
HEAD = 4096


def write_output(path: Path, content: bytes, flag: str, *, force: bool = False) -> None:
    """Write a file that the user named: to a temporary name, then renamed, so that a full disk leaves the earlier file.

    Args:
        path: `-` is stdout; FIFOs and devices are written to directly.
        flag: which flag named it, for errors.
        force: also replace a file that evalharness did not write.

    Raises:
        SharingError: it belongs to a run, was not written by evalharness (unless `force`), or cannot be written.
        OSError: stdout cannot be written.
    """
    if is_stdout(path):
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    check_output(path, flag, force=force)
    try:
        _write(path, content)
    except OSError as error:
        raise SharingError(f"{flag}: {path} cannot be written: {error.strerror}", fix="choose another path") from None


def append_output(path: Path, content: bytes, flag: str) -> None:
    """Append to a shared file, such as the summary of a CI job.

    Raises:
        SharingError: it is a file of a run or cannot be written.
    """
    refuse_run_file(path, flag)
    try:
        with path.open("ab") as handle:
            handle.write(content)
    except OSError as error:
        raise SharingError(f"{flag}: {path} cannot be written: {error.strerror}", fix="choose another path") from None


def check_output(path: Path, flag: str, *, force: bool = False, run: Path | None = None) -> None:
    """Reject a file that `write_output` would reject, before the work that makes its content.

    Args:
        flag: which flag named it.
        force: whether a file that evalharness did not write may be replaced.
        run: a run directory that does not exist yet.

    Raises:
        SharingError: it belongs to a run, is a folder, or was not written by evalharness.
    """
    if is_stdout(path):
        return
    refuse_run_file(path, flag, run)
    if path.is_dir():
        raise SharingError(f"{flag}: {path} is a folder", fix="give the path of a file")
    if not force and path.is_file() and not _is_ours(path):
        raise SharingError(
            f"{flag}: {path} already exists and does not look like a file written by evalharness",
            fix="choose a new file, or overwrite it with --force",
        )


def refuse_run_file(path: Path, flag: str, run: Path | None = None) -> None:
    """Refuse to overwrite files of a run directory, which could not be restored.

    Raises:
        SharingError: the file is one of a run.
    """
    place = Path(os.path.realpath(path))
    is_run = (place.parent / "manifest.json").exists() or (run is not None and place.parent == run.resolve())
    # In any case of letters: some file systems see no difference.
    if is_run and place.name.casefold() in RUN_FILES:
        raise SharingError(f"{flag}: {path} is a file of the run {place.parent.name}", fix="choose a new file")


def is_stdout(path: Path) -> bool:
    """Whether the user asked for stdout instead of a file."""
    return str(path) in STDOUT


def _is_ours(path: Path) -> bool:
    """An empty file may always be overwritten."""
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD)
    except OSError:
        return False
    return not head or any(mark in head for mark in MARKS)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    place = Path(os.path.realpath(path))
    mode = place.stat().st_mode if place.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        path.write_bytes(content)
        return
    with files.replacing(place.parent) as new:
        new.write(place.name, [content], mode=mode and stat.S_IMODE(mode))
