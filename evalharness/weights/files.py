"""Digests of files, and the folder where unpacked weights are kept."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from evalharness.records import digest


def cache_folder() -> Path:
    """Where unpacked weights are kept: `$XDG_CACHE_HOME/evalharness` or `~/.cache/evalharness`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalharness"


@lru_cache
def file_digest(path: Path, modified_ns: int) -> str:
    """Sha256 of a file; `modified_ns` makes a changed file a new one."""
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def digest_files(folder: Path, patterns: tuple[str, ...]) -> str:
    """Digest over the names and contents of all files that match."""
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return digest({path.name: file_digest(path, path.stat().st_mtime_ns) for path in paths})
