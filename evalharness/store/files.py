"""The files of a run: regular, opened without following links, replaced whole. All I/O of the store is here.

A run directory may be untrusted. A link in it could redirect a write to a file of the user, and a FIFO would block a
read forever, so neither is ever opened.
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# O_NONBLOCK means nothing to a regular file; it keeps the opening of a FIFO from waiting for its other end.
SAFELY = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
CAN_REFUSE_LINKS = hasattr(os, "O_NOFOLLOW")
BLOCK = 1 << 20
LEFT_OVER = re.compile(r"\.[\w.-]+\.[0-9a-f]{16}\.new")
"""Temporary files that a killed process leaves."""


class NotRegular(OSError):
    """The path is a link, a folder, a FIFO or a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is a link or not a regular file, which a run never contains", str(path))


def exists(path: Path) -> bool:
    """Whether the name exists, even as a dangling link."""
    return os.path.lexists(path)


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file, created if `flags` have O_CREAT, and return its descriptor.

    Raises:
        NotRegular: it is not a regular file; nothing was read or written.
        OSError: it cannot be opened.
    """
    if not CAN_REFUSE_LINKS and os.path.islink(path):
        raise NotRegular(path)
    try:
        descriptor = os.open(path, flags | SAFELY, 0o666)
    except OSError as error:
        # ELOOP: a link. ENXIO: a FIFO that nobody reads, or a socket. EISDIR: a folder, opened for writing.
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise NotRegular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return descriptor


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file to read it in parts."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def read_bytes(path: Path) -> bytes:
    """Read a regular file as a whole."""
    with open_to_read(path) as handle:
        return handle.read()


def digest(*paths: Path) -> str:
    """Sha256 of files joined by a zero byte, as `sha256:` and 64 hex digits; a missing file counts as empty."""
    hashed = hashlib.sha256()
    for number, path in enumerate(paths):
        hashed.update(b"\0" if number else b"")
        with suppress(FileNotFoundError):
            for block in blocks(path):
                hashed.update(block)
    return f"sha256:{hashed.hexdigest()}"


def blocks(path: Path) -> Iterator[bytes]:
    """Read a regular file in parts."""
    with open_to_read(path) as handle:
        while block := handle.read(BLOCK):
            yield block


# --------------------------------------------------------------------------------------------- appending


def open_to_append(path: Path) -> int:
    """Open a file for `append` and return its descriptor; `sync_and_close` ends it."""
    return open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def sync_and_close(descriptor: int) -> None:
    """Close a file after syncing its content to disk."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(descriptor: int, line: bytes) -> None:
    """Write a line completely or not at all: if the disk is full, the part written is removed."""
    before = os.fstat(descriptor).st_size
    try:
        _write(descriptor, line)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def cut_torn_line(path: Path) -> bool:
    """Remove a last line without line end; True if there was one."""
    if not exists(path):
        return False
    descriptor = open_regular(path, os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        whole = _end_of_last_line(descriptor, size)
        if whole < size:
            os.ftruncate(descriptor, whole)
        return whole < size
    finally:
        os.close(descriptor)


def _end_of_last_line(descriptor: int, size: int) -> int:
    """Read backwards, because the file may be much larger than memory."""
    while size > 0:
        start = max(0, size - BLOCK)
        os.lseek(descriptor, start, os.SEEK_SET)
        block = os.read(descriptor, size - start)
        if b"\n" in block:
            return start + block.rindex(b"\n") + 1
        size = start
    return 0


def _write(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])


# --------------------------------------------------------------------------------------------- replacing


class Replacement:
    """New contents of files in a folder, all written in full before the first is renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staged: list[tuple[Path, Path]] = []
        self.digests: dict[str, str] = {}
        """Of the contents written so far, by name."""

    def write(self, name: str, content: Iterable[bytes], *, mode: int | None = None) -> str:
        """Write a file under a temporary name and sync it; returns the digest of its content.

        Args:
            content: in parts, which are written as they come.
            mode: its permissions; those of a new file by default.
        """
        # A name that nobody can foresee, made anew: a link put there in advance is never written through.
        staged = self._folder / f".{name[:100]}.{secrets.token_hex(8)}.new"
        descriptor = open_regular(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._staged.append((staged, self._folder / name))
        hashed = hashlib.sha256()
        try:
            for block in _blocks(content):
                hashed.update(block)
                _write(descriptor, block)
            if mode is not None:
                os.chmod(staged, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.digests[name] = f"sha256:{hashed.hexdigest()}"
        return self.digests[name]

    def move_in(self) -> None:
        """Rename each file, the last written first, so that a file that describes another exists before it."""
        while self._staged:
            os.replace(*self._staged[-1])
            self._staged.pop()
        sync_folder(self._folder)

    def discard(self) -> None:
        """Remove temporary files that were not renamed."""
        for staged, _ in self._staged:
            with suppress(OSError):
                os.unlink(staged)


@contextmanager
def replacing(folder: Path) -> Iterator[Replacement]:
    """Replace files of a folder: all that are written within the context, or none if anything fails."""
    made = Replacement(folder)
    try:
        yield made
        made.move_in()
    finally:
        made.discard()


def remove(path: Path) -> None:
    """Remove a name if it exists, and never the target of a link."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def remove_left_over(folder: Path) -> None:
    """Remove temporary files of killed processes; only for the holder of the folder's lock."""
    for name in os.listdir(folder):
        if LEFT_OVER.fullmatch(name):
            remove(folder / name)


def sync_folder(folder: Path) -> None:
    """Sync new names to disk, if the system supports it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _blocks(content: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for part in content:
        waiting += part
        if len(waiting) >= BLOCK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)
