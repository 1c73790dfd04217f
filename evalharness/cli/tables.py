"""The rows of `evalharness list`."""

from pathlib import Path

from evalharness.backends.inventory import local_models
from evalharness.cli.terminal import say
from evalharness.errors import EvalHarnessError
from evalharness.scorers import facts_of, scorer_kinds
from evalharness.store import RunStore
from evalharness.suites import list_suites, load_suite

REPORTS = Path("reports")
Rows = list[dict[str, object]]


def suites() -> Rows:
    """The shipped suites."""
    loaded = [load_suite(folder) for folder in list_suites()]
    return [
        {"suite": suite.name, "samples": len(suite.samples), "version": suite.version, "description": suite.description}
        for suite in loaded
    ]


def models() -> Rows:
    """Models on this machine, with the variant that each name suggests."""
    return [model.model_dump() for model in local_models(_not_looked_at)]


def _not_looked_at(error: EvalHarnessError) -> None:
    say(f"not listed: {error.problem}; {error.fix}", err=True)


def scorers() -> Rows:
    """All scorers with their metrics."""
    return [
        {"scorer": name, "metric": metric.name, "measures": metric.description}
        for name in scorer_kinds()
        for metric in facts_of(name).metrics
    ]


def runs() -> Rows:
    """Runs under `reports/`, oldest first."""
    paths = sorted(manifest.parent for manifest in REPORTS.glob("*/manifest.json"))
    manifests = [(path, RunStore(path).read_manifest()) for path in paths]
    return [
        {"run": str(path), "created": manifest.created, "command": manifest.command} for path, manifest in manifests
    ]
