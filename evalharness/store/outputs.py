"""Files that a user asks for: whole or not at all, never one of a run, and never over a file that we did not write."""

import os
import stat
import sys
from pathlib import Path

from evalharness.errors import SharingError
from evalharness.store import files

RUN_FILES = frozenset(
    (
        *(
            "manifest.json",
            "plan.json",
            "requests.jsonl",
            "outcomes.jsonl",
            "scores.jsonl",
            "scorers.json",
            "comparison.json",
        ),
        *("gate.json", "preferences.jsonl", "judgings.jsonl", "aa_test.json", "report.html", ".lock"),
    )
)
"""What a run directory consists of."""
STDOUT = frozenset(("-", "/dev/stdout"))
MARKS = (b'<meta name="generator" content="evalharness', b'<testsuites name="evalharness', b"<!-- evalharness")
"""In the head of each report, JUnit file and Markdown summary, which may be written again and again."""
HEAD = 4096


def write_output(path: Path, content: bytes, flag: str, *, force: bool = False) -> None:
    """Write a file that the user named: beside its place, then renamed, so that a full disk leaves the earlier one.

    Args:
        path: `-` is stdout; FIFOs and devices are written to directly.
        content: all of it.
        flag: which flag named it, for errors.
        force: replace also a file that evalharness did not write.

    Raises:
        SharingError: it is a file of a run, somebody else's (unless `force`), or cannot be written.
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
        raise SharingError(f"{flag}: {path} cannot be written: {error.strerror}", fix="give another place") from None


def append_output(path: Path, content: bytes, flag: str) -> None:
    """Add to a file that others write to as well, such as the summary of a CI job.

    Raises:
        SharingError: it is a file of a run or cannot be written.
    """
    refuse_run_file(path, flag)
    try:
        with path.open("ab") as handle:
            handle.write(content)
    except OSError as error:
        raise SharingError(f"{flag}: {path} cannot be written: {error.strerror}", fix="give another place") from None


def check_output(path: Path, flag: str, *, force: bool = False, run: Path | None = None) -> None:
    """Refuse a file that `write_output` would refuse, before the work that makes its content.

    Args:
        path: the file.
        flag: which flag named it.
        force: whether a file that evalharness did not write may be replaced.
        run: a run directory that is still to be made.

    Raises:
        SharingError: it is a file of a run, a folder, or somebody else's.
    """
    if is_stdout(path):
        return
    refuse_run_file(path, flag, run)
    if path.is_dir():
        raise SharingError(f"{flag}: {path} is a folder", fix="give the path of a file")
    if not force and path.is_file() and not _is_ours(path):
        raise SharingError(
            f"{flag}: {path} exists already, and evalharness cannot tell that it wrote it",
            fix="give the path of a new file, or replace it with --force",
        )


def refuse_run_file(path: Path, flag: str, run: Path | None = None) -> None:
    """Refuse to write over what a run directory consists of, which nothing could bring back.

    Raises:
        SharingError: the file is one of a run.
    """
    place = Path(os.path.realpath(path))
    is_run = (place.parent / "manifest.json").exists() or (run is not None and place.parent == run.resolve())
    # In any case of letters: some file systems see no difference.
    if is_run and place.name.casefold() in RUN_FILES:
        raise SharingError(
            f"{flag}: {path} is a file of the run {place.parent.name} itself", fix="give the path of a new file"
        )


def is_stdout(path: Path) -> bool:
    """Whether the user asked for stdout in the place of a file."""
    return str(path) in STDOUT


def _is_ours(path: Path) -> bool:
    """An empty file is anybody's: nothing is lost with it."""
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
