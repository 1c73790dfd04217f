"""Checks of this machine: what a run needs, whether it is available, and how to get it."""

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from evalharness.backends import BACKENDS, backend_names, load_backend
from evalharness.backends.survey import Check, free_memory, surveys
from evalharness.errors import EvalHarnessError
from evalharness.formatting import format_bytes


def examine() -> list[Check]:
    """All checks: of the machine, of each backend, and of the backends that other packages bring."""
    broken: list[EvalHarnessError] = []
    checks = [check for survey in surveys(broken.append) for check in survey.checks()]
    failed = [Check(name="plug-in", status="missing", found=error.problem, fix=error.fix) for error in broken]
    others = [_plugin(name) for name in backend_names() if name not in BACKENDS]
    return [_python(), _memory(), _disk(), *checks, *others, *failed]


def _python() -> Check:
    return Check(
        name="evalharness", status="ok", found=f"{version('evalharness')} on Python {platform.python_version()}"
    )


def _memory() -> Check:
    free = free_memory()
    if free is None:
        return Check(name="memory", status="note", found="unknown on this system")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Check(name="memory", status="ok", found=f"{format_bytes(free)} of {format_bytes(total)} free")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        return Check(name="disk", status="missing", found=f"{free / 2**20:.0f} MiB free here", fix="free some space")
    return Check(name="disk", status="ok", found=f"{free / 2**30:.1f} GiB free here")


def _plugin(name: str) -> Check:
    try:
        backend = load_backend(name)
    except EvalHarnessError as error:
        return Check(name=f"backend {name}", status="missing", found=error.problem, fix=error.fix)
    return Check(name=f"backend {name}", status="ok", found=f"{backend.__module__}.{backend.__name__}")
