"""Compare a base and an instruct checkpoint of a local language model, pair by pair.

>>> from evalharness import load_suite
>>> len(load_suite("smoke").samples)
8
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalharness.config import RunConfig, read_config
    from evalharness.errors import EvalHarnessError
    from evalharness.pipeline import load_run, run
    from evalharness.suites import load_suite

__all__ = ["EvalHarnessError", "RunConfig", "load_run", "load_suite", "read_config", "run"]

_HOME = {
    "EvalHarnessError": "evalharness.errors",
    "RunConfig": "evalharness.config",
    "load_run": "evalharness.pipeline",
    "load_suite": "evalharness.suites",
    "read_config": "evalharness.config",
    "run": "evalharness.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts quickly."""
    if name not in _HOME:
        raise AttributeError(f"module 'evalharness' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
