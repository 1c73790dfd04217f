"""The noise of the baseline, from an A/A test under the conditions of the run."""

from collections.abc import Mapping
from pathlib import Path

from evalharness.errors import ConfigError
from evalharness.records import AATest, Plan
from evalharness.store import RunStore

Noise = Mapping[str, float]
"""By metric, how far two runs of one checkpoint differ beyond what their samples explain."""


def read_noise(folder: str | None, plan: Plan, scorers: Mapping[str, str] | None = None) -> Noise:
    """How far the baseline moves between two runs; empty without an A/A test.

    Args:
        folder: the run directory that `evalharness aa-test` wrote.
        plan: of the run that is judged.
        scorers: the versions of its scorers, once it was scored.

    Raises:
        ConfigError: the A/A test is of another checkpoint, generation, suite or version of a scorer.
        StoreError: the folder holds no A/A test.
    """
    if folder is None:
        return {}
    measured = RunStore(Path(folder)).read_aa_test()
    if other := _what_differs(measured, plan, scorers or {}):
        raise ConfigError(
            f"the A/A test in {folder} was made with another {other}",
            fix=f"run the A/A test again into a new folder and set aa_test to it: evalharness aa-test --out {folder}-2",
        )
    return measured.noise


def _what_differs(measured: AATest, plan: Plan, scorers: Mapping[str, str]) -> str | None:
    [baseline] = [checkpoint for checkpoint in plan.checkpoints if checkpoint.name == plan.baseline]
    [config, *_] = [request.config for request in plan.requests if request.checkpoint == plan.baseline]
    if measured.identity_digest != baseline.identity.digest:
        return "checkpoint, or was made with other library versions"
    if measured.generation != config:
        return "generation"
    unknown = [suite.name for suite in plan.suites if measured.suites.get(suite.name) != suite.digest]
    if unknown:
        return f"suite ({unknown[0]})"
    rescored = [name for name, version in scorers.items() if measured.scorers.get(name, version) != version]
    return f"version of a scorer ({rescored[0]})" if rescored else None
