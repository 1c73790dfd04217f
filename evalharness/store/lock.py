"""One writer at a time: the lock of a run directory, which ends with its process."""

import os
import sys
from pathlib import Path

from evalharness.errors import RunInUse
from evalharness.store import files

NAME = ".lock"

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 30
    """A byte beyond the process id, which stays readable for others."""

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take(folder: Path) -> int:
    """Lock a folder and return the descriptor; closing it releases the lock.

    Raises:
        RunInUse: another process holds it.
        OSError: the folder cannot be written, or the lock file is a link or not a regular file.
    """
    descriptor = files.open_regular(folder / NAME, os.O_RDWR | os.O_CREAT)
    try:
        try:
            _take(descriptor)
        except (BlockingIOError, PermissionError):
            raise _in_use(folder) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _in_use(folder: Path) -> RunInUse:
    holder = files.read_bytes(folder / NAME).decode(errors="replace")[:20] or "unknown"
    return RunInUse(
        f"{folder} is in use by another process (pid {holder})",
        fix="wait for it, stop it, or choose another path with --out",
    )


def release(folder: Path, descriptor: int) -> None:
    """Release the lock; an otherwise empty folder is removed, so that a run that could not begin leaves nothing."""
    try:
        if os.listdir(folder) == [NAME]:
            files.remove(folder / NAME)
            os.rmdir(folder)
    finally:
        os.close(descriptor)
