"""The line that heads every figure: when, on what, with what."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from evalharness.store.run_store import hardware


def conditions(*packages: str) -> str:
    """Date, processor, cores, and the versions of Python and of the named packages."""
    facts = hardware()
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    return f"{datetime.now(UTC):%Y-%m-%d}, {facts['processor']}, {facts['cores']} cores, {', '.join(versions)}"
