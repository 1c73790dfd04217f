"""Compare a base and an instruct checkpoint of a local language model, pair by pair.

>>> from evalharness import load_suite
>>> len(load_suite("smoke").samples)
8

Every record is here too, such as `Checkpoint` and `GenerationConfig`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalharness.config import RunConfig, read_config
    from evalharness.errors import EvalHarnessError
    from evalharness.pipeline.generating import Progress
    from evalharness.pipeline.notebook import compare_models, load_run, run
    from evalharness.records import *  # noqa: F403
    from evalharness.suites import load_suite

__all__ = [
    "EvalHarnessError",
    "Progress",
    "RunConfig",
    "compare_models",
    "load_run",
    "load_suite",
    "read_config",
    "run",
]

_HOME = {
    "EvalHarnessError": "evalharness.errors",
    "Progress": "evalharness.pipeline.generating",
    "RunConfig": "evalharness.config",
    "compare_models": "evalharness.pipeline.notebook",
    "load_run": "evalharness.pipeline.notebook",
    "load_suite": "evalharness.suites",
    "read_config": "evalharness.config",
    "run": "evalharness.pipeline.notebook",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts quickly."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name[:1].isupper() and name in _records().__all__:
        return getattr(_records(), name)
    raise AttributeError(f"module 'evalharness' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, records included."""
    return sorted({*__all__, *(name for name in _records().__all__ if name[:1].isupper())})


def _records() -> Any:
    return import_module("evalharness.records")
