"""The noise of the baseline, from a calibration that was made under the conditions of the run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalharness.errors import ConfigError
from evalharness.records import Calibration, GateRule, Plan, Suite
from evalharness.store import RunStore

Noise = Mapping[tuple[str, str | None], float]
"""By metric and category (None: all together), how far a mean moves between two runs of one checkpoint."""


def noise_of(rule: GateRule, noise: Noise, suites: Sequence[Suite]) -> float:
    """What a rule has to allow for: of its category, or of the category of its suite that moves furthest."""
    if rule.category is not None or rule.suite is None:
        return noise.get((rule.metric, rule.category), 0.0)
    inside = {sample.category for suite in suites if suite.name == rule.suite for sample in suite.samples}
    return max(noise.get((rule.metric, category), 0.0) for category in inside)


def read_noise(folder: str | None, plan: Plan, scorers: Mapping[str, str] | None = None) -> Noise:
    """How far the baseline moves by itself; empty without a calibration.

    Args:
        folder: the run directory that `evalharness calibrate` wrote.
        plan: of the run that is judged.
        scorers: the versions of its scorers, once it was scored.

    Raises:
        ConfigError: the calibration is of another checkpoint, generation, suite or version of a scorer.
        StoreError: the folder holds no calibration.
    """
    if folder is None:
        return {}
    calibration = RunStore(Path(folder)).read_calibration()
    if other := _what_differs(calibration, plan, scorers or {}):
        raise ConfigError(
            f"the calibration in {folder} is of another {other}",
            fix=f"calibrate again into a new folder: evalharness calibrate --out {folder}-2, and name that",
        )
    overall = {(metric, None): size for metric, size in calibration.noise.items()}
    return overall | {
        (metric, category): size
        for metric, sizes in calibration.noise_by_category.items()
        for category, size in sizes.items()
    }


def _what_differs(calibration: Calibration, plan: Plan, scorers: Mapping[str, str]) -> str | None:
    [baseline] = [one for one in plan.checkpoints if one.name == plan.baseline]
    [config, *_] = [one.config for one in plan.requests if one.checkpoint == plan.baseline]
    if calibration.identity_digest != baseline.identity.digest:
        return "checkpoint, or was made under other library versions"
    if calibration.generation != config:
        return "generation"
    unknown = [suite.name for suite in plan.suites if calibration.suites.get(suite.name) != suite.digest]
    if unknown:
        return f"suite ({unknown[0]})"
    rescored = [name for name, version in scorers.items() if calibration.scorers.get(name, version) != version]
    return f"version of a scorer ({rescored[0]})" if rescored else None
