"""A run's origin for the manifest: versions, hardware and the command."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalharness.config import RunConfig
from evalharness.records import Manifest
from evalharness.store.generation import FORMAT_VERSION

PACKAGES = ("numpy", "pydantic", "torch", "transformers", "tokenizers", "accelerate", "gguf", "peft")


def make_manifest(config: RunConfig) -> Manifest:
    """The manifest of a run that starts now."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Manifest(
        format_version=FORMAT_VERSION,
        evalharness_version=version("evalharness"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line(),
        config=config.model_dump(mode="json"),
        seed=config.seed,
        versions={"python": platform.python_version(), **versions},
        hardware=hardware(),
    )


def command_line() -> str:
    """The command line, or `python` if evalharness was called from Python."""
    place = Path(sys.argv[0])
    if "evalharness" not in (place.name, place.parent.name if place.name == "__main__.py" else ""):
        return "python"
    return shlex.join(["evalharness", *sys.argv[1:]])


def hardware() -> dict[str, str]:
    """System, processor and cores."""
    facts = {"system": f"{platform.system()} {platform.machine()}", "processor": _processor()}
    return {**facts, "cores": str(os.cpu_count() or "unknown")}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
